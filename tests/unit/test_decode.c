/*
 * gateway/decode: from plaintexts to readings. Most tests are tables of a plaintext and its readings, written
 * as
 *
 *     name [unit] type:value @time
 *
 * where the time is "now" (when the message was received) or microseconds since 1970.
 */
#include "device/bulla.h"
#include "gateway/decode/base64url.h"
#include "gateway/decode/decoder.h"
#include "gateway/decode/shortest.h"
#include "gateway/decode/utf8.h"
#include "invariants.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define NOW INT64_C(1700000000000000)

#define TEXT       0
#define BYTES      42
#define JSON       50
#define CBOR       60
#define SENML_JSON 110
#define SENML_CBOR 112

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What an undecoded plaintext is expected to give. */
#define UNDECODED "undecoded"

/* ---- running a case ---- */

struct bytes {
    uint8_t at[16384];
    size_t len;
};

/* Hexadecimal digits with space between them as one likes. */
static void from_hex(struct bytes *bytes, const char *hex)
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

/* The whole plaintext, stored as it came. */
static void assert_whole(const struct readings *readings, enum reading_type type, uint16_t format,
                         const struct bytes *plaintext)
{
    const struct reading *reading = &readings->items[0];

    assert_int_equal(readings->count, 1);
    assert_int_equal(reading->type, type);
    assert_int_equal(reading->format, format);
    assert_int_equal(reading->time, NOW);
    assert_int_equal(reading->name_len, 0);
    assert_int_equal(reading->unit_len, 0);
    assert_non_null(reading->name);
    assert_non_null(reading->unit);
    assert_ptr_equal(reading->value.bytes.at, plaintext->at);
    assert_int_equal(reading->value.bytes.len, plaintext->len);
}

/* The plaintext is decoded from a copy of exactly its size, so that a sanitizer sees a byte read behind it.
 */
static void check_bytes(const char *what, uint16_t format, const struct bytes *given, const char *expected)
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

struct hex_case {
    const char *what;
    const char *hex;
    const char *expected;
};

static void check_hex(uint16_t format, const struct hex_case *cases, size_t count)
{
    static struct bytes bytes;

    for (size_t i = 0; i < count; i++) {
        from_hex(&bytes, cases[i].hex);
        check_bytes(cases[i].what, format, &bytes, cases[i].expected);
    }
}

struct text_case {
    const char *text;
    const char *expected;
};

static void check_text(uint16_t format, const struct text_case *cases, size_t count)
{
    static struct bytes bytes;

    for (size_t i = 0; i < count; i++) {
        bytes.len = strlen(cases[i].text);
        memcpy(bytes.at, cases[i].text, bytes.len);
        check_bytes(cases[i].text, format, &bytes, cases[i].expected);
    }
}

/* ---- RFC 8428, section 5.1: the examples ---- */

static const struct text_case rfc_examples[] = {
    {/* 5.1.1 */
     "[{\"n\":\"urn:dev:ow:10e2073a01080063\",\"u\":\"Cel\",\"v\":23.1}]",
     "urn:dev:ow:10e2073a01080063 Cel real:23.100000000000001 @now\n"},
    {/* 5.1.2, first */
     "[{\"bn\":\"urn:dev:ow:10e2073a01080063:\",\"n\":\"voltage\",\"u\":\"V\",\"v\":120.1},"
     "{\"n\":\"current\",\"u\":\"A\",\"v\":1.2}]",
     "urn:dev:ow:10e2073a01080063:voltage V real:120.09999999999999 @now\n"
     "urn:dev:ow:10e2073a01080063:current A real:1.2 @now\n"},
    {/* 5.1.2, second */
     "[{\"bn\":\"urn:dev:ow:10e2073a0108006:\",\"bt\":1.276020076001e+09,\"bu\":\"A\",\"bver\":5,"
     "\"n\":\"voltage\",\"u\":\"V\",\"v\":120.1},{\"n\":\"current\",\"t\":-5,\"v\":1.2},"
     "{\"n\":\"current\",\"t\":-4,\"v\":1.3},{\"n\":\"current\",\"v\":1.7}]",
     "urn:dev:ow:10e2073a0108006:voltage V real:120.09999999999999 @1276020076001000\n"
     "urn:dev:ow:10e2073a0108006:current A real:1.2 @1276020071001000\n"
     "urn:dev:ow:10e2073a0108006:current A real:1.3 @1276020072001000\n"
     "urn:dev:ow:10e2073a0108006:current A real:1.7 @1276020076001000\n"},
    {/* 5.1.3, resolved in 5.1.4 */
     "[{\"bn\":\"urn:dev:ow:10e2073a01080063\",\"bt\":1.320067464e+09,\"bu\":\"%RH\",\"v\":20},"
     "{\"u\":\"lon\",\"v\":24.30621},{\"u\":\"lat\",\"v\":60.07965},{\"t\":60,\"v\":20.3},"
     "{\"u\":\"%EL\",\"t\":150,\"v\":98}]",
     "urn:dev:ow:10e2073a01080063 %RH integer:20 @1320067464000000\n"
     "urn:dev:ow:10e2073a01080063 lon real:24.30621 @1320067464000000\n"
     "urn:dev:ow:10e2073a01080063 lat real:60.079650000000001 @1320067464000000\n"
     "urn:dev:ow:10e2073a01080063 %RH real:20.300000000000001 @1320067524000000\n"
     "urn:dev:ow:10e2073a01080063 %EL integer:98 @1320067614000000\n"},
    {/* 5.1.5 */
     "[{\"bn\":\"urn:dev:ow:10e2073a01080063:\",\"n\":\"temp\",\"u\":\"Cel\",\"v\":23.1},"
     "{\"n\":\"label\",\"vs\":\"Machine Room\"},{\"n\":\"open\",\"vb\":false},"
     "{\"n\":\"nfv-reader\",\"vd\":\"aGkgCg\"}]",
     "urn:dev:ow:10e2073a01080063:temp Cel real:23.100000000000001 @now\n"
     "urn:dev:ow:10e2073a01080063:label text:Machine Room @now\n"
     "urn:dev:ow:10e2073a01080063:open boolean:0 @now\n"
     "urn:dev:ow:10e2073a01080063:nfv-reader data:6869200a @now\n"},
    {/* 5.1.6 */
     "[{\"bn\":\"2001:db8::2/\",\"bt\":1.320078429e+09,\"n\":\"temperature\",\"u\":\"Cel\",\"v\":25.2},"
     "{\"n\":\"humidity\",\"u\":\"%RH\",\"v\":30},"
     "{\"bn\":\"2001:db8::1/\",\"n\":\"temperature\",\"u\":\"Cel\",\"v\":12.3},"
     "{\"n\":\"humidity\",\"u\":\"%RH\",\"v\":67}]",
     "2001:db8::2/temperature Cel real:25.199999999999999 @1320078429000000\n"
     "2001:db8::2/humidity %RH integer:30 @1320078429000000\n"
     "2001:db8::1/temperature Cel real:12.300000000000001 @1320078429000000\n"
     "2001:db8::1/humidity %RH integer:67 @1320078429000000\n"},
    {/* 5.1.7, first: a record of a base field alone */
     "[{\"bn\":\"urn:dev:ow:10e2073a01080063:\"},{\"n\":\"temp\",\"u\":\"Cel\",\"v\":23.1},"
     "{\"n\":\"heat\",\"u\":\"/\",\"v\":1},{\"n\":\"fan\",\"u\":\"/\",\"v\":0}]",
     "urn:dev:ow:10e2073a01080063:temp Cel real:23.100000000000001 @now\n"
     "urn:dev:ow:10e2073a01080063:heat / integer:1 @now\n"
     "urn:dev:ow:10e2073a01080063:fan / integer:0 @now\n"},
    {/* 5.1.7, third */
     "[{\"bt\":1.320078429e+09,\"bu\":\"/\",\"n\":\"2001:db8::3\",\"v\":0.5},"
     "{\"n\":\"2001:db8::4\",\"t\":0.1,\"v\":0}]",
     "2001:db8::3 / real:0.5 @1320078429000000\n"
     "2001:db8::4 / integer:0 @1320078429100000\n"},
};

