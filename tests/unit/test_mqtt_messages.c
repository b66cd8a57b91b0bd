/*
 * gateway/mqtt/client.h: messages and their acknowledgement, publications.
 */
#include "mqtt_world.h"

#include <stdio.h>
#include <string.h>

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
    const struct packet *completed;

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
    say_publish(world, 2, 3, "third");
    WAIT(world, world->kept_count == 5);
    settle(world, 4);
    expect_id(world, MQTT_PUBREC, 3);
    hang_up(world);
    WAIT(world, world->downs == 3);
    CONNECT(world, CONNACK_5); /* the broker forgot all: the number is another message's */
    say_publish(world, 2, 2, "new");
    WAIT(world, world->kept_count == 6);
    assert_string_equal(world->kept[5].payload, "new");
    say_ack(world, MQTT_PUBREL, 3);
    completed = expect(world, MQTT_PUBCOMP);
    assert_memory_equal(completed->body, "\0\3\x92", 3); /* nothing is known of it */
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

/* Publishes until nothing more is taken, and says how many were. */
static unsigned fill(struct world *world)
{
    static char payload[1000];
    unsigned taken = 0;

    memset(payload, 'x', sizeof(payload) - 1);
    while (publish(world, 0, payload, 0) == 0) {
        mqtt_client_flush(world->client);
        taken++;
        assert_true(taken < 100000); /* what sockets hold, and some kilobytes */
    }
    return taken;
}

static void test_a_broker_that_does_not_read(void **state)
{
    struct world *world = *state;

    CONNECT(world, CONNACK_5);
    stop_reading(world);
    while (fill(world) > 0)
        rest(world, 30); /* the system may find more room meanwhile */
    say_publish(world, 1, 1, "x");
    rest(world, 30);
    assert_int_equal(world->kept_count, 0); /* nothing more is taken on, either */
    assert_int_equal(world->downs, 0);
    start_reading(world);
    world->forgets = true;
    WAIT(world, world->kept_count == 1);
    assert_int_equal(publish(world, 0, "again", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
