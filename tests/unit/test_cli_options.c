/* cli/options.c, cli/send_value.c: what is read from the command line. */
#include "cli/options.h"
#include "cli/send_value.h"

#include "support.h" /* last: cmocka has a macro fail() */

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- options ---- */

struct values {
    const char *text;
    const char *word;
    unsigned choice;
    int64_t number;
    int64_t limit;
    struct option_time time;
    bool flag;
};

static const char *const words[] = {"one", "two", NULL};

static const struct option table[] = {
    {.name = "text",
     .letter = 't',
     .argument = "T",
     .parse = option_string,
     .variable = "TEST_TEXT",
     .fallback = "none",
     .offset = offsetof(struct values, text)},
    {.name = "word",
     .argument = "W",
     .parse = option_word,
     .words = words,
     .offset = offsetof(struct values, word)},
    {.name = "choice",
     .argument = "C",
     .parse = option_choice,
     .words = words,
     .fallback = "two",
     .offset = offsetof(struct values, choice)},
    {.name = "number",
     .letter = 'n',
     .argument = "N",
     .parse = option_number,
     .least = -5,
     .most = 10,
     .variable = "TEST_NUMBER",
     .offset = offsetof(struct values, number)},
    {.name = "limit", .argument = "N", .parse = option_limit, .offset = offsetof(struct values, limit)},
    {.name = "time", .argument = "T", .parse = option_time, .offset = offsetof(struct values, time)},
    {.name = "flag", .letter = 'f', .parse = option_flag, .offset = offsetof(struct values, flag)},
    {0},
};

struct parsed {
    struct values values;
    char *arguments[16];
    int count; /* of what is no option, or -1 */
    struct failure failure;
};

/* Parses words separated by one blank; "_" stands for an empty one. */
static void parse(struct parsed *parsed, const char *line)
{
    static char text[256];
    int argc = 0;

    memset(parsed, 0, sizeof(*parsed));
    strcpy(text, line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        if (strcmp(word, "_") == 0)
            *word = 0;
        parsed->arguments[argc++] = word;
    }
    parsed->count = options_parse(table, &parsed->values, argc, parsed->arguments, &parsed->failure);
}

static void defaults_hold(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, "");
    assert_int_equal(parsed.count, 0);
    assert_string_equal(parsed.values.text, "none");
    assert_int_equal(parsed.values.choice, 1);
    assert_null(parsed.values.word);
    assert_int_equal(parsed.values.number, 0);
    assert_false(parsed.values.time.given);
    assert_false(parsed.values.flag);
}

static void every_form_is_read(void **state)
{
    static const char *const lines[] = {
        "--text=x --number=-5 --flag a b",
        "--text x --number -5 a --flag b",
        "a -tx -n-5 b -f",
        "a b -t x -n -5 --flag",
        "-f -t x -n -5 -- a b",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct parsed parsed;

        parse(&parsed, lines[i]);
        assert_int_equal(parsed.count, 2);
        assert_string_equal(parsed.arguments[0], "a");
        assert_string_equal(parsed.arguments[1], "b");
        assert_string_equal(parsed.values.text, "x");
        assert_int_equal(parsed.values.number, -5);
        assert_true(parsed.values.flag);
    }
}

static void two_dashes_end_the_options(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, "a -- --flag -- -n");
    assert_int_equal(parsed.count, 4);
    assert_string_equal(parsed.arguments[1], "--flag");
    assert_string_equal(parsed.arguments[2], "--");
    assert_false(parsed.values.flag);
    parse(&parsed, "- --text -"); /* a dash alone is an argument */
    assert_int_equal(parsed.count, 1);
    assert_string_equal(parsed.values.text, "-");
}

static void values_may_look_like_anything(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, "--text=a=b --limit=all --word two");
    assert_string_equal(parsed.values.text, "a=b");
    assert_int_equal(parsed.values.limit, -1);
    assert_string_equal(parsed.values.word, "two");
    parse(&parsed, "--limit 9223372036854775807 --time=1970-01-01T00:00:01Z --number 10");
    assert_true(parsed.values.limit == INT64_MAX);
    assert_true(parsed.values.time.given);
    assert_int_equal(parsed.values.time.micros, 1000000);
}

static void the_last_one_counts(void **state)
{
    struct parsed parsed;

    (void)state;
    setenv("TEST_TEXT", "from the environment", 1);
    parse(&parsed, "");
    assert_string_equal(parsed.values.text, "from the environment");
    parse(&parsed, "--text a --text b");
    assert_string_equal(parsed.values.text, "b");
    setenv("TEST_TEXT", "", 1); /* an empty variable is none */
    parse(&parsed, "");
    assert_string_equal(parsed.values.text, "none");
    unsetenv("TEST_TEXT");
}

