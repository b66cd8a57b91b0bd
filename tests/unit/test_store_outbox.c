/*
 * The outbox: what is sent out stands there as it was, in the order in which it was stored, and only that;
 * each sink has its own place in it, which only rises; who holds a sink holds it alone; what all have passed
 * goes.
 */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sink/parcel.h"

#define LEASE 10

/* ---- what is read ---- */

struct seen {
    size_t rows;
    size_t points;
    int64_t last_n;
    struct outbox_place place;
    char text[4096]; /* device:piv/index, of each point */
    size_t most;     /* rows, then it stops */
};

static struct sink_point points[PARCEL_POINTS_MAX];

static void note_point(struct seen *seen, const struct sink_point *point)
{
    size_t used = strlen(seen->text);

    seen->points++;
    if (used + 100 < sizeof(seen->text))
        snprintf(seen->text + used, sizeof(seen->text) - used, "%s%s%s:%llu/%u", used > 0 ? " " : "",
                 point->context_len == SINK_CONTEXT_MAX ? "w:" : "", point->device,
                 (unsigned long long)point->piv, point->index);
}

static int see(void *context, const struct outbox_row *row)
{
    struct seen *seen = context;
    int count = parcel_read(row->parcel, row->len, points);

    assert_int_equal(count, row->points);
    assert_true(row->place.n > seen->last_n);
    seen->last_n = row->place.n;
    if (seen->rows > 0) {
        assert_int_equal(row->place.points, seen->place.points + count);
        assert_int_equal(row->place.bytes, seen->place.bytes + (int64_t)row->len);
    }
    seen->place = row->place;
    seen->rows++;
    for (int i = 0; i < count; i++)
        note_point(seen, &points[i]);
    return seen->rows == seen->most;
}

static struct seen look(struct fixture *f, int64_t after)
{
    struct seen seen = {.last_n = after};

    assert_true(call(f, outbox_read, after, SIZE_MAX, see, &seen) >= 0);
    return seen;
}

static int copy_sink(void *context, const struct sink_row *row)
{
    struct sink_row *wanted = context;

    if (strcmp(wanted->name, row->name) == 0)
        *wanted = *row;
    return 0;
}

static struct sink_row sink_of(struct fixture *f, const char *name)
{
    struct sink_row row = {.added = -1};

    strcpy(row.name, name);
    ok(call(f, sinks_each, copy_sink, &row));
    return row;
}

/* ---- what is written ---- */

struct sender {
    struct commit_context context;
    uint64_t piv;
    char name[BULLA_NAME_MAX + 1];
};

static struct sender sender(struct fixture *f, const char *name, uint8_t kid)
{
    struct sender sender = {.piv = 0};
    int64_t device = add_device(f, name, kid, BULLA_COUNTER, true).id;

    strcpy(sender.name, name);
    sender.context.before = (struct context_row){.device = device, .counter = true, .proven = true};
    return sender;
}

/* A message with so many readings. */
static int send_by(struct fixture *f, struct store *store, struct sender *sender, size_t count,
                   enum readings_way way)
{
    struct reading readings[8];
    struct commit_message message = {
        .piv = sender->piv + 1, .received = f->now * SECOND + (int64_t)sender->piv, .count = count};
    struct commit commit = {.contexts = &sender->context,
                            .context_count = 1,
                            .messages = &message,
                            .message_count = 1,
                            .readings = readings,
                            .way = way};

    for (size_t i = 0; i < count; i++)
        readings[i] = real("temperature", (double)i, message.received);
    sender->context.name = sender->name;
    sender->context.after = sender->context.before;
    bulla_window_mark(&sender->context.after.window, message.piv);
    int result = store->ops->commit(store, &commit, f->now, &f->failure);
    if (result == 0 && sender->context.verdict == COMMIT_DONE) {
        sender->context.before = sender->context.after;
        sender->piv++;
    }
    return result;
}

static void send(struct fixture *f, struct sender *sender, size_t count)
{
    ok(send_by(f, f->store, sender, count, READINGS_OUT));
    assert_int_equal(sender->context.verdict, COMMIT_DONE);
}

static void add_sink(struct fixture *f, const char *name)
{
    assert_int_equal(call(f, sink_add, name, f->now), 1);
}

/* Returns whether it was held. */
static bool update(struct fixture *f, const char *holder, const char *name, int64_t lease,
                   struct outbox_place cursor, uint64_t lost, uint64_t refused)
{
    struct sink_update update = {
        .name = name, .lease = lease, .cursor = cursor, .lost = lost, .refused = refused};

