/*
 * Through a broker: devices share the connections, each publishes on its own topic and hears its replies on
 * its own. That the broker took a message is all that it says of it; replies come by themselves, on whichever
 * message.
 */
#include "cli/simulate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sys/random.h>

#include "cli/device_topic.h"
#include "device/crypto.h"
#include "device/envelope.h"
#include "gateway/mqtt/client.h"

#define TIMEOUT        5000 /* milliseconds that a broker may take until a connection stands */
#define RETRY_MOST     1000 /* milliseconds before a broker that is away is tried again */
#define UNDER_WAY      16   /* messages of a connection that the broker has not acknowledged */
#define PER_CONNECTION 4000 /* devices */
#define PACKET_MAXIMUM 8192 /* bytes */
#define OUTPUT_MAXIMUM (1 << 20)

struct mqtt_connection {
    struct mqtt_carrier *mqtt;
    struct mqtt_client *client;
    struct parcel *parcels[UNDER_WAY]; /* by their tokens */
    unsigned under_way;
};

/* Which lane a kid is of: a hash table, its size a power of two. */
struct kid_table {
    uint64_t *kids; /* 0: free */
    uint32_t *lanes;
    size_t size;
    size_t used;
};

struct mqtt_carrier {
    struct carrier carrier;
    uv_loop_t loop;
    uv_timer_t timer;
    struct log log;
    struct mqtt_connection *connections;
    size_t count;
    struct kid_table kids;
    uint64_t run;  /* a number of this run's, in its client ids */
    uint64_t news; /* counts whatever comes */
    bool time_out;
    bool closing;
    char failed[200]; /* why it cannot go on: "" it can */
};

/* ---- whose a kid is ---- */

static uint64_t key_of(const uint8_t *kid, size_t len)
{
    uint64_t key = len;

    for (size_t i = 0; i < len; i++)
        key = key << 8 | kid[i];
    return key;
}

/* Its place, or the free one where it would stand. */
static size_t place_of(const struct kid_table *table, uint64_t key)
{
    size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (table->size - 1);

    while (table->kids[at] != 0 && table->kids[at] != key)
        at = (at + 1) & (table->size - 1);
    return at;
}

static bool find_kid(const struct kid_table *table, uint64_t key, uint32_t *lane)
{
    size_t at = table->size > 0 ? place_of(table, key) : 0;

    if (table->size == 0 || table->kids[at] == 0)
        return false;
    *lane = table->lanes[at];
    return true;
}

static int grow(struct kid_table *table)
{
    struct kid_table larger = {.size = table->size > 0 ? 2 * table->size : 1024, .used = table->used};

    larger.kids = calloc(larger.size, sizeof(*larger.kids));
    larger.lanes = calloc(larger.size, sizeof(*larger.lanes));
    if (!larger.kids || !larger.lanes) {
        free(larger.kids);
        free(larger.lanes);
        return -1;
    }
    for (size_t i = 0; i < table->size; i++) {
        size_t at = table->kids[i] != 0 ? place_of(&larger, table->kids[i]) : 0;
        if (table->kids[i] == 0)
            continue;
        larger.kids[at] = table->kids[i];
        larger.lanes[at] = table->lanes[i];
    }
    free(table->kids);
    free(table->lanes);
    *table = larger;
    return 0;
}

static int add_kid(struct kid_table *table, uint64_t key, uint32_t lane)
{
    size_t at;

    if (2 * table->used >= table->size && grow(table) < 0)
        return -1;
    at = place_of(table, key);
    table->used += table->kids[at] == 0;
    table->kids[at] = key;
    table->lanes[at] = lane;
    return 0;
}

/* ---- what a broker says ---- */

static void finish(struct mqtt_connection *connection, uint64_t slot, enum sim_answer answer)
{
    struct parcel *parcel = slot < UNDER_WAY ? connection->parcels[slot] : NULL;

    if (!parcel)
        return;
    connection->parcels[slot] = NULL;
    connection->under_way--;
    connection->mqtt->news++;
    world_answer(connection->mqtt->carrier.world, parcel, answer, NULL, 0);
}

static void on_published(void *context, uint64_t token, unsigned code)
{
    struct mqtt_connection *connection = context;

    connection->mqtt->carrier.answers++;
    finish(connection, token, code < 128 ? ANSWER_TAKEN : ANSWER_UNTAKEN);
}

/* What the broker has not acknowledged may be there or not. */
static void on_down(void *context, const char *why)
{
    (void)why;
    for (uint64_t slot = 0; slot < UNDER_WAY; slot++)
        finish(context, slot, ANSWER_SILENCE);
}

static void on_up(void *context, bool resumed)
{
    struct mqtt_connection *connection = context;

    (void)resumed;
    connection->mqtt->news++;
}

