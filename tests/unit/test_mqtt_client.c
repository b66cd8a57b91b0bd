/*
 * gateway/mqtt/client.h against a broker that says what the test wants it to, on the same loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* cmocka's; failure.h has its own */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/mqtt/client.h"

#define HEARD_MAX    512
#define INPUT_MAX    (1 << 20)
#define PATIENCE     10000 /* milliseconds */
#define KEPT_MAX     64
#define CONNACK_5    "\x20\x03\x00\x00\x00"
#define CONNACK_KEPT "\x20\x03\x01\x00\x00"
#define CONNACK_OLD  "\x20\x02\x00\x00"

/* A message as the client handed it over. */
struct kept {
    struct mqtt_delivery *delivery;
    char topic[64];
    char payload[64];
    uint8_t qos;
};

struct packet {
    uint8_t type;
    uint8_t first;
    uint8_t body[512]; /* behind the fixed header, as far as it fits */
    size_t len;
};

struct world {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_tcp_t *peer; /* the connection that stands, or NULL */
    unsigned connections;
    uint8_t input[INPUT_MAX];
    size_t input_len;
    struct packet heard[HEARD_MAX];
    size_t heard_count;
    size_t heard_at; /* the next that expect() looks at */
    bool forgets;    /* what it hears */
    uint16_t port;

    struct mqtt_url url;
    struct mqtt_client_options options;
    struct mqtt_client *client;
    struct mqtt_client *closed[16]; /* to be released once the loop has run */
    size_t closed_count;
    bool subscribes;

    struct kept kept[KEPT_MAX];
    size_t kept_count;
    unsigned ups, downs;
    bool resumed;
    char why[256];
    uint64_t down_at[64];
    uint64_t published[KEPT_MAX];
    unsigned codes[KEPT_MAX];
    size_t published_count;
    bool settles; /* at once */
};

static struct log quiet = {.level = LOG_LEVEL_ERROR};

/* ---- the broker ---- */

static void on_peer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void hang_up(struct world *world)
{
    if (world->peer != NULL)
        uv_close((uv_handle_t *)world->peer, on_peer_closed);
    world->peer = NULL;
    world->input_len = 0;
}

/* The first packet of what came, if it is whole. */
static bool cut(struct world *world)
{
    size_t len = 0;
    size_t at = 1;
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
    packet->first = world->input[0];
    packet->type = world->input[0] >> 4;
    packet->len = len;
    memcpy(packet->body, world->input + at, len < sizeof(packet->body) ? len : sizeof(packet->body));
    world->heard_count += !world->forgets;
    world->input_len -= at + len;
    memmove(world->input, world->input + at + len, world->input_len);
    return true;
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
    while (cut(world))
        ;
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
    uv_read_start((uv_stream_t *)peer, on_room, on_read);
    world->peer = peer;
    world->connections++;
}

static void listen_on(struct world *world, uint16_t port)
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

/* Says these bytes on the connection that stands. */
static void say(struct world *world, const void *bytes, size_t len)
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

#define SAY(world, literal) say(world, literal, sizeof(literal) - 1)

/* A PUBLISH of 5.0 (or 3.1.1, which has no properties). */
static size_t make_publish(const struct world *world, uint8_t *out, uint8_t qos, uint16_t id,
                           const char *topic, const void *payload, size_t len)
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

static void say_publish(struct world *world, uint8_t qos, uint16_t id, const char *payload)
{
    uint8_t bytes[256];

    say(world, bytes, make_publish(world, bytes, qos, id, "a/b", payload, strlen(payload)));
}

static void say_ack(struct world *world, enum mqtt_type type, uint16_t id)
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

static int begin(void **state)
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

static void close_client(struct world *world)
{
    mqtt_client_close(world->client);
    world->closed[world->closed_count++] = world->client;
    world->client = NULL;
}

static int finish(void **state)
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

static void open_client(struct world *world)
{
    const struct mqtt_subscription subscription = {.filter = "a/+", .qos = 2};
    struct failure failure;

    assert_int_equal(mqtt_client_open(&world->client, &world->loop, &world->options, &failure), 0);
    if (world->subscribes)
        assert_int_equal(mqtt_client_subscribe(world->client, &subscription, 1, &failure), 0);
}

static void on_late(uv_timer_t *timer)
{
    (void)timer;
}

/* Turns the loop, until a condition holds; `PATIENCE` at most. */
#define WAIT(world, condition)                                                                               \
    do {                                                                                                     \
        uint64_t end_ = uv_hrtime() + (uint64_t)PATIENCE * 1000000;                                          \
        uv_timer_t timer_;                                                                                   \
        uv_timer_init(&(world)->loop, &timer_);                                                              \
        uv_timer_start(&timer_, on_late, 5, 5);                                                              \
        while (!(condition) && uv_hrtime() < end_)                                                           \
            uv_run(&(world)->loop, UV_RUN_ONCE);                                                             \
        uv_close((uv_handle_t *)&timer_, NULL);                                                              \
        uv_run(&(world)->loop, UV_RUN_NOWAIT);                                                               \
        assert_true(condition);                                                                              \
    } while (0)

