#include "mqtt_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct log quiet = {.level = LOG_LEVEL_ERROR};

/* ---- the broker ---- */

static void on_peer_closed(uv_handle_t *handle)
{
    free(handle);
}

void hang_up(struct world *world)
{
    if (world->peer != NULL)
        uv_close((uv_handle_t *)world->peer, on_peer_closed);
    world->peer = NULL;
    world->input_len = 0;
}

/* The packet that begins at `*from` of what came, if it is whole. */
static bool cut(struct world *world, size_t *from)
{
    size_t len = 0;
    size_t at = *from + 1;
    unsigned shift = 0;
    struct packet *packet = &world->heard[world->heard_count];

    do {
        if (at >= world->input_len)
            return false;
        len |= (size_t)(world->input[at] & 127) << shift;
        shift += 7;
    } while (world->input[at++] >= 128);
    if (world->input_len < at + len)
        return false;
    assert_true(world->heard_count < HEARD_MAX);
    packet->first = world->input[*from];
    packet->type = world->input[*from] >> 4;
    packet->len = len;
    memcpy(packet->body, world->input + at, len < sizeof(packet->body) ? len : sizeof(packet->body));
    world->heard_count += !world->forgets;
    *from = at + len;
    return true;
}

/* All packets that are whole. */
static void cut_all(struct world *world)
{
    size_t from = 0;

    while (cut(world, &from))
        ;
    world->input_len -= from;
    memmove(world->input, world->input + from, world->input_len);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct world *world = handle->data;

    (void)suggested;
    *buffer = uv_buf_init((char *)world->input + world->input_len, (unsigned)(INPUT_MAX - world->input_len));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct world *world = stream->data;

    (void)buffer;
    if ((void *)stream != world->peer)
        return;
    if (got < 0) {
        hang_up(world);
        return;
    }
    world->input_len += (size_t)got;
    if (!world->raw)
        cut_all(world);
}

void start_reading(struct world *world)
{
    uv_read_start((uv_stream_t *)world->peer, on_room, on_read);
}

void stop_reading(struct world *world)
{
    uv_read_stop((uv_stream_t *)world->peer);
}

static void on_call(uv_stream_t *listener, int status)
{
    struct world *world = listener->data;
    uv_tcp_t *peer = malloc(sizeof(*peer));

    assert_int_equal(status, 0);
    assert_non_null(peer);
    hang_up(world);
    uv_tcp_init(&world->loop, peer);
    peer->data = world;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)peer), 0);
    uv_tcp_nodelay(peer, 1);
    world->peer = peer;
    start_reading(world);
    world->connections++;
}

void listen_on(struct world *world, uint16_t port)
{
    struct sockaddr_storage name;
    struct sockaddr_in address;
    int len = sizeof(name);

    uv_tcp_init(&world->loop, &world->listener);
    world->listener.data = world;
    uv_ip4_addr("127.0.0.1", port, &address);
    assert_int_equal(uv_tcp_bind(&world->listener, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&world->listener, 16, on_call), 0);
    uv_tcp_getsockname(&world->listener, (struct sockaddr *)&name, &len);
    world->port = ntohs(((struct sockaddr_in *)&name)->sin_port);
}

void say(struct world *world, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    assert_non_null(world->peer);
    while (len > 0) {
        uv_buf_t buffer = uv_buf_init((char *)at, (unsigned)len);
        int written = uv_try_write((uv_stream_t *)world->peer, &buffer, 1);
        if (written == UV_EAGAIN) {
            uv_run(&world->loop, UV_RUN_NOWAIT);
            if (world->peer == NULL)
                return;
            continue;
        }
        assert_true(written >= 0);
        at += written;
        len -= (size_t)written;
    }
}

size_t make_publish(const struct world *world, uint8_t *out, uint8_t qos, uint16_t id, const char *topic,
                    const void *payload, size_t len)
{
    bool is_5 = mqtt_client_state(world->client)->version == MQTT_5;
    size_t topic_len = strlen(topic);
    size_t remaining = 2 + topic_len + (qos > 0 ? 2 : 0) + (is_5 ? 1 : 0) + len;
    size_t at = 0;

    out[at++] = (uint8_t)(0x30 | qos << 1);
    do {
        out[at++] = (uint8_t)((remaining & 127) | (remaining > 127 ? 128 : 0));
        remaining >>= 7;
    } while (remaining > 0);
    out[at++] = (uint8_t)(topic_len >> 8);
    out[at++] = (uint8_t)topic_len;
    memcpy(out + at, topic, topic_len);
    at += topic_len;
    if (qos > 0) {
        out[at++] = (uint8_t)(id >> 8);
        out[at++] = (uint8_t)id;
    }
    if (is_5)
        out[at++] = 0;
    memcpy(out + at, payload, len);
    return at + len;
}

void say_publish(struct world *world, uint8_t qos, uint16_t id, const char *payload)
{
    uint8_t bytes[256];

    say(world, bytes, make_publish(world, bytes, qos, id, "a/b", payload, strlen(payload)));
}