static void test_rfc_examples(void **state)
{
    (void)state;
    check_text(SENML_JSON, rfc_examples, COUNT(rfc_examples));
}

/* RFC 8428 6: the dump of the second example of 5.1.2. */
static void test_rfc_example_cbor(void **state)
{
    static const struct hex_case example[] = {
        {"RFC 8428 6",
         "87 a7 21 78 1b 75 72 6e 3a 64 65 76 3a 6f 77 3a 31 30 65 32 30 37 33 61 30 31 30 38 30 30 36 3a"
         "22 fb 41 d3 03 a1 5b 00 10 62 23 61 41 20 05 00 67 76 6f 6c 74 61 67 65 01 61 56 02 fb 40 5e 06"
         "66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 24 02 fb 3f f3 33 33 33 33 33 33 a3 00 67 63 75"
         "72 72 65 6e 74 06 23 02 fb 3f f4 cc cc cc cc cc cd a3 00 67 63 75 72 72 65 6e 74 06 22 02 fb 3f"
         "f6 66 66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 21 02 f9 3e 00 a3 00 67 63 75 72 72 65 6e"
         "74 06 20 02 fb 3f f9 99 99 99 99 99 9a a3 00 67 63 75 72 72 65 6e 74 06 00 02 fb 3f fb 33 33 33"
         "33 33 33",
         "urn:dev:ow:10e2073a0108006:voltage V real:120.09999999999999 @1276020076001000\n"
         "urn:dev:ow:10e2073a0108006:current A real:1.2 @1276020071001000\n"
         "urn:dev:ow:10e2073a0108006:current A real:1.3 @1276020072001000\n"
         "urn:dev:ow:10e2073a0108006:current A real:1.3999999999999999 @1276020073001000\n"
         "urn:dev:ow:10e2073a0108006:current A real:1.5 @1276020074001000\n"
         "urn:dev:ow:10e2073a0108006:current A real:1.6000000000000001 @1276020075001000\n"
         "urn:dev:ow:10e2073a0108006:current A real:1.7 @1276020076001000\n"},
    };

    (void)state;
    check_hex(SENML_CBOR, example, COUNT(example));
}

/* ---- SenML: the rules, in JSON ---- */

static const struct text_case senml_cases[] = {
    /* 4: base fields apply from their record on, and may change */
    {"[{\"n\":\"a\",\"v\":1},{\"bn\":\"b/"
     "\",\"bu\":\"m\",\"n\":\"a\",\"v\":1},{\"bu\":\"s\",\"n\":\"c\",\"v\":2},"
     "{\"bn\":\"\",\"n\":\"d\",\"u\":\"A\",\"v\":3}]",
     "a integer:1 @now\nb/a m integer:1 @now\nb/c s integer:2 @now\nd A integer:3 @now\n"},
    {"[{\"bu\":\"m\"},{\"n\":\"a\",\"u\":\"\",\"v\":1}]", "a integer:1 @now\n"},
    {"[{\"v\":1,\"n\":\"b\",\"bn\":\"a\"}]", "ab integer:1 @now\n"},
    {"[{\"bv\":10,\"n\":\"a\",\"v\":1},{\"n\":\"a\",\"v\":2.5},{\"bv\":0.5,\"n\":\"a\",\"v\":2}]",
     "a integer:11 @now\na real:12.5 @now\na real:2.5 @now\n"},
    {"[{\"bs\":10,\"n\":\"a\",\"s\":1.5},{\"n\":\"b\",\"s\":-10}]", "a sum:11.5 @now\nb sum:0 @now\n"},
    {"[{\"n\":\"a\",\"v\":1,\"s\":2,\"u\":\"W\"}]", "a W integer:1 @now\na W sum:2 @now\n"},
    {"[{\"n\":\"a\",\"s\":2}]", "a sum:2 @now\n"},
    /* 4.5.4: what is missing counts as zero */
    {"[{\"bn\":\"a\",\"bv\":20},{\"t\":-1},{\"v\":1}]",
     "a integer:20 @1699999999000000\na integer:21 @now\n"},
    {"[{\"bn\":\"a\",\"bs\":20},{\"v\":1},{\"t\":0}]", "a integer:1 @now\na sum:20 @now\na sum:20 @now\n"},
    {"[{\"bn\":\"a\",\"bs\":20,\"bv\":1,\"t\":0}]", "a integer:1 @now\na sum:20 @now\n"},
    {"[{\"bn\":\"a\",\"bv\":20,\"s\":1}]", "a sum:1 @now\n"},
    {"[{\"bn\":\"a\",\"bv\":20,\"vs\":\"x\"},{\"vb\":true}]", "a text:x @now\na boolean:1 @now\n"},
    /* integers stay exact, and what does not fit is a real */
    {"[{\"n\":\"a\",\"v\":9223372036854775807},{\"n\":\"a\",\"v\":-9223372036854775808}]",
     "a integer:9223372036854775807 @now\na integer:-9223372036854775808 @now\n"},
    {"[{\"bv\":1,\"n\":\"a\",\"v\":9223372036854775807}]", "a real:9.2233720368547758e+18 @now\n"},
    {"[{\"bv\":1e308,\"n\":\"a\",\"v\":1e308}]", UNDECODED},
    {"[{\"bs\":1e308,\"n\":\"a\",\"s\":1e308}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":-0.0}]", "a real:-0 @now\n"},
    {"[{\"n\":\"a\",\"v\":1e400}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":9223372036854775808}]", UNDECODED},
    /* 4.5.3: times below 2^28 are relative */
    {"[{\"n\":\"a\",\"v\":1,\"t\":0}]", "a integer:1 @now\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":-60}]", "a integer:1 @1699999940000000\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":0.5}]", "a integer:1 @1700000000500000\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":268435455}]", "a integer:1 @1968435455000000\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":268435455.999999}]", "a integer:1 @1968435455999999\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":268435456}]", "a integer:1 @268435456000000\n"},
    {"[{\"bt\":268435456,\"n\":\"a\",\"v\":1,\"t\":-1}]", "a integer:1 @1968435455000000\n"},
    {"[{\"bt\":1e9,\"n\":\"a\",\"v\":1,\"t\":7},{\"n\":\"a\",\"v\":2},{\"bt\":0,\"n\":\"a\",\"v\":3}]",
     "a integer:1 @1000000007000000\na integer:2 @1000000000000000\na integer:3 @now\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":1600000000.0000014}]", "a integer:1 @1600000000000001\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":-0.0000006}]", "a integer:1 @1699999999999999\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":9000000000000}]", "a integer:1 @9000000000000000000\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":9300000000000}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"t\":1e19}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"t\":-1e300}]", UNDECODED},
    {"[{\"bt\":9200000000000,\"n\":\"a\",\"v\":1,\"t\":9200000000000}]", UNDECODED},
    {"[{\"bt\":1e300},{\"n\":\"a\",\"v\":1}]", UNDECODED},
    /* 4.5.1: names */
    {"[{\"n\":\"0-:./_Az9\",\"v\":1}]", "0-:./_Az9 integer:1 @now\n"},
    {"[{\"bn\":\"a\",\"n\":\"_b\",\"v\":1}]", "a_b integer:1 @now\n"},
    {"[{\"v\":1}]", UNDECODED},
    {"[{\"n\":\"\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"_a\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a b\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a\xc3\xa9\",\"v\":1}]", UNDECODED},
    {"[{\"bn\":\"/\",\"n\":\"a\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1},{\"n\":\"b c\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"u\":\"\\u0007\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"u\":\"\xc2\xb5m\",\"v\":1}]", "a \xc2\xb5m integer:1 @now\n"},
    /* 4.4: extensions and versions */
    {"[{\"n\":\"a\",\"v\":1,\"x\":{\"y\":[1]},\"bx\":null,\"_y\":\"\"}]", "a integer:1 @now\n"},
    {"[{\"n\":\"a\",\"v\":1,\"x_\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"_\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"\":1}]", "a integer:1 @now\n"},
    {"[{\"bver\":10,\"n\":\"a\",\"v\":1}]", "a integer:1 @now\n"},
    {"[{\"bver\":11,\"n\":\"a\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1},{\"bver\":11}]", UNDECODED},
    {"[{\"bver\":0,\"n\":\"a\",\"v\":1}]", UNDECODED},
    {"[{\"bver\":5.5,\"n\":\"a\",\"v\":1}]", UNDECODED},
    {"[{\"bver\":\"10\",\"n\":\"a\",\"v\":1}]", UNDECODED},
    /* 4.2: exactly one value unless there is a sum */
    {"[{\"n\":\"a\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"t\":1}]", UNDECODED},
    {"[{\"ut\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"vs\":\"x\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"vb\":true,\"vd\":\"\",\"s\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"ut\":60}]", "a integer:1 @now\n"},
    /* packs without a reading */
    {"[{\"bn\":\"a\",\"bt\":1,\"bu\":\"m\",\"bv\":1,\"bs\":1,\"bver\":10}]", UNDECODED},
    {"[{}]", UNDECODED},
    {"[]", UNDECODED},
    {"{}", UNDECODED},
    {"[1]", UNDECODED},
    {"[[]]", UNDECODED},
    /* the types of table 1 */
    {"[{\"n\":1,\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":\"1\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":true}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":null}]", UNDECODED},
    {"[{\"n\":\"a\",\"vs\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"vb\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"vd\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"s\":\"1\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"t\":\"1\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"ut\":\"1\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"bu\":1}]", UNDECODED},
    /* strings and data */
    {"[{\"n\":\"a\",\"vs\":\"\"}]", "a text: @now\n"},
    {"[{\"n\":\"a\",\"vs\":\"\\u00e9\\n\"}]", "a text:\xc3\xa9\n @now\n"},
    {"[{\"n\":\"a\",\"vs\":\"\\u0000\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"vd\":\"\"}]", "a data: @now\n"},
    {"[{\"n\":\"a\",\"vd\":\"-_8\"}]", "a data:fbff @now\n"},
    {"[{\"n\":\"a\",\"vd\":\"+/8\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"vd\":\"aGkgCg==\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"vd\":\"a\"}]", UNDECODED},
    /* what is not JSON */
    {"", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1}", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1}] x", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"v\":2}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":NaN}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"x\":\"\xff\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"x\":[[[[[[[[[[[[[[]]]]]]]]]]]]]]}]", "a integer:1 @now\n"},
    {"[{\"n\":\"a\",\"v\":1,\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"x\":\"[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[[\"}]", "a integer:1 @now\n"},
};

