/*
 * Reading what brokers send, byte by byte: golden packets with the section of the standard that they are made
 * by (5.0's numbers), each of them cut everywhere and with every byte changed, in memory of exactly its size.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/mqtt/packet.h"

#include "support.h"

#define PACKET_MAX 256

/* ---- a packet in words: all that is not what a packet without it would have ---- */

struct words {
    char text[512];
    size_t len;
};

static void say(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct words *words, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    words->len +=
        (size_t)vsnprintf(words->text + words->len, sizeof(words->text) - words->len, format, arguments);
    va_end(arguments);
    assert_true(words->len < sizeof(words->text));
}

static void say_number(struct words *words, const char *name, uint32_t value, uint32_t usual)
{
    if (value != usual)
        say(words, " %s=%u", name, value);
}

static void say_bytes(struct words *words, const char *name, struct mqtt_bytes bytes)
{
    if (bytes.len > 0)
        say(words, " %s=%.*s", name, (int)bytes.len, (const char *)bytes.at);
}

static void say_properties(struct words *words, const struct mqtt_packet *packet)
{
    const struct mqtt_properties *known = &packet->properties;
    int connack = packet->type == MQTT_CONNACK;

    say_number(words, "receive", known->receive_maximum, connack ? UINT16_MAX : 0);
    say_number(words, "size", known->maximum_packet_size, connack ? UINT32_MAX : 0);
    say_number(words, "aliases", known->topic_alias_maximum, 0);
    say_number(words, "alias", known->topic_alias, 0);
    say_number(words, "maximum_qos", known->maximum_qos, connack ? 2 : 0);
    say_number(words, "can_retain", known->retain_available, (uint32_t)connack);
    say_number(words, "can_share", known->shared_available, (uint32_t)connack);
    say_number(words, "can_wildcard", known->wildcard_available, (uint32_t)connack);
    if (known->has_keep_alive)
        say(words, " keep_alive=%u", known->keep_alive);
    if (known->has_session_expiry)
        say(words, " expiry=%u", known->session_expiry);
    say_bytes(words, "client", known->client_id);
    say_bytes(words, "reason", known->reason);
    say_bytes(words, "content", known->content_type);
    say_bytes(words, "server", known->other_server);
}

static void describe(struct words *words, const struct mqtt_packet *packet)
{
    words->len = 0;
    say(words, "%d", packet->type);
    say_number(words, "id", packet->id, 0);
    say_number(words, "code", packet->code, 0);
    say_number(words, "present", packet->session_present, 0);
    say_number(words, "qos", packet->qos, 0);
    say_number(words, "dup", packet->dup, 0);
    say_number(words, "retain", packet->retain, 0);
    say_bytes(words, "topic", packet->topic);
    say_bytes(words, "payload", packet->payload);
    for (size_t i = 0; i < packet->code_count; i++)
        say(words, "%s%u", i == 0 ? " codes=" : ",", packet->codes[i]);
    say_properties(words, packet);
}

/* ---- golden packets ---- */

#define V3 MQTT_3_1_1
#define V5 MQTT_5