    ok(call(f, sinks_update, holder, &update, 1, f->now));
    return update.held;
}

/* ---- tests ---- */

static void test_in_the_order_of_commits(void **state)
{
    struct fixture *f = *state;
    struct sender a = sender(f, "a", 1);
    struct sender b = sender(f, "b", 2);

    add_sink(f, "one");
    send(f, &a, 1);
    send(f, &b, 2);
    send(f, &a, 1);
    struct seen seen = look(f, 0);
    assert_string_equal(seen.text, "a:1/0 b:1/0 b:1/1 a:2/0");
    assert_int_equal(seen.rows, 3);
    assert_int_equal(seen.place.points, 4);
    assert_int_equal(count_readings(f, NULL), 0); /* they are not here */
    ok(send_by(f, f->store, &a, 1, READINGS_BOTH));
    ok(send_by(f, f->store, &b, 1, READINGS_HERE));
    assert_int_equal(count_readings(f, NULL), 2);
    assert_string_equal(look(f, seen.last_n).text, "a:3/0");
    reopen(f);
    assert_string_equal(look(f, 0).text, "a:1/0 b:1/0 b:1/1 a:2/0 a:3/0");
}

/* Nothing of a message that was not stored, nor of a batch without readings. */
static void test_only_what_is_stored(void **state)
{
    struct fixture *f = *state;
    struct sender a = sender(f, "a", 1);
    struct sender b = sender(f, "b", 2);

    add_sink(f, "one");
    send(f, &a, 1);
    a.context.before.window.lower = 1; /* it is not what it is taken for */
    ok(send_by(f, f->store, &a, 1, READINGS_OUT));
    assert_int_equal(a.context.verdict, COMMIT_CONFLICT);
    ok(call(f, device_revoke, b.context.before.device));
    ok(send_by(f, f->store, &b, 1, READINGS_OUT));
    assert_int_equal(b.context.verdict, COMMIT_CONFLICT);
    assert_string_equal(look(f, 0).text, "a:1/0");
    struct sender c = sender(f, "c", 3);
    send(f, &c, 0);
    assert_int_equal(look(f, 0).rows, 1);
}

static void test_bounded_reading(void **state)
{
    struct fixture *f = *state;
    struct sender a = sender(f, "a", 1);
    struct seen seen = {.most = 2};

    add_sink(f, "one");
    for (int i = 0; i < 5; i++)
        send(f, &a, 1);
    assert_int_equal(call(f, outbox_read, 0, SIZE_MAX, see, &seen), 2); /* it wanted no more */
    seen = (struct seen){0};
    assert_int_equal(call(f, outbox_read, 0, 1, see, &seen), 1);
    int64_t first = seen.last_n;
    seen = (struct seen){0};
    assert_int_equal(call(f, outbox_read, 0, (size_t)seen.place.bytes + 30, see, &seen), 1);
    seen = (struct seen){.last_n = first};
    assert_int_equal(call(f, outbox_read, first, SIZE_MAX, see, &seen), 4);
    seen = (struct seen){.last_n = seen.last_n};
    assert_int_equal(call(f, outbox_read, seen.last_n, SIZE_MAX, see, &seen), 0);
}

static void test_a_sink_begins_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct sender a = sender(f, "a", 1);

    add_sink(f, "one");
    assert_int_equal(call(f, sink_add, "one", f->now + 5), 0);
    send(f, &a, 2);
    send(f, &a, 1);
    add_sink(f, "two");
    struct sink_row one = sink_of(f, "one");
    struct sink_row two = sink_of(f, "two");
    assert_int_equal(one.added, f->now);
    assert_int_equal(one.confirmed, 0);
    assert_int_equal(one.cursor.n, 0);
    assert_int_equal(one.end.points - one.cursor.points, 3);
    assert_int_equal(one.oldest, f->now * SECOND);
    assert_true(one.end.bytes > 0);
    assert_memory_equal(&two.cursor, &two.end, sizeof(two.end));
    assert_int_equal(two.oldest, 0);
    send(f, &a, 1);
    two = sink_of(f, "two");
    assert_int_equal(two.end.points - two.cursor.points, 1);
    assert_int_equal(two.oldest, f->now * SECOND + 2);
    assert_string_equal(look(f, two.cursor.n).text, "a:3/0");
}