/* Turns the loop for so many milliseconds. */
static void rest(struct world *world, unsigned milliseconds)
{
    uint64_t end = uv_hrtime() + (uint64_t)milliseconds * 1000000;

    WAIT(world, uv_hrtime() >= end);
}

/* The next packet that the client sent: it has to be of this type. */
static const struct packet *expect(struct world *world, enum mqtt_type type)
{
    const struct packet *packet;

    WAIT(world, world->heard_count > world->heard_at);
    packet = &world->heard[world->heard_at++];
    assert_int_equal(packet->type, type);
    return packet;
}

static void expect_id(struct world *world, enum mqtt_type type, uint16_t id)
{
    const struct packet *packet = expect(world, type);

    assert_int_equal(packet->body[0] << 8 | packet->body[1], id);
}

/* Nothing more was sent, and is not for a while. */
static void expect_nothing(struct world *world)
{
    rest(world, 30);
    assert_int_equal(world->heard_count, world->heard_at);
}

/* Opens a client and takes it up to a session that stands. */
static void connect_client(struct world *world, const char *connack, size_t len)
{
    if (world->client == NULL)
        open_client(world);
    expect(world, MQTT_CONNECT);
    say(world, connack, len);
    WAIT(world, mqtt_client_state(world->client)->up);
}

#define CONNECT(world, connack) connect_client(world, connack, sizeof(connack) - 1)

static void settle(struct world *world, size_t which)
{
    mqtt_client_settle(world->client, world->kept[which].delivery);
}

/* ---- the connection ---- */

static void test_what_it_says_first(void **state)
{
    static const uint8_t properties[] = {0x11, 0, 0, 2, 0x58, 0x21, 0, 4, 0x27, 0, 0, 2, 0};
    struct world *world = *state;
    const struct packet *packet;

    strcpy(world->url.user, "u");
    strcpy(world->url.password, "secret");
    open_client(world);
    packet = expect(world, MQTT_CONNECT);
    assert_memory_equal(packet->body, "\x00\x04MQTT\x05\xc0\x00\x1e", 10); /* no clean start; 30 s */
    for (size_t i = 0; i < sizeof(properties);) { /* each of them, in whatever order */
        size_t len = properties[i] == 0x21 ? 3 : 5;
        assert_non_null(memmem(packet->body, packet->len, properties + i, len));
        i += len;
    }
    assert_non_null(memmem(packet->body, packet->len, "\x00\x09gateway-1\x00\x01u\x00\x06secret", 22));
    assert_int_equal(world->ups, 0);
    SAY(world, CONNACK_5);
    WAIT(world, world->ups == 1);
    assert_false(world->resumed);
    assert_int_equal(mqtt_client_state(world->client)->connections, 1);
    expect_nothing(world);
}

static void test_the_url_goes_before_the_options(void **state)
{
    struct world *world = *state;
    const struct packet *packet;

    strcpy(world->url.client_id, "mine");
    world->url.version = MQTT_3_1_1;
    world->url.keep_alive = 77;
    world->url.session_expiry = 0;
    world->url.receive_maximum = 2;
    open_client(world);
    packet = expect(world, MQTT_CONNECT);
    assert_int_equal(packet->len, 16);
    assert_memory_equal(packet->body, "\x00\x04MQTT\x04\x02\x00\x4d\x00\x04mine", 16);
    SAY(world, CONNACK_OLD);
    WAIT(world, world->ups == 1);
    for (uint16_t i = 1; i <= 3; i++)
        say_publish(world, 1, i, "x");
    WAIT(world, world->kept_count == 2);
    rest(world, 20);
    assert_int_equal(world->kept_count, 2);
}

static void test_subscribes_with_every_connection(void **state)
{
    struct world *world = *state;
    const struct mqtt_subscription more[] = {{.filter = "c/#", .qos = 1}, {.filter = "d", .qos = 0}};
    const struct mqtt_subscription wrong = {.filter = "a/#/b"};
    struct failure failure;
    const struct packet *packet;

    world->subscribes = true;
    CONNECT(world, CONNACK_5);
    packet = expect(world, MQTT_SUBSCRIBE);
    assert_int_equal(packet->first, 0x82);
    assert_memory_equal(packet->body + 2,
                        "\x00\x00\x03"
                        "a/+\x02",
                        7);
    SAY(world, "\x90\x04\x00\x01\x00\x02");
    assert_int_equal(mqtt_client_subscribe(world->client, more, 2, &failure), 0);
    packet = expect(world, MQTT_SUBSCRIBE);
    assert_int_equal(packet->body[1], 2);
    SAY(world, "\x90\x05\x00\x02\x00\x01\x00");
    mqtt_client_unsubscribe(world->client, "c/#");
    mqtt_client_unsubscribe(world->client, "never");
    packet = expect(world, MQTT_UNSUBSCRIBE);
    assert_memory_equal(packet->body + 3,
                        "\x00\x03"
                        "c/#",
                        5);
    SAY(world, "\xb0\x04\x00\x03\x00\x00");
    rest(world, 10);
    assert_int_equal(mqtt_client_subscribe(world->client, &wrong, 1, &failure), -1);
    hang_up(world);
    CONNECT(world, CONNACK_KEPT);
    assert_true(world->resumed);
    packet = expect(world, MQTT_SUBSCRIBE); /* of what is left, in one */
    assert_int_equal(packet->len, 3 + 6 + 4);
    assert_memory_equal(packet->body + 3,
                        "\x00\x03"
                        "a/+\x02\x00\x01"
                        "d\x00",
                        10);
    expect_nothing(world);
}

