/*
 * gateway/decode: flat JSON and CBOR, plain text, and what is stored as it came.
 */
#include "decode_case.h"
#include "gateway/decode/decoder.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flat_json),    cmocka_unit_test(test_flat_cbor),
        cmocka_unit_test(test_flat_bounds),  cmocka_unit_test(test_plain_text),
        cmocka_unit_test(test_long_numbers), cmocka_unit_test(test_locale),
        cmocka_unit_test(test_payloads),     cmocka_unit_test(test_undecoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
