#include "decode_case.h"

#include "gateway/decode/decoder.h"
#include "invariants.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void from_hex(struct bytes *bytes, const char *hex)
{
    bytes->len = 0;
    for (; *hex != '\0'; hex++) {
        unsigned byte;
        if (*hex == ' ')
            continue;
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        bytes->at[bytes->len++] = (uint8_t)byte;
        hex++;
    }
}

struct printed {
    char text[8192];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void print(struct printed *printed, const char *format, ...)
{
    va_list arguments;
    int len;

    va_start(arguments, format);
    len = vsnprintf(printed->text + printed->used, sizeof(printed->text) - printed->used, format, arguments);
    va_end(arguments);
    assert_true(len >= 0 && (size_t)len < sizeof(printed->text) - printed->used);
    printed->used += (size_t)len;
}

/* With a point, whatever the locale has. */
static void print_real(struct printed *printed, double real)
{
    char *comma;

    print(printed, "%.17g", real);
    comma = strrchr(printed->text, ',');
    if (comma != NULL)
        *comma = '.';
}

static void print_value(struct printed *printed, const struct reading *reading)
{
    print(printed, "%s:", reading_type_text(reading->type));
    switch (reading->type) {
    case READING_REAL:
    case READING_SUM:
        print_real(printed, reading->value.real);
        break;
    case READING_INTEGER:
    case READING_BOOLEAN:
        print(printed, "%" PRId64, reading->value.integer);
        break;
    case READING_TEXT:
        print(printed, "%.*s", (int)reading->value.bytes.len, (const char *)reading->value.bytes.at);
        break;
    default:
        for (size_t i = 0; i < reading->value.bytes.len; i++)
            print(printed, "%02x", reading->value.bytes.at[i]);
        break;
    }
}

static void print_reading(struct printed *printed, const struct reading *reading)
{
    print(printed, "%.*s ", (int)reading->name_len, reading->name);
    if (reading->unit_len > 0)
        print(printed, "%.*s ", (int)reading->unit_len, reading->unit);
    print_value(printed, reading);
    if (reading->time == NOW)
        print(printed, " @now\n");
    else
        print(printed, " @%" PRId64 "\n", reading->time);
}

/* The plaintext is decoded from a copy of exactly its size, so that a sanitizer sees a byte read behind it.
 */
void check_bytes(const char *what, uint16_t format, const struct bytes *given, const char *expected)
{
    struct readings readings;
    struct printed printed = {.used = 0, .text = ""};
    uint8_t *plaintext = malloc(given->len == 0 ? 1 : given->len);

    assert_non_null(plaintext);
    memcpy(plaintext, given->at, given->len);
    readings_init(&readings);
    assert_int_equal(decode(format, plaintext, given->len, NOW, &readings), 0);
    for (size_t i = 0; i < readings.count; i++)
        assert_null(reading_broken(&readings.items[i]));
    if (readings.count == 1 && readings.items[0].type == READING_UNDECODED) {
        print(&printed, UNDECODED);
    } else {
        for (size_t i = 0; i < readings.count; i++)
            print_reading(&printed, &readings.items[i]);
    }
    if (strcmp(printed.text, expected) != 0)
        fail_msg("%s: got\n%s\nexpected\n%s", what, printed.text, expected);
    readings_wipe(&readings);
    free(plaintext);
}

void check_hex(uint16_t format, const struct hex_case *cases, size_t count)
{
    static struct bytes bytes;

    for (size_t i = 0; i < count; i++) {
        from_hex(&bytes, cases[i].hex);
        check_bytes(cases[i].what, format, &bytes, cases[i].expected);
    }
}

void check_text(uint16_t format, const struct text_case *cases, size_t count)
{
    static struct bytes bytes;

    for (size_t i = 0; i < count; i++) {
        bytes.len = strlen(cases[i].text);
        memcpy(bytes.at, cases[i].text, bytes.len);
        check_bytes(cases[i].text, format, &bytes, cases[i].expected);
    }
}
