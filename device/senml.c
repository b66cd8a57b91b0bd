/*
 * The builder: SenML records (RFC 8428 6) in deterministic CBOR, written where they will be sealed.
 */
#include <string.h>

#include "cbor.h"
#include "context.h"

#define LABEL_NAME    0
#define LABEL_UNIT    1
#define LABEL_VALUE   2
#define LABEL_STRING  3
#define LABEL_BOOLEAN 4
#define LABEL_TIME    6

#define ABSOLUTE_FROM ((int64_t)1 << 28) /* RFC 8428 4.5.3: smaller times are relative */

static uint8_t *content_of(const struct bulla_message *message)
{
    return message->buffer + BULLA_HEADROOM;
}

static struct bulla_cbor_writer writer_of(const struct bulla_message *message)
{
    struct bulla_cbor_writer writer;

    writer.out = content_of(message);
    writer.size = message->capacity - BULLA_HEADROOM - BULLA_TAG_MAX;
    writer.used = message->used;
    writer.overflow = 0;
    return writer;
}

static void set_error(struct bulla_message *message, int error)
{
    if (message->error == 0)
        message->error = (int8_t)error;
}

void bulla_begin_content(struct bulla_message *message, uint16_t format, void *buffer, size_t size)
{
    memset(message, 0, sizeof(*message));
    message->buffer = (uint8_t *)buffer;
    message->capacity = size;
    message->format = format;
    message->state = BULLA_MESSAGE_CONTENT;
    if (size < BULLA_HEADROOM + BULLA_TAG_MAX + 1u)
        set_error(message, BULLA_E_SPACE);
}

void bulla_begin(struct bulla_message *message, void *buffer, size_t size)
{
    bulla_begin_content(message, BULLA_FORMAT_SENML_CBOR, buffer, size);
    message->state = BULLA_MESSAGE_PACK;
    if (message->error == 0) {
        content_of(message)[0] = BULLA_CBOR_ARRAY << 5;
        message->used = 1;
    }
}

static size_t array_head_size(uint16_t records)
{
    return records < 24 ? 1 : records < 256 ? 2 : 3;
}

/* Counts one more record in the pack's head, which may have to grow by a byte. */
static int count_record(struct bulla_message *message)
{
    size_t before = array_head_size(message->records);
    size_t after = array_head_size((uint16_t)(message->records + 1));
    struct bulla_cbor_writer writer = writer_of(message);

    if (message->used + (after - before) > writer.size)
        return BULLA_E_SPACE;
    if (after != before)
        memmove(writer.out + after, writer.out + before, message->used - before);
    message->used += after - before;
    message->records++;
    writer.used = 0;
    bulla_cbor_small(&writer, BULLA_CBOR_ARRAY, message->records);
    return 0;
}

/* RFC 8428 4.5.1. */
static int is_name(const char *name)
{
    const char *at = name;

    for (; *at != '\0'; at++) {
        char c = *at;
        char lower = (char)(c | 0x20);
        int letter = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
        int mark = (c >= '-' && c <= ':') || c == '_'; /* - . / 0-9 : */
        if (!letter && (at == name || !mark))
            return 0;
    }
    return at != name;
}

static void put_text(struct bulla_cbor_writer *writer, uint8_t label, const char *text)
{
    bulla_cbor_small(writer, BULLA_CBOR_UINT, label);
    bulla_cbor_text(writer, text, strlen(text));
}

/* Begins a record: its head, name and unit, and the label of its value. Returns 0, or -1 after noting an
 * error. */
static int begin_record(struct bulla_message *message, struct bulla_cbor_writer *writer, const char *name,
                        const char *unit, uint8_t label)
{
    int error = 0;

    if (message->error == 0 && message->state > BULLA_MESSAGE_TIMED)
        error = BULLA_E_STATE;
    else if (message->error == 0 && !is_name(name))
        error = BULLA_E_ARGUMENT;
    else if (message->error == 0)
        error = count_record(message);
    set_error(message, error);
    if (message->error != 0)
        return -1;
    *writer = writer_of(message);
    message->record = writer->used;
    message->state = BULLA_MESSAGE_PACK;
    bulla_cbor_small(writer, BULLA_CBOR_MAP, unit != NULL ? 3 : 2);
    put_text(writer, LABEL_NAME, name);
    if (unit != NULL)
        put_text(writer, LABEL_UNIT, unit);
    bulla_cbor_small(writer, BULLA_CBOR_UINT, label);
    return 0;
}

static void end_record(struct bulla_message *message, const struct bulla_cbor_writer *writer)
{
    if (writer->overflow)
        set_error(message, BULLA_E_SPACE);
    else
        message->used = writer->used;
}

