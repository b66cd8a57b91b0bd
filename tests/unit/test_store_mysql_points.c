/*
 * How the MariaDB and MySQL store keeps readings: what people see of them, which way they are found, and that
 * whoever follows them misses none, however the transactions of several gateways end.
 */
#include "store_fixture.h"

#include <ctype.h>
#include <math.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/sink/parcel.h"
#include "gateway/store/mysql/statements.h"

/* ---- storing ---- */

/* A counter's context, and how far it is. */
struct sender {
    struct commit_context context;
    uint64_t piv;
    enum readings_way way;
};

static struct sender sender_of(int64_t device)
{
    struct context_row row = {.device = device, .counter = true, .proven = true};

    return (struct sender){.context = {.before = row, .after = row}};
}

static struct sender add_sender(struct fixture *f, const char *name, uint8_t kid)
{
    return sender_of(add_device(f, name, kid, BULLA_COUNTER, true).id);
}

/* Whether the readings were stored as one message. */
static bool is_stored(struct fixture *f, struct sender *sender, const struct reading *readings, size_t count,
                      int64_t received)
{
    struct commit_message message = {.piv = sender->piv++, .received = received, .count = count};
    struct commit commit = {.contexts = &sender->context,
                            .context_count = 1,
                            .messages = &message,
                            .message_count = 1,
                            .readings = readings,
                            .way = sender->way};

    bulla_window_mark(&sender->context.after.window, message.piv);
    if (call(f, commit, &commit, f->now) != 0 || sender->context.verdict != COMMIT_DONE)
        return false;
    sender->context.before = sender->context.after;
    return true;
}

static void store_all(struct fixture *f, struct sender *sender, const struct reading *readings, size_t count,
                      int64_t received)
{
    assert_true(is_stored(f, sender, readings, count, received));
}

/* ---- what people see ---- */

static void assert_seen(struct fixture *f, const char *sql, const char *expected)
{
    char text[256];

    f->kind->text(f, sql, text, sizeof(text));
    assert_string_equal(text, expected);
}

static struct reading texts(enum reading_type type, const char *name, const char *value, int64_t time)
{
    return (struct reading){.name = name,
                            .name_len = strlen(name),
                            .type = type,
                            .time = time,
                            .value.bytes = {(const uint8_t *)value, strlen(value)}};
}

/* Time is a DATETIME in UTC, by which readings are found without looking at all of them. */
static void test_the_view(void **state)
{
    static const int64_t moment = NOW * SECOND + 1;
    struct fixture *f = *state;
    struct sender sender = add_sender(f, "küche 🚀", 1);
    struct reading readings[] = {
        real("temperature", 21.25, moment),
        {.name = "count", .name_len = 5, .type = READING_INTEGER, .time = moment, .value.integer = -7},
        texts(READING_TEXT, "word", "grün 🙂", moment),
        texts(READING_DATA, "blob", "\xff\x01", moment),
        real("early", 1, INT64_MIN),
        real("late", 2, INT64_MAX - 1),
        real("zero", -0.0, moment),
    };

    store_all(f, &sender, readings, sizeof(readings) / sizeof(readings[0]), moment + 5);
    assert_seen(f,
                "SELECT CONCAT_WS('|', HEX(device), time, name, value, unit, seq, received)"
                " FROM readings WHERE name = 'temperature'",
                "6BC3BC63686520F09F9A80|2023-11-14 22:13:20.000001|temperature|21.25|Cel|0|"
                "2023-11-14 22:13:20.000006");
    assert_seen(f, "SELECT CONCAT_WS('|', value, `integer`, unit, type) FROM readings WHERE name = 'count'",
                "-7|-7||integer");
    assert_seen(f,
                "SELECT CONCAT_WS('|', value IS NULL, HEX(text), data IS NULL) FROM readings"
                " WHERE name = 'word'",
                "1|6772C3BC6E20F09F9982|1");
    assert_seen(f, "SELECT CONCAT_WS('|', text IS NULL, HEX(data)) FROM readings WHERE name = 'blob'",
                "1|FF01");
    assert_seen(f, "SELECT time FROM readings WHERE name = 'early'", "1000-01-01 00:00:00.000000");
    assert_seen(f, "SELECT time FROM readings WHERE name = 'late'", "9999-12-31 23:59:59.999999");
    assert_seen(f, "SELECT CONCAT_WS('|', value, data IS NULL) FROM readings WHERE name = 'zero'", "0|1");
    assert_seen(f,
                "SELECT COUNT(*) FROM readings WHERE device = 'küche 🚀' AND time >= '2023-11-14'"
                " AND time < '2023-11-15'",
                "5");
}

