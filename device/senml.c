/*
 * The builder: SenML records (RFC 8428 6) in deterministic CBOR, written where they will be sealed.
 */
#include <string.h>

#include "cbor.h"
#include "context.h"
#include "push.h"

#define LABEL_NAME    0
#define LABEL_UNIT    1
#define LABEL_VALUE   2
#define LABEL_STRING  3
#define LABEL_BOOLEAN 4
#define LABEL_TIME    6

#define ABSOLUTE_FROM ((int64_t)1 << 28) /* RFC 8428 4.5.3: smaller times are relative */

/* The first error counts. There is no room after it: what is added then is not written, and whoever adds need
 * not ask. */
static void set_error(struct bulla_message *message, int error)
{
    if (message->error == 0)
        message->error = (int8_t)error;
    message->end = message->at;
}

BULLA_APART static void put(struct bulla_message *message, uint8_t byte)
{
    if (message->at == message->end) /* it never passes it */
        set_error(message, BULLA_E_SPACE);
    else
        *message->at++ = byte;
}

/* Appends a head, whose argument takes 16 bits at most: what a board without 64-bit arithmetic needs. */
static void put_head(struct bulla_message *message, uint8_t major, uint16_t argument)
{
    uint8_t head[3];
    uint8_t *at = bulla_push_head(head + sizeof(head), (uint8_t)(major << 5), argument);

    do
        put(message, *at++);
    while (at != head + sizeof(head));
}

static void put_text(struct bulla_message *message, const char *text)
{
    const char *end = text;

    while (*end != '\0')
        end++;
    if ((size_t)(end - text) > UINT16_MAX)
        set_error(message, BULLA_E_SPACE);
    put_head(message, BULLA_CBOR_TEXT, (uint16_t)(end - text));
    while (text < end)
        put(message, (uint8_t)*text++);
}

void bulla_begin_content(struct bulla_message *message, uint16_t format, void *buffer, size_t size)
{
    memset(message, 0, sizeof(*message));
    message->content = (uint8_t *)buffer;
    message->end = message->content;
    message->format = format;
    message->state = BULLA_MESSAGE_CONTENT;
    if (size > BULLA_MESSAGE_MAX)
        size = BULLA_MESSAGE_MAX; /* what does not fit is told before a number is taken */
    if (size > BULLA_HEADROOM + BULLA_TAG_MAX) {
        message->end += size - BULLA_TAG_MAX;
        message->content += BULLA_HEADROOM;
    } else {
        message->error = BULLA_E_SPACE;
    }
    message->at = message->content;
}

void bulla_begin(struct bulla_message *message, void *buffer, size_t size)
{
    bulla_begin_content(message, BULLA_FORMAT_SENML_CBOR, buffer, size);
    message->state = BULLA_MESSAGE_PACK;
}

/* RFC 8428 4.5.1: letters and digits, behind the first of them also - . / : _ */
static int is_name(const char *name)
{
    uint8_t marks = 0;

    do {
        uint8_t c = (uint8_t)*name;
        uint8_t letter = (uint8_t)((c | 0x20) - 'a');
        if (letter >= 26 && (uint8_t)(c - '0') >= 10 &&
            (marks == 0 || ((uint8_t)(c - '-') > ':' - '-' && c != '_')))
            return 0;
        marks = 1;
    } while (*++name != '\0');
    return 1;
}

/* Begins a record: its head, name and unit, and the label of its value. */
static void begin_record(struct bulla_message *message, const char *name, const char *unit, uint8_t label)
{
    if (message->state > BULLA_MESSAGE_TIMED)
        set_error(message, BULLA_E_STATE);
    if (!is_name(name))
        set_error(message, BULLA_E_ARGUMENT);
    if (message->error != 0)
        return;
    message->records++;
    message->record = message->at;
    message->state = BULLA_MESSAGE_PACK;
    put_head(message, BULLA_CBOR_MAP, unit != NULL ? 3 : 2);
    put(message, LABEL_NAME);
    put_text(message, name);
    if (unit != NULL) {
        put(message, LABEL_UNIT);
        put_text(message, unit);
    }
    put(message, label);
}

/* For what takes 64 bits: a writer that goes on where the message ends, */
static struct bulla_cbor_writer writer_of(const struct bulla_message *message)
{
    struct bulla_cbor_writer writer = {message->at, (size_t)(message->end - message->at), 0, 0};

    return writer;
}

/* and the message that goes on where the writer ends; after an error it stays as it is. */
static void end_writer(struct bulla_message *message, const struct bulla_cbor_writer *writer)
{
    if (writer->overflow)
        set_error(message, BULLA_E_SPACE);
    if (message->error == 0)
        message->at += writer->used;
}

#define NO_HALF 1 /* a half that none of these is */