static const struct golden {
    enum mqtt_version version;
    const char *hex;
    const char *words; /* NULL: an error, the one below */
    int error;
} goldens[] = {
    /* 3.2 CONNACK */
    {V3, "20 02 00 00", "2", 0},
    {V3, "20 02 01 00", "2 present=1", 0},
    {V3, "20 02 00 01", "2 code=1", 0},
    {V3, "20 02 00 05", "2 code=5", 0},
    {V3, "20 02 00 06", NULL, MQTT_E_VALUE}, /* 3.1.1 3.2.2.3: reserved */
    {V3, "20 02 02 00", NULL, MQTT_E_VALUE}, /* 3.1.1 3.2.2.1: reserved */
    {V3, "20 02 01 05", NULL, MQTT_E_VALUE}, /* 3.1.1 MQTT-3.2.2-4 */
    {V3, "20 01 00", NULL, MQTT_E_REST},
    {V3, "20 03 00 00 00", NULL, MQTT_E_REST},
    {V3, "21 02 00 00", NULL, MQTT_E_TYPE}, /* 2.1.3 */
    {V5, "20 03 00 00 00", "2", 0},
    {V5, "20 03 01 00 00", "2 present=1", 0},
    {V5, "20 03 00 87 00", "2 code=135", 0},
    {V5, "20 08 00 87 05 1f 00 02 6e 6f", "2 code=135 reason=no", 0},
    {V5,
     "20 40 01 00 3d 11 00 00 0e 10 12 00 04 67 77 2d 31 13 00 3c 1c 00 03 62 3a 31 1f 00 02 6f 6b 21 00 14 "
     "22 00 0a"
     "24 01 25 00 26 00 01 61 00 01 62 26 00 01 61 00 01 63 27 00 00 10 00 28 00 29 00 2a 00",
     "2 present=1 receive=20 size=4096 aliases=10 maximum_qos=1 can_retain=0 can_share=0 can_wildcard=0 "
     "keep_alive=60 expiry=3600 client=gw-1 reason=ok server=b:1",
     0},
    {V5, "20 02 00 01", NULL, MQTT_E_REST}, /* a server of 3.1.1 that refuses 5.0: its form is 3.1.1's */
    {V5, "20 02 00 00", NULL, MQTT_E_REST},
    {V5, "20 02 00 02", NULL, MQTT_E_REST},
    {V5, "20 02 01 01", NULL, MQTT_E_REST},
    {V5, "20 03 00 01 00", NULL, MQTT_E_VALUE},
    {V5, "20 03 02 00 00", NULL, MQTT_E_VALUE},
    {V5, "20 03 01 87 00", NULL, MQTT_E_VALUE}, /* MQTT-3.2.2-6 */
    {V5, "20 03 00 8b 00", NULL, MQTT_E_VALUE}, /* a code of DISCONNECT */
    {V5, "20 04 00 00 00 00", NULL, MQTT_E_REST},
    {V5, "20 04 00 00 80 00", NULL, MQTT_E_LENGTH},               /* MQTT-1.5.5-1 */
    {V5, "20 84 00 00 00 01 00", NULL, MQTT_E_LENGTH},            /* MQTT-1.5.5-1 */
    {V5, "20 03 00 00 01", NULL, MQTT_E_LENGTH},                  /* properties beyond the end */
    {V5, "20 06 00 00 03 21 00 00", NULL, MQTT_E_PROPERTY},       /* 3.2.2.3.3 */
    {V5, "20 08 00 00 05 27 00 00 00 00", NULL, MQTT_E_PROPERTY}, /* 3.2.2.3.6 */
    {V5, "20 05 00 00 02 24 02", NULL, MQTT_E_PROPERTY},          /* 3.2.2.3.4 */
    {V5, "20 05 00 00 02 25 02", NULL, MQTT_E_PROPERTY},          /* 3.2.2.3.5 */
    {V5, "20 05 00 00 02 28 02", NULL, MQTT_E_PROPERTY},          /* 3.2.2.3.11 */
    {V5, "20 05 00 00 02 29 ff", NULL, MQTT_E_PROPERTY},          /* 3.2.2.3.12 */
    {V5, "20 05 00 00 02 2a 02", NULL, MQTT_E_PROPERTY},          /* 3.2.2.3.13 */
    {V5, "20 07 00 00 04 25 01 25 01", NULL, MQTT_E_PROPERTY},    /* given twice */
    {V5, "20 06 00 00 03 23 00 01", NULL, MQTT_E_PROPERTY},       /* a property of PUBLISH */
    {V5, "20 06 00 00 03 15 00 00", NULL, MQTT_E_PROPERTY},       /* MQTT-4.12.0-6 */
    {V5, "20 06 00 00 03 16 00 00", NULL, MQTT_E_PROPERTY},       /* 3.2.2.3.18 */
    {V5, "20 06 00 00 03 1a 00 00", NULL, MQTT_E_PROPERTY},       /* MQTT-3.1.2-28 */
    {V5, "20 05 00 00 02 00 00", NULL, MQTT_E_PROPERTY},
    {V5, "20 05 00 00 02 a5 00", NULL, MQTT_E_PROPERTY},
    {V5, "20 04 00 00 01 25", NULL, MQTT_E_REST},
    {V5, "20 06 00 00 03 1f 00 01", NULL, MQTT_E_LENGTH},
    {V5, "20 05 00 00 02 1f 00", NULL, MQTT_E_REST},

    /* 3.3 PUBLISH */
    {V3, "30 05 00 01 61 68 69", "3 topic=a payload=hi", 0},
    {V3, "31 03 00 01 61", "3 retain=1 topic=a", 0},
    {V3, "32 07 00 03 61 2f 62 00 0a", "3 id=10 qos=1 topic=a/b", 0}, /* 3.1.1 figure 3.11 */
    {V3, "3c 06 00 01 61 ff ff 00", "3 id=65535 qos=2 dup=1 topic=a payload=", 0},
    {V3, "38 05 00 01 61 68 69", NULL, MQTT_E_VALUE},       /* MQTT-3.3.1-2 */
    {V3, "36 07 00 01 61 00 01 68 69", NULL, MQTT_E_VALUE}, /* MQTT-3.3.1-4 */
    {V3, "32 05 00 01 61 00 00", NULL, MQTT_E_ID},          /* MQTT-2.2.1-3 */
    {V3, "32 04 00 01 61 00", NULL, MQTT_E_REST},
    {V3, "30 02 00 00", NULL, MQTT_E_TEXT},          /* MQTT-4.7.3-1 */
    {V3, "30 03 00 01 2b", NULL, MQTT_E_TEXT},       /* MQTT-3.3.2-2: + */
    {V3, "30 05 00 03 61 2f 23", NULL, MQTT_E_TEXT}, /* # */
    {V3, "30 03 00 01 00", NULL, MQTT_E_TEXT},       /* MQTT-1.5.4-2 */
    {V3, "30 05 00 03 ed a0 80", NULL, MQTT_E_TEXT}, /* MQTT-1.5.4-1: a surrogate */
    {V3, "30 04 00 02 c0 af", NULL, MQTT_E_TEXT},    /* overlong */
    {V3, "30 03 00 01 ff", NULL, MQTT_E_TEXT},
    {V3, "30 05 00 03 ef bb bf", "3 topic=\xef\xbb\xbf", 0},        /* MQTT-1.5.4-3: U+FEFF is a character */
    {V3, "30 06 00 04 f0 aa 9b 94", "3 topic=\xf0\xaa\x9b\x94", 0}, /* 1.5.4: U+2A6D4 */
    {V3, "30 03 00 02 61", NULL, MQTT_E_LENGTH},
    {V3, "30 01 00", NULL, MQTT_E_REST},
    {V3, "30 00", NULL, MQTT_E_REST},
    {V5, "30 06 00 01 61 00 68 69", "3 topic=a payload=hi", 0},
    {V5,
     "3d 4d 00 11 62 75 6c 6c 61 2f 30 61 31 62 32 63 33 64 2f 75 70 12 34 35 01 01 02 00 00 0e 10 03 00 10 "
     "61 70 70"
     "6c 69 63 61 74 69 6f 6e 2f 63 62 6f 72 08 00 03 72 2f 31 09 00 02 78 79 0b 07 0b ff ff ff 7f 23 00 03 "
     "26 00 01"
     "6b 00 00 68 69",
     "3 id=4660 qos=2 dup=1 retain=1 topic=bulla/0a1b2c3d/up payload=hi alias=3 content=application/cbor", 0},
    {V5, "30 08 00 00 03 23 00 01 68 69", "3 payload=hi alias=1", 0}, /* 3.3.2.3.4 */
    {V5, "30 03 00 00 00", NULL, MQTT_E_TEXT},
    {V5, "30 05 00 00 02 01 00", NULL, MQTT_E_TEXT},
    {V5, "30 07 00 01 61 03 23 00 00", NULL, MQTT_E_PROPERTY}, /* MQTT-3.3.2-8 */
    {V5, "30 0a 00 01 61 06 23 00 01 23 00 01", NULL, MQTT_E_PROPERTY},
    {V5, "30 06 00 01 61 02 01 02", NULL, MQTT_E_PROPERTY},  /* 3.3.2.3.2 */
    {V5, "30 06 00 01 61 02 0b 00", NULL, MQTT_E_PROPERTY},  /* 3.3.2.3.8 */
    {V5, "30 07 00 01 61 03 0b 81 00", NULL, MQTT_E_LENGTH}, /* MQTT-1.5.5-1 */
    {V5, "30 09 00 01 61 05 0b ff ff ff ff", NULL, MQTT_E_LENGTH},
    {V5, "30 06 00 01 61 02 0b 80", NULL, MQTT_E_REST},
    {V5, "30 08 00 01 61 04 08 00 01 2b", NULL, MQTT_E_TEXT}, /* MQTT-3.3.2-14 */
    {V5, "30 07 00 01 61 03 08 00 00", NULL, MQTT_E_TEXT},    /* MQTT-4.7.3-1 */
    {V5, "30 08 00 01 61 04 03 00 01 00", NULL, MQTT_E_TEXT},
    {V5, "30 08 00 01 61 04 09 00 01 00", "3 topic=a", 0}, /* binary data may be a zero */
    {V5, "30 09 00 01 61 05 26 00 01 ff 00 00", NULL, MQTT_E_LENGTH},
    {V5, "30 0a 00 01 61 06 26 00 01 ff 00 00", NULL, MQTT_E_TEXT},
    {V5, "30 09 00 01 61 05 11 00 00 00 01", NULL, MQTT_E_PROPERTY}, /* a property of CONNACK */
    {V5, "30 07 00 01 61 03 1f 00 00", NULL, MQTT_E_PROPERTY},
    {V5, "30 03 00 01 61", NULL, MQTT_E_REST}, /* 3.3.2.3.1: there is a property length */

    /* 3.4 to 3.7 */
    {V3, "40 02 00 01", "4 id=1", 0},
    {V3, "50 02 00 01", "5 id=1", 0},
    {V3, "62 02 00 01", "6 id=1", 0},
    {V3, "70 02 00 01", "7 id=1", 0},
    {V3, "40 03 00 01 00", NULL, MQTT_E_REST},
    {V3, "40 01 00", NULL, MQTT_E_REST},
    {V3, "40 02 00 00", NULL, MQTT_E_ID},
    {V3, "60 02 00 01", NULL, MQTT_E_TYPE}, /* MQTT-3.6.1-1 */
    {V3, "42 02 00 01", NULL, MQTT_E_TYPE},
    {V5, "40 02 01 00", "4 id=256", 0},
    {V5, "50 03 00 01 10", "5 id=1 code=16", 0},
    {V5, "62 04 00 01 92 00", "6 id=1 code=146", 0},
    {V5, "70 09 00 01 92 05 1f 00 02 6e 6f", "7 id=1 code=146 reason=no", 0},
    {V5, "40 10 00 01 97 0c 1f 00 04 66 75 6c 6c 26 00 00 00 00", "4 id=1 code=151 reason=full", 0},
    {V5, "40 03 00 01 92", NULL, MQTT_E_VALUE}, /* 3.4.2.1 */
    {V5, "50 03 00 01 01", NULL, MQTT_E_VALUE}, /* 3.5.2.1 */
    {V5, "62 03 00 01 80", NULL, MQTT_E_VALUE}, /* 3.6.2.1 */
    {V5, "70 03 00 01 10", NULL, MQTT_E_VALUE}, /* 3.7.2.1 */
    {V5, "62 02 00 00", NULL, MQTT_E_ID},
    {V5, "40 07 00 01 00 03 21 00 01", NULL, MQTT_E_PROPERTY},
    {V5, "40 05 00 01 00 00 00", NULL, MQTT_E_REST},

    /* 3.9 SUBACK, 3.11 UNSUBACK */
    {V3, "90 06 00 02 00 01 02 80", "9 id=2 codes=0,1,2,128", 0},
    {V3, "90 03 00 02 03", NULL, MQTT_E_VALUE},
    {V3, "90 03 00 02 87", NULL, MQTT_E_VALUE},
    {V3, "90 02 00 02", NULL, MQTT_E_REST},
    {V3, "90 03 00 00 00", NULL, MQTT_E_ID},
    {V3, "b0 02 00 03", "11 id=3", 0},
    {V3, "b0 03 00 03 00", NULL, MQTT_E_REST},
    {V5, "90 0c 00 02 05 1f 00 02 6e 6f 00 01 02 87", "9 id=2 codes=0,1,2,135 reason=no", 0},
    {V5, "90 04 00 02 00 a2", "9 id=2 codes=162", 0},
    {V5, "90 04 00 02 00 11", NULL, MQTT_E_VALUE},
    {V5, "90 03 00 02 00", NULL, MQTT_E_REST},
    {V5, "b0 06 00 03 00 00 11 8f", "11 id=3 codes=0,17,143", 0},
    {V5, "b0 04 00 03 00 01", NULL, MQTT_E_VALUE},
    {V5, "b0 03 00 03 00", NULL, MQTT_E_REST},
    {V5, "b0 02 00 03", NULL, MQTT_E_REST},

    /* 3.13 PINGRESP */
    {V3, "d0 00", "13", 0},
    {V5, "d0 00", "13", 0},
    {V3, "d0 80 00", "13", 0}, /* 3.1.1 2.2.3 does not ask for the fewest bytes */
    {V5, "d0 80 00", NULL, MQTT_E_LENGTH},
    {V5, "d0 01 00", NULL, MQTT_E_REST},
    {V5, "d1 00", NULL, MQTT_E_TYPE},

    /* 3.14 DISCONNECT, 3.15 AUTH */
    {V5, "e0 00", "14", 0},
    {V5, "e0 01 8b", "14 code=139", 0},
    {V5, "e0 02 8e 00", "14 code=142", 0},
    {V5, "e0 0e 9c 0c 1c 00 03 62 3a 31 1f 00 03 62 79 65", "14 code=156 reason=bye server=b:1", 0},
    {V5, "e0 01 04", NULL, MQTT_E_VALUE}, /* a client's */
    {V5, "e0 01 84", NULL, MQTT_E_VALUE},
    {V5, "e0 07 8b 05 11 00 00 00 01", NULL, MQTT_E_PROPERTY}, /* MQTT-3.14.2-2 */
    {V5, "e0 03 8b 00 00", NULL, MQTT_E_REST},
    {V5, "e1 00", NULL, MQTT_E_TYPE},
    {V3, "e0 00", NULL, MQTT_E_TYPE},
    {V5, "f0 00", NULL, MQTT_E_TYPE}, /* MQTT-4.12.0-6 */
    {V5, "f0 02 18 00", NULL, MQTT_E_TYPE},

    /* 2.1.2: what clients send, and the type that is none */
    {V5, "00 00", NULL, MQTT_E_TYPE},
    {V5, "10 00", NULL, MQTT_E_TYPE},
    {V5, "82 00", NULL, MQTT_E_TYPE},
    {V5, "a2 00", NULL, MQTT_E_TYPE},
    {V5, "c0 00", NULL, MQTT_E_TYPE},
    {V3, "c0 00", NULL, MQTT_E_TYPE},

    /* 1.5.5: five bytes, and a packet that is not of the size that it names */
    {V3, "d0 80 80 80 80 00", NULL, MQTT_E_LENGTH},
    {V3, "d0 80 80 80 00", "13", 0},
    {V3, "40 03 00 01", NULL, MQTT_E_LENGTH},
    {V3, "40 01 00 01", NULL, MQTT_E_LENGTH},
    {V3, "40", NULL, MQTT_E_LENGTH},
    {V3, "", NULL, MQTT_E_LENGTH},
};