static void test_senml_rules(void **state)
{
    (void)state;
    check_text(SENML_JSON, senml_cases, COUNT(senml_cases));
}

/* ---- SenML in CBOR: what differs from JSON. {0: "t", …} is a? 00 6174 … ---- */

static const struct hex_case senml_cbor_cases[] = {
    {"half 23.40625 is 23.4", "81 a2 00 6174 02 f94dda", "t real:23.399999999999999 @now\n"},
    {"single", "81 a2 00 6174 02 fa41bb3333", "t real:23.399999999999999 @now\n"},
    {"double", "81 a2 00 6174 02 fb40377ae147ae147b", "t real:23.48 @now\n"},
    {"a double is not shortened", "81 a2 00 6174 02 fb4037666660000000", "t real:23.399999618530273 @now\n"},
    {"-0.0 as half", "81 a2 00 6174 02 f98000", "t real:-0 @now\n"},
    {"NaN", "81 a2 00 6174 02 f97e00", "t text:NaN @now\n"},
    {"Infinity", "81 a2 00 6174 02 f97c00", "t text:Infinity @now\n"},
    {"-Infinity as a single", "81 a2 00 6174 02 faff800000", "t text:-Infinity @now\n"},
    {"NaN and a base value", "81 a3 24 01 00 6174 02 fb7ff8000000000000", "t text:NaN @now\n"},
    {"Infinity + -Infinity", "81 a3 24 f97c00 00 6174 02 f9fc00", "t text:NaN @now\n"},
    {"a sum that is NaN", "81 a2 00 6174 05 f97e00", UNDECODED},
    {"base value and value are shortened", "81 a3 24 fa3dcccccd 00 6174 02 f94dda", "t real:23.5 @now\n"},
    {"a single as a sum", "81 a2 00 6174 05 fa41bb3333", "t sum:23.399999999999999 @now\n"},
    {"integer", "81 a2 00 6174 02 1b7fffffffffffffff", "t integer:9223372036854775807 @now\n"},
    {"least integer", "81 a2 00 6174 02 3b7fffffffffffffff", "t integer:-9223372036854775808 @now\n"},
    {"2^63", "81 a2 00 6174 02 1b8000000000000000", "t text:9223372036854775808 @now\n"},
    {"2^64-1", "81 a2 00 6174 02 1bffffffffffffffff", "t text:18446744073709551615 @now\n"},
    {"-2^64", "81 a2 00 6174 02 3bffffffffffffffff", "t text:-18446744073709551616 @now\n"},
    {"2^64-1 and a base value", "81 a3 24 01 00 6174 02 1bffffffffffffffff",
     "t real:1.8446744073709552e+19 @now\n"},
    {"-2^64 as a sum", "81 a2 00 6174 05 3bffffffffffffffff", "t sum:-1.8446744073709552e+19 @now\n"},
    {"an integer longer than need be", "81 a2 1800 6174 02 190005", "t integer:5 @now\n"},
    {"bignum", "81 a2 00 6174 02 c2 49 010000000000000000", "t text:18446744073709551616 @now\n"},
    {"negative bignum", "81 a2 00 6174 02 c3 49 010000000000000000", "t text:-18446744073709551617 @now\n"},
    {"small bignums", "82 a2 00 6174 02 c2 43 000100 a2 00 6174 02 c3 40",
     "t integer:256 @now\nt integer:-1 @now\n"},
    {"bignum in chunks", "81 a2 00 6174 02 c2 5f 4101 4100 ff", "t integer:256 @now\n"},
    {"bignum of 64 bytes",
     "81 a2 00 6174 02 c3 5840 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     "t "
     "text:-"
     "134078079299425970995740249982058461274793658205923933777235614437217640300735469768018742981669034"
     "27690031858186486050853753882811946569946433649006084096 @now\n"},
    {"bignum of 65 bytes",
     "81 a2 00 6174 02 c2 5841 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     UNDECODED},
    {"bignum of text", "81 a2 00 6174 02 c2 6131", UNDECODED},
    {"decimal fraction 273.15", "81 a2 00 6174 02 c4 82 21 196ab3", "t real:273.14999999999998 @now\n"},
    {"decimal fraction -27315e2", "81 a2 00 6174 02 c4 82 02 396ab2", "t real:-2731500 @now\n"},
    {"decimal fraction in an indefinite array", "81 a2 00 6174 02 c4 9f 20 0f ff", "t real:1.5 @now\n"},
    {"decimal fraction of 19 digits", "81 a2 00 6174 02 c4 82 31 1b112210f47de98115",
     "t real:1.2345678901234567 @now\n"},
    {"decimal fraction 5e-324", "81 a2 00 6174 02 c4 82 390143 05", "t real:4.9406564584124654e-324 @now\n"},
    {"decimal fraction 1e-(2^63)", "81 a2 00 6174 02 c4 82 3b7fffffffffffffff 01", "t real:0 @now\n"},
    {"decimal fraction 0e(2^63-1)", "81 a2 00 6174 02 c4 82 1b7fffffffffffffff 00", "t real:0 @now\n"},
    {"decimal fraction 1e309", "81 a2 00 6174 02 c4 82 190135 01", UNDECODED},
    {"decimal fraction of one", "81 a2 00 6174 02 c4 81 01", UNDECODED},
    {"decimal fraction of three", "81 a2 00 6174 02 c4 83 01 01 01", UNDECODED},
    {"decimal fraction of a float", "81 a2 00 6174 02 c4 82 01 f90000", UNDECODED},
    {"decimal fraction of a bignum", "81 a2 00 6174 02 c4 82 01 c2 4101", UNDECODED},
    {"bigfloat", "81 a2 00 6174 02 c5 82 20 03", UNDECODED},
    {"another tag", "81 a2 00 6174 02 c1 01", UNDECODED},
    {"true", "81 a2 00 6174 04 f5", "t boolean:1 @now\n"},
    {"false", "81 a2 00 6174 04 f4", "t boolean:0 @now\n"},
    {"null as boolean", "81 a2 00 6174 04 f6", UNDECODED},
    {"boolean as number", "81 a2 00 6174 02 f5", UNDECODED},
    {"float as boolean", "81 a2 00 6174 04 f90014", UNDECODED},
    {"data", "81 a2 00 6174 08 43 00ff01", "t data:00ff01 @now\n"},
    {"data as text", "81 a2 00 6174 08 6161", UNDECODED},
    {"text", "81 a2 00 6174 03 62c3a9", "t text:\xc3\xa9 @now\n"},
    {"text in chunks", "81 a2 00 6174 03 7f 6161 60 626263 ff", "t text:abc @now\n"},
    {"text in no chunks", "81 a2 00 6174 03 7f ff", "t text: @now\n"},
    {"text that is not UTF-8", "81 a2 00 6174 03 61ff", UNDECODED},
    {"text with a zero byte", "81 a2 00 6174 03 6100", UNDECODED},
    {"a chunk of the other type", "81 a2 00 6174 03 7f 4161 ff", UNDECODED},
    {"a chunk in chunks", "81 a2 00 6174 03 7f 7f 6161 ff ff", UNDECODED},
    {"chunks without an end", "81 a2 00 6174 03 7f 6161", UNDECODED},
    {"indefinite array and map", "9f bf 00 6174 02 01 ff ff", "t integer:1 @now\n"},
    {"name and base name in chunks", "81 a3 21 7f 6161 ff 00 7f 6162 ff 02 01", "ab integer:1 @now\n"},
    {"labels as text", "81 a2 616e 6174 6176 01", "t integer:1 @now\n"},
    {"the same label twice, spelled differently", "81 a3 00 6174 616e 6174 02 01", UNDECODED},
    {"the same label twice", "81 a3 00 6174 02 01 02 02", UNDECODED},
    {"unknown labels", "81 a6 00 6174 02 01 09 01 26 01 3bffffffffffffffff 01 6178 82 01 02",
     "t integer:1 @now\n"},
    {"unknown label with _", "81 a3 00 6174 02 01 62785f 01", UNDECODED},
    {"unknown label in chunks with _", "81 a3 00 6174 02 01 7f 6178 615f ff 01", UNDECODED},
    {"unknown label, deep", "81 a3 00 6174 02 01 09 8181818181818181818181818181818181 00", UNDECODED},
    {"unknown label, a break for its value", "81 bf 00 6174 02 01 09 ff", UNDECODED},
    {"label of bytes", "81 a3 00 6174 02 01 4178 01", UNDECODED},
    {"label null", "81 a3 00 6174 02 01 f6 01", UNDECODED},
    {"base fields", "82 a6 20 0a 21 61 61 22 1a5f5e1000 23 6143 24 1864 25 02 a3 00 6162 02 01 05 01",
     "ab C integer:101 @1600000000000000\nab C sum:3 @1600000000000000\n"},
    {"version 11", "81 a3 20 0b 00 6174 02 01", UNDECODED},
    {"version as float", "81 a3 20 f94900 00 6174 02 01", UNDECODED},
    {"time as a single is exact: 1600000000.1 is 1600000000 then", "81 a3 00 6174 02 01 06 fa4ebebc20",
     "t integer:1 @1600000000000000\n"},
    {"time as a single: 0.1 is 0.100000001", "81 a3 00 6174 02 01 06 fa3dcccccd",
     "t integer:1 @1700000000100000\n"},
    {"time as a single: 4194304.2 is 4194304", "81 a3 00 6174 02 01 06 fa4a800000",
     "t integer:1 @1704194304000000\n"},
    {"time as a half: 0.0999755859375", "81 a3 00 6174 02 01 06 f92e66", "t integer:1 @1700000000099976\n"},
    {"time as a double", "81 a3 00 6174 02 01 06 fb41d7d78400066666", "t integer:1 @1600000000100000\n"},
    {"time as a decimal fraction", "81 a3 00 6174 02 01 06 c4 82 25 1b0005af3107a4c5c1",
     "t integer:1 @1600000000050625\n"},
    {"time NaN", "81 a3 00 6174 02 01 06 f97e00", UNDECODED},
    {"time Infinity", "81 a3 00 6174 02 01 06 f97c00", UNDECODED},
    {"time 2^64-1", "81 a3 00 6174 02 01 06 1bffffffffffffffff", UNDECODED},
    {"time 2^63-1", "81 a3 00 6174 02 01 06 1b7fffffffffffffff", UNDECODED},
    {"base time NaN", "81 a3 22 f97e00 00 6174 02 01", UNDECODED},
    {"nothing", "", UNDECODED},
    {"an empty pack", "80", UNDECODED},
    {"an empty indefinite pack", "9f ff", UNDECODED},
    {"an empty record", "81 a0", UNDECODED},
    {"a map", "a0", UNDECODED},
    {"a pack of numbers", "81 01", UNDECODED},
    {"truncated (vector of messages.json)", "81 a2 00", UNDECODED},
    {"truncated pack", "82 a2 00 6174 02 01", UNDECODED},
    {"truncated indefinite pack", "9f a2 00 6174 02 01", UNDECODED},
    {"truncated indefinite record", "81 bf 00 6174 02 01", UNDECODED},
    {"a huge pack", "9bffffffffffffffff a2 00 6174 02 01", UNDECODED},
    {"a huge record", "81 bbffffffffffffffff 00 6174 02 01", UNDECODED},
    {"a huge text", "81 a2 00 7bffffffffffffffff 02 01", UNDECODED},
    {"a label without a value", "81 bf 00 ff", UNDECODED},
    {"bytes behind the pack", "81 a2 00 6174 02 01 00", UNDECODED},
    {"a good record, then a bad one", "82 a2 00 6174 02 01 a1 00 6174", UNDECODED},
};

static void test_senml_cbor(void **state)
{
    (void)state;
    check_hex(SENML_CBOR, senml_cbor_cases, COUNT(senml_cbor_cases));
}

/* Names and units are bounded: 255 bytes pass, 256 do not. */
static void test_senml_bounds(void **state)
{
    static const struct {
        size_t base_name;
        size_t name;
        size_t base_unit;
        size_t unit;
        int decodes;
    } cases[] = {
        {0, 255, 0, 0, 1},   {0, 256, 0, 0, 0}, {255, 0, 0, 0, 1}, {256, 0, 0, 0, 0}, {128, 127, 0, 0, 1},
        {128, 128, 0, 0, 0}, {0, 1, 255, 0, 1}, {0, 1, 256, 0, 0}, {0, 1, 0, 255, 1}, {0, 1, 0, 256, 0},
    };
    char many[257];
    char text[1024];

    (void)state;
    memset(many, 'a', sizeof(many));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct readings readings;
        int len = snprintf(text, sizeof(text),
                           "[{\"bn\":\"%.*s\",\"n\":\"%.*s\",\"bu\":\"%.*s\",\"u\":\"%.*s\",\"v\":1}]",
                           (int)cases[i].base_name, many, (int)cases[i].name, many, (int)cases[i].base_unit,
                           many, (int)cases[i].unit, many);
        readings_init(&readings);
        assert_int_equal(decode(SENML_JSON, (const uint8_t *)text, (size_t)len, NOW, &readings), 0);
        assert_int_equal(readings.count, 1);
        assert_int_equal(readings.items[0].type, cases[i].decodes ? READING_INTEGER : READING_UNDECODED);
        readings_wipe(&readings);
    }
}