static void test_the_cursor_rises_only(void **state)
{
    struct fixture *f = *state;
    struct sender a = sender(f, "a", 1);

    add_sink(f, "one");
    send(f, &a, 1);
    struct outbox_place first = look(f, 0).place;
    send(f, &a, 1);
    struct outbox_place second = look(f, 0).place;
    f->now += 5;
    assert_true(update(f, "gw", "one", LEASE, second, 2, 3));
    struct sink_row row = sink_of(f, "one");
    assert_memory_equal(&row.cursor, &second, sizeof(second));
    assert_int_equal(row.confirmed, f->now);
    f->now += 5;
    assert_true(update(f, "gw", "one", LEASE, first, 1, UINT64_C(1) << 40));
    row = sink_of(f, "one");
    assert_memory_equal(&row.cursor, &second, sizeof(second));
    assert_int_equal(row.confirmed, f->now - 5);
    assert_int_equal(row.lost, 3);
    assert_true(row.refused == (UINT64_C(1) << 40) + 3);
    reopen(f);
    row = sink_of(f, "one");
    assert_memory_equal(&row.cursor, &second, sizeof(second));
}

static void test_a_sink_is_held_by_one(void **state)
{
    struct fixture *f = *state;
    const struct outbox_place far = {5, 50, 500};
    const struct outbox_place nowhere = {0};

    add_sink(f, "one");
    assert_true(update(f, "a", "one", LEASE, nowhere, 0, 0));
    assert_string_equal(sink_of(f, "one").holder, "a");
    assert_int_equal(sink_of(f, "one").lease, f->now + LEASE);
    assert_false(update(f, "b", "one", LEASE, far, 1, 1));
    assert_int_equal(sink_of(f, "one").cursor.n, 0);
    assert_int_equal(sink_of(f, "one").lost, 0);
    f->now += LEASE - 1;
    assert_false(update(f, "b", "one", LEASE, nowhere, 0, 0));
    assert_true(update(f, "a", "one", LEASE, nowhere, 0, 0)); /* renewed */
    f->now += LEASE - 1;
    assert_false(update(f, "b", "one", LEASE, nowhere, 0, 0));
    f->now += 1;
    assert_true(update(f, "b", "one", LEASE, nowhere, 0, 0)); /* it is over */
    assert_false(update(f, "a", "one", LEASE, far, 0, 0));
    assert_true(update(f, "b", "one", 0, far, 0, 0)); /* given back */
    assert_string_equal(sink_of(f, "one").holder, "");
    assert_int_equal(sink_of(f, "one").lease, 0);
    assert_int_equal(sink_of(f, "one").cursor.n, 5);
    assert_true(update(f, "a", "one", LEASE, nowhere, 0, 0));
    assert_false(update(f, "a", "none", LEASE, nowhere, 0, 0)); /* there is none */
}

/* A lease that cannot have been given by the clock as it is now does not hold. */
static void test_a_clock_that_is_set_back(void **state)
{
    struct fixture *f = *state;
    const struct outbox_place nowhere = {0};

    add_sink(f, "one");
    assert_true(update(f, "a", "one", LEASE, nowhere, 0, 0));
    f->now -= SINK_LEASE_MOST - LEASE;
    assert_false(update(f, "b", "one", LEASE, nowhere, 0, 0));
    assert_true(sink_is_held(&(struct sink_row){.holder = "a", .lease = NOW + LEASE}, f->now));
    f->now -= 1;
    assert_false(sink_is_held(&(struct sink_row){.holder = "a", .lease = NOW + LEASE}, f->now));
    assert_true(update(f, "b", "one", LEASE, nowhere, 0, 0));
    assert_string_equal(sink_of(f, "one").holder, "b");
    assert_int_equal(sink_of(f, "one").lease, f->now + LEASE);
}

