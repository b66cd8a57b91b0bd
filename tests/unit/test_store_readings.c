/*
 * The store's contract (gateway/store/store.h), over every store: readings and events, written and read back.
 */
#include "store_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- readings ---- */

/* Rows seen, copied: strings do not outlive the callback. */
struct seen {
    struct reading_row rows[40];
    char text[40][4][4100];
    size_t count;
    size_t stop;
};

static int collect_reading(void *context, const struct reading_row *row)
{
    struct seen *seen = context;
    struct reading_row *copy = &seen->rows[seen->count];
    char(*text)[4100] = seen->text[seen->count];

    assert_true(seen->count < 40);
    *copy = *row;
    copy->device = strcpy(text[0], row->device);
    copy->reading.name = memcpy(text[1], row->reading.name, row->reading.name_len);
    copy->reading.unit = memcpy(text[2], row->reading.unit, row->reading.unit_len);
    if (row->reading.type >= READING_TEXT && row->reading.type != READING_SUM)
        copy->reading.value.bytes.at =
            memcpy(text[3], row->reading.value.bytes.at, row->reading.value.bytes.len);
    return ++seen->count == seen->stop;
}

/* Stores readings in a fresh counter context of the device. */
static void store_readings(struct fixture *f, int64_t device, struct reading *readings, size_t count,
                           int64_t received)
{
    struct commit_context context = {.before = {.device = device, .counter = true, .proven = true}};
    struct commit_message message = {.received = received, .count = count};
    struct commit commit = {.contexts = &context,
                            .context_count = 1,
                            .messages = &message,
                            .message_count = 1,
                            .readings = readings};
    struct store_clock clock;

    assert_int_equal(call(f, context_find, device, NULL, &context.before, &clock), 1);
    context.after = context.before;
    message.piv = context.before.window.top + 1;
    bulla_window_mark(&context.after.window, message.piv);
    ok(call(f, commit, &commit, NOW));
    assert_int_equal(context.verdict, COMMIT_DONE);
}

#define BYTES(literal)                                                                                       \
    {                                                                                                        \
        .at = (const uint8_t *)(literal), .len = sizeof(literal) - 1                                         \
    }

static void assert_same_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
    assert_int_equal(a_len, b_len);
    if (a_len > 0)
        assert_memory_equal(a, b, a_len);
}

static void assert_same_reading(const struct reading *in, const struct reading *out)
{
    assert_int_equal(out->type, in->type);
    assert_int_equal(out->format, in->format);
    assert_true(out->time == in->time);
    assert_same_bytes(out->name, out->name_len, in->name, in->name_len);
    assert_same_bytes(out->unit, out->unit_len, in->unit, in->unit_len);
    if (in->type < READING_TEXT || in->type == READING_SUM)
        assert_memory_equal(&out->value, &in->value, 8);
    else
        assert_same_bytes(out->value.bytes.at, out->value.bytes.len, in->value.bytes.at, in->value.bytes.len);
}

/* Stores them as of one device, and holds what comes back against them; their times must rise. */
static void assert_kept(struct fixture *f, struct reading *readings, size_t count, int64_t received)
{
    struct device_row device = add_device(f, "🚀", 1, BULLA_COUNTER, true);
    struct reading_filter all = {.since = INT64_MIN, .until = INT64_MAX, .limit = -1};
    struct seen *seen = calloc(1, sizeof(*seen));

    store_readings(f, device.id, readings, count, received);
    reopen(f);
    ok(call(f, readings_each, &all, collect_reading, seen));
    assert_int_equal(seen->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(seen->rows[i].device, "🚀");
        assert_true(seen->rows[i].received == received);
        assert_int_equal(seen->rows[i].seq, 1);
        assert_same_reading(&readings[i], &seen->rows[i].reading);
    }
    free(seen);
}

