/*
 * Reading and writing the fields that packets are made of (1.5). A reader and a writer keep their first
 * error: what is read after it is 0 or empty, and nothing is written, so that it is looked at once, at the
 * end.
 */
#ifndef MQTT_FIELD_H
#define MQTT_FIELD_H

#include "gateway/mqtt/packet.h"

#define MQTT_VARIABLE_MAX UINT32_C(268435455) /* 1.5.5 */

struct mqtt_reader {
    const uint8_t *at;
    const uint8_t *end;
    int error; /* 0 or an enum mqtt_error */
};

/* Keeps the error, if it is the first, and leaves nothing to be read. */
void mqtt_reader_fail(struct mqtt_reader *reader, int error);

/* Big-endian; MQTT_E_REST where the bytes are not there. */
uint8_t mqtt_get_u8(struct mqtt_reader *reader);
uint16_t mqtt_get_u16(struct mqtt_reader *reader);
uint32_t mqtt_get_u32(struct mqtt_reader *reader);

/* A variable byte integer in its fewest bytes, as 5.0 has them. */
uint32_t mqtt_get_variable(struct mqtt_reader *reader);

/* The next `len` bytes; MQTT_E_LENGTH where they are not there. */
struct mqtt_bytes mqtt_get_span(struct mqtt_reader *reader, size_t len);

/* Binary data (1.5.6): a length of two bytes, and so many. */
struct mqtt_bytes mqtt_get_bytes(struct mqtt_reader *reader);

/* A UTF-8 string (1.5.4), and one that is a topic name. */
struct mqtt_bytes mqtt_get_text(struct mqtt_reader *reader);
struct mqtt_bytes mqtt_get_topic(struct mqtt_reader *reader);

/* The variable byte integer at the beginning of these bytes: how many it takes, 0 if it goes on behind them,
 * or MQTT_E_LENGTH. One that could be shorter is taken: 3.1.1 does not forbid it. */
int mqtt_variable_read(const uint8_t *bytes, size_t len, uint32_t *value);

/* How many bytes a number up to MQTT_VARIABLE_MAX takes. */
size_t mqtt_variable_size(uint32_t value);

struct mqtt_writer {
    uint8_t *out; /* NULL: nothing is written, only counted */
    size_t len;   /* written or counted */
    int error;    /* 0 or an enum mqtt_error */
};

void mqtt_writer_fail(struct mqtt_writer *writer, int error);
void mqtt_put_u8(struct mqtt_writer *writer, uint8_t value);
void mqtt_put_u16(struct mqtt_writer *writer, uint16_t value);
void mqtt_put_u32(struct mqtt_writer *writer, uint32_t value);
void mqtt_put_variable(struct mqtt_writer *writer, uint32_t value);
void mqtt_put_span(struct mqtt_writer *writer, const void *bytes, size_t len);
/* MQTT_E_TOO_LONG beyond 65,535 bytes. */
void mqtt_put_bytes(struct mqtt_writer *writer, const void *bytes, size_t len);
/* Also MQTT_E_TEXT where it is not UTF-8. */
void mqtt_put_text(struct mqtt_writer *writer, const char *text);

#endif