/* The bytes in memory of exactly their size, so that reading behind them is seen. */
static uint8_t *exact(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    if (len == 0)
        return copy + 1;
    memcpy(copy, bytes, len);
    return copy;
}

static void exact_free(uint8_t *copy, size_t len)
{
    free(len > 0 ? copy : copy - 1);
}

static void goldens_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(goldens); i++) {
        const struct golden *golden = &goldens[i];
        uint8_t bytes[PACKET_MAX];
        size_t len = from_hex(bytes, sizeof(bytes), golden->hex);
        uint8_t *copy = exact(bytes, len);
        struct mqtt_packet packet;
        int error = mqtt_packet_read(&packet, golden->version, copy, len);

        if (error != golden->error)
            fail_msg("%s (version %d): %s, not %s", golden->hex, golden->version, mqtt_strerror(error),
                     mqtt_strerror(golden->error));
        if (error == 0) {
            struct words words;
            describe(&words, &packet);
            assert_string_equal(words.text, golden->words);
        }
        exact_free(copy, len);
    }
}

/* ---- what holds of whatever was read ---- */

static void assert_inside(struct mqtt_bytes bytes, const uint8_t *from, size_t len)
{
    if (bytes.at == NULL)
        assert_int_equal(bytes.len, 0);
    else
        assert_true(bytes.at >= from && bytes.len <= len && (size_t)(bytes.at - from) <= len - bytes.len);
}