/* ---- flat JSON and CBOR ---- */

static const struct text_case flat_json_cases[] = {
    {"{\"temperature\":23.5,\"door\":true,\"state\":\"open\"}",
     "temperature real:23.5 @now\ndoor boolean:1 @now\nstate text:open @now\n"},
    {" {\"a\" : -7, \"b\" : null, \"c\" : false} ", "a integer:-7 @now\nc boolean:0 @now\n"},
    {"{\"Au\xc3\x9f"
     "en temperatur\":1}",
     "Au\xc3\x9f"
     "en temperatur integer:1 @now\n"},
    {"{\"a\":-0.0,\"b\":1e3,\"c\":9223372036854775807}",
     "a real:-0 @now\nb real:1000 @now\nc integer:9223372036854775807 @now\n"},
    {"{\"a\":\"\"}", "a text: @now\n"},
    {"{}", UNDECODED},
    {"{\"a\":null}", UNDECODED},
    {"{\"a\":1,\"b\":{}}", UNDECODED},
    {"{\"a\":1,\"b\":[]}", UNDECODED},
    {"{\"a\":1,\"a\":2}", UNDECODED},
    {"{\"a\":1,\"\\u0061\":2}", UNDECODED},
    {"{\"\":1}", UNDECODED},
    {"{\"\":null,\"a\":1}", UNDECODED},
    {"{\"a\\n\":1}", UNDECODED},
    {"{\"\\u007f\":1}", UNDECODED},
    {"{\"\\u0085\":1}", UNDECODED},
    {"{\"\\u00a0\":1}", "\xc2\xa0 integer:1 @now\n"},
    {"{\"a\\u0000\":1}", UNDECODED},
    {"{\"a\":\"\\u0000\"}", UNDECODED},
    {"{\"a\":\"\\ud800\"}", UNDECODED},
    {"{\"a\":9223372036854775808}", UNDECODED},
    {"{\"a\":1e999}", UNDECODED},
    {"[{\"a\":1}]", UNDECODED},
    {"[]", UNDECODED},
    {"1", UNDECODED},
    {"null", UNDECODED},
    {"{\"a\":1", UNDECODED},
    {"{\"a\":1}{", UNDECODED},
    {"{\"a\":\"\xff\"}", UNDECODED},
    {"", UNDECODED},
    {" ", UNDECODED},
};