static void on_message(void *context, struct mqtt_delivery *delivery, const struct mqtt_packet *packet)
{
    struct mqtt_connection *connection = context;
    struct mqtt_carrier *mqtt = connection->mqtt;
    uint8_t kid[BULLA_KID_MAX];
    size_t kid_len = device_topic_kid(kid, packet->topic.at, packet->topic.len);
    uint32_t lane;

    if (!mqtt->closing && kid_len > 0 && find_kid(&mqtt->kids, key_of(kid, kid_len), &lane) &&
        packet->payload.len > 0 && packet->payload.len <= PARCEL_MAX) {
        mqtt->news++;
        mqtt->carrier.answers++;
        world_reply(mqtt->carrier.world, lane, packet->payload.at, packet->payload.len);
    }
    mqtt_client_settle(connection->client, delivery);
}

static const struct mqtt_handlers handlers = {
    .on_up = on_up,
    .on_down = on_down,
    .on_message = on_message,
    .on_published = on_published,
};

/* ---- messages ---- */

/* The device whose turn it is hears on its own topic, from its first message on. */
static int subscribe(struct mqtt_carrier *mqtt, struct mqtt_connection *connection, uint32_t lane)
{
    const struct bulla_credential *credential = &mqtt->carrier.world->lanes[lane].credential;
    struct mqtt_subscription subscription = {.qos = 1, .no_retained = true};
    uint64_t key = key_of(credential->kid, credential->kid_len);
    char topic[DEVICE_TOPIC_SIZE];
    struct failure failure;
    uint32_t known;

    if (find_kid(&mqtt->kids, key, &known))
        return 0;
    device_topic(topic, credential->kid, credential->kid_len, "down");
    subscription.filter = topic;
    if (add_kid(&mqtt->kids, key, lane) == 0 &&
        mqtt_client_subscribe(connection->client, &subscription, 1, &failure) == 0)
        return 0;
    snprintf(mqtt->failed, sizeof(mqtt->failed),
             "a device cannot listen: memory is out, or give more --connections");
    return -1;
}

/* The attacker, who owns the broker, publishes where the message says that it belongs. */
static void address(const struct world *world, const struct parcel *parcel, char topic[DEVICE_TOPIC_SIZE])
{
    const struct bulla_credential *credential = &world->lanes[parcel->lane].credential;
    uint8_t copy[PARCEL_MAX];
    struct bulla_envelope envelope;

    memcpy(copy, parcel->bytes, parcel->len);
    if (bulla_envelope_parse(&envelope, BULLA_TO_GATEWAY, copy, parcel->len) == 0)
        device_topic(topic, envelope.id, envelope.id_len, "up");
    else
        device_topic(topic, credential->kid, credential->kid_len, "up");
}

static bool on_send(struct sim_carrier *sim, struct parcel *parcel)
{
    struct mqtt_carrier *mqtt = (struct mqtt_carrier *)sim;
    struct mqtt_connection *connection = &mqtt->connections[parcel->lane % mqtt->count];
    char topic[DEVICE_TOPIC_SIZE];
    struct mqtt_publish packet = {
        .topic = topic, .payload = parcel->bytes, .payload_len = parcel->len, .qos = 1};
    uint64_t slot = 0;

    if (connection->under_way == UNDER_WAY || subscribe(mqtt, connection, parcel->lane) < 0)
        return false;
    while (connection->parcels[slot])
        slot++;
    address(mqtt->carrier.world, parcel, topic);
    if (mqtt_client_publish(connection->client, &packet, slot) == 0) {
        connection->parcels[slot] = parcel;
        connection->under_way++;
        return true;
    }
    if (mqtt_client_state(connection->client)->up && connection->under_way > 0)
        return false; /* the broker wants fewer under way */
    world_answer(mqtt->carrier.world, parcel, ANSWER_SILENCE, NULL, 0);
    return true;
}

static void on_timer(uv_timer_t *timer)
{
    ((struct mqtt_carrier *)timer->data)->time_out = true;
    uv_stop(timer->loop); /* timers run before the loop waits: it must not, now */
}

/* Runs the loop for so long at most, until something came. */
static void run_loop(struct mqtt_carrier *mqtt, int milliseconds)
{
    uint64_t news = mqtt->news;

    mqtt->time_out = false;
    uv_update_time(&mqtt->loop);
    uv_timer_start(&mqtt->timer, on_timer, (uint64_t)milliseconds, 0);
    for (size_t i = 0; i < mqtt->count; i++)
        mqtt_client_flush(mqtt->connections[i].client);
    while (!mqtt->time_out && mqtt->news == news)
        uv_run(&mqtt->loop, UV_RUN_ONCE);
    uv_timer_stop(&mqtt->timer);
}

