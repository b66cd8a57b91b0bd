/*
 * Writing MQTT packets: byte for byte what the standard's sections say (5.0's numbers), into memory of
 * exactly the size, and never into less.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/mqtt/packet.h"

#include "support.h"

#define V3 MQTT_3_1_1
#define V5 MQTT_5

/* A packet of some kind, written into `room` bytes. */
typedef int write_one(uint8_t *out, size_t room, enum mqtt_version version, const void *what);

static int write_connect(uint8_t *out, size_t room, enum mqtt_version version, const void *what)
{
    return mqtt_write_connect(out, room, version, what);
}

static int write_publish(uint8_t *out, size_t room, enum mqtt_version version, const void *what)
{
    return mqtt_write_publish(out, room, version, what);
}

struct ack {
    enum mqtt_type type;
    uint16_t id;
    uint8_t code;
};

static int write_ack(uint8_t *out, size_t room, enum mqtt_version version, const void *what)
{
    const struct ack *ack = what;

    return mqtt_write_ack(out, room, version, ack->type, ack->id, ack->code);
}

struct subscribe {
    uint16_t id;
    size_t count;
    struct mqtt_subscription subscriptions[3];
};

static int write_subscribe(uint8_t *out, size_t room, enum mqtt_version version, const void *what)
{
    const struct subscribe *subscribe = what;

    return mqtt_write_subscribe(out, room, version, subscribe->id, subscribe->subscriptions,
                                subscribe->count);
}

struct unsubscribe {
    uint16_t id;
    size_t count;
    const char *filters[2];
};

static int write_unsubscribe(uint8_t *out, size_t room, enum mqtt_version version, const void *what)
{
    const struct unsubscribe *unsubscribe = what;

    return mqtt_write_unsubscribe(out, room, version, unsubscribe->id, unsubscribe->filters,
                                  unsubscribe->count);
}

static int write_ping(uint8_t *out, size_t room, enum mqtt_version version, const void *what)
{
    (void)version;
    (void)what;
    return mqtt_write_ping(out, room);
}

static int write_disconnect(uint8_t *out, size_t room, enum mqtt_version version, const void *what)
{
    return mqtt_write_disconnect(out, room, version, *(const uint8_t *)what);
}

#define BYTES(text) ((const uint8_t *)(text))
#define CONNECT(...)                                                                                         \
    write_connect, &(const struct mqtt_connect)                                                              \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define PUBLISH(...)                                                                                         \
    write_publish, &(const struct mqtt_publish)                                                              \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define ACK(...)                                                                                             \
    write_ack, &(const struct ack)                                                                           \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define SUBSCRIBE(...)                                                                                       \
    write_subscribe, &(const struct subscribe)                                                               \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define UNSUBSCRIBE(...)                                                                                     \
    write_unsubscribe, &(const struct unsubscribe)                                                           \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define PING write_ping, NULL
#define DISCONNECT(code)                                                                                     \
    write_disconnect, &(const uint8_t)                                                                       \
    {                                                                                                        \
        code                                                                                                 \
    }