static void check(const struct mqtt_packet *packet, const uint8_t *bytes, size_t len)
{
    const struct mqtt_properties *known = &packet->properties;
    const struct mqtt_bytes all[] = {packet->topic,       packet->payload, known->client_id,
                                     known->content_type, known->reason,   known->other_server};
    int has_id = packet->type != MQTT_CONNACK && packet->type < MQTT_PINGREQ &&
                 (packet->type != MQTT_PUBLISH || packet->qos > 0);

    for (size_t i = 0; i < COUNT(all); i++)
        assert_inside(all[i], bytes, len);
    assert_int_equal(packet->id != 0, has_id);
    assert_in_range(packet->qos, 0, 2);
    if (packet->type == MQTT_PUBLISH)
        assert_true(mqtt_is_topic((const char *)packet->topic.at, packet->topic.len) ||
                    known->topic_alias > 0);
    if (packet->type == MQTT_CONNACK) {
        assert_in_range(known->receive_maximum, 1, UINT16_MAX);
        assert_in_range(known->maximum_packet_size, 1, UINT32_MAX);
        assert_true(!packet->session_present || packet->code == 0);
    }
}

/* Reads the bytes as both versions, and as a stream would. Returns how many of the versions took them. */
static unsigned read_any(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = exact(bytes, len);
    unsigned taken = 0;
    size_t size = 0;
    int found = mqtt_packet_size(copy, len, SIZE_MAX, &size);

    assert_true(found <= 1);
    for (int version = MQTT_3_1_1; version <= MQTT_5; version++) {
        struct mqtt_packet packet;
        int error = mqtt_packet_read(&packet, (enum mqtt_version)version, copy, len);

        if (error == 0) {
            assert_int_equal(found, 1);
            assert_int_equal(size, len);
            check(&packet, copy, len);
            taken++;
        } else if (error < MQTT_E_VALUE || error > 0)
            fail_msg("reading returned %d", error);
    }
    exact_free(copy, len);
    return taken;
}