static void test_values_are_exact(void **state)
{
    static struct reading readings[] = {
        {.type = READING_REAL,
         .name = "🌡️/außen",
         .name_len = 15,
         .unit = "°C",
         .unit_len = 3,
         .value.real = -0.0},
        {.type = READING_REAL, .value.real = 5e-324},
        {.type = READING_REAL, .value.real = 9007199254740993.0},
        {.type = READING_REAL, .value.real = 1.7976931348623157e308},
        {.type = READING_REAL, .value.real = 0.1},
        {.type = READING_INTEGER, .value.integer = INT64_MIN},
        {.type = READING_INTEGER, .value.integer = INT64_MAX},
        {.type = READING_INTEGER},
        {.type = READING_BOOLEAN, .value.integer = 1},
        {.type = READING_BOOLEAN},
        {.type = READING_TEXT, .value.bytes = BYTES("a\0b 🙂")},
        {.type = READING_TEXT},
        {.type = READING_TEXT, .value.bytes = BYTES("12.50")},
        {.type = READING_TEXT, .value.bytes = BYTES("NaN")},
        {.type = READING_TEXT, .value.bytes = BYTES("-Infinity")},
        {.type = READING_TEXT, .value.bytes = BYTES("18446744073709551616")},
        {.type = READING_TEXT, .value.bytes = BYTES("\\N")},
        {.type = READING_TEXT, .value.bytes = BYTES("null")},
        {.type = READING_TEXT, .value.bytes = BYTES("\\x00")},
        {.type = READING_TEXT, .value.bytes = BYTES("a\tb\r\n\\.\n'\"${}%s")},
        {.type = READING_TEXT, .value.bytes = BYTES("\xff\xfe is no UTF-8")},
        {.type = READING_TEXT, .value.bytes = BYTES("\xed\xa0\x80")},
        {.type = READING_DATA, .value.bytes = BYTES("\xff\x00\xfe")},
        {.type = READING_DATA},
        {.type = READING_SUM, .value.real = 1e300},
        {.type = READING_PAYLOAD, .format = 65535, .value.bytes = BYTES("\x01\x02")},
        {.type = READING_UNDECODED, .format = 112, .value.bytes = BYTES("")},
    };
    const size_t count = sizeof(readings) / sizeof(readings[0]);

    for (size_t i = 0; i < count; i++)
        readings[i].time = (int64_t)i - 3; /* before 1970, too */
    assert_kept(*state, readings, count, INT64_MAX);
}

#define NAMED(literal)                                                                                       \
    {                                                                                                        \
        .type = READING_INTEGER, .name = literal, .name_len = sizeof(literal) - 1                            \
    }

/* What a device may call a reading. Another name is another series, however little they differ. */
static void test_names_are_exact(void **state)
{
    static char long_name[4001], long_unit[3001];
    static uint8_t payload[4096];
    static struct reading readings[] = {
        NAMED("it's \"quoted\", \\ and `ticked`"),
        NAMED("'; DROP TABLE readings; --"),
        NAMED("Temperatur"),
        NAMED("temperatur"),
        NAMED("temperatur "),
        NAMED("e\u0301"), /* é in two characters, and in one */
        NAMED("\u00e9"),
        NAMED("👩‍👩‍👧"),
        NAMED("a\0b"),
        NAMED("a"),
        NAMED("\xc3\x28 no UTF-8"),
        NAMED("line\nbreak\ttab"),
        NAMED("%s{}[]?*"),
        {.type = READING_INTEGER, .name = long_name, .name_len = 4000},
        {.type = READING_INTEGER, .name = long_name, .name_len = 4001},
        {.type = READING_REAL, .name = "a", .name_len = 1, .unit = long_unit, .unit_len = 3001},
        {.type = READING_REAL, .name = "a", .name_len = 1, .unit = "m\0", .unit_len = 2},
        {.type = READING_REAL, .name = "a", .name_len = 1, .unit = "m", .unit_len = 1},
        {.type = READING_PAYLOAD, .format = 42, .value.bytes = {payload, sizeof(payload)}},
    };
    const size_t count = sizeof(readings) / sizeof(readings[0]);
    struct reading_filter quoted = {
        .name = readings[0].name, .since = INT64_MIN, .until = INT64_MAX, .limit = -1};
    struct fixture *f = *state;
    int64_t found = 0;

    /* What does not compress, for who keeps long values elsewhere. */
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * i * 7 + (i >> 3));
    for (size_t i = 0; i < sizeof(long_name); i++)
        long_name[i] = (char)('!' + (i * i + i / 7) % 90);
    for (size_t i = 0; i < sizeof(long_unit); i++)
        long_unit[i] = (char)('!' + (i * i + i / 5) % 90);
    for (size_t i = 0; i < count; i++)
        readings[i].time = NOW * SECOND + (int64_t)i;
    assert_kept(f, readings, count, NOW * SECOND + 999999);
    ok(call(f, readings_each, &quoted, count_row, &found));
    assert_int_equal(found, 1);
    quoted.name = "\xff";
    ok(call(f, readings_each, &quoted, count_row, &found));
    assert_int_equal(found, 1);
}