static int run_mqtt(struct carrier *carrier, int milliseconds, struct failure *failure)
{
    struct mqtt_carrier *mqtt = (struct mqtt_carrier *)carrier;

    if (*mqtt->failed)
        return fail(failure, "%s", mqtt->failed);
    run_loop(mqtt, milliseconds);
    return 0;
}

/* ---- opening and closing ---- */

static int open_connection(struct mqtt_carrier *mqtt, const struct mqtt_url *url, struct failure *failure)
{
    struct mqtt_connection *connection = &mqtt->connections[mqtt->count];
    struct mqtt_url own = *url;
    struct mqtt_client_options options = {
        .url = &own,
        .keep_alive = 60,
        .receive_maximum = 64,
        .publish_maximum = UNDER_WAY,
        .packet_maximum = PACKET_MAXIMUM,
        .output_maximum = OUTPUT_MAXIMUM,
        .retry_most = RETRY_MOST,
        .log = &mqtt->log,
        .handlers = &handlers,
        .context = connection,
    };
    int result;

    connection->mqtt = mqtt;
    snprintf(own.client_id, sizeof(own.client_id), "%.90s-%08" PRIx32 "-%zu",
             *url->client_id ? url->client_id : "bulla-sim", (uint32_t)mqtt->run, mqtt->count);
    own.session_expiry = 0;
    result = mqtt_client_open(&connection->client, &mqtt->loop, &options, failure);
    bulla_wipe(&own, sizeof(own));
    if (result < 0)
        return -1;
    mqtt->count++;
    return 0;
}

static const struct mqtt_client_state *first_that_is_down(const struct mqtt_carrier *mqtt)
{
    for (size_t i = 0; i < mqtt->count; i++) {
        const struct mqtt_client_state *state = mqtt_client_state(mqtt->connections[i].client);
        if (!state->up)
            return state;
    }
    return NULL;
}

/* All connections stand, or it is said why not. */
static int await_all(struct mqtt_carrier *mqtt, const char *to, struct failure *failure)
{
    const struct mqtt_client_state *down;
    uint64_t end = uv_hrtime() + TIMEOUT * UINT64_C(1000000);

    while ((down = first_that_is_down(mqtt)) != NULL && uv_hrtime() < end)
        run_loop(mqtt, 100);
    return down == NULL ? 0 : fail(failure, "--to %.100s: %.200s", to, down->why);
}

static int open_all(struct mqtt_carrier *mqtt, const char *to, size_t connections, struct failure *failure)
{
    struct mqtt_url url;
    int result = -1;

    mqtt->connections = calloc(connections, sizeof(*mqtt->connections));
    if (!mqtt->connections)
        return fail(failure, "memory is out");
    if (getrandom(&mqtt->run, sizeof(mqtt->run), 0) != (ssize_t)sizeof(mqtt->run))
        return fail(failure, "the system's random source failed");
    if (mqtt_url_load(&url, to, failure) == 0)
        result = 0;
    while (result == 0 && mqtt->count < connections)
        result = open_connection(mqtt, &url, failure);
    bulla_wipe(&url, sizeof(url));
    return result < 0 ? -1 : await_all(mqtt, to, failure);
}

static void close_mqtt(struct carrier *carrier)
{
    struct mqtt_carrier *mqtt = (struct mqtt_carrier *)carrier;

    mqtt->closing = true;
    for (size_t i = 0; i < mqtt->count; i++) {
        on_down(&mqtt->connections[i], NULL);
        mqtt_client_close(mqtt->connections[i].client);
    }
    uv_close((uv_handle_t *)&mqtt->timer, NULL);
    uv_run(&mqtt->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < mqtt->count; i++)
        mqtt_client_release(mqtt->connections[i].client);
    uv_loop_close(&mqtt->loop);
    free(mqtt->connections);
    free(mqtt->kids.kids);
    free(mqtt->kids.lanes);
    free(mqtt);
}

static int open_mqtt(struct carrier **carrier, const char *to, size_t connections, struct failure *failure)
{
    struct mqtt_carrier *mqtt = calloc(1, sizeof(*mqtt));

    if (!mqtt || uv_loop_init(&mqtt->loop) != 0) {
        free(mqtt);
        return fail(failure, "memory is out");
    }
    uv_timer_init(&mqtt->loop, &mqtt->timer);
    mqtt->timer.data = mqtt;
    mqtt->log.level = LOG_LEVEL_ERROR;
    mqtt->carrier.ops = &carrier_mqtt;
    mqtt->carrier.carrier.send = on_send;
    if (open_all(mqtt, to, connections, failure) < 0) {
        close_mqtt(&mqtt->carrier);
        return -1;
    }
    *carrier = &mqtt->carrier;
    return 0;
}

const struct carrier_ops carrier_mqtt = {
    .takes = is_broker,
    .open = open_mqtt,
    .close = close_mqtt,
    .run = run_mqtt,
    .tells = ANSWERS_MQTT,
    .most = PER_CONNECTION,
};