static void test_a_subscription_that_is_refused(void **state)
{
    struct world *world = *state;

    world->subscribes = true;
    CONNECT(world, CONNACK_5);
    expect(world, MQTT_SUBSCRIBE);
    SAY(world, "\x90\x04\x00\x01\x00\x87");
    WAIT(world, world->downs == 1);
    assert_non_null(strstr(world->why, "refused the subscription a/+: this user is not authorised"));
    CONNECT(world, CONNACK_5); /* and tried again */
}

static void test_no_shared_subscriptions(void **state)
{
    struct world *world = *state;
    const struct mqtt_subscription shared = {.filter = "$share/g/a/+", .qos = 2};
    struct failure failure;

    world->options.must_be_5 = true;
    open_client(world);
    assert_int_equal(mqtt_client_subscribe(world->client, &shared, 1, &failure), 0);
    expect(world, MQTT_CONNECT);
    SAY(world, "\x20\x05\x00\x00\x02\x2a\x00");
    WAIT(world, world->downs == 1);
    assert_non_null(strstr(world->why, "no shared subscriptions"));
}

static void test_pauses_grow(void **state)
{
    struct world *world = *state;
    uint64_t early, late;

    uv_close((uv_handle_t *)&world->listener, NULL);
    uv_run(&world->loop, UV_RUN_NOWAIT);
    world->options.retry_most = 200;
    open_client(world);
    WAIT(world, world->downs == 8);
    early = UINT64_MAX;
    for (int i = 0; i < 3; i++) { /* 5 to 40, and what the machine adds */
        uint64_t pause = world->down_at[i + 1] - world->down_at[i];
        early = pause < early ? pause : early;
    }
    late = world->down_at[7] - world->down_at[6];
    assert_true(early < 100);
    assert_true(late >= 100); /* half of the longest at least */
    assert_non_null(strstr(world->why, "connection refused"));
    assert_false(mqtt_client_state(world->client)->up);
    listen_on(world, world->port);
    CONNECT(world, CONNACK_5);
}

static void test_pauses_begin_anew_only_after_a_while(void **state)
{
    struct world *world = *state;

    world->options.retry_most = 200;
    for (int i = 0; i < 6; i++) { /* a broker that takes it and throws it out again */
        CONNECT(world, CONNACK_5);
        hang_up(world);
        WAIT(world, world->downs == (unsigned)i + 1);
    }
    assert_true(world->down_at[5] - world->down_at[4] >= 75);
}

struct refusal {
    const char *connack;
    size_t len;
    int version;
    const char *why;
};

static void test_connections_that_are_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"\x20\x03\x00\x86\x00", 5, MQTT_5, "wrong user or password"},
        {"\x20\x03\x00\x87\x00", 5, MQTT_5, "not authorised"},
        {"\x20\x03\x00\x85\x00", 5, MQTT_5, "client-id="},
        {"\x20\x03\x00\x84\x00", 5, MQTT_5, "does not speak this version"},
        {"\x20\x02\x00\x01", 4, MQTT_5, "does not speak this version"},
        {"\x20\x02\x00\x02", 4, MQTT_5, "client-id="},
        {"\x20\x02\x00\x00", 4, MQTT_5, "version=3.1.1"},
        {"\x20\x02\x00\x05", 4, MQTT_3_1_1, "not authorised"},
        {"\x20\x02\x00\x04", 4, MQTT_3_1_1, "wrong user or password"},
        {"\x20\x02\x00\x01", 4, MQTT_3_1_1, "does not speak this version"},
    };
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        world->url.version = refusals[i].version;
        open_client(world);
        expect(world, MQTT_CONNECT);
        say(world, refusals[i].connack, refusals[i].len);
        WAIT(world, world->downs == 1);
        assert_non_null(strstr(world->why, refusals[i].why));
        expect(world, MQTT_CONNECT); /* it tries again, the same version */
        assert_int_equal(world->heard[world->heard_at - 1].body[6], refusals[i].version);
        close_client(world);
        hang_up(world);
        rest(world, 5);
        world->downs = 0;
        world->heard_at = world->heard_count;
    }
    assert_int_equal(world->ups, 0);
}

