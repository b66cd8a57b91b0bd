/* Through a broker, as a device does (PROTOCOL 8, MQTT). */
#include "cli/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/random.h>

#include "cli/device_topic.h"
#include "device/crypto.h"
#include "device/envelope.h"
#include "gateway/mqtt/client.h"
#include "gateway/mqtt/reason.h"

#define ASK_EVERY      500   /* milliseconds between two questions whether to stop */
#define RETRY_MOST     2000  /* milliseconds before a broker that is away is tried again */
#define PACKET_MAXIMUM 16384 /* bytes */
#define OUTPUT_MAXIMUM 65536
#define NO_SUBSCRIBERS 16  /* nobody gets what was published (MQTT 5, 2.4) */
#define HEADER_MOST    128 /* bytes of a packet before the message */
#define DOWNS_MOST     3   /* connections for one message */
#define UNDER_WAY      8 /* messages that the broker may owe an acknowledgement, of posts that are over too */

struct client_mqtt {
    struct client client;
    uv_loop_t loop;
    uv_timer_t deadline;
    uv_timer_t asking;
    struct mqtt_client *mqtt;
    struct log log;
    char name[MQTT_NAME_SIZE + 16]; /* client.name */
    char down[DEVICE_TOPIC_SIZE];   /* what is subscribed to; "": nothing yet */
    /* the message that is under way */
    const uint8_t *message;
    size_t len;
    uint64_t piv;
    uint64_t token; /* counts messages */
    char up[DEVICE_TOPIC_SIZE];
    struct client_answer *answer;
    unsigned downs; /* connections that ended, or did not come about */
    bool too_long;  /* for the broker */
    bool acknowledged;
    unsigned code; /* of the broker's acknowledgement (MQTT 5, 2.4): 0, NO_SUBSCRIBERS, or why it refuses */
    bool over;
};

/* ---- what happens at the broker ---- */

/* Also when a connection comes back: it may have been lost with the last one. A broker that takes QoS 0 only
 * acknowledges nothing: that it left is all that can be known. */
static void publish(struct client_mqtt *mqtt)
{
    const struct mqtt_client_state *state = mqtt_client_state(mqtt->mqtt);
    struct mqtt_publish packet = {.topic = mqtt->up,
                                  .payload = mqtt->message,
                                  .payload_len = mqtt->len,
                                  .content_type = "application/cose; cose-type=\"cose-encrypt0\"",
                                  .qos = state->maximum_qos > 0 ? 1 : 0};

    if (!mqtt->message || !state->up)
        return;
    if (mqtt_client_publish(mqtt->mqtt, &packet, mqtt->token) == 0)
        mqtt->acknowledged = packet.qos == 0;
    else
        mqtt->too_long = state->packet_maximum < mqtt->len + HEADER_MOST;
    mqtt->over = mqtt->over || mqtt->too_long;
}

static void on_up(void *context, bool resumed)
{
    (void)resumed;
    publish(context);
}

/* Whoever waits is told before long, and it is tried again. The first attempts may be at another version. */
static void on_down(void *context, const char *why)
{
    struct client_mqtt *mqtt = context;

    (void)why;
    mqtt->over = mqtt->over || ++mqtt->downs == DOWNS_MOST;
}

static void on_published(void *context, uint64_t token, unsigned code)
{
    struct client_mqtt *mqtt = context;

    if (token != mqtt->token)
        return;
    mqtt->acknowledged = true;
    mqtt->code = code;
    mqtt->over = mqtt->over || code >= 128 || code == NO_SUBSCRIBERS;
}

/* A reply names the message that it answers, readably. An earlier one's is no answer to this one. */
static bool answers_it(const struct client_mqtt *mqtt, const struct mqtt_packet *packet)
{
    uint8_t copy[BULLA_MESSAGE_MAX];
    struct bulla_envelope envelope;

    if (!mqtt->message || packet->retain || packet->payload.len == 0 || packet->payload.len > sizeof(copy) ||
        packet->topic.len != strlen(mqtt->down) ||
        memcmp(packet->topic.at, mqtt->down, packet->topic.len) != 0)
        return false;
    memcpy(copy, packet->payload.at, packet->payload.len);
    return bulla_envelope_parse(&envelope, BULLA_TO_DEVICE, copy, packet->payload.len) == 0 &&
           envelope.re == mqtt->piv;
}