/*
 * The gateway reads a half or a single as the shortest decimal that gives it: 21.0625 in half precision would
 * become 21.06. A multiple of one half up to 1024, and a whole number up to 2047, say all of themselves in
 * any precision that holds them; so do infinities and NaN. The half-precision bits of such a single, or
 * NO_HALF. On bits alone: a board without a floating-point unit needs no library for it.
 */
static uint16_t half_of(uint32_t single)
{
    uint16_t high = (uint16_t)(single >> 16);
    uint16_t mantissa = (uint16_t)(single >> 8) & 0x7fffu; /* but for its last byte */
    uint8_t last = (uint8_t)single;
    uint8_t exponent = (uint8_t)(high >> 7);
    uint16_t sign = high & 0x8000u;
    uint16_t half = sign | mantissa >> 5;

    if (exponent == 0xff) /* any NaN is the one of RFC 8949 4.2.2 */
        return (mantissa | last) != 0 ? 0x7e00u : sign | 0x7c00u;
    if (exponent != 0) {
        exponent -= 112; /* the bias is 127 in a single, and 15 in a half */
        half |= (uint16_t)(exponent << 10);
        exponent -= 14; /* 0.5 to 2047: how many bits are above one half */
        if (exponent > 11)
            return NO_HALF;
        if (exponent == 11)
            exponent--; /* a half has no more */
        mantissa = (uint16_t)(mantissa << exponent << 1);
    }
    return (mantissa | last) != 0 ? NO_HALF : half; /* bits below */
}

void bulla_add_float(struct bulla_message *message, const char *name, const char *unit, float value)
{
    uint32_t single;
    uint16_t half;
    uint8_t len = 4;

    begin_record(message, name, unit, LABEL_VALUE);
    memcpy(&single, &value, sizeof(single));
    half = half_of(single);
    if (half != NO_HALF) {
        single = (uint32_t)half << 16;
        len = 2;
    }
    put(message, len == 2 ? 0xf9 : 0xfa);
    for (; len > 0; len--) {
        put(message, (uint8_t)(single >> 24));
        single <<= 8;
    }
}

/* Likewise; whole numbers are taken as they are in every precision. Shorter only where it is the same number.
 */
static int may_shrink_double(double value)
{
    if (value >= -1024.0 && value <= 1024.0)
        return (double)(int16_t)(value * 2) == value * 2;
    if (value >= -16777216.0 && value <= 16777216.0)
        return (double)(int32_t)value == value;
    return value - value != 0;
}

void bulla_add_double(struct bulla_message *message, const char *name, const char *unit, double value)
{
    struct bulla_cbor_writer writer;

    begin_record(message, name, unit, LABEL_VALUE);
    writer = writer_of(message);
    if (may_shrink_double(value))
        bulla_cbor_double(&writer, value);
    else
        bulla_cbor_float64(&writer, value);
    end_writer(message, &writer);
}

static void put_integer(struct bulla_message *message, int64_t value)
{
    struct bulla_cbor_writer writer = writer_of(message);

    bulla_cbor_integer(&writer, value);
    end_writer(message, &writer);
}

void bulla_add_integer(struct bulla_message *message, const char *name, const char *unit, int64_t value)
{
    begin_record(message, name, unit, LABEL_VALUE);
    put_integer(message, value);
}

void bulla_add_boolean(struct bulla_message *message, const char *name, int value)
{
    begin_record(message, name, NULL, LABEL_BOOLEAN);
    put_head(message, BULLA_CBOR_SIMPLE, value ? BULLA_CBOR_TRUE : BULLA_CBOR_FALSE);
}

void bulla_add_text(struct bulla_message *message, const char *name, const char *text)
{
    begin_record(message, name, NULL, LABEL_STRING);
    put_text(message, text);
}

/* Appends the time to the last record, whose head counts one entry more then (it has 2 or 3: the head is one
 * byte). */
static void add_time(struct bulla_message *message, int64_t time)
{
    if (message->state != BULLA_MESSAGE_PACK || message->records == 0)
        set_error(message, BULLA_E_STATE);
    put(message, LABEL_TIME);
    put_integer(message, time);
    if (message->error != 0)
        return;
    ++*message->record;
    message->state = BULLA_MESSAGE_TIMED;
}

void bulla_set_time(struct bulla_message *message, int64_t unix_seconds)
{
    if (unix_seconds < ABSOLUTE_FROM)
        set_error(message, BULLA_E_ARGUMENT);
    add_time(message, unix_seconds);
}

void bulla_set_age(struct bulla_message *message, uint32_t seconds)
{
    add_time(message, -(int64_t)seconds);
}

void bulla_add_bytes(struct bulla_message *message, const void *bytes, size_t len)
{
    struct bulla_cbor_writer writer;

    if (message->state != BULLA_MESSAGE_CONTENT)
        set_error(message, BULLA_E_STATE);
    writer = writer_of(message);
    bulla_cbor_raw(&writer, bytes, len);
    end_writer(message, &writer);
}