static void test_an_old_broker(void **state)
{
    static const struct refusal refusals[] = {
        {"\x20\x02\x00\x01", 4, 0, NULL},
        {"\x20\x03\x00\x84\x00", 5, 0, NULL},
    };
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        open_client(world);
        assert_int_equal(expect(world, MQTT_CONNECT)->body[6], MQTT_5);
        say(world, refusals[i].connack, refusals[i].len);
        assert_int_equal(expect(world, MQTT_CONNECT)->body[6], MQTT_3_1_1);
        SAY(world, CONNACK_OLD);
        WAIT(world, mqtt_client_state(world->client)->up);
        assert_int_equal(mqtt_client_state(world->client)->version, MQTT_3_1_1);
        hang_up(world); /* and it stays with that */
        assert_int_equal(expect(world, MQTT_CONNECT)->body[6], MQTT_3_1_1);
        close_client(world);
        hang_up(world);
        rest(world, 5);
        world->heard_at = world->heard_count;
    }
}

static void test_an_old_broker_that_says_nothing(void **state)
{
    struct world *world = *state;
    static const int versions[] = {MQTT_5, MQTT_5, MQTT_3_1_1, MQTT_3_1_1, MQTT_5};

    open_client(world);
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        assert_int_equal(expect(world, MQTT_CONNECT)->body[6], versions[i]);
        hang_up(world);
    }
}

static void test_an_old_broker_is_of_no_use(void **state)
{
    struct world *world = *state;
    struct failure failure;

    world->options.must_be_5 = true;
    open_client(world);
    expect(world, MQTT_CONNECT);
    SAY(world, "\x20\x02\x00\x01");
    WAIT(world, world->downs == 1);
    assert_non_null(strstr(world->why, "--mqtt-share"));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(expect(world, MQTT_CONNECT)->body[6], MQTT_5);
        hang_up(world);
    }
    close_client(world);
    world->url.version = MQTT_3_1_1;
    assert_int_equal(mqtt_client_open(&world->client, &world->loop, &world->options, &failure), -1);
    assert_non_null(strstr(failure.text, "need MQTT 5"));
    world->client = NULL;
}

static void test_keep_alive(void **state)
{
    struct world *world = *state;
    uint64_t begun;

    world->options.keep_alive = 1;
    CONNECT(world, CONNACK_5);
    begun = uv_hrtime();
    for (int i = 0; i < 3; i++) {
        expect(world, MQTT_PINGREQ);
        SAY(world, "\xd0\x00");
    }
    assert_true(uv_hrtime() - begun < 6000000000u); /* within its second each, and what the machine adds */
    assert_int_equal(world->downs, 0);
    expect(world, MQTT_PINGREQ); /* which is not answered */
    WAIT(world, world->downs == 1);
    assert_non_null(strstr(world->why, "does not answer"));
}

/* What is heard only when it is read: a client that is paused does not take silence for death. */
static void test_keep_alive_while_paused(void **state)
{
    struct world *world = *state;

    world->options.keep_alive = 1;
    CONNECT(world, CONNACK_5);
    mqtt_client_pause(world->client, true);
    expect(world, MQTT_PINGREQ);
    expect(world, MQTT_PINGREQ); /* the broker hears of it all the same */
    rest(world, 1500);
    assert_int_equal(world->downs, 0);
    assert_true(mqtt_client_state(world->client)->paused);
    SAY(world, "\xd0\x00\xd0\x00\xd0\x00\xd0\x00");
    mqtt_client_pause(world->client, false);
    rest(world, 300);
    assert_int_equal(world->downs, 0);
}

static void test_the_server_s_keep_alive_counts(void **state)
{
    struct world *world = *state;

    CONNECT(world, "\x20\x06\x00\x00\x03\x13\x00\x01");
    expect(world, MQTT_PINGREQ);
}

static void test_close_says_so(void **state)
{
    struct world *world = *state;

    CONNECT(world, CONNACK_5);
    say_publish(world, 1, 7, "x");
    WAIT(world, world->kept_count == 1);
    settle(world, 0);
    close_client(world);
    expect_id(world, MQTT_PUBACK, 7);
    expect(world, MQTT_DISCONNECT);
    WAIT(world, world->peer == NULL);
    assert_int_equal(world->downs, 0);
}

/* ---- messages ---- */

static void test_acknowledged_when_it_is_settled(void **state)
{
    struct world *world = *state;

    CONNECT(world, CONNACK_5);
    say_publish(world, 0, 0, "nothing");
    say_publish(world, 1, 0x1234, "one");
    WAIT(world, world->kept_count == 2);
    assert_string_equal(world->kept[1].topic, "a/b");
    assert_string_equal(world->kept[1].payload, "one");
    assert_int_equal(world->kept[1].qos, 1);
    assert_int_equal(mqtt_client_state(world->client)->unsettled, 2);
    expect_nothing(world);
    settle(world, 0);
    expect_nothing(world);
    settle(world, 1);
    expect_id(world, MQTT_PUBACK, 0x1234);
    assert_int_equal(mqtt_client_state(world->client)->unsettled, 0);
    expect_nothing(world);
    assert_int_equal(mqtt_client_state(world->client)->received[0], 1);
    assert_int_equal(mqtt_client_state(world->client)->received[1], 1);
}