/* ---- what the types of the database do not say by themselves ---- */

struct collected {
    double values[4000];
    size_t count;
};

static int collect(void *context, const struct reading_row *row)
{
    struct collected *collected = context;

    assert_true(collected->count < sizeof(collected->values) / sizeof(collected->values[0]));
    collected->values[collected->count++] = row->reading.value.real;
    return 0;
}

static void test_reals_that_are_none(void **state)
{
    static const double values[] = {NAN,  -NAN, INFINITY, -INFINITY,
                                    -0.0, 0.0,  5e-324,   -1.7976931348623157e308};
    const size_t count = sizeof(values) / sizeof(values[0]);
    struct fixture *f = *state;
    struct sender sender = add_sender(f, "a", 1);
    struct reading_filter all = {.since = INT64_MIN, .until = INT64_MAX, .limit = -1};
    struct reading readings[sizeof(values) / sizeof(values[0])];
    struct collected *collected = calloc(1, sizeof(*collected));

    for (size_t i = 0; i < count; i++)
        readings[i] = real("t", values[i], (int64_t)i);
    store_all(f, &sender, readings, count, 0);
    ok(call(f, readings_each, &all, collect, collected));
    assert_int_equal(collected->count, count);
    assert_memory_equal(collected->values, values, sizeof(values));
    assert_seen(f, "SELECT COUNT(*) FROM readings WHERE value IS NULL", "4");
    free(collected);
}

/* A space at the end is a difference, though people's comparisons leave it out. */
static void test_names_that_look_alike(void **state)
{
    static const char *const devices[] = {"a", "a ", "A", "a  "};
    struct fixture *f = *state;
    struct reading_filter filter = {.since = INT64_MIN, .until = INT64_MAX, .limit = -1};

    for (size_t i = 0; i < 4; i++) {
        struct sender sender = add_sender(f, devices[i], (uint8_t)(i + 1));
        struct reading readings[] = {real("t", (double)i, (int64_t)i), real("t ", (double)i, (int64_t)i)};
        store_all(f, &sender, readings, 2, 0);
    }
    for (size_t i = 0; i < 4; i++) {
        struct collected *collected = calloc(1, sizeof(*collected));
        filter.device = devices[i];
        filter.name = i % 2 == 0 ? "t" : "t ";
        ok(call(f, readings_each, &filter, collect, collected));
        assert_int_equal(collected->count, 1);
        assert_true(collected->values[0] == (double)i);
        free(collected);
    }
}

/* ---- which way they are found ---- */

#define CLUMPS 12
#define NAMES  3

struct point {
    int64_t time;
    int name;
    double value;
};

/* Clumps of readings, from microseconds to centuries apart, several in one microsecond. */
static size_t make_points(struct point *points)
{
    static const int64_t gaps[CLUMPS] = {1,
                                         SECOND,
                                         3600 * SECOND,
                                         86400 * SECOND,
                                         INT64_C(31556952) * 70 * SECOND,
                                         10,
                                         2 * SECOND,
                                         0,
                                         999999,
                                         5,
                                         INT64_C(31556952) * 5000 * SECOND,
                                         INT64_C(31556952) * 9000 * SECOND};
    int64_t time = NOW * SECOND;
    size_t count = 0;

    for (int clump = 0; clump < CLUMPS; clump++, time += gaps[clump % CLUMPS])
        for (int i = 0; i < (clump == 5 ? 2500 : 60); i++) {
            time += clump % 2 == 0 ? 0 : random() % 3;
            points[count] = (struct point){time, (int)(random() % NAMES), (double)count};
            count++;
        }
    return count;
}

static void store_points(struct fixture *f, struct sender *sender, const struct point *points, size_t count)
{
    static const char *const names[NAMES] = {"x", "y", "z"};
    struct reading *readings = calloc(count, sizeof(*readings));

    for (size_t i = 0; i < count; i++)
        readings[i] = real(names[points[i].name], points[i].value, points[i].time);
    store_all(f, sender, readings, count, 0);
    free(readings);
}

