#include "cli/diagnostic.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/text.h"
#include "gateway/decode/cbor_value.h"

struct printer {
    FILE *out;
    const uint8_t *begin;
    struct bulla_cbor_reader reader;
    struct diagnostic_stop *stop;
};

static int print_item(struct printer *printer, unsigned depth);

static int stop(struct printer *printer, const uint8_t *at, const char *why)
{
    printer->stop->at = (size_t)(at - printer->begin);
    printer->stop->why = why;
    return -1;
}

static int next(struct printer *printer, struct bulla_cbor_item *item)
{
    if (bulla_cbor_next(&printer->reader, item) == 0)
        return 0;
    return stop(printer, printer->reader.at,
                printer->reader.at == printer->reader.end ? "it ends before it is complete"
                                                          : "what stands here is cut off, or no CBOR");
}

/* RFC 8949 8.1: says which width the argument has, where a shorter one would do. */
static void print_indicator(FILE *out, const struct bulla_cbor_item *item)
{
    if (!item->shortest)
        fprintf(out, "_%d", item->info - 24);
}

/* ---- numbers ---- */

static void print_integer(FILE *out, const struct bulla_cbor_item *item)
{
    if (item->major == BULLA_CBOR_UINT)
        fprintf(out, "%" PRIu64, item->argument);
    else if (item->argument == UINT64_MAX)
        fputs("-18446744073709551616", out);
    else
        fprintf(out, "-%" PRIu64, item->argument + 1);
    print_indicator(out, item);
}

/* Takes a number's decimal apart: its significant digits, and how many of them stand before the point. */
static int take_apart(double value, char digits[TEXT_DOUBLE_SIZE], int *before)
{
    char text[TEXT_DOUBLE_SIZE];
    int count = 0;
    int point = -1; /* digits in front of it, leading zeros among them */
    int seen = 0;
    int zeros = 0; /* in front of the first significant digit */
    int exponent = 0;
    const char *at = text;

    text_double(text, value);
    for (; *at && *at != 'e'; at++) {
        if (*at == '.') {
            point = seen;
        } else {
            seen++;
            if (*at == '0' && count == 0)
                zeros++;
            else
                digits[count++] = *at;
        }
    }
    if (*at == 'e')
        sscanf(at + 1, "%d", &exponent);
    *before = (point < 0 ? seen : point) - zeros + exponent;
    while (count > 0 && digits[count - 1] == '0')
        count--;
    return count;
}

/* As appendix A of RFC 8949 lays a finite positive number out: 0.00006103515625, 100000.0, 1.0e+300. */
static void print_decimal(FILE *out, double value)
{
    char digits[TEXT_DOUBLE_SIZE];
    int before;
    int count = take_apart(value, digits, &before);

    if (count == 0) {
        fputs("0.0", out);
    } else if (before > 21 || before <= -6) {
        fprintf(out, "%c.%.*se%+d", digits[0], count > 1 ? count - 1 : 1, count > 1 ? digits + 1 : "0",
                before - 1);
    } else if (before <= 0) {
        fprintf(out, "0.%.*s%.*s", -before, "000000", count, digits);
    } else if (count <= before) {
        fprintf(out, "%.*s%.*s.0", count, digits, before - count, "000000000000000000000");
    } else {
        fprintf(out, "%.*s.%.*s", before, digits, count - before, digits + before);
    }
}

/* The width that the same number takes at least: 25, 26 or 27, as in its head. */
static int least_width(double value)
{
    uint8_t bytes[9];
    struct bulla_cbor_writer writer = {bytes, sizeof(bytes), 0, 0};

    bulla_cbor_double(&writer, value);
    return bytes[0] & 31;
}

static int print_float(struct printer *printer, const struct bulla_cbor_item *item)
{
    struct number number;
    double value;

    /* A float needs no arena. */
    if (cbor_number(&printer->reader, item, NULL, &number) != DECODED)
        return stop(printer, printer->reader.at, "not a float");
    value = number.real;
    if (signbit(value) && !isnan(value))
        putc_unlocked('-', printer->out);
    if (isnan(value))
        fputs("NaN", printer->out);
    else if (isinf(value))
        fputs("Infinity", printer->out);
    else
        print_decimal(printer->out, fabs(value));
    if (least_width(value) != item->info)
        fprintf(printer->out, "_%d", item->info - 24);
    return 0;
}

static int print_simple(struct printer *printer, const struct bulla_cbor_item *item)
{
    static const char *const named[] = {"false", "true", "null", "undefined"};

    if (item->info >= 25 && item->info <= 27)
        return print_float(printer, item);
    if (item->argument >= BULLA_CBOR_FALSE && item->argument <= BULLA_CBOR_NULL + 1)
        fputs(named[item->argument - BULLA_CBOR_FALSE], printer->out);
    else
        fprintf(printer->out, "simple(%" PRIu64 ")", item->argument);
    return 0;
}