static void truncations_are_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(goldens); i++) {
        uint8_t bytes[PACKET_MAX];
        size_t len = from_hex(bytes, sizeof(bytes), goldens[i].hex);

        for (size_t cut = 0; goldens[i].error == 0 && cut < len; cut++)
            assert_int_equal(read_any(bytes, cut), 0);
    }
}

/* The remaining length says what is there: only a payload, the codes of SUBACK and what may be left out at a
 * packet's end can be missing. */
static void cut_inside(const uint8_t *golden, size_t len)
{
    uint8_t bytes[PACKET_MAX];
    enum mqtt_type type = (enum mqtt_type)(golden[0] >> 4);

    if (golden[1] >= 0x80)
        return;
    memcpy(bytes, golden, len);
    for (size_t cut = 2; cut < len; cut++) {
        unsigned taken;
        bytes[1] = (uint8_t)(cut - 2);
        taken = read_any(bytes, cut);
        if (type == MQTT_CONNACK && cut == 4) /* 3.1.1's */
            continue;
        if (taken > 0 && (type == MQTT_CONNACK || type == MQTT_PINGRESP))
            fail_msg("packet %d cut to %zu bytes was taken", type, cut);
    }
}

static void shorter_packets_are_errors_or_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(goldens); i++) {
        uint8_t bytes[PACKET_MAX];
        size_t len = from_hex(bytes, sizeof(bytes), goldens[i].hex);

        if (goldens[i].error == 0)
            cut_inside(bytes, len);
    }
}