/*
 * The gateway reads a half or a single as the shortest decimal that gives it: 21.0625 in half precision would
 * become 21.06. A multiple of one half up to 1024 says all of itself in any precision that holds it; so do
 * infinities and NaN. The half-precision bits of such a single, in `half`; 0 if it is none of them. On bits
 * alone: a board without a floating-point unit needs no library for it.
 */
static int half_of(uint32_t single, uint16_t *half)
{
    uint16_t high = (uint16_t)(single >> 16);
    uint16_t sign = high & 0x8000u;
    uint16_t exponent = high >> 7 & 0xffu;
    uint32_t mantissa = single & 0x7fffffu;

    if (exponent == 0xff) { /* any NaN is the one of RFC 8949 4.2.2 */
        *half = mantissa != 0 ? 0x7e00u : sign | 0x7c00u;
        return 1;
    }
    *half = sign;
    if (exponent == 0 && mantissa == 0)
        return 1;
    if (exponent < 126 || exponent > 137 || (exponent == 137 && mantissa != 0)) /* 0.5 to 1024 */
        return 0;
    if ((uint32_t)(mantissa << (exponent - 126)) << 9 != 0) /* bits below one half */
        return 0;
    *half |= (uint16_t)((exponent - 112u) << 10 | (uint16_t)(mantissa >> 13));
    return 1;
}

void bulla_add_float(struct bulla_message *message, const char *name, const char *unit, float value)
{
    struct bulla_cbor_writer writer;
    uint32_t single;
    uint16_t half;

    if (begin_record(message, &writer, name, unit, LABEL_VALUE) < 0)
        return;
    memcpy(&single, &value, sizeof(single));
    if (half_of(single, &half))
        bulla_cbor_half_bits(&writer, half);
    else
        bulla_cbor_single_bits(&writer, single);
    end_record(message, &writer);
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

    if (begin_record(message, &writer, name, unit, LABEL_VALUE) < 0)
        return;
    if (may_shrink_double(value))
        bulla_cbor_double(&writer, value);
    else
        bulla_cbor_float64(&writer, value);
    end_record(message, &writer);
}

void bulla_add_integer(struct bulla_message *message, const char *name, const char *unit, int64_t value)
{
    struct bulla_cbor_writer writer;

    if (begin_record(message, &writer, name, unit, LABEL_VALUE) < 0)
        return;
    bulla_cbor_integer(&writer, value);
    end_record(message, &writer);
}

void bulla_add_boolean(struct bulla_message *message, const char *name, int value)
{
    struct bulla_cbor_writer writer;

    if (begin_record(message, &writer, name, NULL, LABEL_BOOLEAN) < 0)
        return;
    bulla_cbor_small(&writer, BULLA_CBOR_SIMPLE, value ? BULLA_CBOR_TRUE : BULLA_CBOR_FALSE);
    end_record(message, &writer);
}

void bulla_add_text(struct bulla_message *message, const char *name, const char *text)
{
    struct bulla_cbor_writer writer;

    if (begin_record(message, &writer, name, NULL, LABEL_STRING) < 0)
        return;
    bulla_cbor_text(&writer, text, strlen(text));
    end_record(message, &writer);
}

/* Appends the time to the last record, whose head counts one entry more then (it has 2 or 3: the head is one
 * byte). */
static void add_time(struct bulla_message *message, int64_t time)
{
    struct bulla_cbor_writer writer;

    if (message->error != 0)
        return;
    if (message->state != BULLA_MESSAGE_PACK || message->records == 0) {
        set_error(message, BULLA_E_STATE);
        return;
    }
    writer = writer_of(message);
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, LABEL_TIME);
    bulla_cbor_integer(&writer, time);
    end_record(message, &writer);
    content_of(message)[message->record]++;
    message->state = BULLA_MESSAGE_TIMED;
}

void bulla_set_time(struct bulla_message *message, int64_t unix_seconds)
{
    if (unix_seconds < ABSOLUTE_FROM)
        set_error(message, BULLA_E_ARGUMENT);
    else
        add_time(message, unix_seconds);
}

void bulla_set_age(struct bulla_message *message, uint32_t seconds)
{
    add_time(message, -(int64_t)seconds);
}

void bulla_add_bytes(struct bulla_message *message, const void *bytes, size_t len)
{
    struct bulla_cbor_writer writer;

    if (message->error != 0)
        return;
    if (message->state != BULLA_MESSAGE_CONTENT) {
        set_error(message, BULLA_E_STATE);
        return;
    }
    writer = writer_of(message);
    bulla_cbor_raw(&writer, bytes, len);
    end_record(message, &writer);
}
