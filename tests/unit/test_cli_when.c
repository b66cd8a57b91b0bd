/* cli/when.c: times as people write and read them. */
#include "cli/when.h"

#include "support.h" /* last: cmocka has a macro fail() */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000)
#define NOW    (INT64_C(1795299185) * SECOND + 500000) /* 2026-11-21T22:13:05.5Z */

static void times_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t micros;
    } cases[] = {
        {"0", 0},
        {"1795299185", INT64_C(1795299185000000)},
        {"1795299185.25", INT64_C(1795299185250000)},
        {"1.0000019", 1000001},
        {"-1", -SECOND},
        {"-1.5", -1500000},
        {"1970-01-01", 0},
        {"2000-02-29", INT64_C(951782400) * SECOND},
        {"2026-11-21", INT64_C(1795219200) * SECOND},
        {"2026-11-21T22:13:05Z", INT64_C(1795299185) * SECOND},
        {"2026-11-21t22:13:05z", INT64_C(1795299185) * SECOND},
        {"2026-11-21 22:13:05.5Z", NOW},
        {"2026-11-21T22:13:05.123456789Z", INT64_C(1795299185123456)},
        {"2026-11-21T23:43:05+01:30", INT64_C(1795299185) * SECOND},
        {"2026-11-21T14:13:05-08:00", INT64_C(1795299185) * SECOND},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800) * SECOND}, /* a leap second is the second after it */
        {"1969-12-31T23:59:59Z", -SECOND},
        {"0000-01-01T00:00:00Z", INT64_C(-62167219200) * SECOND},
        {"9999-12-31T23:59:59Z", INT64_C(253402300799) * SECOND},
        {"now", NOW},
        {"0s", NOW},
        {"30s", NOW - 30 * SECOND},
        {"1.5m", NOW - 90 * SECOND},
        {"2h", NOW - 7200 * SECOND},
        {"7d", NOW - 604800 * SECOND},
        {"4w", NOW - 4 * 604800 * SECOND},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t micros = 1;

        if (when_parse(cases[i].text, NOW, &micros) != 0 || micros != cases[i].micros)
            fail_msg("%s gave %" PRId64, cases[i].text, micros);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "-",
        ".",
        "1.",
        "1x",
        "1s2",
        "m",
        "-5m",
        "1e3",
        "0x10",
        "yesterday",
        "2026-11",
        "2026-1-1",
        "2026-13-01",
        "2026-00-01",
        "2026-11-00",
        "2026-11-31",
        "2026-02-29",
        "2026-11-21T",
        "2026-11-21T22",
        "2026-11-21T22:13",
        "2026-11-21T22:13:05",
        "2026-11-21T24:00:00Z",
        "2026-11-21T22:60:00Z",
        "2026-11-21T22:13:61Z",
        "2026-11-21T22:13:05.Z",
        "2026-11-21T22:13:05Zz",
        "2026-11-21T22:13:05+1:00",
        "2026-11-21T22:13:05+01",
        "2026-11-21T22:13:05+24:00",
        "2026-11-21x22:13:05Z",
        "20260-11-21",
        "99999999999999",
        "9000000000001",
        "9999999999999w",
        "99999999999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        int64_t micros;

        if (when_parse(texts[i], NOW, &micros) == 0)
            fail_msg("'%s' was taken for %" PRId64, texts[i], micros);
    }
}

static void times_are_written(void **state)
{
    static const struct {
        int64_t micros;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1, "1970-01-01T00:00:00.000001Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {NOW, "2026-11-21T22:13:05.5Z"},
        {NOW - 376544, "2026-11-21T22:13:05.123456Z"},
        {INT64_C(951782400) * SECOND, "2000-02-29T00:00:00Z"},
        {INT64_C(253402300799) * SECOND, "9999-12-31T23:59:59Z"},
        {INT64_C(253402300800) * SECOND, "+010000-01-01T00:00:00Z"},
        {INT64_C(-62167219200) * SECOND, "0000-01-01T00:00:00Z"},
        {INT64_C(-62167219201) * SECOND, "-000001-12-31T23:59:59Z"},
        {INT64_MAX, "+294247-01-10T04:00:54.775807Z"},
        {INT64_MIN + 1000000, "-290308-12-21T19:59:06.224192Z"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[WHEN_TEXT_SIZE];
        size_t len = when_format(text, cases[i].micros);

        assert_string_equal(text, cases[i].text);
        assert_int_equal(len, strlen(text));
    }
}

static void what_is_written_is_read_back(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        int64_t micros = (int64_t)(random % UINT64_C(253402300800000000));
        char text[WHEN_TEXT_SIZE];
        int64_t back;

        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        when_format(text, micros);
        assert_int_equal(when_parse(text, NOW, &back), 0);
        assert_true(back == micros);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(times_are_written),
        cmocka_unit_test(what_is_written_is_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