/* Holds a listing against what it has to be: points stand in the order of their times. */
static void assert_listing(struct fixture *f, const struct point *points, size_t count, int name,
                           const struct reading_filter *filter)
{
    struct collected *collected = calloc(1, sizeof(*collected));
    size_t matches = 0, at = 0;

    ok(call(f, readings_each, filter, collect, collected));
    for (size_t i = 0; i < count; i++)
        matches += (name < 0 || points[i].name == name) && points[i].time >= filter->since &&
                   points[i].time < filter->until;
    size_t first =
        filter->limit >= 0 && (size_t)filter->limit < matches ? matches - (size_t)filter->limit : 0;
    assert_int_equal(collected->count, matches - first);
    matches = 0;
    for (size_t i = 0; i < count; i++)
        if ((name < 0 || points[i].name == name) && points[i].time >= filter->since &&
            points[i].time < filter->until && matches++ >= first &&
            collected->values[at++] != points[i].value)
            assert_int_equal(i, SIZE_MAX); /* names the point */
    free(collected);
}

static void test_windows_of_time(void **state)
{
    static const int64_t limits[] = {-1, 1, 59, 60, 61, 1024, 1025, 3000, 100000};
    struct fixture *f = *state;
    struct sender sender = add_sender(f, "a", 1), other = add_sender(f, "b", 2);
    struct point *points = calloc(4000, sizeof(*points));
    size_t count = make_points(points);
    struct reading noise = real("x", -1, points[count / 2].time);

    store_points(f, &sender, points, count);
    store_all(f, &other, &noise, 1, 0);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct reading_filter of_device = {
            .device = "a", .since = INT64_MIN, .until = INT64_MAX, .limit = limits[i]};
        struct reading_filter of_name = {.device = "a",
                                         .name = "y",
                                         .since = points[random() % (long)count].time,
                                         .until = points[count - 1].time,
                                         .limit = limits[i]};
        assert_listing(f, points, count, -1, &of_device);
        assert_listing(f, points, count, 1, &of_name);
        of_device.since = points[random() % (long)count].time;
        of_device.until = of_device.since + random() % (3600 * SECOND);
        assert_listing(f, points, count, -1, &of_device);
    }
    free(points);
}

/* More series than are looked up one by one. */
static void test_many_series(void **state)
{
    struct fixture *f = *state;
    struct sender sender = add_sender(f, "a", 1), other = add_sender(f, "b", 2);
    struct point *points = calloc(1200, sizeof(*points));
    struct reading *readings = calloc(1200, sizeof(*readings));
    char names[300][8];
    struct reading_filter filter = {.device = "a", .since = INT64_MIN, .until = INT64_MAX, .limit = -1};

    for (size_t i = 0; i < 1200; i++) {
        snprintf(names[i % 300], sizeof(names[0]), "n%zu", i % 300);
        points[i] = (struct point){(int64_t)i * SECOND, 0, (double)i};
        readings[i] = real(names[i % 300], points[i].value, points[i].time);
    }
    store_all(f, &sender, readings, 1200, 0);
    store_all(f, &other, readings, 1200, 0);
    assert_int_equal(number(f, "SELECT COUNT(*) FROM series"), 600);
    assert_listing(f, points, 1200, -1, &filter);
    filter.limit = 1100;
    assert_listing(f, points, 1200, -1, &filter);
    filter.since = 100 * SECOND;
    filter.until = 150 * SECOND;
    assert_listing(f, points, 1200, -1, &filter);
    free(readings);
    free(points);
}

/* Grafana's way: the index of a series and its time, not all readings of that time. */
static void test_people_find_them_quickly(void **state)
{
    struct fixture *f = *state;
    char name[16];

    for (uint8_t i = 0; i < 20; i++) {
        struct reading readings[100];
        snprintf(name, sizeof(name), "d%u", i);
        struct sender sender = add_sender(f, name, (uint8_t)(i + 1));
        for (int j = 0; j < 100; j++)
            readings[j] = real("t", j, (NOW + j) * SECOND);
        store_all(f, &sender, readings, 100, 0);
    }
    run_sql(f, "ANALYZE TABLE points, series");
    assert_seen(f,
                "FLUSH STATUS; SELECT COUNT(value) FROM readings WHERE device = 'd7' AND name = 't'"
                " AND time BETWEEN '2023-11-14 22:13:30' AND '2023-11-14 22:14:00';"
                " SELECT SUM(VARIABLE_VALUE) < 150 FROM information_schema.SESSION_STATUS"
                " WHERE VARIABLE_NAME IN ('HANDLER_READ_NEXT', 'HANDLER_READ_RND_NEXT', 'HANDLER_READ_KEY')",
                "1");
}