static void test_flat_json(void **state)
{
    (void)state;
    check_text(JSON, flat_json_cases, COUNT(flat_json_cases));
}

static const struct hex_case flat_cbor_cases[] = {
    {"every type", "a8 6161 01 6162 f94dda 6163 f5 6164 626869 6165 f6 6166 42 00ff 6167 c4 82 20 0f 6168 f7",
     "a integer:1 @now\nb real:23.399999999999999 @now\nc boolean:1 @now\nd text:hi @now\nf data:00ff @now\n"
     "g real:1.5 @now\n"},
    {"indefinite", "bf 7f 6161 6162 ff 20 6163 7f 6178 6179 ff ff", "ab integer:-1 @now\nc text:xy @now\n"},
    {"2^64-1", "a1 6161 1bffffffffffffffff", "a text:18446744073709551615 @now\n"},
    {"NaN", "a1 6161 f97e00", "a text:NaN @now\n"},
    {"empty", "a0", UNDECODED},
    {"only null", "a1 6161 f6", UNDECODED},
    {"a key twice", "a2 6161 01 6161 02", UNDECODED},
    {"a key twice, not in order", "a4 6161 01 626162 01 6162 01 6161 02", UNDECODED},
    {"a key twice, once null", "a2 6161 01 6161 f6", UNDECODED},
    {"a key twice, once in chunks", "a2 6161 01 7f 6161 ff 02", UNDECODED},
    {"an integer key", "a1 01 01", UNDECODED},
    {"a key of bytes", "a1 4161 01", UNDECODED},
    {"an empty key", "a1 60 01", UNDECODED},
    {"a key with a control character", "a1 6107 01", UNDECODED},
    {"a key that is not UTF-8", "a1 61ff 01", UNDECODED},
    {"a value that is not UTF-8", "a1 6161 61ff", UNDECODED},
    {"a value with a zero byte", "a1 6161 6100", UNDECODED},
    {"a value that is missing", "a1 6161", UNDECODED},
    {"a key that is missing", "a1 7a 01", UNDECODED},
    {"a map inside", "a2 6161 01 6162 a0", UNDECODED},
    {"an array inside", "a2 6161 01 6162 80", UNDECODED},
    {"a tag inside", "a1 6161 c1 01", UNDECODED},
    {"another simple value", "a1 6161 f0", UNDECODED},
    {"a break for a value", "bf 6161 ff", UNDECODED},
    {"an array", "81 01", UNDECODED},
    {"a number", "01", UNDECODED},
    {"nothing", "", UNDECODED},
    {"truncated", "a2 6161 01", UNDECODED},
    {"truncated, indefinite", "bf 6161 01", UNDECODED},
    {"huge", "bbffffffffffffffff 6161 01", UNDECODED},
    {"bytes behind", "a1 6161 01 00", UNDECODED},
};

static void test_flat_cbor(void **state)
{
    (void)state;
    check_hex(CBOR, flat_cbor_cases, COUNT(flat_cbor_cases));
}

static void test_flat_bounds(void **state)
{
    char name[257];
    char text[512];

    (void)state;
    memset(name, 'a', sizeof(name));
    for (int len = 255; len <= 256; len++) {
        struct readings readings;
        int size = snprintf(text, sizeof(text), "{\"%.*s\":1}", len, name);
        readings_init(&readings);
        assert_int_equal(decode(JSON, (const uint8_t *)text, (size_t)size, NOW, &readings), 0);
        assert_int_equal(readings.items[0].type, len == 255 ? READING_INTEGER : READING_UNDECODED);
        readings_wipe(&readings);
    }
}

/* ---- plain text ---- */

