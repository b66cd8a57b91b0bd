#include "gateway/sink/influx_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/decode/base64url.h"
#include "gateway/decode/utf8.h"

#define INDEXES 27 /* of a message, that keep out of its neighbours' way: 27 * 37 = 999 */
#define PARTS   1000

/* What is written; once something did not fit, nothing more is taken. */
struct line {
    char *at;
    size_t room;
    size_t len;
    bool full;
};

static char *take(struct line *line, size_t len)
{
    char *place = line->at + line->len;

    line->full |= len > line->room - line->len;
    if (line->full)
        return NULL;
    line->len += len;
    return place;
}

static void add(struct line *line, const char *bytes, size_t len)
{
    char *place = take(line, len);

    if (place != NULL)
        memcpy(place, bytes, len);
}

static void add_text(struct line *line, const char *text)
{
    add(line, text, strlen(text));
}

/* ---- tags ---- */

static bool is_special(char c)
{
    return c == ',' || c == '=' || c == ' ';
}

/* Bytes of the character that text begins with; 0: it is none. */
static size_t character(const char *text, size_t len)
{
    static const struct {
        uint8_t least;
        size_t len;
    } leads[] = {{0xf0, 4}, {0xe0, 3}, {0xc0, 2}};
    size_t size = 1;

    for (size_t i = 0; i < 3; i++)
        if ((uint8_t)*text >= leads[i].least) {
            size = leads[i].len;
            break;
        }
    if (size == 1)
        return (uint8_t)*text < 0x80;
    return size <= len && utf8_is_text(text, size) ? size : 0;
}

/*
 * One character, as a tag may have it. There is no escape for a line's end, nor for a backslash: in front of
 * what is escaped, or of a tag's end, it would be taken for the escape itself. So a control character becomes
 * its picture (U+2400 and on), such a backslash a wide one, and what is no UTF-8 the replacement character.
 * Returns the bytes that it was.
 */
static size_t add_character(struct line *line, const char *text, size_t len)
{
    size_t size = character(text, len);
    char picture[3] = {'\xe2', '\x90', (char)(0x80 + (*text == 0x7f ? 0x21 : *text))};

    if (size == 0)
        add_text(line, "\xef\xbf\xbd");
    else if ((uint8_t)*text < ' ' || *text == 0x7f)
        add(line, picture, sizeof(picture));
    else if (*text == '\\' && (len == 1 || is_special(text[1])))
        add_text(line, "\xef\xbc\xbc");
    else {
        add(line, "\\", is_special(*text));
        add(line, text, size);
    }
    return size == 0 ? 1 : size;
}

static void add_tag(struct line *line, const char *key, const char *value, size_t len)
{
    if (len == 0)
        return; /* a tag is never empty */
    add_text(line, key);
    while (len > 0 && !line->full) {
        size_t used = add_character(line, value, len);
        value += used;
        len -= used;
    }
}

/* In the order that InfluxDB sorts them into. */
static void add_series(struct line *line, const char *measurement, const struct sink_point *point)
{
    add_text(line, measurement);
    add_tag(line, ",device=", point->device, strlen(point->device));
    add_tag(line, ",name=", point->reading.name, point->reading.name_len);
    add_tag(line, ",unit=", point->reading.unit, point->reading.unit_len);
}

/* ---- fields ---- */

static void add_integer(struct line *line, const char *key, int64_t value)
{
    char text[32];

    add_text(line, key);
    add(line, text, (size_t)snprintf(text, sizeof(text), "%" PRId64 "i", value));
}

/* The fewest digits that give the same double again. */
static void add_real(struct line *line, const char *key, double value)
{
    char text[32];
    int len = 0;

    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    add_text(line, key);
    add(line, text, (size_t)len);
}

static void add_quoted(struct line *line, const char *key, const char *text, size_t len)
{
    add_text(line, key);
    add(line, "\"", 1);
    for (size_t run; len > 0; text += run, len -= run) {
        add(line, "\\", *text == '"' || *text == '\\');
        for (run = 1; run < len && text[run] != '"' && text[run] != '\\'; run++)
            ;
        add(line, text, run);
    }
    add(line, "\"", 1);
}

static void add_data(struct line *line, const char *key, const uint8_t *bytes, size_t len)
{
    char *place;

    add_text(line, key);
    add(line, "\"", 1);
    place = take(line, BASE64URL_SIZE(len));
    if (place != NULL)
        base64url_encode(bytes, len, place);
    add(line, "\"", 1);
}

/* How InfluxDB gets a type's value. */
enum form { FORM_REAL, FORM_INTEGER, FORM_BOOLEAN, FORM_TEXT, FORM_DATA, FORM_WHOLE };