/* ---- large batches ---- */

/* One batch that is several statements: its points are numbered without a gap. */
static void test_a_large_batch(void **state)
{
    struct fixture *f = *state;
    struct sender sender = add_sender(f, "a", 1);
    struct reading *readings = calloc(3000, sizeof(*readings));
    uint8_t payload[400];
    int64_t count = 0;
    struct follower *follower;
    struct reading_filter none = {.limit = 0};

    memset(payload, 0xa5, sizeof(payload));
    ok(call(f, follow_open, &none, count_row, &count, &follower));
    for (size_t i = 0; i < 3000; i++) {
        readings[i] = texts(READING_DATA, "p", "", (int64_t)(i % 7));
        readings[i].value.bytes.at = payload;
        readings[i].value.bytes.len = i % sizeof(payload);
    }
    store_all(f, &sender, readings, 3000, 0);
    store_all(f, &sender, readings, 1, 0);
    assert_int_equal(number(f, "SELECT COUNT(*) FROM points"), 3001);
    assert_int_equal(number(f, "SELECT MAX(n) - MIN(n) FROM points"), 3000);
    assert_int_equal(
        number(f, "SELECT value - (SELECT MAX(n) FROM points) FROM numbers WHERE name = 'points'"), 0);
    while (call(f, follow_next, follower, count_row, &count) > 0)
        continue;
    assert_int_equal(count, 3001);
    f->store->ops->follow_close(follower);
    free(readings);
}

/* ---- several gateways ---- */

#define WRITERS 3
#define ROUNDS  80

static int tally(void *context, const struct reading_row *row)
{
    unsigned char *seen = context;

    seen[(size_t)row->reading.value.real]++;
    return 0;
}

/* Batches of a gateway, some of them large, so that they overlap with the others'. Never returns. */
static void write_rounds(struct fixture *f, int64_t device, unsigned who)
{
    struct sender sender = sender_of(device);

    sender.way = READINGS_BOTH;
    sender.context.name = "a";
    f->store = open_store(f, STORE_EXISTING);
    for (unsigned i = 0; f->store != NULL && i < ROUNDS; i++) {
        struct reading readings[20];
        for (unsigned j = 0; j < 20; j++)
            readings[j] = real("t", (who * ROUNDS + i) * 20 + j, (int64_t)random());
        if (!is_stored(f, &sender, readings, 20, f->now * SECOND))
            _exit(1);
    }
    _exit(f->store == NULL);
}

/* What was read of the outbox, as a sink does: from where it is, and never back. */
struct drained {
    unsigned char seen[WRITERS * ROUNDS * 20];
    int64_t n;
};

static int drain(void *context, const struct outbox_row *row)
{
    static struct sink_point points[PARCEL_POINTS_MAX];
    struct drained *drained = context;
    int count = parcel_read(row->parcel, row->len, points);

    assert_true(count > 0 && row->place.n > drained->n);
    drained->n = row->place.n;
    for (int i = 0; i < count; i++)
        drained->seen[(size_t)points[i].reading.value.real]++;
    return 0;
}

static void assert_each_once(const unsigned char *seen, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (seen[i] != 1)
            assert_int_equal(i, SIZE_MAX); /* names the reading */
}

/* One that follows and one that empties the outbox, while transactions of several gateways end in whatever
 * order. */
static void test_nothing_is_missed(void **state)
{
    struct fixture *f = *state;
    unsigned char seen[WRITERS * ROUNDS * 20] = {0};
    struct drained drained = {.n = 0};
    struct reading_filter none = {.limit = 0};
    struct follower *follower;
    int64_t devices[WRITERS];
    int running = WRITERS, last = 1;

    for (uint8_t i = 0; i < WRITERS; i++)
        devices[i] =
            add_device(f, (const char *[]){"a", "b", "c"}[i], (uint8_t)(i + 1), BULLA_COUNTER, true).id;
    ok(call(f, follow_open, &none, tally, seen, &follower));
    struct store *reader = f->store;
    for (unsigned i = 0; i < WRITERS; i++)
        if (fork() == 0)
            write_rounds(f, devices[i], i);
    while (running > 0 || last > 0) {
        int status = 0;
        last = reader->ops->follow_next(reader, follower, tally, seen, &f->failure);
        assert_true(last >= 0);
        assert_true(reader->ops->outbox_read(reader, drained.n, 1000, drain, &drained, &f->failure) >= 0);
        if (running > 0 && waitpid(-1, &status, WNOHANG) > 0) {
            assert_int_equal(status, 0);
            running--;
        }
    }
    while (reader->ops->outbox_read(reader, drained.n, 100000, drain, &drained, &f->failure) > 0)
        continue;
    assert_each_once(seen, sizeof(seen));
    assert_each_once(drained.seen, sizeof(drained.seen));
    reader->ops->follow_close(follower);
}