/* Anybody at the broker may publish there: the waiting ends with what settles it. */
static void on_message(void *context, struct mqtt_delivery *delivery, const struct mqtt_packet *packet)
{
    struct client_mqtt *mqtt = context;
    struct client *client = &mqtt->client;

    if (!mqtt->over && answers_it(mqtt, packet)) {
        mqtt->answer->came = true;
        mqtt->answer->len = packet->payload.len;
        memcpy(mqtt->answer->body, packet->payload.at, packet->payload.len);
        mqtt->over = !client->settled || client->settled(client->context, mqtt->answer);
    }
    mqtt_client_settle(mqtt->mqtt, delivery);
}

static const struct mqtt_handlers handlers = {
    .on_up = on_up,
    .on_down = on_down,
    .on_message = on_message,
    .on_published = on_published,
};

static void on_deadline(uv_timer_t *timer)
{
    ((struct client_mqtt *)timer->data)->over = true;
    uv_stop(timer->loop); /* timers run before the loop waits: it must not, now */
}

static void on_asking(uv_timer_t *timer)
{
    struct client_mqtt *mqtt = timer->data;
    const struct client *client = &mqtt->client;

    mqtt->over = mqtt->over || (client->stopped && client->stopped(client->context));
}

/* ---- opening and closing ---- */

static int open_broker(struct client_mqtt *mqtt, const struct mqtt_url *url, struct failure *failure)
{
    uint64_t number;
    char id[32];
    struct mqtt_client_options options = {
        .url = url,
        .client_id = id,
        .keep_alive = 0, /* between two messages the loop stands still */
        .receive_maximum = UNDER_WAY,
        .publish_maximum = UNDER_WAY,
        .packet_maximum = PACKET_MAXIMUM,
        .output_maximum = OUTPUT_MAXIMUM,
        .retry_most = RETRY_MOST,
        .log = &mqtt->log,
        .handlers = &handlers,
        .context = mqtt,
    };

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return fail(failure, "the system's random source failed");
    snprintf(id, sizeof(id), "bulla-%016llx", (unsigned long long)number);
    return mqtt_client_open(&mqtt->mqtt, &mqtt->loop, &options, failure);
}

static void mqtt_close(struct client *client)
{
    struct client_mqtt *mqtt = (struct client_mqtt *)client;

    mqtt->message = NULL;
    uv_close((uv_handle_t *)&mqtt->deadline, NULL);
    uv_close((uv_handle_t *)&mqtt->asking, NULL);
    if (mqtt->mqtt)
        mqtt_client_close(mqtt->mqtt);
    uv_run(&mqtt->loop, UV_RUN_DEFAULT);
    if (mqtt->mqtt)
        mqtt_client_release(mqtt->mqtt);
    uv_loop_close(&mqtt->loop);
    free(mqtt);
}

static int open_url(struct client **client, const struct mqtt_url *url, struct failure *failure)
{
    struct client_mqtt *mqtt = calloc(1, sizeof(*mqtt));
    char host[MQTT_NAME_SIZE];

    if (!mqtt || uv_loop_init(&mqtt->loop) != 0) {
        free(mqtt);
        return fail(failure, "memory is out");
    }
    uv_timer_init(&mqtt->loop, &mqtt->deadline);
    uv_timer_init(&mqtt->loop, &mqtt->asking);
    mqtt->deadline.data = mqtt->asking.data = mqtt;
    snprintf(mqtt->name, sizeof(mqtt->name), "%s://%s", url->tls ? "mqtts" : "mqtt",
             mqtt_url_name(url, host));
    mqtt->client.ops = &client_mqtt;
    mqtt->client.name = mqtt->name;
    mqtt->log.level = LOG_LEVEL_ERROR;
    if (open_broker(mqtt, url, failure) < 0) {
        mqtt_close(&mqtt->client);
        return -1;
    }
    *client = &mqtt->client;
    return 0;
}

static int mqtt_open(struct client **client, const char *to, struct failure *failure)
{
    struct mqtt_url url;
    int result = mqtt_url_load(&url, to, failure);

    if (result == 0)
        result = open_url(client, &url, failure);
    bulla_wipe(&url, sizeof(url));
    return result;
}

/* ---- a message ---- */

