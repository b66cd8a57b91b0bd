/*
 * Ids in paths (gateway/source/percent.h).
 */
#include "support.h"
#undef fail /* cmocka's; failure.h has its own */

#include <stdio.h>
#include <string.h>

#include "gateway/source/percent.h"

static void decodes_what_is_percent_encoding_and_nothing_else(void **state)
{
    static const struct {
        const char *segment;
        const char *text; /* NULL: refused */
    } cases[] = {
        {"12FA", "12FA"},
        {"", ""},
        {"%31%32%46%41", "12FA"},
        {"%4a%4A", "JJ"},
        {"a%20b", "a b"},
        {"a+b", "a+b"},
        {"a%2Fb", "a/b"},
        {"%25", "%"},
        {"%2525", "%25"},
        {"gr\xc3\xbcn", "gr\xc3\xbcn"},
        {"%C3%BC", "\xc3\xbc"},
        {"%", NULL},
        {"%4", NULL},
        {"%g0", NULL},
        {"%0g", NULL},
        {"% 1", NULL},
        {"%+1", NULL},
        {"%-1", NULL},
        {"%%31", NULL},
        {"a%", NULL},
        {"a%4", NULL},
        {"%00", NULL},
        {"a%00b", NULL},
        {"12345678", "12345678"},
        {"123456789", NULL}, /* too long for this test's room */
        {"%31%32%33%34%35%36%37%38", "12345678"},
        {"%31%32%33%34%35%36%37%38%39", NULL},
    };
    char out[9];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int result = percent_decode(cases[i].segment, out, sizeof(out));
        print_message("%s\n", cases[i].segment);
        assert_int_equal(result, cases[i].text == NULL ? -1 : 0);
        if (result == 0)
            assert_string_equal(out, cases[i].text);
    }
    assert_int_equal(percent_decode("", out, 0), -1);
}

static void every_byte_but_zero_can_be_written(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char segment[8];
        char out[2];
        snprintf(segment, sizeof(segment), "%%%02x", byte);
        assert_int_equal(percent_decode(segment, out, sizeof(out)), byte == 0 ? -1 : 0);
        if (byte != 0)
            assert_int_equal((unsigned char)out[0], byte);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_what_is_percent_encoding_and_nothing_else),
        cmocka_unit_test(every_byte_but_zero_can_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