static void test_what_all_have_passed_goes(void **state)
{
    struct fixture *f = *state;
    struct sender a = sender(f, "a", 1);
    struct outbox_place places[6] = {{0}};

    add_sink(f, "one");
    add_sink(f, "two");
    for (int i = 1; i < 6; i++) {
        send(f, &a, 1);
        places[i] = look(f, 0).place;
    }
    assert_int_equal(call(f, outbox_trim, 10), 0);
    assert_true(update(f, "gw", "one", LEASE, places[4], 0, 0));
    assert_int_equal(call(f, outbox_trim, 10), 0); /* the other needs them */
    assert_true(update(f, "gw", "two", LEASE, places[3], 0, 0));
    assert_int_equal(call(f, outbox_trim, 2), 2);
    assert_int_equal(call(f, outbox_trim, 2), 1);
    assert_int_equal(call(f, outbox_trim, 2), 0);
    assert_string_equal(look(f, 0).text, "a:4/0 a:5/0");
    assert_int_equal(sink_of(f, "two").oldest, f->now * SECOND + 3);

    /* All is confirmed, and gone; what comes next comes behind it. */
    assert_true(update(f, "gw", "one", LEASE, places[5], 0, 0));
    assert_true(update(f, "gw", "two", LEASE, places[5], 0, 0));
    assert_int_equal(call(f, outbox_trim, 10), 2);
    assert_int_equal(look(f, 0).rows, 0);
    assert_int_equal(sink_of(f, "one").end.n, places[5].n);
    reopen(f);
    send(f, &a, 1);
    assert_string_equal(look(f, places[5].n).text, "a:6/0");
    assert_int_equal(look(f, 0).place.points, 6);
    add_sink(f, "three");
    assert_int_equal(sink_of(f, "three").cursor.n, sink_of(f, "one").end.n);
}

static void test_a_forgotten_sink_frees_the_rows(void **state)
{
    struct fixture *f = *state;
    struct sender a = sender(f, "a", 1);

    add_sink(f, "one");
    add_sink(f, "two");
    send(f, &a, 1);
    send(f, &a, 1);
    struct outbox_place end = look(f, 0).place;
    assert_true(update(f, "gw", "one", LEASE, end, 0, 0));
    assert_int_equal(call(f, outbox_trim, 10), 0);
    assert_int_equal(call(f, sink_forget, "two"), 1);
    assert_int_equal(call(f, sink_forget, "two"), 0);
    assert_int_equal(sink_of(f, "two").added, -1);
    assert_int_equal(call(f, outbox_trim, 10), 2);
    send(f, &a, 1);
    assert_int_equal(call(f, sink_forget, "one"), 1);
    assert_int_equal(call(f, outbox_trim, 10), 1);
    assert_int_equal(look(f, 0).rows, 0);
    add_sink(f, "one");
    send(f, &a, 1);
    assert_string_equal(look(f, sink_of(f, "one").cursor.n).text, "a:4/0");
}

static void test_bounded_sinks(void **state)
{
    struct fixture *f = *state;
    char name[SINK_NAME_MAX + 1];

    memset(name, 'x', SINK_NAME_MAX);
    name[SINK_NAME_MAX] = '\0';
    for (int i = 0; i < SINKS_MAX; i++) {
        name[0] = (char)('a' + i);
        add_sink(f, name);
    }
    assert_string_equal(sink_of(f, name).name, name);
    assert_int_equal(call(f, sink_add, name, f->now), 0);
    assert_int_equal(call(f, sink_add, "one more", f->now), -1);
    says(f, "16 sinks already");
    assert_int_equal(sink_of(f, "one more").added, -1);
    assert_int_equal(call(f, sink_forget, name), 1);
    add_sink(f, "one more");
}

/* ---- older wires ---- */

static struct wire_row add_wire(struct fixture *f, const char *name)
{
    struct device_row device = {.alg = BULLA_AES_CCM_16_64_128, .kind = BULLA_SESSION, .created = NOW};
    struct wire_row row = {.wire = "cryptojs", .route = "12FA", .reading_name = "value", .keys_len = 40};
    struct device_entry entry = {.row = device, .wire = &row, .per_route = 1};
    enum device_clash clash;
    size_t at;

    strcpy(entry.row.name, name);
    assert_int_equal(call(f, devices_add, &entry, 1, &at, &clash), 1);
    assert_int_equal(call(f, wire_of, entry.row.id, &row, NULL), 1);
    return row;
}

static void change(struct fixture *f, const struct wire_row *row, uint64_t number, enum readings_way way)
{
    struct reading readings[2] = {real("value", 1, NOW * SECOND), real("value", 2, NOW * SECOND)};
    struct wire_change change = {.row = row->id,
                                 .device = row->device,
                                 .name = row->name,
                                 .way = way,
                                 .stored = true,
                                 .sets_number = number != 0,
                                 .number = number,
                                 .received = f->now * SECOND,
                                 .readings = readings,
                                 .count = 2};

    ok(call(f, wire_change, &change));
}