/* ---- strings ---- */

static int is_utf8(const char *text, size_t len)
{
    while (len > 0) {
        uint32_t character;
        size_t size = text_character(text, len, &character);

        if (size == 0)
            return 0;
        text += size;
        len -= size;
    }
    return 1;
}

static void print_string(FILE *out, const struct bulla_cbor_item *item)
{
    const char *text = (const char *)item->data;
    size_t len = (size_t)item->argument;

    if (item->major == BULLA_CBOR_TEXT && is_utf8(text, len)) {
        text_json(out, text, len);
    } else {
        fputs("h'", out);
        text_hex(out, item->data, len);
        putc_unlocked('\'', out);
    }
    print_indicator(out, item);
    if (item->major == BULLA_CBOR_TEXT && !is_utf8(text, len))
        fputs(" / text, but not UTF-8 /", out);
}

/* RFC 8949 8.1: (_ h'01', h'02'), and ''_ or ""_ without any chunk. */
static int print_chunks(struct printer *printer, uint8_t major)
{
    struct cbor_walk walk = {.indefinite = 1};
    const char *between = "(_ ";
    struct bulla_cbor_item chunk;
    int more;

    while ((more = cbor_walk_next(&walk, &printer->reader)) > 0) {
        const uint8_t *at = printer->reader.at;

        if (next(printer, &chunk) < 0)
            return -1;
        if (chunk.major != major || chunk.info == 31)
            return stop(printer, at, "a chunk of another kind than its string");
        fputs(between, printer->out);
        between = ", ";
        print_string(printer->out, &chunk);
    }
    if (more < 0)
        return stop(printer, printer->reader.at, "it ends before it is complete");
    if (*between == ',')
        putc_unlocked(')', printer->out);
    else
        fputs(major == BULLA_CBOR_TEXT ? "\"\"_" : "''_", printer->out);
    return 0;
}

/* ---- what holds other items ---- */

static int print_container(struct printer *printer, const struct bulla_cbor_item *item, unsigned depth)
{
    struct cbor_walk walk = cbor_walk_begin(item);
    int is_map = item->major == BULLA_CBOR_MAP;
    const char *between = "";
    int more;

    putc_unlocked(is_map ? '{' : '[', printer->out);
    print_indicator(printer->out, item);
    if (walk.indefinite || !item->shortest)
        fputs(walk.indefinite ? "_ " : " ", printer->out);
    while ((more = cbor_walk_next(&walk, &printer->reader)) > 0) {
        fputs(between, printer->out);
        between = ", ";
        if (print_item(printer, depth) < 0)
            return -1;
        if (is_map) {
            fputs(": ", printer->out);
            if (print_item(printer, depth) < 0)
                return -1;
        }
    }
    if (more < 0)
        return stop(printer, printer->reader.at, "it ends before it is complete");
    putc_unlocked(is_map ? '}' : ']', printer->out);
    return 0;
}

static int print_tagged(struct printer *printer, const struct bulla_cbor_item *item, unsigned depth)
{
    fprintf(printer->out, "%" PRIu64, item->argument);
    print_indicator(printer->out, item);
    putc_unlocked('(', printer->out);
    if (print_item(printer, depth) < 0)
        return -1;
    putc_unlocked(')', printer->out);
    return 0;
}

static int print_item(struct printer *printer, unsigned depth)
{
    const uint8_t *at = printer->reader.at;
    struct bulla_cbor_item item;

    if (depth == 0)
        return stop(printer, at, "it is nested deeper than is followed here");
    if (next(printer, &item) < 0)
        return -1;
    switch ((enum bulla_cbor_major)item.major) {
    case BULLA_CBOR_UINT:
    case BULLA_CBOR_NINT:
        print_integer(printer->out, &item);
        return 0;
    case BULLA_CBOR_BYTES:
    case BULLA_CBOR_TEXT:
        if (item.info == 31)
            return print_chunks(printer, item.major);
        print_string(printer->out, &item);
        return 0;
    case BULLA_CBOR_ARRAY:
    case BULLA_CBOR_MAP:
        return print_container(printer, &item, depth - 1);
    case BULLA_CBOR_TAG:
        return print_tagged(printer, &item, depth - 1);
    case BULLA_CBOR_SIMPLE:
        break;
    }
    return item.info == 31 ? stop(printer, at, "a break that ends nothing") : print_simple(printer, &item);
}

long diagnostic_print(FILE *out, const uint8_t *bytes, size_t len, struct diagnostic_stop *stop)
{
    struct printer printer = {.out = out, .begin = bytes, .reader = {bytes, bytes + len}, .stop = stop};

    return print_item(&printer, DIAGNOSTIC_DEPTH) < 0 ? -1 : (long)(printer.reader.at - bytes);
}