static const struct text_case plain_cases[] = {
    {"23.5", "value real:23.5 @now\n"},
    {" \t23.5\r\n", "value real:23.5 @now\n"},
    {"23", "value integer:23 @now\n"},
    {"+23", "value integer:23 @now\n"},
    {"-0023", "value integer:-23 @now\n"},
    {"0", "value integer:0 @now\n"},
    {"-0", "value integer:0 @now\n"},
    {"-0.0", "value real:-0 @now\n"},
    {"000.500", "value real:0.5 @now\n"},
    {".5", "value real:0.5 @now\n"},
    {"5.", "value real:5 @now\n"},
    {"1e3", "value real:1000 @now\n"},
    {"-1.5E-3", "value real:-0.0015 @now\n"},
    {"1e+2", "value real:100 @now\n"},
    {"0.1", "value real:0.10000000000000001 @now\n"},
    {"9007199254740993.0", "value real:9007199254740992 @now\n"},
    {"123456789012345678e-17", "value real:1.2345678901234567 @now\n"},
    {"1e-400", "value real:0 @now\n"},
    {"0e99999999999999999999", "value real:0 @now\n"},
    {"1e-99999999999999999999", "value real:0 @now\n"},
    {"1.7976931348623157e308", "value real:1.7976931348623157e+308 @now\n"},
    {"9223372036854775807", "value integer:9223372036854775807 @now\n"},
    {"-9223372036854775808", "value integer:-9223372036854775808 @now\n"},
    {"9223372036854775808", "value text:9223372036854775808 @now\n"},
    {" -009223372036854775809\n", "value text:-9223372036854775809 @now\n"},
    /* beyond a double, or no number at all: the text as it came */
    {"1e400", "value text:1e400 @now\n"},
    {"1e99999999999999999999", "value text:1e99999999999999999999 @now\n"},
    {"", "value text: @now\n"},
    {" ", "value text:  @now\n"},
    {".", "value text:. @now\n"},
    {"-", "value text:- @now\n"},
    {"e5", "value text:e5 @now\n"},
    {"1e", "value text:1e @now\n"},
    {"1e+", "value text:1e+ @now\n"},
    {"1.2.3", "value text:1.2.3 @now\n"},
    {"1 2", "value text:1 2 @now\n"},
    {"1,5", "value text:1,5 @now\n"},
    {"--1", "value text:--1 @now\n"},
    {"0x10", "value text:0x10 @now\n"},
    {"NaN", "value text:NaN @now\n"},
    {"inf", "value text:inf @now\n"},
    {"23.5 \xc2\xb0"
     "C\n",
     "value text:23.5 \xc2\xb0"
     "C\n @now\n"},
    {"\xff", UNDECODED},
    {"a\xc3", UNDECODED},
};

static void test_plain_text(void **state)
{
    static const struct hex_case zero[] = {{"a zero byte", "31 00", UNDECODED}};

    (void)state;
    check_text(TEXT, plain_cases, COUNT(plain_cases));
    check_hex(TEXT, zero, COUNT(zero));
}

/* Numbers of more digits than are looked at are text; up to there they are exact. */
static void test_long_numbers(void **state)
{
    static struct bytes bytes;
    static char expected[8192];

    (void)state;
    for (size_t digits = 1024; digits <= 1025; digits++) {
        bytes.len = digits;
        memset(bytes.at, '1', digits);
        (void)snprintf(expected, sizeof(expected), "value text:%.*s @now\n", (int)digits,
                       (const char *)bytes.at);
        check_bytes("a long number", TEXT, &bytes, expected);
    }
    bytes.at[1] = '.';
    bytes.len = 1025;
    check_bytes("a long number", TEXT, &bytes, "value real:1.1111111111111112 @now\n");
    bytes.len = 1026;
    bytes.at[1025] = '1';
    (void)snprintf(expected, sizeof(expected), "value text:%.*s @now\n", 1026, (const char *)bytes.at);
    check_bytes("a long number", TEXT, &bytes, expected);
}

/* ---- what the device library builds comes out as it went in ---- */

static double there_and_back(void (*add)(struct bulla_message *, double), double value)
{
    uint8_t buffer[128];
    struct bulla_message message;
    struct readings readings;
    double decoded;

    bulla_begin(&message, buffer, sizeof(buffer));
    add(&message, value);
    assert_int_equal(message.error, 0);
    readings_init(&readings);
    message.content[-1] = 0x81; /* the pack's head, which sealing puts there */
    assert_int_equal(
        decode(SENML_CBOR, message.content - 1, (size_t)(message.at - message.content) + 1, NOW, &readings),
        0);
    assert_int_equal(readings.count, 1);
    assert_int_equal(readings.items[0].type, READING_REAL);
    decoded = readings.items[0].value.real;
    readings_wipe(&readings);
    return decoded;
}

static void add_float(struct bulla_message *message, double value)
{
    bulla_add_float(message, "v", NULL, (float)value);
}

static void add_double(struct bulla_message *message, double value)
{
    bulla_add_double(message, "v", NULL, value);
}

/* Steps of 1/16 are a DS18B20's, of 1/100 many others'. A half would be enough for some, and be read as a
 * shorter decimal. */
static void test_there_and_back(void **state)
{
    (void)state;
    for (int i = -100000; i <= 100000; i++) {
        assert_true(there_and_back(add_float, i / 16.0) == i / 16.0);
        assert_true(there_and_back(add_double, i / 128.0) == i / 128.0);
        if (i % 10 == 0)
            assert_true(there_and_back(add_double, i * 1001.0) == i * 1001.0);
    }
    for (int i = -100000; i <= 100000; i++)
        assert_true(there_and_back(add_float, i / 100.0) == i / 100.0);
}

/* Numbers mean the same where the decimal point is a comma. */
static void test_locale(void **state)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR.utf8"};
    const char *got = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(names) && got == NULL; i++)
        got = setlocale(LC_NUMERIC, names[i]);
    if (got == NULL)
        skip();
    check_text(TEXT, plain_cases, COUNT(plain_cases));
    check_text(JSON, flat_json_cases, COUNT(flat_json_cases));
    assert_non_null(setlocale(LC_NUMERIC, "C"));
}

/* ---- payloads, and what was undecoded ---- */

static void test_payloads(void **state)
{
    static const uint16_t formats[] = {BYTES, 1, 40, 41, 47, 51, 61, 111, 113, 310, 65535};
    struct bytes plaintext = {.at = "[{\"n\":\"a\",\"v\":1}]", .len = 17};

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct readings readings;
        readings_init(&readings);
        assert_int_equal(decode(formats[i], plaintext.at, plaintext.len, NOW, &readings), 0);
        assert_whole(&readings, READING_PAYLOAD, formats[i], &plaintext);
        readings_wipe(&readings);
    }
}

static void test_undecoded(void **state)
{
    static const uint16_t formats[] = {TEXT, JSON, CBOR, SENML_JSON, SENML_CBOR};
    struct bytes plaintext = {.at = {0xff, 0x00}, .len = 2};

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct readings readings;
        readings_init(&readings);
        assert_int_equal(decode(formats[i], plaintext.at, plaintext.len, NOW, &readings), 0);
        assert_whole(&readings, READING_UNDECODED, formats[i], &plaintext);
        readings_wipe(&readings);
    }
}

/* A few bytes under a long base name make a whole reading: such a message stays one. */
static void test_message_that_says_too_much(void **state)
{
    struct bytes plaintext = {.len = 0};
    struct readings readings;

    (void)state;
    for (size_t count = 250; count <= 270; count += 20) { /* names of 250 bytes: 65,536 is between them */
        size_t at = 0;
        plaintext.at[at++] = 0x99;
        plaintext.at[at++] = (uint8_t)(count >> 8);
        plaintext.at[at++] = (uint8_t)count;
        for (size_t i = 0; i < count; i++) {
            if (i == 0) {
                memcpy(plaintext.at + at, "\xa3\x21\x78\xf9", 4);
                memset(plaintext.at + at + 4, 'b', 249);
                at += 4 + 249;
            } else {
                plaintext.at[at++] = 0xa2;
            }
            memcpy(plaintext.at + at, "\x00\x61\x6e\x02\x01", 5);
            at += 5;
        }
        plaintext.len = at;
        readings_init(&readings);
        assert_int_equal(decode(SENML_CBOR, plaintext.at, plaintext.len, NOW, &readings), 0);
        assert_int_equal(readings.count, count == 250 ? 250 : 1);
        assert_int_equal(readings.items[0].type, count == 250 ? READING_INTEGER : READING_UNDECODED);
        readings_wipe(&readings);
    }
}

/* After a large batch the memory is given back. */
static void test_reset_gives_back(void **state)
{
    struct readings readings;
    struct reading reading = {.name = "a", .unit = "", .name_len = 1};
    unsigned chunks = 0;

    (void)state;
    readings_init(&readings);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(readings_append(&readings, &reading), DECODED);
    for (int i = 0; i < 100; i++)
        assert_non_null(readings_take(&readings, 65000));
    readings_reset(&readings);
    assert_true(readings.capacity <= 16384);
    for (int i = 0; i < 100; i++) {
        assert_non_null(readings_take(&readings, 65000));
        assert_int_equal(readings_append(&readings, &reading), DECODED);
        chunks++;
    }
    assert_int_equal(chunks, 100);
    readings_wipe(&readings);
}

