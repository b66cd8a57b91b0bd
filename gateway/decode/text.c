#include "gateway/decode/flat.h"
#include "gateway/decode/utf8.h"

#include <string.h>

/* A number as it is written: ±digits × 10^exponent. */
struct written {
    int negative;
    int is_integer; /* neither a point nor an exponent */
    char digits[NUMBER_DIGITS_MAX];
    size_t len;
    int64_t exponent;
};

static int is_digit(const char *at, const char *end)
{
    return at != end && *at >= '0' && *at <= '9';
}

/* Takes a run of digits; leading zeros of the number are dropped. Returns where it ends, or NULL: too many.
 */
static const char *take_digits(struct written *written, const char *at, const char *end)
{
    for (; is_digit(at, end); at++) {
        if (written->len == 0 && *at == '0')
            continue;
        if (written->len == sizeof(written->digits))
            return NULL;
        written->digits[written->len++] = *at;
    }
    return at;
}

static const char *take_sign(const char *at, const char *end, int *negative)
{
    *negative = at != end && *at == '-';
    return at != end && (*at == '-' || *at == '+') ? at + 1 : at;
}

/* Takes "e", a sign, digits. Returns where it ends, or NULL if no digits follow. */
static const char *take_exponent(struct written *written, const char *at, const char *end)
{
    int negative;
    int64_t exponent = 0;

    at = take_sign(at + 1, end, &negative);
    if (!is_digit(at, end))
        return NULL;
    for (; is_digit(at, end); at++) {
        if (exponent < INT32_MAX) /* far beyond a double, and far from overflow */
            exponent = exponent * 10 + (*at - '0');
    }
    written->exponent += negative ? -exponent : exponent;
    return at;
}

/* Reads sign, digits, point, digits, exponent. Returns 0, or -1 if that is not all there is. */
static int read_written(struct written *written, const char *at, const char *end)
{
    const char *begin;
    int has_point;
    size_t digits;

    written->len = 0;
    written->exponent = 0;
    at = take_sign(at, end, &written->negative);
    begin = at;
    at = take_digits(written, at, end);
    if (at == NULL)
        return -1;
    digits = (size_t)(at - begin);
    has_point = at != end && *at == '.';
    if (has_point) {
        begin = at + 1;
        at = take_digits(written, begin, end);
        if (at == NULL)
            return -1;
        digits += (size_t)(at - begin);
        written->exponent = -(int64_t)(at - begin);
    }
    if (digits == 0)
        return -1;
    written->is_integer = !has_point && at == end;
    if (at != end && (*at == 'e' || *at == 'E'))
        at = take_exponent(written, at, end);
    return at == end ? 0 : -1;
}

/* Returns 0, or -1 if it does not fit. */
static int to_integer(const struct written *written, int64_t *integer)
{
    int64_t value = 0;

    for (size_t i = 0; i < written->len; i++) {
        int digit = written->digits[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, written->negative ? -digit : digit, &value))
            return -1;
    }
    *integer = value;
    return 0;
}

/* An integer beyond 64 bits keeps its digits. */
static enum decoder_result to_wide(const struct written *written, struct readings *readings,
                                   struct number *number)
{
    char *at = readings_take(readings, written->len + 1);

    if (at == NULL)
        return OUT_OF_MEMORY;
    number->kind = NUMBER_WIDE;
    number->digits = (struct text){at, written->len + (written->negative ? 1 : 0)};
    if (written->negative)
        *at++ = '-';
    memcpy(at, written->digits, written->len);
    return DECODED;
}

static enum decoder_result to_number(const struct written *written, struct readings *readings,
                                     struct number *number)
{
    number->kind = NUMBER_INTEGER;
    if (written->is_integer)
        return to_integer(written, &number->integer) == 0 ? DECODED : to_wide(written, readings, number);
    number->kind = NUMBER_DOUBLE;
    if (number_from_decimal(written->digits, written->len, written->exponent, &number->real) != DECODED)
        return UNDECODABLE;
    if (written->negative)
        number->real = -number->real;
    return DECODED;
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Reads the whole plaintext, without the space around it, as a number. */
static enum decoder_result read_number(struct text text, struct readings *readings, struct number *number)
{
    const char *begin = text.at;
    const char *end = text.len == 0 ? begin : begin + text.len;
    struct written written;

    while (begin != end && is_space(*begin))
        begin++;
    while (begin != end && is_space(end[-1]))
        end--;
    if (read_written(&written, begin, end) < 0)
        return UNDECODABLE;
    return to_number(&written, readings, number);
}

enum decoder_result decode_text(const uint8_t *plaintext, size_t len, int64_t received,
                                struct readings *readings)
{
    struct text text = {(const char *)plaintext, len};
    struct reading reading;
    struct number number;
    enum decoder_result result;

    if (!utf8_is_text(text.at, text.len))
        return UNDECODABLE;
    result = flat_begin(&reading, (struct text){"value", 5}, received);
    if (result == DECODED)
        result = read_number(text, readings, &number);
    if (result == DECODED)
        return flat_number(readings, &reading, &number);
    if (result == OUT_OF_MEMORY)
        return result;
    return flat_string(readings, &reading, READING_TEXT,
                       text); /* any other text, or a number beyond a double */
}
