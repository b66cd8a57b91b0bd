#include "gateway/decode/number.h"
#include "gateway/decode/shortest.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double number_real(const struct number *number)
{
    switch (number->kind) {
    case NUMBER_INTEGER:
        return (double)number->integer;
    case NUMBER_SINGLE:
        return shortest_single((float)number->real);
    case NUMBER_HALF:
        return shortest_half(number->real);
    case NUMBER_DOUBLE:
    case NUMBER_WIDE:
        break;
    }
    return number->real;
}

enum decoder_result number_add(const struct number *base, const struct number *value, struct number *sum)
{
    double a;
    double b;

    *sum = (struct number){.kind = NUMBER_INTEGER};
    if (base->kind == NUMBER_INTEGER && value->kind == NUMBER_INTEGER &&
        !__builtin_add_overflow(base->integer, value->integer, &sum->integer))
        return DECODED;
    a = number_real(base);
    b = number_real(value);
    sum->kind = NUMBER_DOUBLE;
    sum->real = a + b;
    return isinf(sum->real) && isfinite(a) && isfinite(b) ? UNDECODABLE : DECODED;
}

#define MICRO 1000000

enum decoder_result number_microseconds(const struct number *number, int64_t *microseconds)
{
    double whole;

    if (number->kind == NUMBER_INTEGER)
        return __builtin_mul_overflow(number->integer, MICRO, microseconds) ? UNDECODABLE : DECODED;
    if (!(fabs(number->real) < 9.2e12)) /* a little below 2^63 microseconds; false for NaN too */
        return UNDECODABLE;
    whole = trunc(number->real); /* apart, so that neither part loses bits */
    *microseconds = (int64_t)whole * MICRO + llround((number->real - whole) * MICRO);
    return DECODED;
}

static void text_into(const char *at, size_t len, struct reading *reading)
{
    reading->type = READING_TEXT;
    reading->value.bytes.at = (const uint8_t *)at;
    reading->value.bytes.len = len;
}

void number_into(const struct number *number, struct reading *reading)
{
    if (number->kind == NUMBER_INTEGER) {
        reading->type = READING_INTEGER;
        reading->value.integer = number->integer;
    } else if (number->kind == NUMBER_WIDE) {
        text_into(number->digits.at, number->digits.len, reading);
    } else if (isnan(number->real)) {
        text_into("NaN", 3, reading);
    } else if (isinf(number->real)) {
        const char *text = number->real < 0 ? "-Infinity" : "Infinity";
        text_into(text, strlen(text), reading);
    } else {
        reading->type = READING_REAL;
        reading->value.real = number_real(number);
    }
}

/* Up to 15 digits and 10^22 are exact doubles, so that one operation on them is rounded once. */
static int exact_decimal(const char *digits, size_t len, int64_t exponent, double *real)
{
    double power = 1;
    int64_t whole = 0;

    if (len > 15 || exponent < -22 || exponent > 22)
        return 0;
    for (size_t i = 0; i < len; i++)
        whole = whole * 10 + (digits[i] - '0');
    for (int64_t i = 0; i != exponent; i += exponent < 0 ? -1 : 1)
        power *= 10;
    *real = exponent < 0 ? (double)whole / power : (double)whole * power;
    return 1;
}

/* Beyond it a decimal of NUMBER_DIGITS_MAX digits is 0 or too large. */
#define EXPONENT_LIMIT 9999

enum decoder_result number_from_decimal(const char *digits, size_t len, int64_t exponent, double *real)
{
    char text[NUMBER_DIGITS_MAX + 8];

    if (exact_decimal(digits, len, exponent, real))
        return DECODED;
    if (len > NUMBER_DIGITS_MAX)
        return UNDECODABLE;
    if (exponent > EXPONENT_LIMIT || exponent < -EXPONENT_LIMIT)
        exponent = exponent < 0 ? -EXPONENT_LIMIT : EXPONENT_LIMIT;
    memcpy(text, digits, len); /* without a point, which strtod would expect as the locale has it */
    (void)snprintf(text + len, sizeof(text) - len, "e%d", (int)exponent);
    *real = strtod(text, NULL);
    return isinf(*real) ? UNDECODABLE : DECODED;
}

/* Decimal digits of a byte, 256^64 has 155 digits. */
#define DIGITS_OF(bytes) ((bytes)*5 / 2 + 2)

/* Divides the magnitude by ten in place and returns the remainder. */
static unsigned divide_by_ten(uint8_t *bytes, size_t len)
{
    unsigned remainder = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned part = remainder << 8 | bytes[i];
        bytes[i] = (uint8_t)(part / 10);
        remainder = part % 10;
    }
    return remainder;
}

/* Writes the magnitude's digits, which end at `end`, and returns where they begin. */
static char *write_digits(uint8_t *bytes, size_t len, char *end)
{
    size_t first = 0;

    for (;;) {
        while (first < len && bytes[first] == 0)
            first++;
        if (first == len)
            return end;
        *--end = (char)('0' + divide_by_ten(bytes + first, len - first));
    }
}

static void increment(uint8_t *bytes, size_t len)
{
    while (len > 0 && ++bytes[len - 1] == 0)
        len--;
}

enum decoder_result number_from_bytes(const uint8_t *bytes, size_t len, int negative,
                                      struct readings *readings, struct number *number)
{
    uint8_t magnitude[1 + NUMBER_BYTES_MAX] = {0};
    char digits[DIGITS_OF(sizeof(magnitude))];
    char *end = digits + sizeof(digits);
    char *begin;
    uint64_t low = 0;

    while (len > 0 && *bytes == 0) {
        bytes++;
        len--;
    }
    if (len > NUMBER_BYTES_MAX)
        return UNDECODABLE;
    for (size_t i = 0; i < len; i++) {
        magnitude[sizeof(magnitude) - len + i] = bytes[i];
        low = low << 8 | bytes[i];
    }
    if (len <= 8 && low <= INT64_MAX) {
        number->kind = NUMBER_INTEGER;
        number->integer = negative ? -1 - (int64_t)low : (int64_t)low;
        return DECODED;
    }
    if (negative)
        increment(magnitude, sizeof(magnitude));
    begin = write_digits(magnitude, sizeof(magnitude), end);
    number->kind = NUMBER_WIDE;
    if (number_from_decimal(begin, (size_t)(end - begin), 0, &number->real) != DECODED)
        return UNDECODABLE;
    if (negative) {
        number->real = -number->real;
        *--begin = '-';
    }
    return readings_copy(readings, begin, (size_t)(end - begin), &number->digits);
}