static const struct golden {
    enum mqtt_version version;
    write_one *write;
    const void *what;
    const char *hex; /* or an error's */
    int error;
} goldens[] = {
    /* 3.1 CONNECT */
    {V3, CONNECT(.client_id = "", .clean_start = true), "10 0c 00 04 4d 51 54 54 04 02 00 00 00 00", 0},
    {V3, CONNECT(.client_id = "gw", .keep_alive = 60), "10 0e 00 04 4d 51 54 54 04 00 00 3c 00 02 67 77", 0},
    {V3,
     CONNECT(.client_id = "gw", .keep_alive = 0xfffe, .user = "u", .password = BYTES("p\0q"),
             .password_len = 3, .clean_start = true, .session_expiry = 7, .receive_maximum = 8,
             .maximum_packet_size = 9),
     "10 16 00 04 4d 51 54 54 04 c2 ff fe 00 02 67 77 00 01 75 00 03 70 00 71", 0},
    {V3, CONNECT(.client_id = "gw", .user = "u"), "10 11 00 04 4d 51 54 54 04 80 00 00 00 02 67 77 00 01 75",
     0},
    {V3, CONNECT(.client_id = ""), NULL, MQTT_E_VALUE}, /* 3.1.1 MQTT-3.1.3-7 */
    {V3, CONNECT(.client_id = "gw", .password = BYTES("p"), .password_len = 1), NULL,
     MQTT_E_VALUE}, /* 3.1.2-22 */
    {V3, CONNECT(.client_id = "\xff"), NULL, MQTT_E_TEXT},
    {V3, CONNECT(.client_id = "gw", .user = "\xed\xa0\x80"), NULL, MQTT_E_TEXT},
    {V5, CONNECT(.client_id = "gw", .keep_alive = 60, .receive_maximum = 20, .maximum_packet_size = 8192),
     "10 1c 00 04 4d 51 54 54 05 00 00 3c 0d 11 00 00 00 00 21 00 14 27 00 00 20 00 00 02 67 77", 0},
    {V5,
     CONNECT(.client_id = "", .clean_start = true, .session_expiry = UINT32_MAX, .receive_maximum = 0xffff,
             .maximum_packet_size = UINT32_MAX, .password = BYTES(""), .password_len = 0),
     "10 1c 00 04 4d 51 54 54 05 42 00 00 0d 11 ff ff ff ff 21 ff ff 27 ff ff ff ff 00 00 00 00", 0},
    {V5, CONNECT(.client_id = "gw", .receive_maximum = 0, .maximum_packet_size = 1), NULL, MQTT_E_VALUE},
    {V5, CONNECT(.client_id = "gw", .receive_maximum = 1, .maximum_packet_size = 0), NULL, MQTT_E_VALUE},

    /* 3.3 PUBLISH */
    {V3, PUBLISH(.topic = "a/b", .payload = BYTES("hi"), .payload_len = 2, .id = 9),
     "30 07 00 03 61 2f 62 68 69", 0},
    {V3, PUBLISH(.topic = "a/b", .qos = 1, .id = 10, .content_type = "x"), "32 07 00 03 61 2f 62 00 0a", 0},
    {V3, PUBLISH(.topic = "a", .qos = 2, .id = 0xffff, .dup = true, .retain = true), "3d 05 00 01 61 ff ff",
     0},
    {V5, PUBLISH(.topic = "a", .payload = BYTES("hi"), .payload_len = 2), "30 06 00 01 61 00 68 69", 0},
    {V5,
     PUBLISH(.topic = "a", .qos = 1, .id = 1, .content_type = "t", .payload = BYTES("hi"), .payload_len = 2),
     "32 0c 00 01 61 00 01 04 03 00 01 74 68 69", 0},
    {V5, PUBLISH(.topic = "a", .content_type = ""), "30 04 00 01 61 00", 0},
    {V5, PUBLISH(.topic = "a", .content_type = "\xff"), NULL, MQTT_E_TEXT},
    {V3, PUBLISH(.topic = ""), NULL, MQTT_E_TEXT},
    {V5, PUBLISH(.topic = ""), NULL, MQTT_E_TEXT},
    {V5, PUBLISH(.topic = "a/+"), NULL, MQTT_E_TEXT}, /* MQTT-3.3.2-2 */
    {V5, PUBLISH(.topic = "#"), NULL, MQTT_E_TEXT},
    {V5, PUBLISH(.topic = "a", .qos = 1), NULL, MQTT_E_ID}, /* MQTT-2.2.1-4 */
    {V5, PUBLISH(.topic = "a", .qos = 3, .id = 1), NULL, MQTT_E_VALUE},
    {V5, PUBLISH(.topic = "a", .dup = true), NULL, MQTT_E_VALUE}, /* MQTT-3.3.1-2 */

    /* 3.4 to 3.7 */
    {V3, ACK(MQTT_PUBACK, 1, 0), "40 02 00 01", 0},
    {V3, ACK(MQTT_PUBREC, 0xabcd, 0x80), "50 02 ab cd", 0},
    {V3, ACK(MQTT_PUBREL, 2, 0), "62 02 00 02", 0},
    {V3, ACK(MQTT_PUBCOMP, 3, 0), "70 02 00 03", 0},
    {V5, ACK(MQTT_PUBACK, 1, 0), "40 02 00 01", 0},
    {V5, ACK(MQTT_PUBACK, 1, 0x97), "40 03 00 01 97", 0},
    {V5, ACK(MQTT_PUBREC, 1, 0x99), "50 03 00 01 99", 0},
    {V5, ACK(MQTT_PUBREL, 1, 0x92), "62 03 00 01 92", 0},
    {V5, ACK(MQTT_PUBCOMP, 1, 0x92), "70 03 00 01 92", 0},
    {V5, ACK(MQTT_PUBACK, 0, 0), NULL, MQTT_E_ID},
    {V5, ACK(MQTT_PUBACK, 1, 0x92), NULL, MQTT_E_VALUE},
    {V5, ACK(MQTT_PUBACK, 1, 0x10), NULL, MQTT_E_VALUE}, /* table 3-4: the server's */
    {V5, ACK(MQTT_PUBREL, 1, 0x80), NULL, MQTT_E_VALUE},
    {V5, ACK(MQTT_PUBLISH, 1, 0), NULL, MQTT_E_TYPE},
    {V5, ACK(MQTT_SUBSCRIBE, 1, 0), NULL, MQTT_E_TYPE},

    /* 3.8 SUBSCRIBE, 3.10 UNSUBSCRIBE */
    {V3, SUBSCRIBE(10, 2, {{.filter = "a/b", .qos = 1}, {.filter = "c/d", .qos = 2}}),
     "82 0e 00 0a 00 03 61 2f 62 01 00 03 63 2f 64 02", 0}, /* 3.1.1 figure 3.22 */
    {V3, SUBSCRIBE(10, 1, {{.filter = "#", .retain_as_published = true, .no_retained = true}}),
     "82 06 00 0a 00 01 23 00", 0},
    {V5, SUBSCRIBE(1, 1, {{.filter = "#", .qos = 1}}), "82 07 00 01 00 00 01 23 01", 0},
    {V5, SUBSCRIBE(1, 1, {{.filter = "#", .qos = 2, .retain_as_published = true, .no_retained = true}}),
     "82 07 00 01 00 00 01 23 2a", 0}, /* 3.8.3.1 */
    {V5, SUBSCRIBE(1, 1, {{.filter = "$share/g/+", .qos = 1}}),
     "82 10 00 01 00 00 0a 24 73 68 61 72 65 2f 67 2f 2b 01", 0},
    {V5, SUBSCRIBE(0, 1, {{.filter = "a"}}), NULL, MQTT_E_ID},
    {V5, SUBSCRIBE(1, 0, {{.filter = "a"}}), NULL, MQTT_E_VALUE}, /* MQTT-3.8.3-2 */
    {V5, SUBSCRIBE(1, 1, {{.filter = "a", .qos = 3}}), NULL, MQTT_E_VALUE},
    {V5, SUBSCRIBE(1, 1, {{.filter = ""}}), NULL, MQTT_E_TEXT},
    {V5, SUBSCRIBE(1, 2, {{.filter = "a"}, {.filter = "a#"}}), NULL, MQTT_E_TEXT},
    {V5, SUBSCRIBE(1, MQTT_CODES_MAX + 1, {{.filter = "a"}}), NULL, MQTT_E_TOO_LONG},
    {V3, UNSUBSCRIBE(10, 2, {"a/b", "c/d"}), "a2 0c 00 0a 00 03 61 2f 62 00 03 63 2f 64",
     0}, /* figure 3.30 */
    {V5, UNSUBSCRIBE(10, 1, {"a/b"}), "a2 08 00 0a 00 00 03 61 2f 62", 0},
    {V5, UNSUBSCRIBE(10, 0, {NULL}), NULL, MQTT_E_VALUE},
    {V5, UNSUBSCRIBE(0, 1, {"a"}), NULL, MQTT_E_ID},
    {V5, UNSUBSCRIBE(1, 1, {"+a"}), NULL, MQTT_E_TEXT},
    {V5, UNSUBSCRIBE(1, MQTT_CODES_MAX + 1, {"a"}), NULL, MQTT_E_TOO_LONG},

    /* 3.12 PINGREQ, 3.14 DISCONNECT */
    {V3, PING, "c0 00", 0},
    {V5, PING, "c0 00", 0},
    {V3, DISCONNECT(0), "e0 00", 0},
    {V3, DISCONNECT(0x82), "e0 00", 0},
    {V5, DISCONNECT(0), "e0 00", 0},
    {V5, DISCONNECT(0x82), "e0 01 82", 0},
    {V5, DISCONNECT(0x93), "e0 01 93", 0},
    {V5, DISCONNECT(0x8b), NULL, MQTT_E_VALUE}, /* table 3-10: the server's */
    {V5, DISCONNECT(0x01), NULL, MQTT_E_VALUE},
};

