/*
 * Which property and which reason code stands in which MQTT packet, one by one: an independent copy of 5.0's
 * tables 2-4 and 2-6.
 */
#include <string.h>

#include "gateway/mqtt/packet.h"

#include "support.h"

#define PACKET_MAX 256

static const struct {
    uint8_t id;
    const char *value;
    const char *packets; /* by their types, as the characters of hexadecimal digits */
} properties[] = {
    {0x01, "01", "3"},
    {0x02, "00000000", "3"},
    {0x03, "000161", "3"},
    {0x08, "000161", "3"},
    {0x09, "000100", "3"},
    {0x0b, "01", "3"},
    {0x11, "00000000", "2"},
    {0x12, "000161", "2"},
    {0x13, "0000", "2"},
    {0x15, "000161", ""},
    {0x16, "000161", ""},
    {0x17, "01", ""},
    {0x18, "00000000", ""},
    {0x19, "01", ""},
    {0x1a, "000161", ""},
    {0x1c, "000161", "2e"},
    {0x1f, "000161", "245679be"},
    {0x21, "0001", "2"},
    {0x22, "0000", "2"},
    {0x23, "0001", "3"},
    {0x24, "01", "2"},
    {0x25, "01", "2"},
    {0x26, "00000000", "2345679be"},
    {0x27, "00000001", "2"},
    {0x28, "01", "2"},
    {0x29, "01", "2"},
    {0x2a, "01", "2"},
};

/* Each packet up to its properties, and what follows them. */
static const struct {
    enum mqtt_type type;
    const char *before;
    const char *after;
} carriers[] = {
    {MQTT_CONNACK, "20 0000", ""},   {MQTT_PUBLISH, "30 000161", ""},  {MQTT_PUBACK, "40 0001 00", ""},
    {MQTT_PUBREC, "50 0001 00", ""}, {MQTT_PUBREL, "62 0001 00", ""},  {MQTT_PUBCOMP, "70 0001 00", ""},
    {MQTT_SUBACK, "90 0001", "00"},  {MQTT_UNSUBACK, "b0 0001", "00"}, {MQTT_DISCONNECT, "e0 00", ""},
};

/* Reads the packet with these properties. */
static int read_with(size_t carrier, const uint8_t *inside, size_t len)
{
    uint8_t bytes[PACKET_MAX];
    uint8_t before[8];
    size_t size = from_hex(before, sizeof(before), carriers[carrier].before);
    struct mqtt_packet packet;
    size_t at = 2;

    bytes[0] = before[0];
    memcpy(bytes + at, before + 1, size - 1);
    at += size - 1;
    bytes[at++] = (uint8_t)len;
    memcpy(bytes + at, inside, len);
    at += len;
    at += from_hex(bytes + at, sizeof(bytes) - at, carriers[carrier].after);
    bytes[1] = (uint8_t)(at - 2);
    return mqtt_packet_read(&packet, MQTT_5, bytes, at);
}

static int is_of(size_t property, size_t carrier)
{
    return strchr(properties[property].packets, "0123456789abcdef"[carriers[carrier].type]) != NULL;
}

static void properties_stand_where_they_may(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(properties); i++)
        for (size_t k = 0; k < COUNT(carriers); k++) {
            int many = properties[i].id == 0x26 || properties[i].id == 0x0b;
            uint8_t inside[16] = {properties[i].id};
            size_t len = 1 + from_hex(inside + 1, 7, properties[i].value);

            assert_int_equal(read_with(k, inside, len), is_of(i, k) ? 0 : MQTT_E_PROPERTY);
            memcpy(inside + len, inside, len);
            assert_int_equal(read_with(k, inside, 2 * len), is_of(i, k) && many ? 0 : MQTT_E_PROPERTY);
            for (size_t cut = 1; is_of(i, k) && cut < len; cut++)
                assert_true(read_with(k, inside, cut) < 0);
        }
}

/* No others. */
static void unknown_properties_are_refused(void **state)
{
    (void)state;
    for (unsigned id = 0; id < 256; id++)
        for (size_t k = 0; k < COUNT(carriers); k++) {
            uint8_t inside[5] = {(uint8_t)id, 0, 0, 0, 1};
            int known = 0;

            for (size_t i = 0; i < COUNT(properties); i++)
                known |= properties[i].id == id && is_of(i, k);
            if (!known)
                assert_int_equal(read_with(k, inside, sizeof(inside)), MQTT_E_PROPERTY);
        }
}

static const struct {
    const char *packet; /* up to its code */
    enum mqtt_version version;
    const char *codes;
} coded[] = {
    {"20 0000 00", MQTT_5,
     "00 80 81 82 83 84 85 86 87 88 89 8a 8c 90 95 97 99 9a 9b 9c 9d 9f"}, /* table 3-1 */
    {"40 0001 00", MQTT_5, "00 10 80 83 87 90 91 97 99"},
    {"50 0001 00", MQTT_5, "00 10 80 83 87 90 91 97 99"},
    {"62 0001 00", MQTT_5, "00 92"},
    {"70 0001 00", MQTT_5, "00 92"},
    {"90 0001 00 00", MQTT_5, "00 01 02 80 83 87 8f 91 97 9e a1 a2"},
    {"b0 0001 00 00", MQTT_5, "00 11 80 83 87 8f 91"},
    {"e0 00", MQTT_5,
     "00 80 81 82 83 87 89 8b 8c 8d 8e 8f 90 93 94 95 96 97 98 99 9a 9b 9c 9d 9e 9f a0 a1 a2"},
    {"20 00 00", MQTT_3_1_1, "00 01 02 03 04 05"},
    {"90 0001 00", MQTT_3_1_1, "00 01 02 80"},
};

static void codes_are_those_of_their_packets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(coded); i++) {
        uint8_t codes[64];
        size_t count = from_hex(codes, sizeof(codes), coded[i].codes);

        for (unsigned code = 0; code < 256; code++) {
            uint8_t body[8];
            size_t len = from_hex(body, sizeof(body), coded[i].packet);
            uint8_t bytes[10] = {body[0], (uint8_t)(len - 1)};
            int connack = coded[i].version == MQTT_5 && body[0] == 0x20;
            struct mqtt_packet packet;
            int wanted = memchr(codes, (int)code, count) != NULL ? 0 : MQTT_E_VALUE;

            memcpy(bytes + 2, body + 1, len - 1);
            bytes[connack ? len - 1 : len] = (uint8_t)code;
            assert_int_equal(mqtt_packet_read(&packet, coded[i].version, bytes, len + 1), wanted);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(properties_stand_where_they_may),
        cmocka_unit_test(unknown_properties_are_refused),
        cmocka_unit_test(codes_are_those_of_their_packets),
    };
    return cmocka_run_group_tests_name("mqtt properties and codes", tests, NULL, NULL);
}