static void test_older_wires(void **state)
{
    struct fixture *f = *state;
    struct wire_row row = add_wire(f, "balcony");

    add_sink(f, "one");
    ok(f->store->ops->wires_begin(f->store, &f->failure));
    change(f, &row, 300, READINGS_OUT);
    change(f, &row, 301, READINGS_OUT);
    ok(call(f, wires_end, 0));
    struct seen seen = look(f, 0);
    assert_string_equal(seen.text, "w:balcony:300/0 w:balcony:300/1 w:balcony:301/0 w:balcony:301/1");
    assert_int_equal(seen.rows, 1); /* of one transaction */
    assert_int_equal(count_readings(f, NULL), 0);

    ok(f->store->ops->wires_begin(f->store, &f->failure)); /* put back */
    change(f, &row, 302, READINGS_OUT);
    assert_int_equal(call(f, wires_end, -1), -1);
    ok(f->store->ops->wires_begin(f->store, &f->failure)); /* how many were stored is their number */
    change(f, &row, 0, READINGS_BOTH);
    ok(call(f, wires_end, 0));
    assert_string_equal(look(f, seen.last_n).text, "w:balcony:3/0 w:balcony:3/1");
    assert_int_equal(count_readings(f, NULL), 2);
}

/* ---- at the same time ---- */

/* Two connections, in turn: what one has read ends before what the other writes next. */
static void test_two_writers(void **state)
{
    struct fixture *f = *state;
    struct store *other = open_store(f, STORE_EXISTING);
    struct sender a = sender(f, "a", 1);
    struct sender b = sender(f, "b", 2);
    int64_t last = 0;

    assert_non_null(other);
    add_sink(f, "one");
    for (int i = 0; i < 10; i++) {
        ok(send_by(f, i % 2 ? other : f->store, i % 2 ? &b : &a, 1, READINGS_OUT));
        struct seen seen = look(f, last);
        assert_int_equal(seen.rows, 1);
        last = seen.last_n;
    }
    other->ops->close(other);
    assert_string_equal(look(f, 0).text, "a:1/0 b:1/0 a:2/0 b:2/0 a:3/0 b:3/0 a:4/0 b:4/0 a:5/0 b:5/0");
}

/*
 * A server that crashes may forget rows that were seen already, and so may one that takes over from it: what
 * is stored then lies behind them all the same.
 */
static void test_no_number_twice(void **state)
{
    struct fixture *f = *state;
    char sql[160];

    if (f->kind != &store_kind_postgres && f->kind != &store_kind_mysql) {
        print_message("skipped: %s has no server that could crash alone\n", f->kind->name);
        skip();
    }
    struct sender a = sender(f, "a", 1);
    add_sink(f, "one");
    for (int i = 0; i < 3; i++)
        send(f, &a, 1);
    struct seen kept = look(f, 0);
    send(f, &a, 1);
    send(f, &a, 1);
    struct seen all = look(f, 0);
    assert_int_equal(all.last_n, kept.last_n + 2); /* one connection leaps once */
    snprintf(sql, sizeof(sql), "DELETE FROM outbox WHERE n > %lld", (long long)kept.last_n);
    run_sql(f, sql);
    snprintf(sql, sizeof(sql), "UPDATE outbox_end SET n = %lld, points = %lld, bytes = %lld",
             (long long)kept.place.n, (long long)kept.place.points, (long long)kept.place.bytes);
    run_sql(f, sql);
    reopen(f);
    send(f, &a, 1);
    assert_string_equal(look(f, all.last_n).text, "a:6/0");
    assert_string_equal(look(f, 0).text, "a:1/0 a:2/0 a:3/0 a:6/0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_in_the_order_of_commits),
        STORE_TEST(test_only_what_is_stored),
        STORE_TEST(test_bounded_reading),
        STORE_TEST(test_a_sink_begins_at_the_end),
        STORE_TEST(test_the_cursor_rises_only),
        STORE_TEST(test_a_sink_is_held_by_one),
        STORE_TEST(test_a_clock_that_is_set_back),
        STORE_TEST(test_what_all_have_passed_goes),
        STORE_TEST(test_a_forgotten_sink_frees_the_rows),
        STORE_TEST(test_bounded_sinks),
        STORE_TEST(test_older_wires),
        STORE_TEST(test_two_writers),
        STORE_TEST(test_no_number_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