/* MQTT 4.6: in the order in which they came. */
static void test_acknowledged_in_order(void **state)
{
    struct world *world = *state;

    CONNECT(world, CONNACK_5);
    say_publish(world, 1, 1, "a");
    say_publish(world, 2, 2, "b");
    say_publish(world, 0, 0, "c");
    say_publish(world, 1, 3, "d");
    WAIT(world, world->kept_count == 4);
    settle(world, 3);
    settle(world, 1);
    expect_nothing(world);
    settle(world, 0);
    expect_id(world, MQTT_PUBACK, 1);
    expect_id(world, MQTT_PUBREC, 2);
    expect_nothing(world);
    settle(world, 2);
    expect_id(world, MQTT_PUBACK, 3);
}

static void test_settled_at_once(void **state)
{
    struct world *world = *state;

    world->settles = true;
    CONNECT(world, CONNACK_5);
    for (uint16_t i = 1; i <= 40; i++)
        say_publish(world, 1, i, "x");
    for (uint16_t i = 1; i <= 40; i++)
        expect_id(world, MQTT_PUBACK, i);
    assert_int_equal(world->kept_count, 40);
}

static void test_exactly_once(void **state)
{
    struct world *world = *state;

    CONNECT(world, CONNACK_5);
    say_publish(world, 2, 9, "first");
    WAIT(world, world->kept_count == 1);
    say_publish(world, 2, 9, "first"); /* again, while it waits: its acknowledgement will come */
    expect_nothing(world);
    assert_int_equal(world->kept_count, 1);
    settle(world, 0);
    expect_id(world, MQTT_PUBREC, 9);
    say_publish(world, 2, 9, "first"); /* the broker missed that, or it is another message of that number */
    WAIT(world, world->kept_count == 2);
    expect_nothing(world);
    settle(world, 1);
    expect_id(world, MQTT_PUBREC, 9);
    say_ack(world, MQTT_PUBREL, 9);
    expect_id(world, MQTT_PUBCOMP, 9);
    assert_int_equal(world->heard[world->heard_at - 1].len, 2); /* code 0 is left out */
    say_publish(world, 2, 9, "second");                         /* the number is free again */
    WAIT(world, world->kept_count == 3);
    assert_string_equal(world->kept[2].payload, "second");
    say_ack(world, MQTT_PUBREL, 77); /* of which nothing is known */
    expect_id(world, MQTT_PUBCOMP, 77);
    assert_int_equal(world->heard[world->heard_at - 1].body[2], 0x92);
}

static void test_exactly_once_over_connections(void **state)
{
    struct world *world = *state;

    CONNECT(world, CONNACK_5);
    say_publish(world, 2, 1, "received");
    say_publish(world, 2, 2, "arrived");
    WAIT(world, world->kept_count == 2);
    settle(world, 0);
    expect_id(world, MQTT_PUBREC, 1);
    hang_up(world);
    WAIT(world, world->downs == 1);
    assert_int_equal(mqtt_client_state(world->client)->unsettled, 0);
    CONNECT(world, CONNACK_KEPT);
    say_publish(world, 2, 1, "other"); /* of a broker that came back with the state of an hour ago */
    WAIT(world, world->kept_count == 3);
    expect_nothing(world); /* not acknowledged before it is settled */
    assert_string_equal(world->kept[2].payload, "other");
    settle(world, 2);
    expect_id(world, MQTT_PUBREC, 1);
    say_publish(world, 2, 2, "arrived");
    WAIT(world, world->kept_count == 4);
    assert_string_equal(world->kept[3].payload, "arrived");
    settle(world, 3);
    expect_id(world, MQTT_PUBREC, 2);
    say_ack(world, MQTT_PUBREL, 1);
    expect_id(world, MQTT_PUBCOMP, 1);
    hang_up(world);
    WAIT(world, world->downs == 2);
    CONNECT(world, CONNACK_KEPT);
    say_ack(world, MQTT_PUBREL, 2); /* what it had received is remembered, for this */
    expect_id(world, MQTT_PUBCOMP, 2);
    hang_up(world);
    WAIT(world, world->downs == 3);
    CONNECT(world, CONNACK_5); /* the broker forgot all: the number is another message's */
    say_publish(world, 2, 2, "new");
    WAIT(world, world->kept_count == 5);
    assert_string_equal(world->kept[4].payload, "new");
}

static void test_what_is_not_settled_comes_again(void **state)
{
    struct world *world = *state;

    CONNECT(world, CONNACK_5);
    say_publish(world, 1, 5, "x");
    WAIT(world, world->kept_count == 1);
    hang_up(world);
    WAIT(world, world->downs == 1);
    CONNECT(world, CONNACK_KEPT);
    say_publish(world, 1, 5, "x");
    WAIT(world, world->kept_count == 2);
    expect_nothing(world);
    settle(world, 1);
    expect_id(world, MQTT_PUBACK, 5);
}

