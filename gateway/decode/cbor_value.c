#include "gateway/decode/cbor_value.h"
#include "gateway/decode/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define BREAK 0xff

struct cbor_walk cbor_walk_begin(const struct bulla_cbor_item *item)
{
    return (struct cbor_walk){.left = item->argument, .indefinite = item->info == 31};
}

int cbor_walk_next(struct cbor_walk *walk, struct bulla_cbor_reader *reader)
{
    if (!walk->indefinite)
        return walk->left > 0 ? (walk->left--, 1) : 0;
    if (reader->at == reader->end)
        return -1;
    if (*reader->at != BREAK)
        return 1;
    reader->at++;
    return 0;
}

/* Walks the chunks of an indefinite string up to the break and copies them to `out`, or only counts if it is
 * NULL. */
static enum decoder_result read_chunks(struct bulla_cbor_reader *reader, uint8_t major, char *out,
                                       size_t *len)
{
    struct cbor_walk walk = {.indefinite = 1};
    struct bulla_cbor_item chunk;
    int more;

    *len = 0;
    while ((more = cbor_walk_next(&walk, reader)) > 0) {
        size_t chunk_len;
        if (bulla_cbor_next(reader, &chunk) < 0 || chunk.major != major || chunk.info == 31)
            return UNDECODABLE;
        chunk_len = (size_t)chunk.argument;
        if (out != NULL && chunk_len > 0)
            memcpy(out + *len, chunk.data, chunk_len);
        *len += chunk_len;
    }
    return more < 0 ? UNDECODABLE : DECODED;
}

static enum decoder_result join_chunks(struct bulla_cbor_reader *reader, uint8_t major,
                                       struct readings *readings, struct text *string)
{
    struct bulla_cbor_reader ahead = *reader;
    char *joined;

    if (read_chunks(&ahead, major, NULL, &string->len) != DECODED)
        return UNDECODABLE;
    joined = readings_take(readings, string->len);
    if (joined == NULL)
        return OUT_OF_MEMORY;
    string->at = joined;
    return read_chunks(reader, major, joined, &string->len);
}

enum decoder_result cbor_string(struct bulla_cbor_reader *reader, const struct bulla_cbor_item *item,
                                enum bulla_cbor_major major, struct readings *readings, struct text *string)
{
    if (item->major != (uint8_t)major)
        return UNDECODABLE;
    if (item->info == 31) {
        enum decoder_result result = join_chunks(reader, item->major, readings, string);
        if (result != DECODED)
            return result;
    } else {
        string->at = (const char *)item->data;
        string->len = (size_t)item->argument;
    }
    if (major == BULLA_CBOR_TEXT && !utf8_is_text(string->at, string->len))
        return UNDECODABLE;
    return DECODED;
}

/* The item as an integer of 64 bits. Returns 0 or -1. */
static int small_integer(const struct bulla_cbor_item *item, int64_t *integer)
{
    if (item->major > BULLA_CBOR_NINT || item->argument > INT64_MAX)
        return -1;
    *integer = item->major == BULLA_CBOR_NINT ? -1 - (int64_t)item->argument : (int64_t)item->argument;
    return 0;
}

static enum decoder_result read_integer(const struct bulla_cbor_item *item, struct readings *readings,
                                        struct number *number)
{
    uint8_t bytes[8];

    number->kind = NUMBER_INTEGER;
    if (small_integer(item, &number->integer) == 0)
        return DECODED;
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(item->argument >> (56 - 8 * i));
    return number_from_bytes(bytes, sizeof(bytes), item->major == BULLA_CBOR_NINT, readings, number);
}

/* RFC 8949 appendix D. */
static double half_to_double(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 0x1f);
    int mantissa = (int)(bits & 0x3ff);
    double value;

    if (exponent == 0)
        value = ldexp(mantissa, -24);
    else if (exponent != 31)
        value = ldexp(mantissa + 1024, exponent - 25);
    else
        value = mantissa == 0 ? (double)INFINITY : (double)NAN;
    return (bits & 0x8000) != 0 ? -value : value;
}

static double single_to_double(uint64_t argument)
{
    uint32_t bits = (uint32_t)argument;
    float single;

    memcpy(&single, &bits, sizeof(single));
    return (double)single;
}

