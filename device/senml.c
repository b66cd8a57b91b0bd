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
    bulla_cbor_head(&writer, BULLA_CBOR_ARRAY, message->records);
    return 0;
}

/* RFC 8428 4.5.1. */
static int is_name(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        int letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        int mark = c == '-' || c == ':' || c == '.' || c == '/' || c == '_';
        if (!letter && (i == 0 || !mark))
            return 0;
    }
    return len > 0;
}

/* Begins a record: its head, name and unit, and the label of its value. Returns 0, or -1 after noting an
 * error. */
static int begin_record(struct bulla_message *message, struct bulla_cbor_writer *writer, const char *name,
                        const char *unit, unsigned label)
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
    bulla_cbor_head(writer, BULLA_CBOR_MAP, unit != NULL ? 3 : 2);
    bulla_cbor_head(writer, BULLA_CBOR_UINT, LABEL_NAME);
    bulla_cbor_text(writer, name, strlen(name));
    if (unit != NULL) {
        bulla_cbor_head(writer, BULLA_CBOR_UINT, LABEL_UNIT);
        bulla_cbor_text(writer, unit, strlen(unit));
    }
    bulla_cbor_head(writer, BULLA_CBOR_UINT, label);
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
 * become 21.06. A multiple of one half says all of itself in any precision that holds it; so do infinities
 * and NaN.
 */
static int may_shrink(float value)
{
    if (value >= -1024.0f && value <= 1024.0f)
        return (float)(int16_t)(value * 2) == value * 2;
    return value - value != 0; /* not finite */
}

void bulla_add_float(struct bulla_message *message, const char *name, const char *unit, float value)
{
    struct bulla_cbor_writer writer;

    if (begin_record(message, &writer, name, unit, LABEL_VALUE) < 0)
        return;
    if (may_shrink(value))
        bulla_cbor_float(&writer, value);
    else
        bulla_cbor_float32(&writer, value);
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
    bulla_cbor_head(&writer, BULLA_CBOR_SIMPLE, value ? BULLA_CBOR_TRUE : BULLA_CBOR_FALSE);
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
    bulla_cbor_head(&writer, BULLA_CBOR_UINT, LABEL_TIME);
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
