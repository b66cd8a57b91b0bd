/*
 * gateway/decode: which bytes are text, and base64url.
 */
#include "decode_case.h"
#include "gateway/decode/base64url.h"
#include "gateway/decode/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_base64url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