/* Every microsecond, and times that calendars do not reach. */
static void test_times_are_exact(void **state)
{
    static const int64_t times[] = {INT64_MIN,
                                    -9223372036854775807,
                                    -210866803200000001, /* around 4714 BC, where some calendars begin */
                                    -210866803200000000,
                                    -62135596800000001, /* around the year 1 */
                                    -1,
                                    0,
                                    1,
                                    951782399999999, /* around the 29th of February 2000 */
                                    951782400000000,
                                    NOW * SECOND,
                                    NOW * SECOND + 1,
                                    2147483648000001, /* 2038 */
                                    4102444800999999,
                                    253402300800000000, /* the year 10,000 */
                                    INT64_MAX - 1};
    struct reading readings[sizeof(times) / sizeof(times[0])];
    const size_t count = sizeof(times) / sizeof(times[0]);
    struct fixture *f = *state;

    for (size_t i = 0; i < count; i++)
        readings[i] = real("t", (double)i, times[i]);
    assert_kept(f, readings, count, NOW * SECOND + 1);
    for (size_t i = 3; i < count; i++) { /* what is older may count as infinitely old there */
        struct reading_filter filter = {.since = times[i], .until = times[i] + 1, .limit = -1};
        int64_t found = 0;
        ok(call(f, readings_each, &filter, count_row, &found));
        assert_int_equal(found, 1);
    }
}

static void test_selections(void **state)
{
    struct fixture *f = *state;
    struct device_row a = add_device(f, "a", 1, BULLA_COUNTER, true),
                      b = add_device(f, "b", 2, BULLA_COUNTER, true);
    struct reading of_a[] = {real("t", 1, 10), real("t", 2, 20), real("h", 3, 20), real("t", 4, 40)};
    struct reading of_b[] = {real("t", 5, 20), real("t", 6, 50), real("t", 7, 5)};
    static const struct {
        struct reading_filter filter;
        const char *values;
    } cases[] = {
        {{NULL, NULL, INT64_MIN, INT64_MAX, -1}, "7123546"},
        {{NULL, NULL, INT64_MIN, INT64_MAX, 3}, "546"},
        {{NULL, NULL, INT64_MIN, INT64_MAX, 100}, "7123546"},
        {{NULL, NULL, INT64_MIN, INT64_MAX, 0}, ""},
        {{NULL, NULL, 20, 40, -1}, "235"},
        {{NULL, NULL, 20, 40, 2}, "35"},
        {{NULL, NULL, 21, 40, 2}, ""},
        {{"a", NULL, INT64_MIN, INT64_MAX, -1}, "1234"},
        {{"a", NULL, INT64_MIN, INT64_MAX, 2}, "34"},
        {{"a", "t", INT64_MIN, INT64_MAX, 2}, "24"},
        {{NULL, "t", 11, INT64_MAX, -1}, "2546"},
        {{"b", "h", INT64_MIN, INT64_MAX, -1}, ""},
        {{"nobody", NULL, INT64_MIN, INT64_MAX, 5}, ""},
    };

    store_readings(f, a.id, of_a, 4, 100);
    store_readings(f, b.id, of_b, 3, 100);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen = {.count = 0};
        char values[41] = "";
        ok(call(f, readings_each, &cases[i].filter, collect_reading, &seen));
        for (size_t row = 0; row < seen.count; row++)
            values[row] = (char)('0' + (int)seen.rows[row].reading.value.real);
        assert_string_equal(values, cases[i].values);
    }
    struct seen seen = {.stop = 2};
    ok(call(f, readings_each, &cases[0].filter, collect_reading, &seen));
    assert_int_equal(seen.count, 2);
}

/* More than a page of rows, and rows larger than a page's text. */
static void test_many_and_large(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_COUNTER, true);
    struct reading *readings = calloc(5000, sizeof(*readings));
    uint8_t *large = calloc(1, 400000);
    struct reading_filter some = {.device = "a", .since = INT64_MIN, .until = INT64_MAX, .limit = 4000};
    int64_t count = 0;

    for (size_t i = 0; i < 5000; i++)
        readings[i] = real("t", 1, 7); /* all in one microsecond */
    readings[2000].type = READING_DATA;
    readings[2000].value.bytes.at = large;
    readings[2000].value.bytes.len = 400000;
    store_readings(f, device.id, readings, 5000, 8);
    assert_int_equal(count_readings(f, NULL), 5000);
    ok(call(f, readings_each, &some, count_row, &count));
    assert_int_equal(count, 4000);
    free(large);
    free(readings);
}