static void test_no_more_than_may_wait(void **state)
{
    struct world *world = *state;

    CONNECT(world, CONNACK_5);
    for (uint16_t i = 1; i <= 6; i++)
        say_publish(world, i % 2, i, "x"); /* QoS 0 counts as well */
    WAIT(world, world->kept_count == 4);
    rest(world, 20);
    assert_int_equal(world->kept_count, 4);
    assert_true(mqtt_client_state(world->client)->paused);
    settle(world, 0);
    expect_id(world, MQTT_PUBACK, 1);
    WAIT(world, world->kept_count == 5);
    rest(world, 20);
    assert_int_equal(world->kept_count, 5);
    for (size_t i = 1; i < 5; i++)
        settle(world, i);
    expect_id(world, MQTT_PUBACK, 3);
    expect_id(world, MQTT_PUBACK, 5);
    WAIT(world, world->kept_count == 6);
    assert_false(mqtt_client_state(world->client)->paused);
}

static void test_pause(void **state)
{
    struct world *world = *state;

    CONNECT(world, CONNACK_5);
    mqtt_client_pause(world->client, true);
    rest(world, 5);
    say_publish(world, 1, 1, "x");
    expect_nothing(world);
    assert_int_equal(world->kept_count, 0);
    mqtt_client_pause(world->client, false);
    WAIT(world, world->kept_count == 1);
    settle(world, 0);
    expect_id(world, MQTT_PUBACK, 1);
}