static void errors_name_what_is_wrong(void **state)
{
    static const struct {
        const char *line;
        const char *text;
    } cases[] = {
        {"--nothing", "--nothing: there is no such option"},
        {"--tex x", "--tex: there is no such option"},
        {"--texts x", "--texts: there is no such option"},
        {"-x", "-x: there is no such option"},
        {"-fx", "--flag: it takes no argument"},
        {"--flag=x", "--flag: it takes no argument"},
        {"--flag=", "--flag: it takes no argument"},
        {"a --text", "--text: its argument is missing; give a T"},
        {"--text=", "--text: it is empty; give a T"},
        {"--text _", "--text: it is empty; give a T"},
        {"--word three", "--word: 'three' is not one of: one, two"},
        {"--choice _", "--choice: '' is not one of: one, two"},
        {"--number 11", "--number: '11' is not a number from -5 to 10"},
        {"--number -6", "--number: '-6' is not a number from -5 to 10"},
        {"--number 1.0", "--number: '1.0' is not a number from -5 to 10"},
        {"--number _", "--number: '' is not a number from -5 to 10"},
        {"--number 99999999999999999999", "--number: '99999999999999999999' is not a number from -5 to 10"},
        {"--limit 0", "--limit: '0' is neither a number above 0 nor 'all'"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct parsed parsed;

        parse(&parsed, cases[i].line);
        assert_int_equal(parsed.count, -1);
        assert_string_equal(parsed.failure.text, cases[i].text);
    }
    setenv("TEST_NUMBER", "many", 1);
    {
        struct parsed parsed;

        parse(&parsed, "");
        assert_string_equal(parsed.failure.text, "TEST_NUMBER: 'many' is not a number from -5 to 10");
    }
    unsetenv("TEST_NUMBER");
}

/* ---- readings ---- */

static void readings_are_read(void **state)
{
    static const struct {
        const char *argument;
        enum send_type type;
        double number;
        const char *unit;
        const char *text;
    } cases[] = {
        {"n=0", SEND_INTEGER, 0, NULL, NULL},
        {"n=-12:Cel", SEND_INTEGER, -12, "Cel", NULL},
        {"n=+5", SEND_INTEGER, 5, NULL, NULL},
        {"n=007", SEND_INTEGER, 7, NULL, NULL},
        {"n=23.4:Cel", SEND_FLOAT, 23.4, "Cel", NULL},
        {"n=23.40", SEND_FLOAT, 23.4, NULL, NULL},
        {"n=5.", SEND_FLOAT, 5, NULL, NULL},
        {"n=.5", SEND_FLOAT, 0.5, NULL, NULL},
        {"n=1e3", SEND_FLOAT, 1000, NULL, NULL},
        {"n=-1.5E-3:1/s", SEND_FLOAT, -0.0015, "1/s", NULL},
        {"n=1.1754944e-38", SEND_FLOAT, 1.1754944e-38, NULL, NULL},
        {"n=16777217.0", SEND_DOUBLE, 16777217, NULL, NULL}, /* one more than a single holds */
        {"n=0.1234567891", SEND_DOUBLE, 0.1234567891, NULL, NULL},
        {"n=23.399999618530273", SEND_DOUBLE, 23.399999618530273, NULL,
         NULL}, /* the single's value, not its decimal */
        {"n=3.4028234e38", SEND_DOUBLE, 3.4028234e38, NULL, NULL},
        {"n=3.5e38", SEND_DOUBLE, 3.5e38, NULL, NULL},
        {"n=1e-50", SEND_DOUBLE, 1e-50, NULL, NULL},
        {"n=true", SEND_BOOLEAN, 1, NULL, NULL},
        {"n=false", SEND_BOOLEAN, 0, NULL, NULL},
        {"n=", SEND_TEXT, 0, NULL, ""},
        {"n=-", SEND_TEXT, 0, NULL, "-"},
        {"n=.", SEND_TEXT, 0, NULL, "."},
        {"n=e5", SEND_TEXT, 0, NULL, "e5"},
        {"n=1e", SEND_TEXT, 0, NULL, "1e"},
        {"n=5 m", SEND_TEXT, 0, NULL, "5 m"},
        {"n=inf", SEND_TEXT, 0, NULL, "inf"},
        {"n=nan", SEND_TEXT, 0, NULL, "nan"},
        {"n=0x10", SEND_TEXT, 0, NULL, "0x10"},
        {"n=true:x", SEND_TEXT, 0, NULL, "true:x"},
        {"n=a=b:c", SEND_TEXT, 0, NULL, "a=b:c"},
        {"n=\"5:m\"", SEND_TEXT, 0, NULL, "5:m"},
        {"n=\"\"", SEND_TEXT, 0, NULL, ""},
        {"n=\"\"\"", SEND_TEXT, 0, NULL, "\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char argument[64];
        struct send_value value;
        struct failure failure;

        strcpy(argument, cases[i].argument);
        if (send_value_parse(&value, argument, &failure) != 0)
            fail_msg("%s: %s", cases[i].argument, failure.text);
        assert_string_equal(value.name, "n");
        if (value.type != cases[i].type)
            fail_msg("%s: type %d", cases[i].argument, value.type);
        if (value.type == SEND_TEXT)
            assert_string_equal(value.text, cases[i].text);
        else if (value.type == SEND_FLOAT || value.type == SEND_DOUBLE)
            assert_true(value.real == cases[i].number);
        else
            assert_true((double)value.integer == cases[i].number);
        if (cases[i].unit)
            assert_string_equal(value.unit, cases[i].unit);
        else
            assert_null(value.unit);
    }
}

static void what_is_no_reading_is_refused(void **state)
{
    static const char *const arguments[] = {
        "",
        "n",
        "=1",
        "_n=1",
        "n n=1",
        "ü=1",
        "n=1:",
        "n=9223372036854775808",
        "n=-9223372036854775809",
        "n=1e999",
        "n=\"",
        "n=\"a",
        "n=\"a\":Cel",
        "n=\xff",
        "n=1:\xc3",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(arguments); i++) {
        char argument[64];
        struct send_value value;
        struct failure failure;

        strcpy(argument, arguments[i]);
        if (send_value_parse(&value, argument, &failure) == 0)
            fail_msg("'%s' was taken", arguments[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(values_may_look_like_anything),
        cmocka_unit_test(the_last_one_counts),
        cmocka_unit_test(errors_name_what_is_wrong),
        cmocka_unit_test(readings_are_read),
        cmocka_unit_test(what_is_no_reading_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
