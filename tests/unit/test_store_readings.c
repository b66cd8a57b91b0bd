/*
 * The store's contract (gateway/store/store.h), on SQLite: readings and events, written and read back.
 */
#include "store_fixture.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- readings ---- */

/* Rows seen, copied: strings do not outlive the callback. */
struct seen {
    struct reading_row rows[16];
    char text[16][4][128];
    size_t count;
    size_t stop;
};

static int collect_reading(void *context, const struct reading_row *row)
{
    struct seen *seen = context;
    struct reading_row *copy = &seen->rows[seen->count];
    char(*text)[128] = seen->text[seen->count];

    assert_true(seen->count < 16);
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
    struct commit commit = {&context, 1, &message, 1, readings};
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
        {.type = READING_INTEGER, .value.integer = INT64_MIN},
        {.type = READING_INTEGER, .value.integer = INT64_MAX},
        {.type = READING_BOOLEAN, .value.integer = 1},
        {.type = READING_TEXT, .value.bytes = BYTES("a\0b 🙂")},
        {.type = READING_TEXT},
        {.type = READING_TEXT, .value.bytes = BYTES("12.50")},
        {.type = READING_DATA, .value.bytes = BYTES("\xff\x00\xfe")},
        {.type = READING_SUM, .value.real = 1e300},
        {.type = READING_PAYLOAD, .format = 65535, .value.bytes = BYTES("\x01\x02")},
        {.type = READING_UNDECODED, .format = 112, .value.bytes = BYTES("")},
    };
    const size_t count = sizeof(readings) / sizeof(readings[0]);
    struct fixture *f = *state;
    struct device_row device = add_device(f, "🚀", 1, BULLA_COUNTER, true);
    struct reading_filter all = {.since = INT64_MIN, .until = INT64_MAX, .limit = -1};
    struct seen seen = {.count = 0};

    for (size_t i = 0; i < count; i++)
        readings[i].time = (int64_t)i - 3; /* before 1970, too */
    store_readings(f, device.id, readings, count, INT64_MAX);
    reopen(f);
    ok(call(f, readings_each, &all, collect_reading, &seen));
    assert_int_equal(seen.count, count);
    for (size_t i = 0; i < count; i++) {
        const struct reading *in = &readings[i], *out = &seen.rows[i].reading;
        assert_string_equal(seen.rows[i].device, "🚀");
        assert_true(seen.rows[i].received == INT64_MAX);
        assert_int_equal(seen.rows[i].seq, 1);
        assert_int_equal(out->type, in->type);
        assert_int_equal(out->format, in->format);
        assert_int_equal(out->time, in->time);
        assert_int_equal(out->name_len, in->name_len);
        assert_int_equal(out->unit_len, in->unit_len);
        if (in->name_len > 0)
            assert_memory_equal(out->name, in->name, in->name_len);
        if (in->unit_len > 0)
            assert_memory_equal(out->unit, in->unit, in->unit_len);
        if (in->type < READING_TEXT || in->type == READING_SUM) {
            assert_memory_equal(&out->value, &in->value, 8);
        } else {
            assert_int_equal(out->value.bytes.len, in->value.bytes.len);
            if (in->value.bytes.len > 0)
                assert_memory_equal(out->value.bytes.at, in->value.bytes.at, in->value.bytes.len);
        }
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
        char values[17] = "";
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

static void test_readable_view(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_COUNTER, true);
    struct reading reading = real("t", 21.5, NOW * SECOND + 123000);
    sqlite3 *db;
    sqlite3_stmt *query;

    store_readings(f, device.id, &reading, 1, NOW * SECOND + 124000);
    ok(sqlite3_open(f->path, &db));
    ok(sqlite3_prepare_v2(db,
                          "SELECT device || ' ' || time || ' ' || name || ' ' || value || ' ' || unit"
                          " FROM readings_readable",
                          -1, &query, NULL));
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(query, 0), "a 2023-11-14T22:13:20.123Z t 21.5 Cel");
    sqlite3_finalize(query);
    sqlite3_close(db);
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

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_values_are_exact),
        STORE_TEST(test_selections),
        STORE_TEST(test_many_and_large),
        STORE_TEST(test_series),
        STORE_TEST(test_visitors_may_write),
        STORE_TEST(test_readable_view),
        STORE_TEST(test_events),
        STORE_TEST(test_events_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