void say_ack(struct world *world, enum mqtt_type type, uint16_t id)
{
    const uint8_t bytes[] = {(uint8_t)(type << 4 | (type == MQTT_PUBREL ? 2 : 0)), 2, (uint8_t)(id >> 8),
                             (uint8_t)id};

    say(world, bytes, sizeof(bytes));
}

/* ---- what the client calls ---- */

static void on_up(void *context, bool resumed)
{
    struct world *world = context;

    world->ups++;
    world->resumed = resumed;
}

static void on_down(void *context, const char *why)
{
    struct world *world = context;

    if (world->downs < 64)
        world->down_at[world->downs] = uv_now(&world->loop);
    world->downs++;
    snprintf(world->why, sizeof(world->why), "%s", why);
}

static void on_message(void *context, struct mqtt_delivery *delivery, const struct mqtt_packet *packet)
{
    struct world *world = context;
    struct kept *kept = &world->kept[world->kept_count];

    assert_true(world->kept_count < KEPT_MAX);
    world->kept_count++;
    *kept = (struct kept){.delivery = delivery, .qos = packet->qos};
    snprintf(kept->topic, sizeof(kept->topic), "%.*s", (int)packet->topic.len, packet->topic.at);
    snprintf(kept->payload, sizeof(kept->payload), "%.*s", (int)packet->payload.len, packet->payload.at);
    if (world->settles)
        mqtt_client_settle(world->client, delivery);
}

static void on_published(void *context, uint64_t token, unsigned code)
{
    struct world *world = context;

    world->published[world->published_count] = token;
    world->codes[world->published_count++] = code;
}

static const struct mqtt_handlers handlers = {on_up, on_down, on_message, on_published};

/* ---- the world ---- */

int begin(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct failure failure;
    char text[64];

    assert_non_null(world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    listen_on(world, 0);
    snprintf(text, sizeof(text), "mqtt://127.0.0.1:%u", world->port);
    assert_int_equal(mqtt_url_parse(&world->url, text, false, &failure), 0);
    world->options = (struct mqtt_client_options){
        .url = &world->url,
        .client_id = "gateway-1",
        .keep_alive = 30,
        .session_expiry = 600,
        .receive_maximum = 4,
        .publish_maximum = 3,
        .packet_maximum = 512,
        .output_maximum = 4096,
        .retry_least = 10,
        .retry_most = 40,
        .log = &quiet,
        .handlers = &handlers,
        .context = world,
    };
    *state = world;
    return 0;
}

static void on_walk(uv_handle_t *handle, void *context)
{
    struct world *world = context;

    if (!uv_is_closing(handle))
        uv_close(handle, handle == (uv_handle_t *)world->peer ? on_peer_closed : NULL);
}

void close_client(struct world *world)
{
    mqtt_client_close(world->client);
    world->closed[world->closed_count++] = world->client;
    world->client = NULL;
}

int finish(void **state)
{
    struct world *world = *state;

    if (world->client != NULL)
        close_client(world);
    uv_run(&world->loop, UV_RUN_NOWAIT);
    uv_walk(&world->loop, on_walk, world);
    world->peer = NULL;
    uv_run(&world->loop, UV_RUN_DEFAULT);
    while (world->closed_count > 0)
        mqtt_client_release(world->closed[--world->closed_count]);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    free(world);
    return 0;
}

void open_client(struct world *world)
{
    const struct mqtt_subscription subscription = {.filter = "a/+", .qos = 2};
    struct failure failure;

    assert_int_equal(mqtt_client_open(&world->client, &world->loop, &world->options, &failure), 0);
    if (world->subscribes)
        assert_int_equal(mqtt_client_subscribe(world->client, &subscription, 1, &failure), 0);
}

void world_on_late(uv_timer_t *timer)
{
    (void)timer;
}

void rest(struct world *world, unsigned milliseconds)
{
    uint64_t end = uv_hrtime() + (uint64_t)milliseconds * 1000000;

    WAIT(world, uv_hrtime() >= end);
}

const struct packet *expect(struct world *world, enum mqtt_type type)
{
    const struct packet *packet;

    WAIT(world, world->heard_count > world->heard_at);
    packet = &world->heard[world->heard_at++];
    assert_int_equal(packet->type, type);
    return packet;
}

void expect_id(struct world *world, enum mqtt_type type, uint16_t id)
{
    const struct packet *packet = expect(world, type);

    assert_int_equal(packet->body[0] << 8 | packet->body[1], id);
}

void expect_nothing(struct world *world)
{
    rest(world, 30);
    assert_int_equal(world->heard_count, world->heard_at);
}

void connect_client(struct world *world, const char *connack, size_t len)
{
    if (world->client == NULL)
        open_client(world);
    expect(world, MQTT_CONNECT);
    say(world, connack, len);
    WAIT(world, mqtt_client_state(world->client)->up);
}

void settle(struct world *world, size_t which)
{
    mqtt_client_settle(world->client, world->kept[which].delivery);
}
