#include "gateway/mqtt/field.h"
#include "gateway/decode/utf8.h"

#include <string.h>

#define MORE 0x80u /* another byte of a variable byte integer follows */

void mqtt_reader_fail(struct mqtt_reader *reader, int error)
{
    if (reader->error == 0)
        reader->error = error;
    reader->at = reader->end;
}

static size_t left(const struct mqtt_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

static uint32_t get_number(struct mqtt_reader *reader, size_t size)
{
    uint32_t value = 0;

    if (left(reader) < size) {
        mqtt_reader_fail(reader, MQTT_E_REST);
        return 0;
    }
    while (size-- > 0)
        value = value << 8 | *reader->at++;
    return value;
}

uint8_t mqtt_get_u8(struct mqtt_reader *reader)
{
    return (uint8_t)get_number(reader, 1);
}

uint16_t mqtt_get_u16(struct mqtt_reader *reader)
{
    return (uint16_t)get_number(reader, 2);
}

uint32_t mqtt_get_u32(struct mqtt_reader *reader)
{
    return get_number(reader, 4);
}

int mqtt_variable_read(const uint8_t *bytes, size_t len, uint32_t *value)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < 4; i++) {
        if (i == len)
            return 0;
        sum |= (bytes[i] & ~MORE) << (7 * i);
        if ((bytes[i] & MORE) == 0) {
            *value = sum;
            return (int)i + 1;
        }
    }
    return MQTT_E_LENGTH;
}

size_t mqtt_variable_size(uint32_t value)
{
    size_t size = 1;

    while ((value >>= 7) > 0)
        size++;
    return size;
}

uint32_t mqtt_get_variable(struct mqtt_reader *reader)
{
    uint32_t value = 0;
    int size = mqtt_variable_read(reader->at, left(reader), &value);

    if (size == 0)
        mqtt_reader_fail(reader, MQTT_E_REST);
    else if (size < 0 || (size_t)size != mqtt_variable_size(value))
        mqtt_reader_fail(reader, MQTT_E_LENGTH); /* MQTT-1.5.5-1 */
    else
        reader->at += size;
    return reader->error == 0 ? value : 0;
}

struct mqtt_bytes mqtt_get_span(struct mqtt_reader *reader, size_t len)
{
    struct mqtt_bytes bytes = {reader->at, len};

    if (len > left(reader)) {
        mqtt_reader_fail(reader, MQTT_E_LENGTH);
        return (struct mqtt_bytes){NULL, 0};
    }
    reader->at += len;
    return bytes;
}

struct mqtt_bytes mqtt_get_bytes(struct mqtt_reader *reader)
{
    size_t len = mqtt_get_u16(reader);

    if (reader->error != 0)
        return (struct mqtt_bytes){NULL, 0};
    return mqtt_get_span(reader, len);
}

struct mqtt_bytes mqtt_get_text(struct mqtt_reader *reader)
{
    struct mqtt_bytes text = mqtt_get_bytes(reader);

    if (!utf8_is_text((const char *)text.at, text.len))
        mqtt_reader_fail(reader, MQTT_E_TEXT);
    return text;
}

struct mqtt_bytes mqtt_get_topic(struct mqtt_reader *reader)
{
    struct mqtt_bytes topic = mqtt_get_bytes(reader);

    if (!mqtt_is_topic((const char *)topic.at, topic.len))
        mqtt_reader_fail(reader, MQTT_E_TEXT);
    return topic;
}

void mqtt_writer_fail(struct mqtt_writer *writer, int error)
{
    if (writer->error == 0)
        writer->error = error;
}

void mqtt_put_span(struct mqtt_writer *writer, const void *bytes, size_t len)
{
    if (writer->error != 0 || len == 0)
        return;
    if (writer->out != NULL)
        memcpy(writer->out + writer->len, bytes, len);
    writer->len += len;
}

void mqtt_put_u8(struct mqtt_writer *writer, uint8_t value)
{
    mqtt_put_span(writer, &value, 1);
}

void mqtt_put_u16(struct mqtt_writer *writer, uint16_t value)
{
    mqtt_put_span(writer, (const uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

void mqtt_put_u32(struct mqtt_writer *writer, uint32_t value)
{
    mqtt_put_u16(writer, (uint16_t)(value >> 16));
    mqtt_put_u16(writer, (uint16_t)value);
}

void mqtt_put_variable(struct mqtt_writer *writer, uint32_t value)
{
    while (value > 0x7f) {
        mqtt_put_u8(writer, (uint8_t)(value | MORE));
        value >>= 7;
    }
    mqtt_put_u8(writer, (uint8_t)value);
}

void mqtt_put_bytes(struct mqtt_writer *writer, const void *bytes, size_t len)
{
    if (len > UINT16_MAX)
        mqtt_writer_fail(writer, MQTT_E_TOO_LONG);
    mqtt_put_u16(writer, (uint16_t)len);
    mqtt_put_span(writer, bytes, len);
}

void mqtt_put_text(struct mqtt_writer *writer, const char *text)
{
    size_t len = strlen(text);

    if (!utf8_is_text(text, len))
        mqtt_writer_fail(writer, MQTT_E_TEXT);
    mqtt_put_bytes(writer, text, len);
}