/* A point that another connection holds is left for another time; nobody waits for it, which would fail. */
static void test_expiry_waits_for_nobody(void **state)
{
    struct fixture *f = *state;
    struct sender sender = add_sender(f, "a", 1);
    struct reading readings[10];
    MYSQL *holder = mysql_init(NULL);

    for (int i = 0; i < 10; i++)
        readings[i] = real("t", i, i);
    store_all(f, &sender, readings, 10, 0);
    assert_non_null(mysql_real_connect(holder, "localhost", "root", "", f->folder, 0,
                                       strstr(f->path, "?socket=") + strlen("?socket="), 0));
    ok(mysql_query(holder, "START TRANSACTION"));
    ok(mysql_query(holder, "UPDATE points SET number = 1 WHERE n = 1"));
    assert_int_equal(call(f, readings_expire, SECOND, 100), 9);
    assert_int_equal(count_readings(f, NULL), 1);
    ok(mysql_query(holder, "ROLLBACK"));
    mysql_close(holder);
    assert_int_equal(call(f, readings_expire, SECOND, 100), 1);
}

/* ---- one SQL for both ---- */

/* Words that MySQL 8.0 keeps for itself and MariaDB does not, and that only MariaDB knows. */
static const char *const strange_words[] = {
    "CUBE",         "CUME_DIST", "DENSE_RANK", "EMPTY",      "FIRST_VALUE", "FUNCTION",    "GENERATED",
    "GET",          "GROUPING",  "GROUPS",     "INTERSECT",  "JSON_TABLE",  "LAG",         "LAST_VALUE",
    "LATERAL",      "LEAD",      "MANUAL",     "NTH_VALUE",  "NTILE",       "OF",          "PARALLEL",
    "PERCENT_RANK", "QUALIFY",   "RANK",       "ROW_NUMBER", "STORED",      "SYSTEM",      "TABLESAMPLE",
    "VIRTUAL",      "WINDOW",    "RETURNING",  "NEXTVAL",    "SEQUENCE",    "LASTVAL",     "SETVAL",
    "INET6",        "UUID",      "MINUS",      "IMMEDIATE",  "NOPAD",       "SHARE_MODE",  "WAIT",
    "VALUE_OF",     "NVL",       "NVL2",       "DECODE",     "PERIOD",      "SYSTEM_TIME",
};

static bool is_strange(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof(strange_words) / sizeof(strange_words[0]); i++)
        if (strlen(strange_words[i]) == len && strncasecmp(strange_words[i], word, len) == 0)
            return true;
    return false;
}

static void assert_plain_words(const char *sql)
{
    for (const char *at = sql; *at != '\0';) {
        size_t len = 0;
        while (isalnum((unsigned char)at[len]) || at[len] == '_')
            len++;
        if (is_strange(at, len))
            assert_string_equal(at, sql); /* names the word */
        at += len > 0 ? len : 1;
    }
}

static void test_words(void **state)
{
    static const char *const statements[] = {
#define SQL(id, sql) sql,
        MQ_STATEMENTS_REGISTRY(SQL) MQ_STATEMENTS_DATA(SQL)
#undef SQL
    };
    struct fixture *f = *state;
    char names[8192];

    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        assert_plain_words(statements[i]);
    f->kind->text(f,
                  "SET SESSION group_concat_max_len = 8000; SELECT GROUP_CONCAT(table_name, ' ', column_name)"
                  " FROM information_schema.columns WHERE table_schema = DATABASE()",
                  names, sizeof(names));
    assert_true(strlen(names) > 500);
    assert_plain_words(names);
    assert_true(is_strange("rank", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_the_view),
        STORE_TEST(test_reals_that_are_none),
        STORE_TEST(test_names_that_look_alike),
        STORE_TEST(test_windows_of_time),
        STORE_TEST(test_many_series),
        STORE_TEST(test_people_find_them_quickly),
        STORE_TEST(test_a_large_batch),
        STORE_TEST(test_nothing_is_missed),
        STORE_TEST(test_expiry_waits_for_nobody),
        STORE_TEST(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
