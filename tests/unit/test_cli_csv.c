/* cli/csv.c: RFC 4180, and what people's programs make of it. */
#include "cli/csv.h"

#include "support.h" /* last: cmocka has a macro fail() */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 6

/* Reads all records, and writes them as |field|field|, a record a line behind its row's number. */
static const char *read_all(const char *text, size_t len)
{
    static char out[1024];
    char *bytes = malloc(len + 1); /* so that more is seen */
    struct csv_field fields[ROOM];
    size_t used = 0;
    struct csv csv;
    int count;

    memcpy(bytes, text, len);
    csv_open(&csv, bytes, len);
    out[0] = 0;
    while ((count = csv_next(&csv, fields, ROOM)) > 0) {
        used += (size_t)snprintf(out + used, sizeof(out) - used, "%zu|", csv.record);
        for (int i = 0; i < count; i++) {
            assert_int_equal(fields[i].text[fields[i].len], 0);
            used +=
                (size_t)snprintf(out + used, sizeof(out) - used, "%.*s|", (int)fields[i].len, fields[i].text);
        }
        used += (size_t)snprintf(out + used, sizeof(out) - used, "\n");
    }
    if (count < 0)
        snprintf(out + used, sizeof(out) - used, "%zu! %s", csv.record, csv.why);
    free(bytes);
    return out;
}

static void records_are_read(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        {"", ""},
        {"a", "1|a|\n"},
        {"a,b\r\nc,d\r\n", "1|a|b|\n2|c|d|\n"},
        {"a,b\nc,d", "1|a|b|\n2|c|d|\n"},
        {"\xef\xbb\xbf"
         "a,b\n",
         "1|a|b|\n"},
        {"\xef\xbb\xbf", ""},
        {",\n", "1|||\n"},
        {"a,,b,\n", "1|a||b||\n"},
        {"\"a\",\"b c\"\n", "1|a|b c|\n"},
        {"\"a,b\",\"c\"\"d\"\r\n", "1|a,b|c\"d|\n"},
        {"\"\"\n", "1||\n"},
        {"\"\"\"\"\n", "1|\"|\n"},
        {"\"a\nb\",c\nd\n", "1|a\nb|c|\n3|d|\n"},
        {"\"a\r\nb\"\r\nd", "1|a\r\nb|\n3|d|\n"},
        {"\n\r\na\n\n\nb\n\n", "3|a|\n6|b|\n"},
        {" a , b \n", "1| a | b |\n"},
        {"a\rb\n", "1|a\rb|\n"},
        {"a\r", "1|a\r|\n"},
        {"1,2,3,4,5,6\n", "1|1|2|3|4|5|6|\n"},
        {"\"a\"", "1|a|\n"},
        {"a,\"\"", "1|a||\n"},
        {"a,", "1|a||\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(read_all(cases[i].text, strlen(cases[i].text)), cases[i].expected);
    assert_string_equal(read_all("a\0b,c\nd", 7), "1|a|c|\n2|d|\n"); /* printed up to the zero byte */
}

static void what_is_no_csv_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        {"a\n\"b", "1|a|\n2! a field in quotes does not end"},
        {"\"", "1! a field in quotes does not end"},
        {"\"a\"\"", "1! a field in quotes does not end"},
        {"\"a\"b\n", "1! text stands behind the quotes of a field"},
        {"\"a\" ,b\n", "1! text stands behind the quotes of a field"},
        {"a\nb\"c\n", "1|a|\n2! a quote stands inside a field without quotes; write it twice, in quotes"},
        {"1,2,3,4,5,6,7\n", "1! it has too many fields"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(read_all(cases[i].text, strlen(cases[i].text)), cases[i].expected);
}

/* Whatever is written by the rules is read back. */
static void what_is_written_is_read(void **state)
{
    static const char alphabet[] = "ab,\"\r\n;\xc3\xbc ";
    uint64_t random = 7;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        char text[256];
        char fields[ROOM][16];
        size_t count = 1 + test_below(&random, ROOM);
        struct csv_field read[ROOM];
        size_t len = 0;
        struct csv csv;

        for (size_t i = 0; i < count; i++) {
            size_t size = test_below(&random, 12);

            text[len++] = '"';
            for (size_t k = 0; k < size; k++) {
                fields[i][k] = alphabet[test_below(&random, sizeof(alphabet) - 1)];
                if (fields[i][k] == '"')
                    text[len++] = '"';
                text[len++] = fields[i][k];
            }
            fields[i][size] = 0;
            text[len++] = '"';
            text[len++] = i + 1 < count ? ',' : '\n';
        }
        csv_open(&csv, text, len);
        assert_int_equal(csv_next(&csv, read, ROOM), count);
        for (size_t i = 0; i < count; i++)
            assert_string_equal(read[i].text, fields[i]);
        assert_int_equal(csv_next(&csv, read, ROOM), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read),
        cmocka_unit_test(what_is_no_csv_is_refused),
        cmocka_unit_test(what_is_written_is_read),
    };

    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
