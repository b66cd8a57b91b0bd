/*
 * Readings of any names, texts and bytes as lines of InfluxDB's protocol, read back by its rules: one line,
 * one point, its tags and its value what they were. Whatever a name holds, nothing gets out of its place.
 */
#include "require.h"

#include <stdio.h>
#include <string.h>

#include "gateway/decode/base64url.h"
#include "gateway/decode/utf8.h"
#include "gateway/sink/influx_line.h"

static char line[INFLUX_LINE_MAX];

struct cursor {
    const char *at;
    const char *end;
};

static void expect(struct cursor *cursor, const char *text)
{
    size_t len = strlen(text);

    require((size_t)(cursor->end - cursor->at) >= len && memcmp(cursor->at, text, len) == 0);
    cursor->at += len;
}

/* A tag's value ends at a comma or space that is not escaped. A backslash may stand before its end only as
 * the escape of what it escapes. */
static size_t read_tag(struct cursor *cursor, char *out)
{
    size_t len = 0;

    for (; cursor->at < cursor->end && *cursor->at != ',' && *cursor->at != ' '; cursor->at++) {
        if (*cursor->at == '\\' && cursor->end - cursor->at > 1 && strchr(",= ", cursor->at[1]) != NULL &&
            cursor->at[1] != '\0')
            cursor->at++;
        else
            require(*cursor->at != '=');
        require(*cursor->at != '\n' && *cursor->at != '\0');
        out[len++] = *cursor->at;
    }
    require(len > 0 && out[len - 1] != '\\');
    require(utf8_is_text(out, len));
    return len;
}

static int is_plain_name(const char *text, size_t len)
{
    return len == 0 || (utf8_is_plain(text, len) && memchr(text, '\\', len) == NULL);
}

/* Exactly what it was, unless it holds what a tag can not. */
static void check_tag(struct cursor *cursor, const char *key, const char *value, size_t len)
{
    static char out[INFLUX_LINE_MAX];
    size_t got;

    if (len == 0)
        return;
    expect(cursor, key);
    got = read_tag(cursor, out);
    if (is_plain_name(value, len))
        require(got == len && memcmp(out, value, len) == 0);
}

/* Reads a text in quotes, which begins and ends where it should. */
static size_t read_quoted(struct cursor *cursor, char *out)
{
    size_t len = 0;

    expect(cursor, "\"");
    for (; cursor->at < cursor->end && *cursor->at != '"'; cursor->at++) {
        if (*cursor->at == '\\' && cursor->end - cursor->at > 1 &&
            (cursor->at[1] == '"' || cursor->at[1] == '\\'))
            cursor->at++;
        out[len++] = *cursor->at;
    }
    expect(cursor, "\"");
    return len;
}

static void check_bytes(struct cursor *cursor, const struct reading *reading)
{
    static char out[INFLUX_LINE_MAX];
    static uint8_t bytes[INFLUX_LINE_MAX];
    int text = reading->type == READING_TEXT &&
               utf8_is_text((const char *)reading->value.bytes.at, reading->value.bytes.len);
    size_t len;

    expect(cursor, text                                 ? " text="
                   : reading->type == READING_PAYLOAD   ? " payload="
                   : reading->type == READING_UNDECODED ? " undecoded="
                                                        : " data=");
    len = read_quoted(cursor, out);
    if (!text) {
        ptrdiff_t decoded = base64url_decode(out, len, bytes);
        require(decoded >= 0);
        len = (size_t)decoded;
        memcpy(out, bytes, len);
    }
    require(len == reading->value.bytes.len && (len == 0 || memcmp(out, reading->value.bytes.at, len) == 0));
    if (reading->type == READING_PAYLOAD || reading->type == READING_UNDECODED)
        expect(cursor, ",format=7i");
}

static void check_line(const struct sink_point *point, size_t len)
{
    struct cursor cursor = {line, line + len};
    char end[64];

    expect(&cursor, "m");
    check_tag(&cursor, ",device=", point->device, strlen(point->device));
    check_tag(&cursor, ",name=", point->reading.name, point->reading.name_len);
    check_tag(&cursor, ",unit=", point->reading.unit, point->reading.unit_len);
    check_bytes(&cursor, &point->reading);
    snprintf(end, sizeof(end), ",seq=%lldi %lld\n", (long long)point->piv,
             (long long)influx_line_time(point));
    expect(&cursor, end);
    require(cursor.at == cursor.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum reading_type types[] = {READING_TEXT, READING_DATA, READING_PAYLOAD, READING_UNDECODED};
    struct sink_point point = {.device_id = 1, .context = data, .reading.format = 7};
    struct failure failure;
    char device[65] = "";
    ptrdiff_t len;

    if (size < 8)
        return 0;
    point.context_len = data[0] % 9;
    point.reading.type = types[data[1] % 4];
    point.piv = data[2];
    size_t device_len = data[3] % 65 < size - 8 ? data[3] % 65 : size - 8;
    size_t left = size - 8 - device_len;
    memcpy(device, data + 8, device_len);
    point.device = device;
    point.reading.name = (const char *)data + 8 + device_len;
    point.reading.name_len = data[4] < left ? data[4] : left;
    left -= point.reading.name_len;
    point.reading.unit = point.reading.name + point.reading.name_len;
    point.reading.unit_len = data[5] < left ? data[5] : left;
    left -= point.reading.unit_len;
    point.reading.value.bytes.at = (const uint8_t *)point.reading.unit + point.reading.unit_len;
    point.reading.value.bytes.len = left;
    point.reading.time = data[6] * INT64_C(100000000000);
    len = influx_line_encode(line, sizeof(line), "m", &point, &failure);
    require(len > 0);
    check_line(&point, (size_t)len);
    return 0;
}