/* Series that do not fit the cache, or were found in hours far apart, are found all the same. */
static void test_series(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_COUNTER, true);
    char name[600];
    struct reading reading;

    memset(name, 'n', sizeof(name));
    for (int i = 0; i < 3; i++) {
        reading = real("t", 1, (int64_t)i * -86400 * SECOND);
        reading.name = name;
        reading.name_len = sizeof(name);
        store_readings(f, device.id, &reading, 1, 0);
        reading = real("t", 1, (int64_t)i * 86400 * SECOND);
        store_readings(f, device.id, &reading, 1, 0);
    }
    reading = real("t", NAN, INT64_MIN);
    store_readings(f, device.id, &reading, 1, 0);
    reading = real("t", 1, INT64_MAX - 1);
    store_readings(f, device.id, &reading, 1, 0);
    assert_int_equal(count_readings(f, "a"), 8);
}

static int remove_while_reading(void *context, const struct reading_row *row)
{
    struct fixture *f = context;
    struct device_row device;

    (void)row;
    assert_int_equal(call(f, device_by_name, "a", &device), 1);
    ok(call(f, device_remove, device.id));
    return 1;
}

/* A visitor holds no snapshot: it may write, and a pager that waits does not keep the log growing. */
static void test_visitors_may_write(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct reading_filter all = {.since = INT64_MIN, .until = INT64_MAX, .limit = -1};

    prove(f, device.id, 1, 5, 1);
    ok(call(f, readings_each, &all, remove_while_reading, f));
    assert_int_equal(call(f, device_by_name, "a", &device), 0);
}

/* ---- events ---- */

static int collect_event(void *context, const struct event_row *row)
{
    char *list = context;

    strcat(strcat(strcat(strcat(list, row->kind), ":"), row->device_name), " ");
    return strcmp(row->kind, "stop") == 0;
}

static void test_events(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct event_row events[] = {
        {.time = 1, .kind = "unknown", .source = "1.2.3.4", .detail = "kid 01"},
        {.time = 2, .kind = "duplicate", .device = device.id, .authentic = true},
        {.time = 2, .kind = "forged", .device = device.id},
        {.time = 4, .kind = "unknown"},
    };
    static const struct {
        struct event_filter filter;
        const char *list;
    } cases[] = {
        {{NULL, NULL, -1}, "unknown: forged:a duplicate:a unknown: "},
        {{NULL, NULL, 2}, "duplicate:a unknown: "},
        {{NULL, NULL, 0}, ""},
        {{"unknown", NULL, 1}, "unknown: "},
        {{NULL, "a", 10}, "forged:a duplicate:a "},
        {{"forged", "a", 10}, "forged:a "},
        {{"nothing", NULL, 10}, ""},
    };

    ok(call(f, events_add, events, 4));
    ok(call(f, events_add, NULL, 0));
    ok(call(f, device_remove, device.id)); /* its name stays in the journal */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char list[200] = "";
        ok(call(f, events_each, &cases[i].filter, collect_event, list));
        assert_string_equal(list, cases[i].list);
    }
}

struct tally {
    int64_t count[2];
    int64_t first[2];
};

static int tally_event(void *context, const struct event_row *row)
{
    struct tally *tally = context;

    if (tally->count[row->authentic]++ == 0)
        tally->first[row->authentic] = row->time;
    return 0;
}

/* A flood of what did not authenticate pushes out none of what did. */
static void test_events_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct event_row *flood = calloc(50007, sizeof(*flood));
    struct event_filter all = {.limit = -1};
    struct tally tally = {.count = {0}};

    for (int64_t i = 0; i < 50007; i++)
        flood[i] = (struct event_row){.time = i, .kind = "forged", .authentic = i == 0};
    ok(call(f, events_add, flood, 50007));
    ok(call(f, events_add, flood, 3));
    ok(call(f, events_each, &all, tally_event, &tally));
    assert_int_equal(tally.count[0], 50000);
    assert_int_equal(tally.count[1], 2);
    free(flood);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_values_are_exact),   STORE_TEST(test_names_are_exact),
        STORE_TEST(test_times_are_exact),    STORE_TEST(test_selections),
        STORE_TEST(test_many_and_large),     STORE_TEST(test_series),
        STORE_TEST(test_visitors_may_write), STORE_TEST(test_events),
        STORE_TEST(test_events_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