static void goldens_are_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(goldens); i++) {
        const struct golden *golden = &goldens[i];
        uint8_t wanted[256];
        uint8_t *out = malloc(sizeof(wanted));
        int size = golden->write(out, sizeof(wanted), golden->version, golden->what);

        assert_non_null(out);
        if (golden->hex == NULL)
            assert_int_equal(size, golden->error);
        else {
            assert_int_equal(size, from_hex(wanted, sizeof(wanted), golden->hex));
            assert_memory_equal(out, wanted, (size_t)size);
        }
        free(out);
    }
}

/* In memory of exactly the packet's size it fits; in every smaller one it does not, and nothing is written.
 */
static void room_is_kept_to(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(goldens); i++) {
        const struct golden *golden = &goldens[i];
        uint8_t wanted[256];
        size_t size;

        if (golden->hex == NULL)
            continue;
        size = from_hex(wanted, sizeof(wanted), golden->hex);
        for (size_t room = 1; room <= size; room++) {
            uint8_t *out = malloc(room);
            int written = golden->write(out, room, golden->version, golden->what);

            assert_non_null(out);
            assert_int_equal(written, room < size ? MQTT_E_ROOM : (int)size);
            free(out);
        }
        assert_int_equal(golden->write(NULL, 0, golden->version, golden->what), MQTT_E_ROOM);
    }
}

