/*
 * The MQTT source (PROTOCOL 8): takes what devices publish through brokers that nobody trusts, and publishes
 * the replies. A broker that is away is tried again for ever; the gateway serves the others meanwhile.
 */
#include "gateway/source/mqtt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "device/crypto.h"

#define KEEP_ALIVE     30    /* seconds */
#define SESSION_EXPIRY 86400 /* seconds that a broker keeps for a gateway that is away */
#define RECEIVE_MAXIMUM                                                                                      \
    1024                       /* messages of a broker that may wait; more in flight than a batch ever holds \
                                */
#define PUBLISH_MAXIMUM 1024   /* publications of ours that may wait */
#define PACKET_MAXIMUM  131072 /* bytes: any topic, and messages long enough to be counted as too long */
#define OUTPUT_MAXIMUM  (1 << 20) /* bytes that may wait to leave: some 8,000 replies */

#define ID_SIZE 24 /* "bulla-", 16 digits, zero: as long as every broker takes (3.1.3.1) */

extern const struct source_ops source_mqtt;

/* ---- what the clients call ---- */

#define FILTER_SIZE (MQTT_TOPIC_MAX + MQTT_GROUP_MAX + 16)

/* What native devices publish to. */
static void make_filter(char filter[FILTER_SIZE], const char *share, const char *topic)
{
    if (share != NULL)
        snprintf(filter, FILTER_SIZE, "$share/%s/%s", share, topic);
    else
        snprintf(filter, FILTER_SIZE, "%s", topic);
}

static void on_up(void *context, bool resumed)
{
    struct mqtt_broker *broker = context;
    char filter[FILTER_SIZE];

    if (resumed && broker->devices == MQTT_DEVICES_OLDER) {
        make_filter(filter, broker->source->share, broker->source->filter);
        mqtt_client_renounce(broker->client, filter);
    }
    mqtt_older_up(broker, resumed);
}

static void on_published(void *context, uint64_t token, unsigned code)
{
    (void)token;
    mqtt_older_published(context, code);
}

static void on_down(void *context, const char *why)
{
    (void)why;
    mqtt_broker_orphan(context);
}

static void on_message(void *context, struct mqtt_delivery *delivery, const struct mqtt_packet *packet)
{
    mqtt_broker_take(context, delivery, packet);
}

static const struct mqtt_handlers handlers = {
    .on_up = on_up,
    .on_down = on_down,
    .on_message = on_message,
    .on_published = on_published,
};

/* ---- opening ---- */

/*
 * The same at every start of a gateway, and another for every other one: by the registry, the host's name and
 * the address that it listens on; and by the number of a broker that is given twice. Two clients of one id
 * would end each other's connections.
 */
static int make_client_id(char out[ID_SIZE], const struct mqtt_broker *broker, const uint8_t identity[32])
{
    const char *number = strchr(broker->name, '#');
    char whose[512] = "";
    uint8_t mac[EVP_MAX_MD_SIZE];
    size_t len;

    gethostname(whose, 255);
    len = strlen(whose) + 1;
    len += (size_t)snprintf(whose + len, sizeof(whose) - len, "%.200s%s",
                            sources_address(broker->source->others), number != NULL ? number : "");
    if (HMAC(EVP_sha256(), identity, 32, (const uint8_t *)whose, len, mac, NULL) == NULL)
        return -1;
    len = (size_t)snprintf(out, ID_SIZE, "bulla-");
    for (size_t i = 0; i < 8; i++)
        len += (size_t)snprintf(out + len, ID_SIZE - len, "%02x", mac[i]);
    return 0;
}

/* HOST:PORT; where another broker has the same, with its number: metrics are told apart by it. */
static void name_broker(struct mqtt_source *source, struct mqtt_broker *broker, const struct mqtt_url *url)
{
    char name[MQTT_NAME_SIZE];
    size_t alike = 0;

    mqtt_url_name(url, name);
    for (size_t i = 0; i < source->broker_count; i++) {
        const char *other = source->brokers[i].name;
        alike += strncmp(other, name, strlen(name)) == 0 && strchr("#", other[strlen(name)]) != NULL;
    }
    if (alike == 0)
        snprintf(broker->name, sizeof(broker->name), "%s", name);
    else
        snprintf(broker->name, sizeof(broker->name), "%s#%zu", name, alike + 1);
}

static int subscribe(struct mqtt_broker *broker, const struct serve_options *options, struct failure *failure)
{
    char filter[FILTER_SIZE];
    const struct mqtt_subscription subscription = {.filter = filter, .qos = 2, .no_retained = true};

    if (broker->devices == MQTT_DEVICES_OLDER)
        return 0;
    make_filter(filter, options->share, options->topic);
    return mqtt_client_subscribe(broker->client, &subscription, 1, failure);
}

