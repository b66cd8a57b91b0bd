/*
 * gateway/mqtt/client.h: its connection, and brokers that lie.
 */
#include "mqtt_world.h"

#include <stdio.h>
#include <string.h>

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

/* Also where the client wanted none. */
static void test_the_server_asks_for_keep_alive(void **state)
{
    struct world *world = *state;

    world->options.keep_alive = 0;
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
        TEST(test_the_server_asks_for_keep_alive),
        TEST(test_close_says_so),
        TEST(test_lies),
        TEST(test_a_number_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