/* A pack that fails at its end leaves none of its readings, and none of the batch's others is touched. */
static void test_rollback(void **state)
{
    static const char good[] = "[{\"n\":\"a\",\"v\":1},{\"n\":\"b\",\"v\":2}]";
    static const char bad[] = "[{\"n\":\"c\",\"v\":1},{\"n\":\"d\",\"v\":2},{\"n\":\"e\"}]";
    struct readings readings;

    (void)state;
    readings_init(&readings);
    assert_int_equal(decode(SENML_JSON, (const uint8_t *)good, sizeof(good) - 1, NOW, &readings), 0);
    assert_int_equal(decode(SENML_JSON, (const uint8_t *)bad, sizeof(bad) - 1, NOW, &readings), 0);
    assert_int_equal(decode(SENML_JSON, (const uint8_t *)good, sizeof(good) - 1, NOW, &readings), 0);
    assert_int_equal(readings.count, 5);
    assert_memory_equal(readings.items[1].name, "b", 1);
    assert_int_equal(readings.items[2].type, READING_UNDECODED);
    assert_ptr_equal(readings.items[2].value.bytes.at, bad);
    assert_memory_equal(readings.items[4].name, "b", 1);
    readings_wipe(&readings);
}

/* Every prefix of a good pack fails, and no byte behind it is read. */
static void test_prefixes(void **state)
{
    static const char hex[] =
        "82 a7 20 0a 21 7f 6161 6162 ff 22 1a5f5e1000 23 6143 24 f94dda 00 6163 02 fa41bb3333"
        "a5 00 6164 02 c4 82 20 0f 05 c2 42 0100 06 20 6178 82 01 a1 6179 9f ff";
    static struct bytes bytes;
    size_t len;

    (void)state;
    from_hex(&bytes, hex);
    len = bytes.len;
    for (bytes.len = 0; bytes.len < len; bytes.len++)
        check_bytes("a prefix", SENML_CBOR, &bytes, UNDECODED);
    check_bytes(
        "a prefix", SENML_CBOR, &bytes,
        "abc C real:46.799999999999997 @1600000000000000\nabd C real:24.899999999999999 @1599999999000000\n"
        "abd C sum:256 @1599999999000000\n");
}

/* ---- the list and its arena ---- */

static void test_types(void **state)
{
    (void)state;
    assert_string_equal(reading_type_text(READING_REAL), "real");
    assert_string_equal(reading_type_text(READING_UNDECODED), "undecoded");
    assert_string_equal(reading_type_text(READING_TYPE_COUNT), "?");
}

/* Strings stay where they are while the list and the arena grow; after a reset the memory is used again. */
static void test_arena(void **state)
{
    struct readings readings;
    char *taken[300];
    char *first;

    (void)state;
    readings_init(&readings);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(taken); i++) {
            size_t len = i == 100 ? 200000 : 1000;
            taken[i] = readings_take(&readings, len);
            assert_non_null(taken[i]);
            memset(taken[i], (int)(i & 0x7f), len);
        }
        for (size_t i = 0; i < COUNT(taken); i++) {
            assert_int_equal(taken[i][0], i & 0x7f);
            assert_int_equal(taken[i][999], i & 0x7f);
        }
        readings_reset(&readings);
    }
    first = readings_take(&readings, 1);
    readings_reset(&readings);
    assert_ptr_equal(readings_take(&readings, 64), first);
    assert_null(readings_take(&readings, SIZE_MAX));
    assert_null(readings_take(&readings, SIZE_MAX - 20));
    readings_wipe(&readings);
    assert_null(readings.items);
    assert_null(readings.chunks);
}

/* ---- memory that runs out ---- */

/* Linked with --wrap=malloc and --wrap=realloc these fail when told so; without, the test is skipped. */
void *__real_malloc(size_t size) __attribute__((weak));
void *__real_realloc(void *memory, size_t size) __attribute__((weak));
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *memory, size_t size);

static int allocations_left = -1; /* before they fail; -1: they do not */