static int open_client(struct mqtt_broker *broker, const struct mqtt_url *url,
                       const struct source_settings *settings, struct failure *failure)
{
    struct mqtt_client_options options = {
        .url = url,
        .is_held = true, /* until there is a client id */
        .keep_alive = KEEP_ALIVE,
        .session_expiry = SESSION_EXPIRY,
        .receive_maximum = RECEIVE_MAXIMUM,
        .publish_maximum = PUBLISH_MAXIMUM,
        .packet_maximum = PACKET_MAXIMUM,
        .output_maximum = OUTPUT_MAXIMUM,
        .must_be_5 = settings->options->share != NULL,
        .log = settings->log,
        .handlers = &handlers,
        .context = broker,
    };

    broker->devices = url->devices;
    broker->limit = url->receive_maximum != 0 ? url->receive_maximum : RECEIVE_MAXIMUM;
    mqtt_client_prepare(url);
    return mqtt_client_open(&broker->client, settings->loop, &options, failure);
}

/* How the option is named in an error: never with what may be secret in it. */
static int open_broker(struct mqtt_source *source, const char *argument,
                       const struct source_settings *settings, struct failure *failure)
{
    struct mqtt_broker *broker = &source->brokers[source->broker_count];
    struct mqtt_url url;
    struct failure why;
    int result = mqtt_url_load(&url, argument, &why);

    if (result < 0) {
        fail(failure, "--mqtt: %s", why.text);
    } else {
        mqtt_broker_init(broker, source, settings->loop);
        name_broker(source, broker, &url);
        source->broker_count++;
        result = open_client(broker, &url, settings, &why);
        if (result == 0)
            result = subscribe(broker, settings->options, &why);
        if (result < 0)
            fail(failure, "--mqtt %.60s: %s", broker->name, why.text);
    }
    bulla_wipe(&url, sizeof(url));
    return result;
}

static void source_close(struct source *base)
{
    struct mqtt_source *source = (struct mqtt_source *)base;

    source->quiesced = true;
    for (size_t i = 0; i < source->broker_count; i++) {
        struct mqtt_broker *broker = &source->brokers[i];
        if (broker->client != NULL)
            mqtt_client_close(broker->client);
        uv_close((uv_handle_t *)&broker->retry, NULL);
    }
}

static int source_open(struct source **out, const struct source_settings *settings, struct failure *failure)
{
    const struct serve_options *options = settings->options;
    struct mqtt_source *source;

    if (options->broker_count == 0)
        return 0;
    source = calloc(1, sizeof(*source));
    if (source == NULL)
        return fail(failure, "out of memory");
    source->source.ops = &source_mqtt;
    source->pipeline = settings->pipeline;
    source->log = settings->log;
    source->others = settings->others;
    source->filter = options->topic;
    source->share = options->share;
    *out = &source->source;
    for (size_t i = 0; i < options->broker_count; i++) {
        if (open_broker(source, options->brokers[i], settings, failure) < 0)
            return -1;
    }
    return 1;
}

/* HMAC is there: OpenSSL was asked for it when everything else was. Should it fail all the same, nobody is
 * called, and /healthz says so. */
static void source_begin(struct source *base, const uint8_t identity[32])
{
    struct mqtt_source *source = (struct mqtt_source *)base;
    char client_id[ID_SIZE];

    mqtt_older_follow(source); /* before the first message comes */
    for (size_t i = 0; i < source->broker_count; i++) {
        if (make_client_id(client_id, &source->brokers[i], identity) == 0)
            mqtt_client_begin(source->brokers[i].client, client_id);
    }
}

/* ---- serving ---- */

static void source_announce(const struct source *base, FILE *out)
{
    const struct mqtt_source *source = (const struct mqtt_source *)base;

    for (size_t i = 0; i < source->broker_count; i++) {
        const struct mqtt_broker *broker = &source->brokers[i];
        if (broker->devices == MQTT_DEVICES_OLDER)
            fprintf(out, "bulla: devices on older wires by MQTT from %s, their topics\n", broker->name);
        else
            fprintf(out, "bulla: devices by MQTT from %s, %s\n", broker->name, source->filter);
    }
}

static void source_flush(struct source *base)
{
    struct mqtt_source *source = (struct mqtt_source *)base;

    mqtt_older_follow(source);
    for (size_t i = 0; i < source->broker_count; i++)
        mqtt_client_flush(source->brokers[i].client);
}

static void source_quiesce(struct source *base)
{
    struct mqtt_source *source = (struct mqtt_source *)base;

    source->quiesced = true;
    for (size_t i = 0; i < source->broker_count; i++)
        mqtt_broker_quiesce(&source->brokers[i]);
}

static void source_release(struct source *base)
{
    struct mqtt_source *source = (struct mqtt_source *)base;

    for (size_t i = 0; i < source->broker_count; i++) {
        if (source->brokers[i].client != NULL)
            mqtt_client_release(source->brokers[i].client);
    }
    mqtt_older_wipe(source);
    free(source);
}

const struct source_ops source_mqtt = {
    .name = "mqtt",
    .open = source_open,
    .begin = source_begin,
    .announce = source_announce,
    .flush = source_flush,
    .quiesce = source_quiesce,
    .metrics = mqtt_source_metrics,
    .away = mqtt_source_away,
    .close = source_close,
    .release = source_release,
};