static void changed_bytes_do_no_harm(void **state)
{
    unsigned taken = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(goldens); i++) {
        uint8_t bytes[PACKET_MAX];
        size_t len = from_hex(bytes, sizeof(bytes), goldens[i].hex);

        for (size_t at = 0; at < len; at++) {
            uint8_t was = bytes[at];
            for (unsigned change = 1; change < 256; change++) {
                bytes[at] = (uint8_t)(was ^ change);
                taken += read_any(bytes, len);
            }
            bytes[at] = was;
        }
    }
    assert_true(taken > 1000); /* the changes are not all in the length */
}

/* ---- a stream ---- */

static void sizes_are_found(void **state)
{
    static const struct {
        const char *hex;
        int found;
        size_t size;
    } cases[] = {
        {"", 0, 0},
        {"30", 0, 0},
        {"30 00", 1, 2},
        {"30 7f", 1, 129}, /* table 1-1 */
        {"30 80", 0, 0},
        {"30 80 01", 1, 131},
        {"30 ff 7f", 1, 16386},
        {"30 80 80 01", 1, 16388},
        {"30 ff ff 7f", 1, 2097155},
        {"30 80 80 80 01", 1, 2097157},
        {"30 ff ff ff", 0, 0},
        {"30 ff ff ff 7f", 1, 268435460},
        {"30 ff ff ff 80", MQTT_E_LENGTH, 0},
        {"30 ff ff ff ff 00", MQTT_E_LENGTH, 0},
        {"10", MQTT_E_TYPE, 0},
        {"f0", MQTT_E_TYPE, 0},
        {"60", MQTT_E_TYPE, 0},
        {"e0", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t bytes[8];
        size_t len = from_hex(bytes, sizeof(bytes), cases[i].hex);
        uint8_t *copy = exact(bytes, len);
        size_t size = 0;

        assert_int_equal(mqtt_packet_size(copy, len, SIZE_MAX, &size), cases[i].found);
        if (cases[i].found == 1) {
            assert_int_equal(size, cases[i].size);
            assert_int_equal(mqtt_packet_size(copy, len, size, &size), 1);
            assert_int_equal(mqtt_packet_size(copy, len, size - 1, &size), MQTT_E_TOO_LONG);
        }
        exact_free(copy, len);
    }
}

/* As many codes as a client asks for at most, and one more. */
static void too_many_codes_are_refused(void **state)
{
    uint8_t bytes[2 + 2 + MQTT_CODES_MAX + 1] = {0x90, 2 + MQTT_CODES_MAX, 0, 1};
    struct mqtt_packet packet;

    (void)state;
    assert_int_equal(mqtt_packet_read(&packet, MQTT_3_1_1, bytes, sizeof(bytes) - 1), 0);
    assert_int_equal(packet.code_count, MQTT_CODES_MAX);
    bytes[1]++;
    assert_int_equal(mqtt_packet_read(&packet, MQTT_3_1_1, bytes, sizeof(bytes)), MQTT_E_TOO_LONG);
}

static void every_error_has_its_words(void **state)
{
    (void)state;
    for (int error = 0; error >= MQTT_E_ROOM; error--)
        assert_string_not_equal(mqtt_strerror(error), "unknown error");
    assert_string_equal(mqtt_strerror(MQTT_E_ROOM - 1), "unknown error");
    assert_string_equal(mqtt_strerror(1), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens_are_read),
        cmocka_unit_test(truncations_are_errors),
        cmocka_unit_test(shorter_packets_are_errors_or_whole),
        cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(sizes_are_found),
        cmocka_unit_test(too_many_codes_are_refused),
        cmocka_unit_test(every_error_has_its_words),
    };
    return cmocka_run_group_tests_name("mqtt packets that are read", tests, NULL, NULL);
}