static enum decoder_result read_float(const struct bulla_cbor_item *item, struct number *number)
{
    switch (item->info) {
    case 25:
        number->kind = NUMBER_HALF;
        number->real = half_to_double(item->argument);
        return DECODED;
    case 26:
        number->kind = NUMBER_SINGLE;
        number->real = single_to_double(item->argument);
        return DECODED;
    case 27:
        number->kind = NUMBER_DOUBLE;
        memcpy(&number->real, &item->argument, sizeof(number->real));
        return DECODED;
    default:
        return UNDECODABLE;
    }
}

static enum decoder_result read_bignum(struct bulla_cbor_reader *reader, int negative,
                                       struct readings *readings, struct number *number)
{
    struct bulla_cbor_item item;
    struct text bytes;
    enum decoder_result result;

    if (bulla_cbor_next(reader, &item) < 0)
        return UNDECODABLE;
    result = cbor_string(reader, &item, BULLA_CBOR_BYTES, readings, &bytes);
    if (result != DECODED)
        return result;
    return number_from_bytes((const uint8_t *)bytes.at, bytes.len, negative, readings, number);
}

/* The next element of a decimal fraction. */
static int next_integer(struct cbor_walk *walk, struct bulla_cbor_reader *reader, int64_t *integer)
{
    struct bulla_cbor_item item;

    if (cbor_walk_next(walk, reader) != 1 || bulla_cbor_next(reader, &item) < 0)
        return -1;
    return small_integer(&item, integer);
}

/* RFC 8949 3.4.4: tag 4, [exponent, mantissa]. */
static enum decoder_result read_decimal_fraction(struct bulla_cbor_reader *reader, struct number *number)
{
    struct bulla_cbor_item array;
    struct cbor_walk walk;
    int64_t exponent;
    int64_t mantissa;
    char digits[24];
    int len;

    if (bulla_cbor_next(reader, &array) < 0 || array.major != BULLA_CBOR_ARRAY)
        return UNDECODABLE;
    walk = cbor_walk_begin(&array);
    if (next_integer(&walk, reader, &exponent) < 0 || next_integer(&walk, reader, &mantissa) < 0)
        return UNDECODABLE;
    if (cbor_walk_next(&walk, reader) != 0)
        return UNDECODABLE;
    len =
        snprintf(digits, sizeof(digits), "%" PRIu64, mantissa < 0 ? -(uint64_t)mantissa : (uint64_t)mantissa);
    number->kind = NUMBER_DOUBLE;
    if (number_from_decimal(digits, (size_t)len, exponent, &number->real) != DECODED)
        return UNDECODABLE;
    if (mantissa < 0)
        number->real = -number->real;
    return DECODED;
}

enum cbor_tag { TAG_BIGNUM = 2, TAG_NEGATIVE_BIGNUM = 3, TAG_DECIMAL_FRACTION = 4 };

static enum decoder_result read_tagged(struct bulla_cbor_reader *reader, uint64_t tag,
                                       struct readings *readings, struct number *number)
{
    switch (tag) {
    case TAG_BIGNUM:
    case TAG_NEGATIVE_BIGNUM:
        return read_bignum(reader, tag == TAG_NEGATIVE_BIGNUM, readings, number);
    case TAG_DECIMAL_FRACTION:
        return read_decimal_fraction(reader, number);
    default:
        return UNDECODABLE;
    }
}

enum decoder_result cbor_number(struct bulla_cbor_reader *reader, const struct bulla_cbor_item *item,
                                struct readings *readings, struct number *number)
{
    switch (item->major) {
    case BULLA_CBOR_UINT:
    case BULLA_CBOR_NINT:
        return read_integer(item, readings, number);
    case BULLA_CBOR_TAG:
        return read_tagged(reader, item->argument, readings, number);
    case BULLA_CBOR_SIMPLE:
        return read_float(item, number);
    default:
        return UNDECODABLE;
    }
}

enum decoder_result cbor_boolean(const struct bulla_cbor_item *item, int *boolean)
{
    if (item->major != BULLA_CBOR_SIMPLE || item->info < BULLA_CBOR_FALSE || item->info > BULLA_CBOR_TRUE)
        return UNDECODABLE;
    *boolean = item->info == BULLA_CBOR_TRUE;
    return DECODED;
}