static const struct {
    enum form form;
    const char *key;
} fields[READING_TYPE_COUNT] = {
    [READING_REAL] = {FORM_REAL, " value="},         [READING_INTEGER] = {FORM_INTEGER, " value="},
    [READING_BOOLEAN] = {FORM_BOOLEAN, " boolean="}, [READING_TEXT] = {FORM_TEXT, " text="},
    [READING_DATA] = {FORM_DATA, " data="},          [READING_SUM] = {FORM_REAL, " sum="},
    [READING_PAYLOAD] = {FORM_WHOLE, " payload="},   [READING_UNDECODED] = {FORM_WHOLE, " undecoded="},
};

/* A text that is none stands as data, exactly. */
static enum form form_of(const struct reading *reading)
{
    enum form form = fields[reading->type].form;

    if (form == FORM_TEXT && reading->value.bytes.len > 0 &&
        !utf8_is_text((const char *)reading->value.bytes.at, reading->value.bytes.len))
        return FORM_DATA;
    return form;
}

static void add_value(struct line *line, const struct reading *reading)
{
    const char *key = fields[reading->type].key;

    switch (form_of(reading)) {
    case FORM_REAL:
        add_real(line, key, reading->value.real);
        break;
    case FORM_INTEGER:
        add_real(line, key, (double)reading->value.integer);
        add_integer(line, ",integer=", reading->value.integer);
        break;
    case FORM_BOOLEAN:
        add_text(line, key);
        add_text(line, reading->value.integer != 0 ? "true" : "false");
        break;
    case FORM_TEXT:
        add_quoted(line, key, (const char *)reading->value.bytes.at, reading->value.bytes.len);
        break;
    case FORM_DATA:
        add_data(line, fields[READING_DATA].key, reading->value.bytes.at, reading->value.bytes.len);
        break;
    case FORM_WHOLE:
        add_data(line, key, reading->value.bytes.at, reading->value.bytes.len);
        add_integer(line, ",format=", reading->format);
        break;
    }
}

/* ---- what can never be taken ---- */

static bool is_too_long(const struct reading *reading)
{
    switch (form_of(reading)) {
    case FORM_TEXT:
        return reading->value.bytes.len > INFLUX_TEXT_MAX;
    case FORM_DATA:
    case FORM_WHOLE:
        return reading->value.bytes.len > INFLUX_TEXT_MAX / 4 * 3;
    default:
        return false;
    }
}

static int fail_series(struct failure *failure)
{
    fail(failure, "its names make more than %d bytes, about InfluxDB's limit", INFLUX_SERIES_MAX);
    return SINK_REFUSED;
}

static int check(const struct reading *reading, struct failure *failure)
{
    if (reading->name_len > INFLUX_SERIES_MAX || reading->unit_len > INFLUX_SERIES_MAX - reading->name_len)
        return fail_series(failure);
    if (reading->time < INFLUX_EARLIEST || reading->time > INFLUX_LATEST) {
        fail(failure, "its time lies outside of what InfluxDB holds, 1677-09-21 to 2262-04-11");
        return SINK_REFUSED;
    }
    if (is_too_long(reading)) {
        fail(failure, "its value of %zu bytes is longer than InfluxDB's limit of 64 KiB",
             reading->value.bytes.len);
        return SINK_REFUSED;
    }
    return 0;
}

/* ---- the line ---- */

/* FNV-1a: it only has to spread contexts. */
static uint64_t spread(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * UINT64_C(0x100000001b3);
}

int64_t influx_line_time(const struct sink_point *point)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (int shift = 0; shift < 64; shift += 8)
        hash = spread(hash, (uint8_t)((uint64_t)point->device_id >> shift));
    for (size_t i = 0; i < point->context_len; i++)
        hash = spread(hash, point->context[i]);
    return point->reading.time * PARTS +
           (int64_t)((hash % PARTS + point->piv % PARTS * INDEXES + point->index) % PARTS);
}

ptrdiff_t influx_line_encode(char *out, size_t room, const char *measurement, const struct sink_point *point,
                             struct failure *failure)
{
    struct line line = {.at = out, .room = room};
    char time[32];
    int refused = check(&point->reading, failure);

    if (refused != 0)
        return refused;
    add_series(&line, measurement, point);
    if (line.len > INFLUX_SERIES_MAX)
        return fail_series(failure);
    add_value(&line, &point->reading);
    if (point->piv <= INT64_MAX)
        add_integer(&line, ",seq=", (int64_t)point->piv);
    add(&line, time, (size_t)snprintf(time, sizeof(time), " %" PRId64 "\n", influx_line_time(point)));
    return line.full ? 0 : (ptrdiff_t)line.len;
}
