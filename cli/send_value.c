#include "cli/send_value.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"

/* RFC 8428 4.5.1. */
static bool is_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-:./_";

    return isalnum((unsigned char)*name) && name[strspn(name, allowed)] == 0;
}

static bool is_utf8(const char *text)
{
    size_t len = strlen(text);
    uint32_t character;

    while (len > 0) {
        size_t size = text_character(text, len, &character);

        if (size == 0)
            return false;
        text += size;
        len -= size;
    }
    return true;
}

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/*
 * The decimal number at the start of `text`: its length, or 0. Not what strtod() takes: no "inf", "nan" or
 * hex, which are words that a sensor may say.
 */
static size_t number_length(const char *text, bool *whole)
{
    size_t len = *text == '-' || *text == '+';
    size_t before = count_digits(text + len);
    size_t after = 0;
    size_t mark;

    len += before;
    *whole = true;
    if (text[len] == '.') {
        after = count_digits(text + len + 1);
        len += after + 1;
        *whole = false;
    }
    if (before + after == 0)
        return 0;
    if (text[len] == 'e' || text[len] == 'E') {
        mark = len + 1 + (text[len + 1] == '-' || text[len + 1] == '+');
        if (count_digits(text + mark) > 0) {
            len = mark + count_digits(text + mark);
            *whole = false;
        }
    }
    return len;
}

/*
 * True if the shortest decimal of the single nearest to `real` is `real`: then the single says all that was
 * written.
 */
static bool fits_single(double real)
{
    char text[32];
    float single = (float)real;
    int digits = 1;

    do
        snprintf(text, sizeof(text), "%.*g", digits++, (double)single);
    while (digits <= FLT_DECIMAL_DIG && strtof(text, NULL) != single);
    return strtod(text, NULL) == real;
}

static int take_integer(struct send_value *value, const char *text, struct failure *failure)
{
    errno = 0;
    value->type = SEND_INTEGER;
    value->integer = strtoll(text, NULL, 10);
    if (errno == ERANGE)
        return fail(failure,
                    "%s: %.40s is beyond 64 bits; write it with a decimal point, or \"quoted\" as text",
                    value->name, text);
    return 0;
}

static int take_real(struct send_value *value, const char *text, struct failure *failure)
{
    value->real = strtod(text, NULL);
    if (!isfinite(value->real))
        return fail(failure, "%s: %.40s is too large for a number; \"quoted\" it is text", value->name, text);
    value->type = fabs(value->real) <= (double)FLT_MAX && fits_single(value->real) ? SEND_FLOAT : SEND_DOUBLE;
    return 0;
}

static int take_quoted(struct send_value *value, char *text, struct failure *failure)
{
    size_t len = strlen(text);

    if (len < 2 || text[len - 1] != '"')
        return fail(failure, "%s: a text that begins with \" ends with one, and has no unit", value->name);
    text[len - 1] = 0;
    value->text = text + 1;
    return 0;
}

static int take_value(struct send_value *value, char *text, struct failure *failure)
{
    bool whole;
    size_t len = number_length(text, &whole);

    if (len > 0 && (text[len] == 0 || text[len] == ':')) {
        if (text[len] == ':') {
            value->unit = text + len + 1;
            text[len] = 0;
            if (*value->unit == 0)
                return fail(failure, "%s: the unit after ':' is missing", value->name);
        }
        return whole ? take_integer(value, text, failure) : take_real(value, text, failure);
    }
    value->type = SEND_TEXT;
    value->text = text;
    if (*text == '"')
        return take_quoted(value, text, failure);
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        value->type = SEND_BOOLEAN;
        value->integer = *text == 't';
    }
    return 0;
}

int send_value_parse(struct send_value *value, char *argument, struct failure *failure)
{
    char *equals = strchr(argument, '=');

    memset(value, 0, sizeof(*value));
    if (!is_utf8(argument))
        return fail(failure, "%.60s: not UTF-8", argument);
    if (!equals)
        return fail(failure, "%.60s: not a reading; write name=value or name=value:unit", argument);
    *equals = 0;
    value->name = argument;
    if (!is_name(argument))
        return fail(
            failure,
            "'%.60s': not a name; it has letters, digits and - : . / _ and begins with a letter or digit",
            argument);
    return take_value(value, equals + 1, failure);
}