static void test_byte_by_byte(void **state)
{
    struct world *world = *state;
    uint8_t bytes[600];
    size_t len = 0;

    open_client(world);
    expect(world, MQTT_CONNECT);
    memcpy(bytes, CONNACK_5, 5);
    len = 5;
    len += make_publish(world, bytes + len, 1, 1, "a/b", "one", 3);
    len += make_publish(world, bytes + len, 2, 2, "a/b", "two", 3);
    for (size_t i = 0; i < len; i++) {
        say(world, bytes + i, 1);
        uv_run(&world->loop, UV_RUN_NOWAIT);
        uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    WAIT(world, world->kept_count == 2);
    assert_string_equal(world->kept[1].payload, "two");
}

/* Longer than the client takes: acknowledged, in its turn, and dropped. */
static void test_a_message_that_is_too_long(void **state)
{
    static uint8_t bytes[100000];
    static char payload[90000];
    struct world *world = *state;
    size_t len = 0;

    memset(payload, 'x', sizeof(payload));
    CONNECT(world, CONNACK_5);
    say_publish(world, 1, 1, "before");
    len += make_publish(world, bytes + len, 1, 2, "a/b", payload, sizeof(payload));
    say(world, bytes, len);
    len = make_publish(world, bytes, 2, 3, "a/b", payload, 700);
    say(world, bytes, len);
    len = make_publish(world, bytes, 0, 0, "a/b", payload, 513);
    say(world, bytes, len);
    WAIT(world, mqtt_client_state(world->client)->oversize == 3 || world->downs > 0);
    say_publish(world, 1, 4, "after");
    expect_nothing(world);
    settle(world, 0);
    expect_id(world, MQTT_PUBACK, 1);
    expect_id(world, MQTT_PUBACK, 2);
    expect_id(world, MQTT_PUBREC, 3);
    WAIT(world, world->kept_count == 2);
    assert_string_equal(world->kept[1].payload, "after");
    say_ack(world, MQTT_PUBREL, 3);
    expect_id(world, MQTT_PUBCOMP, 3);
    assert_int_equal(world->downs, 0);
}

/* ---- publications ---- */

static int publish(struct world *world, uint8_t qos, const char *payload, uint64_t token)
{
    const struct mqtt_publish what = {
        .topic = "c/d", .payload = (const uint8_t *)payload, .payload_len = strlen(payload), .qos = qos};

    return mqtt_client_publish(world->client, &what, token);
}

static void test_publishing(void **state)
{
    struct world *world = *state;
    const struct packet *packet;

    open_client(world);
    assert_int_equal(publish(world, 0, "too early", 0), -1);
    CONNECT(world, CONNACK_5);
    assert_int_equal(publish(world, 0, "zero", 0), 0);
    packet = expect(world, MQTT_PUBLISH);
    assert_int_equal(packet->first, 0x30);
    assert_memory_equal(packet->body,
                        "\x00\x03"
                        "c/d\x00zero",
                        10);
    assert_int_equal(publish(world, 1, "one", 100), 0);
    assert_int_equal(publish(world, 2, "two", 200), 0);
    expect(world, MQTT_PUBLISH);
    expect(world, MQTT_PUBLISH);
    say_ack(world, MQTT_PUBACK, 2); /* of the other kind: of no meaning */
    say_ack(world, MQTT_PUBREC, 2);
    expect_id(world, MQTT_PUBREL, 2);
    say_ack(world, MQTT_PUBACK, 1);
    WAIT(world, world->published_count == 1);
    assert_int_equal(world->published[0], 100);
    say_ack(world, MQTT_PUBCOMP, 2);
    WAIT(world, world->published_count == 2);
    assert_int_equal(world->published[1], 200);
    say_ack(world, MQTT_PUBACK, 1); /* again */
    say_ack(world, MQTT_PUBREC, 999);
    expect_id(world, MQTT_PUBREL, 999);
    assert_int_equal(world->heard[world->heard_at - 1].body[2], 0x92);
    assert_int_equal(world->published_count, 2);
    assert_int_equal(mqtt_client_state(world->client)->unsent, 1);
}

static void test_publications_are_refused(void **state)
{
    struct world *world = *state;

    CONNECT(world, CONNACK_5);
    assert_int_equal(publish(world, 1, "one", 1), 0);
    assert_int_equal(publish(world, 2, "two", 2), 0);
    expect(world, MQTT_PUBLISH);
    expect(world, MQTT_PUBLISH);
    SAY(world, "\x40\x04\x00\x01\x87\x00");
    SAY(world, "\x50\x04\x00\x02\x97\x00");
    WAIT(world, world->published_count == 2);
    assert_int_equal(world->codes[0], 0x87);
    assert_int_equal(world->codes[1], 0x97);
    expect_nothing(world);
}

static void test_so_many_publications_under_way(void **state)
{
    struct world *world = *state;

    CONNECT(world, "\x20\x06\x00\x00\x03\x21\x00\x02"); /* receive maximum 2, below our 3 */
    assert_int_equal(publish(world, 1, "a", 1), 0);
    assert_int_equal(publish(world, 1, "b", 2), 0);
    assert_int_equal(publish(world, 1, "c", 3), -1);
    assert_int_equal(publish(world, 0, "d", 4), 0);
    for (int i = 0; i < 3; i++)
        expect(world, MQTT_PUBLISH);
    say_ack(world, MQTT_PUBACK, 1);
    WAIT(world, world->published_count == 1);
    assert_int_equal(publish(world, 1, "c", 3), 0);
    hang_up(world); /* what was under way is forgotten */
    WAIT(world, world->downs == 1);
    CONNECT(world, CONNACK_5);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(publish(world, 1, "e", i), 0);
    assert_int_equal(publish(world, 1, "e", 9), -1);
}

static void test_what_the_broker_does_not_take(void **state)
{
    static char payload[200];
    struct world *world = *state;
    struct mqtt_publish retained = {.topic = "c", .retain = true};

    memset(payload, 'x', sizeof(payload) - 1);
    /* packets of 100 bytes, QoS 1, nothing retained */
    CONNECT(world, "\x20\x0c\x00\x00\x09\x27\x00\x00\x00\x64\x24\x01\x25\x00");
    assert_int_equal(publish(world, 0, payload, 0), -1);
    assert_int_equal(publish(world, 1, payload, 0), -1);
    assert_int_equal(publish(world, 2, "x", 0), -1);
    assert_int_equal(mqtt_client_publish(world->client, &retained, 0), -1);
    expect_nothing(world);
    for (uint64_t i = 0; i < 3; i++) /* what was not taken counts for nothing */
        assert_int_equal(publish(world, 1, "x", i), 0);
    assert_int_equal(mqtt_client_state(world->client)->unsent, 4);
}

/* ---- bounds ---- */

static void test_a_broker_that_does_not_read(void **state)
{
    static char payload[1000];
    struct world *world = *state;
    unsigned taken = 0;

    memset(payload, 'x', sizeof(payload) - 1);
    CONNECT(world, CONNACK_5);
    uv_read_stop((uv_stream_t *)world->peer);
    while (publish(world, 0, payload, 0) == 0) {
        mqtt_client_flush(world->client);
        taken++;
        assert_true(taken < 100000); /* what sockets hold, and some kilobytes */
    }
    uv_run(&world->loop, UV_RUN_NOWAIT);
    say_publish(world, 1, 1, "x");
    rest(world, 30);
    assert_int_equal(world->kept_count, 0); /* nothing more is taken on, either */
    assert_int_equal(world->downs, 0);
    uv_read_start((uv_stream_t *)world->peer, on_room, on_read);
    world->forgets = true;
    WAIT(world, world->kept_count == 1);
    assert_int_equal(publish(world, 0, "again", 0), 0);
}

/* ---- brokers that lie ---- */

struct lie {
    const char *bytes;
    size_t len;
    bool early; /* instead of CONNACK */
    const char *why;
};

#define LIE(literal, early, why)                                                                             \
    {                                                                                                        \
        literal, sizeof(literal) - 1, early, why                                                             \
    }

static void test_lies(void **state)
{
    static const struct lie lies[] = {
        LIE("\x00\x00", true, "not MQTT"),
        LIE("HTTP/1.1 400 Bad Request\r\n\r\n", true, "not MQTT"),
        LIE("\x15\x03\x03\x00\x02\x02\x46", true, ""),
        LIE("\x30\x06\x00\x03"
            "a/b\x00",
            true, "where none of its kind may stand"),
        LIE("\xd0\x00", true, "where none of its kind may stand"),
        LIE("\x20\x03\x02\x00\x00", true, "not MQTT"),
        LIE("\x20\xff\xff\xff\xff\x7f", true, "not MQTT"),
        LIE("\x20\x80\x80\x40", true, "more than are taken"),
        LIE(CONNACK_5, false, "where none of its kind may stand"),
        LIE("\x10\x00", false, "not MQTT"),
        LIE("\x36\x08\x00\x03"
            "a/b\x00\x01\x00",
            false, "not MQTT"),
        LIE("\x32\x08\x00\x03"
            "a/b\x00\x00\x00",
            false, "not MQTT"),
        LIE("\x30\x06\x00\x03"
            "a/+\x00",
            false, "not MQTT"),
        LIE("\x30\x03\x00\x00\x00", false, ""),
        LIE("\x30\x09\x00\x03"
            "a/b\x03\x23\x00\x01",
            false, "topic alias"),
        LIE("\x90\x04\x00\x09\x00\x00", false, "was not asked for"),
        LIE("\x62\x03\x00", false, NULL), /* and the connection ends within it */
        LIE("\xf0\x02\x18\x00", false, ""),
        LIE("\xe0\x02\x8e\x00", false, "two gateways must not have the same one (client-id=)"),
        LIE("\xe0\x00", false, "a normal end"),
        LIE("\x40\x80\x80\x40", false, "more than are taken"),
        LIE("\x36\xff\xff\x7f\x00\x03"
            "a/b\x00\x01",
            false, "more than are taken"),
        LIE("\x32\xff\xff\x7f\x00\x03"
            "a/b\x00\x00",
            false, "more than are taken"),
        LIE("\xe0\xff\xff\xff\x00", false, ""),
    };
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        unsigned downs;
        if (lies[i].early) {
            if (world->client == NULL)
                open_client(world);
            expect(world, MQTT_CONNECT);
        } else {
            CONNECT(world, CONNACK_5);
        }
        downs = world->downs;
        say(world, lies[i].bytes, lies[i].len);
        if (lies[i].why == NULL) {
            rest(world, 10);
            assert_int_equal(world->downs, downs);
            hang_up(world);
        }
        WAIT(world, world->downs == downs + 1);
        if (lies[i].why != NULL && strstr(world->why, lies[i].why) == NULL)
            print_error("lie %zu: %s\n", i, world->why);
        assert_true(lies[i].why == NULL || strstr(world->why, lies[i].why) != NULL);
        hang_up(world);
        world->heard_at = world->heard_count = 0;
    }
    assert_int_equal(world->kept_count, 0);
    CONNECT(world, CONNACK_5); /* and it comes again each time */
}