/* What both sides may send is read as it was written. */
static void what_is_written_is_read(void **state)
{
    static const char *const types[] = {NULL, "application/senml+cbor"};
    uint8_t payload[300];
    uint8_t out[400];

    (void)state;
    memset(payload, 0xd0, sizeof(payload));
    for (unsigned i = 0; i < 2u * 2 * 3 * 2 * 2 * 300; i++) {
        const struct mqtt_publish sent = {
            .topic = "bulla/0a1b2c3d/down",
            .payload = payload,
            .payload_len = i / 48,
            .content_type = types[i & 1],
            .id = (uint16_t)(i + 1),
            .qos = (uint8_t)(i / 16 % 3),
            .retain = (i & 4) != 0,
            .dup = (i & 8) != 0 && i / 16 % 3 > 0,
        };
        enum mqtt_version version = (i & 2) != 0 ? MQTT_5 : MQTT_3_1_1;
        int size = mqtt_write_publish(out, sizeof(out), version, &sent);
        size_t type_len = version == MQTT_5 && sent.content_type != NULL ? strlen(sent.content_type) : 0;
        struct mqtt_packet got;

        assert_true(size > 0);
        assert_int_equal(mqtt_packet_read(&got, version, out, (size_t)size), 0);
        assert_int_equal(got.topic.len, strlen(sent.topic));
        assert_memory_equal(got.topic.at, sent.topic, got.topic.len);
        assert_int_equal(got.payload.len, sent.payload_len);
        assert_memory_equal(got.payload.at, payload, sent.payload_len);
        assert_int_equal(got.id, sent.qos > 0 ? sent.id : 0);
        assert_true(got.qos == sent.qos && got.retain == sent.retain && got.dup == sent.dup);
        assert_int_equal(got.properties.content_type.len, type_len);
    }
}