static int may_allocate(void)
{
    if (allocations_left < 0)
        return 1;
    return allocations_left > 0 ? allocations_left-- : 0;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_realloc(void *memory, size_t size)
{
    return may_allocate() ? __real_realloc(memory, size) : NULL;
}

static void test_out_of_memory(void **state)
{
    static const struct {
        uint16_t format;
        const char *hex;
        int allocations; /* that a decoding takes */
    } cases[] = {
        {SENML_CBOR, "81 a2 00 6174 02 01", 1},                 /* the list */
        {SENML_CBOR, "81 a3 21 6161 00 6174 02 01", 2},         /* a joined name */
        {SENML_CBOR, "81 a2 00 7f 6174 ff 02 01", 2},           /* chunks */
        {SENML_CBOR, "81 a2 00 6174 02 1bffffffffffffffff", 2}, /* digits */
        {SENML_CBOR, "81 a2 7f 616e ff 6174 02 01", 2},         /* a label */
        {CBOR, "a1 6161 01", 2},                                /* keys */
        {TEXT, "3939393939393939393939393939393939393939", 2},
        {JSON, "7b2261223a317d", 2},                                   /* {"a":1} */
        {JSON, "7b2261223a2262227d", 2},                               /* {"a":"b"} */
        {SENML_JSON, "5b7b226e223a2261222c2276223a317d5d", 2},         /* [{"n":"a","v":1}] */
        {SENML_JSON, "5b7b226e223a2261222c227664223a2261226d7d5d", 1}, /* not JSON: the list only */
        {BYTES, "00", 1},
    };
    static struct bytes bytes;

    (void)state;
    if (__real_malloc == NULL || __real_realloc == NULL)
        skip();
    for (size_t i = 0; i < COUNT(cases); i++) {
        from_hex(&bytes, cases[i].hex);
        for (int left = 0; left <= cases[i].allocations; left++) {
            struct readings readings;
            int result;
            readings_init(&readings);
            allocations_left = left;
            result = decode(cases[i].format, bytes.at, bytes.len, NOW, &readings);
            allocations_left = -1;
            assert_int_equal(result, left < cases[i].allocations ? -1 : 0);
            assert_int_equal(readings.count, left < cases[i].allocations ? 0 : 1);
            readings_wipe(&readings);
        }
    }
}

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

/* Whatever jansson makes of it, nothing crashes and nothing is lost. */
static void test_jansson_out_of_memory(void **state)
{
    static const char object[] = "{\"a\":1}";
    json_malloc_t allocate;
    json_free_t release;
    struct readings readings;
    int result;

    (void)state;
    readings_init(&readings);
    json_get_alloc_funcs(&allocate, &release);
    json_set_alloc_funcs(no_memory, release);
    result = decode(JSON, (const uint8_t *)object, sizeof(object) - 1, NOW, &readings);
    json_set_alloc_funcs(allocate, release);
    if (result == 0)
        assert_int_equal(readings.items[0].type, READING_UNDECODED);
    else
        assert_int_equal(readings.count, 0);
    readings_wipe(&readings);
}

/* ---- the shortest decimal ---- */

/* RFC 8949 appendix D. */
static double half_of_bits(unsigned bits)
{
    double magnitude = (bits & 0x7c00) == 0 ? ldexp(bits & 0x3ff, -24)
                                            : ldexp((bits & 0x3ff) + 1024, (int)(bits >> 10 & 0x1f) - 25);

    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/*
 * Whether the decimal rounds to this finite half (positive, not zero), by comparing it to the halves on
 * either side; a tie goes to the even one.
 */
static int rounds_to_half(double decimal, unsigned bits)
{
    double half = half_of_bits(bits);
    double low = (half_of_bits(bits - 1) + half) / 2;
    double high = (half_of_bits(bits + 1) + half) / 2;

    if ((bits & 1) == 0)
        return decimal >= low && decimal <= high;
    return decimal > low && decimal < high;
}

static double slow_half(unsigned bits)
{
    double half = half_of_bits(bits);
    char digits[40];

    for (int p = 1; p < 20; p++) {
        double decimal;
        (void)snprintf(digits, sizeof(digits), "%.*g", p, half);
        decimal = strtod(digits, NULL);
        if (rounds_to_half(decimal, bits))
            return decimal;
    }
    fail();
    return 0;
}

static void test_every_half(void **state)
{
    (void)state;
    for (unsigned bits = 1; bits < 0x7c00; bits++) {
        double half = half_of_bits(bits);
        double expected = trunc(half) == half ? half : slow_half(bits);
        if (shortest_half(half) != expected || shortest_half(-half) != -expected)
            fail_msg("half %04x: %.17g, expected %.17g", bits, shortest_half(half), expected);
    }
    assert_true(shortest_half(0.0) == 0 && !signbit(shortest_half(0.0)));
    assert_true(shortest_half(-0.0) == 0 && signbit(shortest_half(-0.0)));
    assert_true(isnan(shortest_half((double)NAN)));
    assert_true(isinf(shortest_half((double)-INFINITY)));
}

static double slow_single(float single)
{
    char digits[40];

    for (int p = 1; p < 10; p++) {
        (void)snprintf(digits, sizeof(digits), "%.*g", p, (double)single);
        if (strtof(digits, NULL) == single)
            return strtod(digits, NULL);
    }
    fail();
    return 0;
}

static void check_single(uint32_t bits)
{
    float single;
    double expected;

    memcpy(&single, &bits, sizeof(single));
    if (isnan(single) || isinf(single))
        return;
    expected = (double)single;
    if (fabs(expected) >= 9007199254740992.0 || trunc(expected) != expected)
        expected = slow_single(single);
    if (shortest_single(single) != expected)
        fail_msg("single %08" PRIx32 ": %.17g, expected %.17g", bits, shortest_single(single), expected);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Random singles: of all magnitudes, and of those that sensors send. */
static void test_many_singles(void **state)
{
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    const char *wanted = getenv("SINGLES");
    unsigned long count = wanted == NULL ? 100000 : strtoul(wanted, NULL, 10);

    (void)state;
    for (unsigned long i = 0; i < count; i++) {
        uint64_t drawn = next_random(&random);
        float decimal = (float)((double)(drawn >> 40) / pow(10, (double)(drawn & 7)));
        uint32_t bits;
        check_single((uint32_t)(drawn >> 32));
        check_single(0x33000000u + (uint32_t)(drawn >> 20) % 0x18000000u); /* 3e-8 to 1e7 */
        memcpy(&bits, &decimal, sizeof(bits));
        check_single(bits);
    }
}

static void test_special_singles(void **state)
{
    static const struct {
        float single;
        double expected;
    } cases[] = {
        {23.4f, 23.4},
        {-23.4f, -23.4},
        {0.1f, 0.1},
        {1e-45f, 1e-45},
        {1.17549435e-38f, 1.1754944e-38},
        {3.40282347e38f, 3.4028235e38},
        {1e20f, 1e20},
        {1e-20f, 1e-20},
        {16777216.0f, 16777216},
        {123456792.0f, 123456792}, /* whole numbers are left alone */
        {0.3f, 0.3},
        {0.33333334f, 0.33333334},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_true(shortest_single(cases[i].single) == cases[i].expected);
    for (uint32_t exponent = 0; exponent < 255; exponent++) { /* around the powers of two */
        for (uint32_t near = 0; near < 3; near++)
            check_single((exponent << 23) + near - (exponent > 0));
    }
    assert_true(isnan(shortest_single(NAN)));
    assert_true(isinf(shortest_single(INFINITY)));
    assert_true(signbit(shortest_single(-0.0f)));
}

/* ---- UTF-8 and base64url ---- */

static void test_utf8(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int is_text;
        int is_plain;
    } cases[] = {
        {"", 0, 1, 1},
        {"a", 1, 1, 1},
        {"\0", 1, 0, 0},
        {"\x1f", 1, 1, 0},
        {" ~", 2, 1, 1},
        {"\x7f", 1, 1, 0},
        {"\x80", 1, 0, 0},
        {"\xc2\x80", 2, 1, 0},
        {"\xc2\x9f", 2, 1, 0},
        {"\xc2\xa0", 2, 1, 1},
        {"\xc0\x80", 2, 0, 0},
        {"\xc1\xbf", 2, 0, 0},
        {"\xc2", 1, 0, 0},
        {"\xc2"
         "a",
         2, 0, 0},
        {"\xdf\xbf", 2, 1, 1},
        {"\xe0\x9f\xbf", 3, 0, 0},
        {"\xe0\xa0\x80", 3, 1, 1},
        {"\xe2\x82\xac", 3, 1, 1},
        {"\xe2\x82", 2, 0, 0},
        {"\xed\x9f\xbf", 3, 1, 1},
        {"\xed\xa0\x80", 3, 0, 0},
        {"\xed\xbf\xbf", 3, 0, 0},
        {"\xee\x80\x80", 3, 1, 1},
        {"\xf0\x8f\xbf\xbf", 4, 0, 0},
        {"\xf0\x90\x80\x80", 4, 1, 1},
        {"\xf0\x9f\x8c\xa1", 4, 1, 1},
        {"\xf4\x8f\xbf\xbf", 4, 1, 1},
        {"\xf4\x90\x80\x80", 4, 0, 0},
        {"\xf8\x88\x80\x80\x80", 5, 0, 0},
        {"\xff", 1, 0, 0},
    };

    (void)state;
    assert_true(utf8_is_text(NULL, 0));
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(utf8_is_text(cases[i].bytes, cases[i].len), cases[i].is_text);
        assert_int_equal(utf8_is_plain(cases[i].bytes, cases[i].len), cases[i].is_plain);
    }
}

/* RFC 4648 10, without padding. */
static void test_base64url(void **state)
{
    static const struct {
        const char *text;
        const char *bytes; /* NULL: refused */
    } cases[] = {
        {"", ""},           {"Zg", "f"},          {"Zm8", "fo"},          {"Zm9v", "foo"},
        {"Zm9vYg", "foob"}, {"Zm9vYmE", "fooba"}, {"Zm9vYmFy", "foobar"}, {"Z", NULL},
        {"Zm9vY", NULL},    {"Zh", NULL},         {"Zm9", NULL},          {"Zg==", NULL},
        {"Z g", NULL},      {"Zm+v", NULL},       {"Zm/v", NULL},
    };
    uint8_t out[16];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ptrdiff_t len = base64url_decode(cases[i].text, strlen(cases[i].text), out);
        if (cases[i].bytes == NULL) {
            assert_int_equal(len, -1);
            continue;
        }
        assert_int_equal(len, strlen(cases[i].bytes));
        assert_memory_equal(out, cases[i].bytes, (size_t)len);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_rfc_examples),
        cmocka_unit_test(test_rfc_example_cbor),
        cmocka_unit_test(test_senml_rules),
        cmocka_unit_test(test_senml_cbor),
        cmocka_unit_test(test_senml_bounds),
        cmocka_unit_test(test_flat_json),
        cmocka_unit_test(test_flat_cbor),
        cmocka_unit_test(test_flat_bounds),
        cmocka_unit_test(test_plain_text),
        cmocka_unit_test(test_long_numbers),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_undecoded),
        cmocka_unit_test(test_message_that_says_too_much),
        cmocka_unit_test(test_reset_gives_back),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_jansson_out_of_memory),
        cmocka_unit_test(test_every_half),
        cmocka_unit_test(test_many_singles),
        cmocka_unit_test(test_special_singles),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_base64url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