/* A number that is in use already: handed over, and acknowledged twice. */
static void test_a_number_twice(void **state)
{
    struct world *world = *state;

    CONNECT(world, CONNACK_5);
    say_publish(world, 1, 1, "a");
    say_publish(world, 1, 1, "b");
    WAIT(world, world->kept_count == 2);
    settle(world, 0);
    settle(world, 1);
    expect_id(world, MQTT_PUBACK, 1);
    expect_id(world, MQTT_PUBACK, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_it_says_first),
        TEST(test_the_url_goes_before_the_options),
        TEST(test_subscribes_with_every_connection),
        TEST(test_a_subscription_that_is_refused),
        TEST(test_no_shared_subscriptions),
        TEST(test_pauses_grow),
        TEST(test_pauses_begin_anew_only_after_a_while),
        TEST(test_connections_that_are_refused),
        TEST(test_an_old_broker),
        TEST(test_an_old_broker_that_says_nothing),
        TEST(test_an_old_broker_is_of_no_use),
        TEST(test_keep_alive),
        TEST(test_keep_alive_while_paused),
        TEST(test_the_server_s_keep_alive_counts),
        TEST(test_close_says_so),
        TEST(test_acknowledged_when_it_is_settled),
        TEST(test_acknowledged_in_order),
        TEST(test_settled_at_once),
        TEST(test_exactly_once),
        TEST(test_exactly_once_over_connections),
        TEST(test_what_is_not_settled_comes_again),
        TEST(test_no_more_than_may_wait),
        TEST(test_pause),
        TEST(test_byte_by_byte),
        TEST(test_a_message_that_is_too_long),
        TEST(test_publishing),
        TEST(test_publications_are_refused),
        TEST(test_so_many_publications_under_way),
        TEST(test_what_the_broker_does_not_take),
        TEST(test_a_broker_that_does_not_read),
        TEST(test_lies),
        TEST(test_a_number_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
