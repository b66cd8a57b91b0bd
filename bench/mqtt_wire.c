#include "bench/mqtt_wire.h"

#include <string.h>

/* ---- writing ---- */

struct writer {
    uint8_t *out;
    size_t room;
    size_t len; /* more than room: it did not fit */
};

static void put(struct writer *writer, const void *bytes, size_t len)
{
    if (writer->len + len <= writer->room)
        memcpy(writer->out + writer->len, bytes, len);
    writer->len += len;
}

static void put8(struct writer *writer, unsigned value)
{
    uint8_t byte = (uint8_t)value;

    put(writer, &byte, 1);
}

static void put16(struct writer *writer, unsigned value)
{
    uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

    put(writer, bytes, 2);
}

static void put_text(struct writer *writer, const void *text, size_t len)
{
    put16(writer, (unsigned)len);
    put(writer, text, len);
}

/* A variable byte integer of at most two bytes (MQTT 5, 1.5.5). */
static void put_head(struct writer *writer, unsigned first, size_t rest)
{
    put8(writer, first);
    if (rest >= 128)
        put8(writer, (unsigned)(rest & 127) | 128);
    put8(writer, (unsigned)(rest >= 128 ? rest >> 7 : rest));
    if (rest >= 1 << 14)
        writer->len = writer->room + 1;
}

static size_t written(const struct writer *writer)
{
    return writer->len <= writer->room ? writer->len : 0;
}

size_t wire_connect(uint8_t *out, size_t room, const char *client_id, uint16_t receive_maximum)
{
    struct writer writer = {.out = out, .room = room};
    size_t len = strlen(client_id);

    put_head(&writer, 0x10, 10 + 4 + 2 + len);
    put_text(&writer, "MQTT", 4);
    put8(&writer, 5);
    put8(&writer, 0x02); /* a clean start */
    put16(&writer, 0);   /* no keep-alive */
    put8(&writer, 3);
    put8(&writer, 0x21);
    put16(&writer, receive_maximum);
    put_text(&writer, client_id, len);
    return written(&writer);
}

size_t wire_subscribe(uint8_t *out, size_t room, uint16_t id, const char *filter, unsigned qos)
{
    struct writer writer = {.out = out, .room = room};
    size_t len = strlen(filter);

    put_head(&writer, 0x82, 2 + 1 + 2 + len + 1);
    put16(&writer, id);
    put8(&writer, 0);
    put_text(&writer, filter, len);
    put8(&writer, qos);
    return written(&writer);
}

size_t wire_publish(uint8_t *out, size_t room, unsigned qos, uint16_t id, const void *topic, size_t topic_len,
                    const void *payload, size_t payload_len)
{
    struct writer writer = {.out = out, .room = room};

    put_head(&writer, 0x30 | qos << 1, 2 + topic_len + (qos > 0 ? 2 : 0) + 1 + payload_len);
    put_text(&writer, topic, topic_len);
    if (qos > 0)
        put16(&writer, id);
    put8(&writer, 0);
    put(&writer, payload, payload_len);
    return written(&writer);
}

size_t wire_puback(uint8_t *out, size_t room, uint16_t id)
{
    struct writer writer = {.out = out, .room = room};

    put_head(&writer, 0x40, 2);
    put16(&writer, id);
    return written(&writer);
}

/* ---- reading ---- */

struct reader {
    const uint8_t *at;
    size_t left;
    int short_of; /* something was missing */
};

static const uint8_t *take(struct reader *reader, size_t len)
{
    const uint8_t *at = reader->at;

    if (len > reader->left) {
        reader->short_of = 1;
        return (const uint8_t *)"\0\0";
    }
    reader->at += len;
    reader->left -= len;
    return at;
}

static uint16_t take16(struct reader *reader)
{
    const uint8_t *at = take(reader, 2);

    return (uint16_t)(at[0] << 8 | at[1]);
}

static size_t take_integer(struct reader *reader)
{
    size_t value = 0;

    for (unsigned shift = 0; shift < 28; shift += 7) {
        uint8_t byte = *take(reader, 1);
        value |= (size_t)(byte & 127) << shift;
        if (byte < 128)
            break;
    }
    return value;
}

static void read_publish(struct wire_packet *packet, struct reader *reader)
{
    packet->topic_len = take16(reader);
    packet->topic = take(reader, packet->topic_len);
    if (packet->qos > 0)
        packet->id = take16(reader);
    take(reader, take_integer(reader));
    packet->payload = reader->at;
    packet->payload_len = reader->left;
}

static void read_body(struct wire_packet *packet, struct reader *reader)
{
    if (packet->type == WIRE_PUBLISH) {
        read_publish(packet, reader);
    } else if (packet->type == WIRE_CONNACK) {
        packet->code = take(reader, 2)[1];
    } else if (packet->type == WIRE_SUBACK) {
        packet->id = take16(reader);
        take(reader, take_integer(reader));
        packet->code = *take(reader, 1);
    } else if (packet->type == WIRE_PUBACK) {
        packet->id = take16(reader);
        packet->code = reader->left > 0 ? *reader->at : 0;
    }
}

size_t wire_read(struct wire_packet *packet, const uint8_t *bytes, size_t len)
{
    struct reader reader = {.at = bytes, .left = len};
    size_t rest;
    size_t size;

    memset(packet, 0, sizeof(*packet));
    packet->type = *take(&reader, 1) >> 4;
    packet->qos = len > 0 ? bytes[0] >> 1 & 3 : 0;
    rest = take_integer(&reader);
    if (reader.short_of || rest > reader.left)
        return 0;
    size = (size_t)(reader.at - bytes) + rest;
    reader.left = rest;
    read_body(packet, &reader);
    return reader.short_of ? SIZE_MAX : size;
}
