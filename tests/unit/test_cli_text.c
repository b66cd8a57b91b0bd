/* cli/text.c, cli/table.c: text and numbers on their way out. */
#include "cli/table.h"
#include "cli/text.h"

#include "support.h" /* last: cmocka has a macro fail() */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal) literal, sizeof(literal) - 1

/* ---- what a function prints ---- */

static char *printed;
static size_t printed_len;

static FILE *begin(void)
{
    free(printed);
    printed = NULL;
    return open_memstream(&printed, &printed_len);
}

static void assert_printed(FILE *out, const char *expected, size_t len)
{
    fclose(out);
    if (printed_len != len || memcmp(printed, expected, len) != 0)
        fail_msg("printed '%s', not '%s'", printed, expected);
}

/* ---- UTF-8 ---- */

static void utf8_is_read(void **state)
{
    static const struct {
        const char *bytes;
        size_t size; /* 0: none */
        uint32_t character;
    } cases[] = {
        {"a", 1, 'a'},
        {"\x7f", 1, 0x7f},
        {"\xc2\x80", 2, 0x80},
        {"\xdf\xbf", 2, 0x7ff},
        {"\xe0\xa0\x80", 3, 0x800},
        {"\xed\x9f\xbf", 3, 0xd7ff},
        {"\xee\x80\x80", 3, 0xe000},
        {"\xef\xbf\xbf", 3, 0xffff},
        {"\xf0\x90\x80\x80", 4, 0x10000},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\x80", 0, 0},             /* a follower alone */
        {"\xc0\xaf", 0, 0},         /* overlong */
        {"\xc1\xbf", 0, 0},         /* overlong */
        {"\xe0\x9f\xbf", 0, 0},     /* overlong */
        {"\xf0\x8f\xbf\xbf", 0, 0}, /* overlong */
        {"\xed\xa0\x80", 0, 0},     /* a surrogate */
        {"\xf4\x90\x80\x80", 0, 0}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", 0, 0},
        {"\xff", 0, 0},
        {"\xc2", 0, 0}, /* cut off */
        {"\xe2\x82", 0, 0},
        {"\xc2\x41", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t character = 0;
        size_t len = strlen(cases[i].bytes);
        char *exact = malloc(len); /* so that a read past its end is seen */

        memcpy(exact, cases[i].bytes, len);
        assert_int_equal(text_character(exact, len, &character), cases[i].size);
        if (cases[i].size)
            assert_int_equal(character, cases[i].character);
        free(exact);
    }
}

static void terminals_are_not_controlled(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *expected;
    } cases[] = {
        {TEXT("plain \"text\" \\ ü €"), "plain \"text\" \\ ü €"},
        {TEXT("a\tb\nc\rd"), "a\\tb\\nc\\rd"},
        {TEXT("\x1b[2J"), "\\x1b[2J"},
        {TEXT("\0\x7f"), "\\x00\\x7f"},
        {TEXT("\xc2\x9b"), "\\u009b"},     /* C1: a terminal may take it for ESC [ */
        {TEXT("\xe2\x80\xae"), "\\u202e"}, /* turns the direction of writing */
        {TEXT("\xff\xc3(\xed\xa0\x80"), "\\xff\\xc3(\\xed\\xa0\\x80"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        FILE *out = begin();

        text_print(out, cases[i].text, cases[i].len, TEXT_WHOLE);
        assert_printed(out, cases[i].expected, strlen(cases[i].expected));
    }
}

static void long_text_is_cut(void **state)
{
    static const struct {
        const char *text;
        size_t most;
        const char *expected;
        size_t columns;
    } cases[] = {
        {"abc", 3, "abc", 3},    {"abcd", 3, "ab…", 3}, {"üüüü", 4, "üüüü", 4}, {"üüüüü", 4, "üüü…", 4},
        {"a\nb", 4, "a\\nb", 4}, {"a\nb", 3, "a…", 2},  {"ab\n", 3, "ab…", 3},  {"", 3, "", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        FILE *out = begin();

        assert_int_equal(text_print(out, cases[i].text, strlen(cases[i].text), cases[i].most),
                         cases[i].columns);
        assert_printed(out, cases[i].expected, strlen(cases[i].expected));
    }
}

/* ---- JSON, CSV, bytes ---- */

static void json_strings(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *expected;
    } cases[] = {
        {TEXT(""), "\"\""},
        {TEXT("plain ü €"), "\"plain ü €\""},
        {TEXT("\"\\/"), "\"\\\"\\\\/\""},
        {TEXT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
        {TEXT("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\\u007f\""},
        {TEXT("\xc2\x85\xe2\x80\xa8"), "\"\\u0085\\u2028\""},
        {TEXT("\xf0\x9f\x8c\xa1"), "\"\xf0\x9f\x8c\xa1\""},
        {TEXT("a\xff"
              "b\xed\xa0\x80"),
         "\"a\xef\xbf\xbd"
         "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        FILE *out = begin();

        text_json(out, cases[i].text, cases[i].len);
        assert_printed(out, cases[i].expected, strlen(cases[i].expected));
    }
}

static void csv_fields(void **state)
{
    static const struct {
        const char *text;
        const char *raw;
        const char *safe;
    } cases[] = {
        {"plain", "plain", "plain"},
        {"a,b", "\"a,b\"", "\"a,b\""},
        {"say \"x\"", "\"say \"\"x\"\"\"", "\"say \"\"x\"\"\""},
        {"a\nb", "\"a\nb\"", "\"a\\nb\""},
        {"\x1b[2J", "\x1b[2J", "\\x1b[2J"},
        {"ü", "ü", "ü"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        FILE *out = begin();

        text_csv(out, cases[i].text, strlen(cases[i].text), false);
        assert_printed(out, cases[i].raw, strlen(cases[i].raw));
        out = begin();
        text_csv(out, cases[i].text, strlen(cases[i].text), true);
        assert_printed(out, cases[i].safe, strlen(cases[i].safe));
    }
}

/* RFC 4648 10, without padding; and the two digits that base64url has of its own. */
static void base64url(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        FILE *out = begin();

        text_base64url(out, (const uint8_t *)cases[i].text, strlen(cases[i].text));
        assert_printed(out, cases[i].expected, strlen(cases[i].expected));
    }
}

static void hex(void **state)
{
    uint8_t bytes[4];
    FILE *out = begin();

    (void)state;
    text_hex(out, (const uint8_t *)"\x00\x9f\xff", 3);
    assert_printed(out, TEXT("009fff"));
    assert_int_equal(text_parse_hex("009fFf", 6, bytes, sizeof(bytes)), 3);
    assert_memory_equal(bytes, "\x00\x9f\xff", 3);
    assert_int_equal(text_parse_hex("0102030405", 10, bytes, sizeof(bytes)), -1);
    assert_int_equal(text_parse_hex("", 0, bytes, sizeof(bytes)), -1);
    assert_int_equal(text_parse_hex("0", 1, bytes, sizeof(bytes)), -1);
    assert_int_equal(text_parse_hex("0g", 2, bytes, sizeof(bytes)), -1);
    assert_int_equal(text_parse_hex("0\0", 2, bytes, sizeof(bytes)), -1);
    assert_int_equal(text_parse_hex(" 0", 2, bytes, sizeof(bytes)), -1);
}

/* ---- numbers ---- */

static void doubles_are_short(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-23.4, "-23.4"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {3.141592653589793, "3.141592653589793"},
        {100000, "100000"},
        {123456789012345678.0, "1.2345678901234568e+17"},
        {9007199254740992.0, "9007199254740992"},
        {1e15, "1e+15"},
        {1e300, "1e+300"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {2.225073858507201e-308, "2.225073858507201e-308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[TEXT_DOUBLE_SIZE];
        size_t len = text_double(text, cases[i].value);

        assert_string_equal(text, cases[i].text);
        assert_int_equal(len, strlen(text));
    }
}

static void doubles_read_back(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[TEXT_DOUBLE_SIZE];
        double value;

        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        memcpy(&value, &random, sizeof(value));
        if (!isfinite(value))
            continue;
        assert_true(text_double(text, value) < sizeof(text));
        assert_true(strtod(text, NULL) == value);
    }
}

/* ---- tables ---- */

static void tables_are_aligned(void **state)
{
    static const struct table_column columns[] = {{"NAME", 8, 0}, {"N", 5, 1}, {"LAST", 10, 0}};
    static const char expected[] = "NAME        N  LAST\n"
                                   "ü           1  x\n"
                                   "a longe…  100  a\\nb\n"
                                   "            7  \n";
    struct failure failure;
    struct table table;
    FILE *out;

    (void)state;
    assert_int_equal(table_begin(&table, columns, COUNT(columns), &failure), 0);
    table_text(&table, "ü");
    table_text(&table, "1");
    table_text(&table, "x");
    table_text(&table, "a longer one");
    table_cell(&table, "100!", 3);
    table_text(&table, "a\nb");
    table_text(&table, "");
    table_text(&table, "7");
    table_text(&table, "");
    out = begin();
    assert_int_equal(table_end(&table, out, &failure), 0);
    assert_printed(out, expected, strlen(expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_read),
        cmocka_unit_test(terminals_are_not_controlled),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(json_strings),
        cmocka_unit_test(csv_fields),
        cmocka_unit_test(base64url),
        cmocka_unit_test(hex),
        cmocka_unit_test(doubles_are_short),
        cmocka_unit_test(doubles_read_back),
        cmocka_unit_test(tables_are_aligned),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(printed);
    return failed;
}
