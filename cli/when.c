#include "cli/when.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND INT64_C(1000000)

/* Beyond these a time in microseconds would not fit, and nothing was ever measured there. */
#define SECONDS_MAX INT64_C(9000000000000)

int64_t when_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * SECOND + now.tv_nsec / 1000;
}

/* Reads 1 to `most` digits; `*text` moves behind them. Returns how many, 0 if there are none or too many. */
static int digits(const char **text, int most, int64_t *value)
{
    int count = 0;

    *value = 0;
    while (isdigit((unsigned char)(*text)[count])) {
        if (count == most)
            return 0;
        *value = *value * 10 + ((*text)[count++] - '0');
    }
    *text += count;
    return count;
}

/* Reads ".5": digits after the sixth are dropped. */
static bool fraction(const char **text, int64_t *micros)
{
    int64_t unit = SECOND / 10;

    *micros = 0;
    if (**text != '.')
        return true;
    if (!isdigit((unsigned char)*++*text))
        return false;
    for (; isdigit((unsigned char)**text); ++*text, unit /= 10)
        *micros += unit * (**text - '0');
    return true;
}

static bool parse_seconds(const char *text, int64_t now, int64_t *micros)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    bool negative = *text == '-';
    int64_t whole, part;

    text += negative;
    if (!digits(&text, 13, &whole) || whole > SECONDS_MAX || !fraction(&text, &part))
        return false;
    whole = whole * SECOND + part;
    if (*text == 0) {
        *micros = negative ? -whole : whole;
        return true;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (*text == units[i].unit && text[1] == 0 && !negative &&
            whole <= SECONDS_MAX * SECOND / units[i].seconds) {
            *micros = now - whole * units[i].seconds;
            return true;
        }
    }
    return false;
}

/*
 * Reads exactly `count` digits that make a number from `least` to `most`, and the character behind them (0:
 * any).
 */
static bool field(const char **text, int count, int least, int most, char behind, int *value)
{
    const char *start = *text;
    int64_t number;

    if (digits(text, count, &number) != count || number < least || number > most)
        return false;
    *value = (int)number;
    if (behind && **text != behind) {
        *text = start;
        return false;
    }
    *text += behind != 0;
    return true;
}

/* Reads "Z" or "+01:00" to the end: seconds east of UTC. */
static bool offset(const char *text, int *east)
{
    int sign = *text == '-' ? -1 : 1;
    int hours, minutes;

    *east = 0;
    if (*text == 'Z' || *text == 'z')
        return text[1] == 0;
    if (*text != '+' && *text != '-')
        return false;
    text++;
    if (!field(&text, 2, 0, 23, ':', &hours) || !field(&text, 2, 0, 59, 0, &minutes))
        return false;
    *east = sign * (hours * 3600 + minutes * 60);
    return *text == 0;
}

/* RFC 3339 5.6, and a date alone. */
static bool parse_date(const char *text, int64_t *micros)
{
    struct tm day = {0};
    struct tm check;
    int64_t part = 0;
    time_t midnight;
    int east = 0;

    if (!field(&text, 4, 0, 9999, '-', &day.tm_year) || !field(&text, 2, 1, 12, '-', &day.tm_mon) ||
        !field(&text, 2, 1, 31, 0, &day.tm_mday))
        return false;
    day.tm_year -= 1900;
    day.tm_mon -= 1;
    check = day;
    midnight = timegm(&check);
    if (check.tm_mday != day.tm_mday) /* the 30th of February */
        return false;
    if (*text) {
        if (!strchr("Tt ", *text))
            return false;
        text++;
        if (!field(&text, 2, 0, 23, ':', &day.tm_hour) || !field(&text, 2, 0, 59, ':', &day.tm_min) ||
            !field(&text, 2, 0, 60, 0, &day.tm_sec) || !fraction(&text, &part) || !offset(text, &east))
            return false;
    }
    *micros = (midnight + day.tm_hour * 3600 + day.tm_min * 60 + day.tm_sec - east) * SECOND + part;
    return true;
}

int when_parse(const char *text, int64_t now, int64_t *micros)
{
    if (strcmp(text, "now") == 0) {
        *micros = now;
        return 0;
    }
    return parse_seconds(text, now, micros) || parse_date(text, micros) ? 0 : -1;
}

static char *put_number(char *out, int64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
    return out + width;
}

size_t when_format(char out[WHEN_TEXT_SIZE], int64_t micros)
{
    int64_t part = (micros % SECOND + SECOND) % SECOND;
    time_t seconds = (micros - part) / SECOND;
    struct tm tm;
    char *at = out;

    gmtime_r(&seconds, &tm);
    if (tm.tm_year < -1900 ||
        tm.tm_year > 9999 - 1900) /* outside of RFC 3339: as ISO 8601 4.1.2.4 expands it */
        at += sprintf(at, "%+07d", tm.tm_year + 1900);
    else
        at = put_number(at, tm.tm_year + 1900, 4);
    *at++ = '-';
    at = put_number(at, tm.tm_mon + 1, 2);
    *at++ = '-';
    at = put_number(at, tm.tm_mday, 2);
    *at++ = 'T';
    at = put_number(at, tm.tm_hour, 2);
    *at++ = ':';
    at = put_number(at, tm.tm_min, 2);
    *at++ = ':';
    at = put_number(at, tm.tm_sec, 2);
    if (part) {
        *at++ = '.';
        at = put_number(at, part, 6);
        while (at[-1] == '0')
            at--;
    }
    *at++ = 'Z';
    *at = 0;
    return (size_t)(at - out);
}
