/* cli/diagnostic.c: CBOR in diagnostic notation. */
#include "cli/diagnostic.h"
#include "device/cbor.h"

#include "support.h" /* last: cmocka has a macro fail() */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints `len` bytes; the caller frees the text. */
static char *print(const uint8_t *bytes, size_t len, long *result, struct diagnostic_stop *stop)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    uint8_t *exact = malloc(len + (len == 0)); /* so that a read past its end is seen */

    memcpy(exact, bytes, len);
    *result = diagnostic_print(out, exact, len, stop);
    fclose(out);
    free(exact);
    return text;
}

static void expect(const char *hex, const char *expected)
{
    struct diagnostic_stop stop = {0, NULL};
    uint8_t bytes[256];
    size_t len = from_hex(bytes, sizeof(bytes), hex);
    long result;
    char *text = print(bytes, len, &result, &stop);

    if (result != (long)len || strcmp(text, expected) != 0)
        fail_msg("%s gave '%s' (%ld), not '%s'", hex, text, result, expected);
    free(text);
}

/*
 * RFC 8949 appendix A, table 6, but for three things: a float that a shorter one could hold has its encoding
 * indicator (8.1), bignums are shown as the tags that they are, and 2^-24 has all of its digits.
 */
static void the_examples_of_rfc_8949(void **state)
{
    static const struct {
        const char *hex;
        const char *expected;
    } cases[] = {
        {"00", "0"},
        {"01", "1"},
        {"0a", "10"},
        {"17", "23"},
        {"1818", "24"},
        {"1819", "25"},
        {"1864", "100"},
        {"1903e8", "1000"},
        {"1a000f4240", "1000000"},
        {"1b000000e8d4a51000", "1000000000000"},
        {"1bffffffffffffffff", "18446744073709551615"},
        {"c249010000000000000000", "2(h'010000000000000000')"},
        {"3bffffffffffffffff", "-18446744073709551616"},
        {"c349010000000000000000", "3(h'010000000000000000')"},
        {"20", "-1"},
        {"29", "-10"},
        {"3863", "-100"},
        {"3903e7", "-1000"},
        {"f90000", "0.0"},
        {"f98000", "-0.0"},
        {"f93c00", "1.0"},
        {"fb3ff199999999999a", "1.1"},
        {"f93e00", "1.5"},
        {"f97bff", "65504.0"},
        {"fa47c35000", "100000.0"},
        {"fa7f7fffff", "3.4028234663852886e+38"},
        {"fb7e37e43c8800759c", "1.0e+300"},
        {"f90001", "5.9604644775390625e-8"},
        {"f90400", "0.00006103515625"},
        {"f9c400", "-4.0"},
        {"fbc010666666666666", "-4.1"},
        {"f97c00", "Infinity"},
        {"f97e00", "NaN"},
        {"f9fc00", "-Infinity"},
        {"fa7f800000", "Infinity_2"},
        {"fa7fc00000", "NaN_2"},
        {"faff800000", "-Infinity_2"},
        {"fb7ff0000000000000", "Infinity_3"},
        {"fb7ff8000000000000", "NaN_3"},
        {"fbfff0000000000000", "-Infinity_3"},
        {"f4", "false"},
        {"f5", "true"},
        {"f6", "null"},
        {"f7", "undefined"},
        {"f0", "simple(16)"},
        {"f8ff", "simple(255)"},
        {"c074323031332d30332d32315432303a30343a30305a", "0(\"2013-03-21T20:04:00Z\")"},
        {"c11a514b67b0", "1(1363896240)"},
        {"c1fb41d452d9ec200000", "1(1363896240.5)"},
        {"d74401020304", "23(h'01020304')"},
        {"d818456449455446", "24(h'6449455446')"},
        {"d82076687474703a2f2f7777772e6578616d706c652e636f6d", "32(\"http://www.example.com\")"},
        {"40", "h''"},
        {"4401020304", "h'01020304'"},
        {"60", "\"\""},
        {"6161", "\"a\""},
        {"6449455446", "\"IETF\""},
        {"62225c", "\"\\\"\\\\\""},
        {"62c3bc", "\"\xc3\xbc\""},
        {"63e6b0b4", "\"\xe6\xb0\xb4\""},
        {"64f0908591", "\"\xf0\x90\x85\x91\""},
        {"80", "[]"},
        {"83010203", "[1, 2, 3]"},
        {"8301820203820405", "[1, [2, 3], [4, 5]]"},
        {"98190102030405060708090a0b0c0d0e0f101112131415161718181819",
         "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25]"},
        {"a0", "{}"},
        {"a201020304", "{1: 2, 3: 4}"},
        {"a26161016162820203", "{\"a\": 1, \"b\": [2, 3]}"},
        {"826161a161626163", "[\"a\", {\"b\": \"c\"}]"},
        {"a56161614161626142616361436164614461656145",
         "{\"a\": \"A\", \"b\": \"B\", \"c\": \"C\", \"d\": \"D\", \"e\": \"E\"}"},
        {"5f42010243030405ff", "(_ h'0102', h'030405')"},
        {"7f657374726561646d696e67ff", "(_ \"strea\", \"ming\")"},
        {"9fff", "[_ ]"},
        {"9f018202039f0405ffff", "[_ 1, [2, 3], [_ 4, 5]]"},
        {"9f01820203820405ff", "[_ 1, [2, 3], [4, 5]]"},
        {"83018202039f0405ff", "[1, [2, 3], [_ 4, 5]]"},
        {"83019f0203ff820405", "[1, [_ 2, 3], [4, 5]]"},
        {"9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
         "[_ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25]"},
        {"bf61610161629f0203ffff", "{_ \"a\": 1, \"b\": [_ 2, 3]}"},
        {"826161bf61626163ff", "[\"a\", {_ \"b\": \"c\"}]"},
        {"bf6346756ef563416d7421ff", "{_ \"Fun\": true, \"Amt\": -2}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        expect(cases[i].hex, cases[i].expected);
}

/* RFC 8949 8.1, and what the examples have none of. */
static void what_is_not_in_the_fewest_bytes(void **state)
{
    (void)state;
    expect("1801", "1_0");
    expect("190001", "1_1");
    expect("1b0000000000000001", "1_3");
    expect("3800", "-1_0");
    expect("5801ff", "h'ff'_0");
    expect("780161", "\"a\"_0");
    expect("980101", "[_0 1]");
    expect("b8010102", "{_0 1: 2}");
    expect("d80100", "1_0(0)");
    expect("fb3ff8000000000000", "1.5_3");
    expect("fa41bb3333", "23.399999618530273");
    expect("5fff", "''_");
    expect("7fff", "\"\"_");
    expect("bfff", "{_ }");
    expect("f820", "simple(32)");
}

static void numbers_are_laid_out_as_in_the_rfc(void **state)
{
    static const struct {
        double value;
        const char *expected;
    } cases[] = {
        {23.4, "23.4"},
        {1e20, "100000000000000000000.0"},
        {123456789012345680000.0, "123456789012345680000.0"},
        {1e21, "1.0e+21"},
        {1.5e21, "1.5e+21"},
        {0.000001, "0.000001"},
        {0.0000015, "0.0000015"},
        {1e-7, "1.0e-7"},
        {1.25e-7, "1.25e-7"},
        {-0.1, "-0.1"},
        {5e-324, "5.0e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992.0"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct diagnostic_stop stop;
        uint8_t bytes[9];
        struct bulla_cbor_writer writer = {bytes, sizeof(bytes), 0, 0};
        long result;
        char *text;

        bulla_cbor_double(&writer, cases[i].value);
        text = print(bytes, writer.used, &result, &stop);
        assert_int_equal(result, writer.used);
        assert_string_equal(text, cases[i].expected);
        free(text);
    }
}

static void what_is_text_does_not_control_the_terminal(void **state)
{
    (void)state;
    expect("641b5b324a", "\"\\u001b[2J\"");
    expect("6100", "\"\\u0000\"");
    expect("63e280ae", "\"\\u202e\"");
    expect("62c328", "h'c328' / text, but not UTF-8 /");
    expect("62eda0", "h'eda0' / text, but not UTF-8 /");
}

static void where_it_stops_is_told(void **state)
{
    static const struct {
        const char *hex;
        const char *printed;
        size_t at;
        const char *why; /* part of it */
    } cases[] = {
        {"", "", 0, "ends"},
        {"8201", "[1, ", 2, "ends"},
        {"a1", "{", 1, "ends"},
        {"a101", "{1: ", 2, "ends"},
        {"9f01", "[_ 1", 2, "ends"},
        {"5f41", "", 1, "cut off"},
        {"5f4101", "(_ h'01'", 3, "ends"},
        {"5f6161ff", "", 1, "chunk"},
        {"5f5f4101ffff", "", 1, "chunk"},
        {"4401", "", 0, "cut off"},
        {"1c", "", 0, "no CBOR"},
        {"82011c", "[1, ", 2, "no CBOR"},
        {"ff", "", 0, "break"},
        {"81ff", "[", 1, "break"},
        {"bf01ff", "{_ 1: ", 2, "break"},
        {"c1", "1(", 1, "ends"},
        {"f818", "", 0, "no CBOR"},
        {"9bffffffffffffffff", "[", 9, "ends"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct diagnostic_stop stop = {0, NULL};
        uint8_t bytes[64];
        size_t len = from_hex(bytes, sizeof(bytes), cases[i].hex);
        long result;
        char *text = print(bytes, len, &result, &stop);

        if (result != -1 || stop.at != cases[i].at || strstr(stop.why, cases[i].why) == NULL ||
            strcmp(text, cases[i].printed) != 0)
            fail_msg("%s: '%s', at %zu: %s", cases[i].hex, text, stop.at, stop.why ? stop.why : "nothing");
        free(text);
    }
}

static void depth_is_bounded(void **state)
{
    uint8_t bytes[DIAGNOSTIC_DEPTH + 1];
    struct diagnostic_stop stop;
    long result;

    (void)state;
    memset(bytes, 0x81, sizeof(bytes));
    bytes[DIAGNOSTIC_DEPTH - 1] = 0x00;
    free(print(bytes, DIAGNOSTIC_DEPTH, &result, &stop));
    assert_int_equal(result, DIAGNOSTIC_DEPTH);
    bytes[DIAGNOSTIC_DEPTH - 1] = 0x81;
    bytes[DIAGNOSTIC_DEPTH] = 0x00;
    free(print(bytes, DIAGNOSTIC_DEPTH + 1, &result, &stop));
    assert_int_equal(result, -1);
    assert_int_equal(stop.at, DIAGNOSTIC_DEPTH);
    assert_non_null(strstr(stop.why, "deeper"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_rfc_8949),
        cmocka_unit_test(what_is_not_in_the_fewest_bytes),
        cmocka_unit_test(numbers_are_laid_out_as_in_the_rfc),
        cmocka_unit_test(what_is_text_does_not_control_the_terminal),
        cmocka_unit_test(where_it_stops_is_told),
        cmocka_unit_test(depth_is_bounded),
    };

    return cmocka_run_group_tests_name("diagnostic notation", tests, NULL, NULL);
}