/* Its device's topics. -1: it names none. */
static int address(struct client_mqtt *mqtt, const uint8_t *message, size_t len)
{
    uint8_t copy[BULLA_MESSAGE_MAX];
    struct bulla_envelope envelope;
    struct mqtt_subscription subscription = {.qos = 1, .no_retained = true};
    struct failure failure;
    char down[DEVICE_TOPIC_SIZE];

    if (len > sizeof(copy))
        return -1;
    memcpy(copy, message, len);
    if (bulla_envelope_parse(&envelope, BULLA_TO_GATEWAY, copy, len) < 0)
        return -1;
    mqtt->piv = envelope.piv;
    device_topic(mqtt->up, envelope.id, envelope.id_len, "up");
    device_topic(down, envelope.id, envelope.id_len, "down");
    if (strcmp(down, mqtt->down) == 0)
        return 0;
    if (*mqtt->down)
        mqtt_client_unsubscribe(mqtt->mqtt, mqtt->down);
    memcpy(mqtt->down, down, sizeof(down));
    subscription.filter = mqtt->down;
    return mqtt_client_subscribe(mqtt->mqtt, &subscription, 1, &failure);
}

/* Why nothing came that settles it, and what to do. */
static void explain(struct client_mqtt *mqtt)
{
    const struct mqtt_client_state *state = mqtt_client_state(mqtt->mqtt);
    struct client *client = &mqtt->client;

    if (mqtt->code >= 128) {
        snprintf(client->error, sizeof(client->error), "the broker refuses the message: %s",
                 mqtt_reason((uint8_t)mqtt->code));
        client->advice = "a device publishes on bulla/KID/up and reads bulla/KID/down: see its access list";
    } else if (mqtt->code == NO_SUBSCRIBERS) {
        snprintf(client->error, sizeof(client->error), "no gateway listens at the broker");
        client->advice = "start 'bulla serve --mqtt' there; does it take messages on bulla/+/up?";
    } else if (!state->up) {
        snprintf(client->error, sizeof(client->error), "%s", state->why);
        client->advice = strncmp(state->why, "the broker refused", 18) == 0
                             ? "it is there, and says no"
                             : "is the broker running, and is the address right?";
    } else if (mqtt->too_long) {
        snprintf(client->error, sizeof(client->error),
                 "the broker takes packets of at most %u bytes, and the message alone has %zu",
                 state->packet_maximum, mqtt->len);
        client->advice = "send fewer readings at a time, or have it take more (mosquitto: max_packet_size)";
    } else if (!mqtt->acknowledged) {
        snprintf(client->error, sizeof(client->error), "the broker does not acknowledge the message");
        client->advice = "see what it logs";
    } else {
        snprintf(client->error, sizeof(client->error),
                 "the broker took the message, and no gateway answered");
        client->advice = "is 'bulla serve --mqtt' at this broker? A gateway is silent, too, towards a device "
                         "that it does not know, has revoked, or knows under another secret: 'bulla events' "
                         "there says so";
    }
}

static void wait(struct client_mqtt *mqtt, long timeout)
{
    uv_update_time(&mqtt->loop);
    uv_timer_start(&mqtt->deadline, on_deadline, (uint64_t)timeout, 0);
    uv_timer_start(&mqtt->asking, on_asking, ASK_EVERY, ASK_EVERY);
    while (!mqtt->over)
        uv_run(&mqtt->loop, UV_RUN_ONCE);
    uv_timer_stop(&mqtt->deadline);
    uv_timer_stop(&mqtt->asking);
}

static void mqtt_post(struct client *client, const void *message, size_t len, long timeout,
                      struct client_answer *answer)
{
    struct client_mqtt *mqtt = (struct client_mqtt *)client;

    if (address(mqtt, message, len) < 0) {
        snprintf(client->error, sizeof(client->error),
                 "these bytes name no device, and so no topic to publish them on");
        client->advice = "a broker is given sealed messages only";
        return;
    }
    mqtt->message = message;
    mqtt->len = len;
    mqtt->answer = answer;
    mqtt->token++;
    mqtt->acknowledged = mqtt->too_long = mqtt->over = false;
    mqtt->code = 0;
    mqtt->downs = 0;
    publish(mqtt);
    wait(mqtt, timeout);
    mqtt->message = NULL;
    if (!answer->came)
        explain(mqtt);
}

const struct client_ops client_mqtt = {
    .takes = is_broker,
    .open = mqtt_open,
    .close = mqtt_close,
    .post = mqtt_post,
};