/* The lengths at which the remaining length takes one byte more (1.5.5), and the longest packet. */
static void long_packets_are_written(void **state)
{
    static const struct {
        size_t payload;
        int size;
    } cases[] = {
        {127 - 3, 2 + 127},
        {128 - 3, 3 + 128},
        {16383 - 3, 3 + 16383},
        {16384 - 3, 4 + 16384},
        {2097151 - 3, 4 + 2097151},
        {2097152 - 3, 5 + 2097152},
        {268435455 - 3, MQTT_E_ROOM},
        {268435456 - 3, MQTT_E_TOO_LONG},
        {SIZE_MAX / 2, MQTT_E_TOO_LONG},
    };
    size_t room = 5 + 2097152;
    uint8_t *payload = calloc(1, room);
    uint8_t *out = malloc(room);

    (void)state;
    assert_non_null(payload);
    assert_non_null(out);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct mqtt_publish sent = {.topic = "a", .payload = payload, .payload_len = cases[i].payload};
        int size = mqtt_write_publish(out, room, MQTT_3_1_1, &sent);
        size_t found = 0;

        assert_int_equal(size, cases[i].size);
        if (size > 0) {
            assert_int_equal(mqtt_packet_size(out, (size_t)size, room, &found), 1);
            assert_int_equal(found, size);
        }
    }
    free(out);
    free(payload);
}

/* Strings of 65,535 bytes are the longest (1.5.4). */
static void long_strings_are_refused(void **state)
{
    size_t room = 200000;
    uint8_t *out = malloc(room);
    char *text = malloc(65537);
    const char *filters[1] = {text};

    (void)state;
    assert_non_null(out);
    assert_non_null(text);
    for (size_t len = 65535; len <= 65536; len++) {
        const struct mqtt_connect connect = {
            .client_id = text, .user = text, .receive_maximum = 1, .maximum_packet_size = 1};
        const struct mqtt_connect password = {
            .client_id = "a", .user = "u", .password = (uint8_t *)text, .password_len = len};
        const struct mqtt_publish publish = {.topic = text};
        const struct mqtt_publish typed = {.topic = "a", .content_type = text};
        int fits = len <= 65535;

        memset(text, 'x', len);
        text[len] = '\0';
        assert_int_equal(mqtt_write_connect(out, room, MQTT_5, &connect),
                         fits ? 4 + 10 + 14 + 2 * 65537 : MQTT_E_TOO_LONG);
        assert_int_equal(mqtt_write_connect(out, room, MQTT_3_1_1, &password),
                         fits ? 4 + 10 + 3 + 3 + 65537 : MQTT_E_TOO_LONG);
        assert_int_equal(mqtt_write_publish(out, room, MQTT_3_1_1, &publish), fits ? 4 + 65537 : MQTT_E_TEXT);
        assert_int_equal(mqtt_write_publish(out, room, MQTT_5, &typed),
                         fits ? 4 + 3 + 3 + 1 + 65537 : MQTT_E_TOO_LONG);
        assert_int_equal(mqtt_write_unsubscribe(out, room, MQTT_5, 1, filters, 1),
                         fits ? 4 + 3 + 65537 : MQTT_E_TEXT);
    }
    free(text);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens_are_written),      cmocka_unit_test(room_is_kept_to),
        cmocka_unit_test(what_is_written_is_read),  cmocka_unit_test(long_packets_are_written),
        cmocka_unit_test(long_strings_are_refused),
    };
    return cmocka_run_group_tests_name("mqtt packets that are written", tests, NULL, NULL);
}
