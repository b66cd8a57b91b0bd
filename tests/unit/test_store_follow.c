/*
 * Following new readings: each once, whatever their time says, in order of reception, though commits become
 * visible in another order.
 */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seen {
    unsigned char times[20000]; /* by value: how often it was visited */
    size_t count;
    int64_t last; /* reception of the last one */
    bool in_order;
};

static int see(void *context, const struct reading_row *row)
{
    struct seen *seen = context;

    seen->times[(size_t)row->reading.value.real]++;
    seen->count++;
    seen->in_order = seen->in_order && row->received >= seen->last;
    seen->last = row->received;
    return 0;
}

/* A gateway that stores, and another connection that follows it. */
struct following {
    struct store *reader;
    struct follower *follower;
    struct seen seen;
    struct commit_context context;
    double next; /* every reading's value is another */
    uint64_t piv;
};

static struct following *begin(struct fixture *f, const struct reading_filter *filter)
{
    struct following *o = calloc(1, sizeof(*o));
    int64_t device = add_device(f, "a", 1, BULLA_COUNTER, true).id;

    o->context.before = (struct context_row){.device = device, .counter = true, .proven = true};
    o->context.after = o->context.before;
    o->reader = open_store(f, STORE_EXISTING);
    assert_non_null(o->reader);
    if (filter != NULL)
        ok(o->reader->ops->follow_open(o->reader, filter, see, &o->seen, &o->follower, &f->failure));
    o->seen.in_order = true;
    return o;
}

static void end(struct following *o)
{
    o->reader->ops->follow_close(o->follower);
    o->reader->ops->close(o->reader);
    free(o);
}

/* Stores readings of one moment of reception, with these delays. */
static void store_readings(struct fixture *f, struct following *o, const char *name, int64_t received,
                           const int64_t *delays, size_t count)
{
    struct reading *readings = calloc(count, sizeof(*readings));
    struct commit_message message = {.piv = o->piv++, .received = received, .count = count};
    struct commit commit = {.contexts = &o->context,
                            .context_count = 1,
                            .messages = &message,
                            .message_count = 1,
                            .readings = readings};

    for (size_t i = 0; i < count; i++)
        readings[i] = real(name, o->next++, received - delays[i]);
    bulla_window_mark(&o->context.after.window, message.piv);
    ok(call(f, commit, &commit, f->now));
    assert_int_equal(o->context.verdict, COMMIT_DONE);
    o->context.before = o->context.after;
    free(readings);
}

static int look(struct fixture *f, struct following *o)
{
    int visited = o->reader->ops->follow_next(o->reader, o->follower, see, &o->seen, &f->failure);

    assert_true(visited >= 0);
    return visited;
}

static void assert_each_once(const struct following *o, size_t from)
{
    for (size_t i = 0; i < (size_t)o->next; i++)
        if (o->seen.times[i] != (i >= from))
            assert_int_equal(i, SIZE_MAX); /* names the reading */
}

static const int64_t none[1];
static const struct reading_filter nothing_old = {.since = INT64_MIN, .until = INT64_MAX, .limit = 0};

static void test_new_ones_once(void **state)
{
    struct fixture *f = *state;
    struct following *o = begin(f, NULL);

    for (int i = 0; i < 5; i++)
        store_readings(f, o, "t", f->now * SECOND + i, none, 1);
    ok(o->reader->ops->follow_open(o->reader, &nothing_old, see, &o->seen, &o->follower, &f->failure));
    assert_int_equal(look(f, o), 0);
    for (int i = 0; i < 300; i++) {
        if (i % 3 == 0)
            f->now++;
        store_readings(f, o, "t", f->now * SECOND + i, none, 1);
        if (i % 7 == 0)
            look(f, o);
    }
    look(f, o);
    assert_int_equal(look(f, o), 0);
    assert_each_once(o, 5);
    assert_true(o->seen.in_order);
    end(o);
}

static void test_late_and_early_ones(void **state)
{
    /* Around both bounds of what is late; days; from the future; the ends of time. */
    static const int64_t delays[] = {0,
                                     14999999,
                                     15000000,
                                     15000001,
                                     -15000000,
                                     -15000001,
                                     86400 * SECOND,
                                     -86400 * SECOND,
                                     40 * 365 * 86400 * SECOND};
    const size_t count = sizeof(delays) / sizeof(delays[0]);
    struct fixture *f = *state;
    struct following *o = begin(f, &nothing_old);

    for (int i = 0; i < 100; i++) {
        f->now++;
        store_readings(f, o, "t", f->now * SECOND + i, delays, count);
        if (i % 3 == 0)
            assert_true(look(f, o) >= (int)count);
    }
    look(f, o);
    assert_each_once(o, 0);
    assert_true(o->seen.in_order);
    end(o);
}

/* What was received before what has been seen, but is committed after it. */
static void test_commits_out_of_order(void **state)
{
    struct fixture *f = *state;
    struct following *o = begin(f, &nothing_old);
    static const int64_t late = 3600 * SECOND;

    srandom(3);
    for (int i = 0; i < 400; i++) {
        int64_t received = f->now * SECOND - random() % (9 * SECOND);
        store_readings(f, o, "t", received, random() % 3 == 0 ? &late : none, 1);
        if (random() % 2 == 0)
            assert_true(look(f, o) > 0);
        f->now += random() % 2;
    }
    look(f, o);
    assert_each_once(o, 0);
    end(o);
}

/* A reader that was away for long gets all of it, in pieces, and its memory does not grow with it. */
static void test_after_a_long_pause(void **state)
{
    struct fixture *f = *state;
    struct following *o = begin(f, &nothing_old);
    int64_t delays[300] = {0};
    int pieces = 0;

    for (int i = 0; i < 60; i++) {
        for (int j = 0; j < 300; j++)
            delays[j] = j % 50 == 0 ? 100 * SECOND : j;
        f->now += 10;
        store_readings(f, o, "t", f->now * SECOND + i, delays, 300);
    }
    while (look(f, o) > 0)
        pieces++;
    assert_true(pieces >= 18000 / (2 * 4096));
    assert_each_once(o, 0);
    end(o);
}

static void test_begins_with_the_newest(void **state)
{
    struct fixture *f = *state;
    struct following *o = begin(f, NULL);
    struct reading_filter newest = {.limit = 3};

    for (int i = 0; i < 10; i++)
        store_readings(f, o, "t", (f->now - 100 + i * 11) * SECOND, none, 1);
    ok(o->reader->ops->follow_open(o->reader, &newest, see, &o->seen, &o->follower, &f->failure));
    assert_int_equal(o->seen.count, 3);
    assert_int_equal(look(f, o), 0);
    store_readings(f, o, "t", f->now * SECOND, none, 1);
    assert_int_equal(look(f, o), 1);
    assert_each_once(o, 7);
    end(o);
}

/* Somebody stores while the newest are shown: it is shown by that or by the next look, not by both. */
struct meanwhile {
    struct fixture *f;
    struct following *o;
    bool done;
};

static int see_and_store(void *context, const struct reading_row *row)
{
    static const int64_t delays[] = {0, 3600 * SECOND};
    struct meanwhile *m = context;

    if (!m->done) {
        m->done = true;
        store_readings(m->f, m->o, "t", m->f->now * SECOND + 1, delays, 2);
    }
    return see(&m->o->seen, row);
}

static void test_stored_while_it_begins(void **state)
{
    struct fixture *f = *state;
    struct following *o = begin(f, NULL);
    struct meanwhile m = {.f = f, .o = o};
    struct reading_filter all = {.limit = -1};

    for (int i = 0; i < 1500; i++) /* more than a page */
        store_readings(f, o, "t", (f->now - 1500 + i) * SECOND, none, 1);
    ok(o->reader->ops->follow_open(o->reader, &all, see_and_store, &m, &o->follower, &f->failure));
    assert_true(o->seen.count >= 1500 && o->seen.count <= 1501); /* the late one's place had passed */
    assert_true(look(f, o) > 0);
    assert_each_once(o, 0);
    end(o);
}

static void test_selection(void **state)
{
    struct fixture *f = *state;
    struct reading_filter humidity = {.device = "a", .name = "humidity", .limit = 0};
    struct following *o = begin(f, &humidity);
    struct follower *other;
    struct reading_filter nobody = {.device = "b", .limit = 0};

    ok(o->reader->ops->follow_open(o->reader, &nobody, see, &o->seen, &other, &f->failure));
    store_readings(f, o, "temperature", f->now * SECOND, none, 1);
    store_readings(f, o, "humidity", f->now * SECOND, none, 1); /* its series is new */
    assert_int_equal(look(f, o), 1);
    assert_int_equal(o->seen.times[1], 1);
    assert_int_equal(o->reader->ops->follow_next(o->reader, other, see, &o->seen, &f->failure), 0);
    o->reader->ops->follow_close(other);
    end(o);
}

static void test_clock_is_set_back(void **state)
{
    struct fixture *f = *state;
    struct following *o = begin(f, &nothing_old);

    store_readings(f, o, "t", f->now * SECOND, none, 1);
    assert_int_equal(look(f, o), 1);
    f->now -= 5; /* a small step is nothing */
    store_readings(f, o, "t", f->now * SECOND, none, 1);
    assert_int_equal(look(f, o), 1);
    f->now -= 3600;
    assert_int_equal(look(f, o), 0);
    store_readings(f, o, "t", f->now * SECOND, none, 1);
    assert_int_equal(look(f, o), 1);
    assert_each_once(o, 0);
    end(o);
}

static void test_deleted_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct following *o = begin(f, &nothing_old);

    for (int i = 0; i < 10; i++)
        store_readings(f, o, "t", f->now * SECOND + i, none, 1);
    assert_int_equal(look(f, o), 10);
    assert_true(call(f, readings_expire, f->now * SECOND + 5, 100) > 0);
    store_readings(f, o, "t", f->now * SECOND + 20, none, 1);
    assert_int_equal(look(f, o), 1);
    assert_each_once(o, 0);
    end(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_new_ones_once),
        STORE_TEST(test_late_and_early_ones),
        STORE_TEST(test_commits_out_of_order),
        STORE_TEST(test_after_a_long_pause),
        STORE_TEST(test_begins_with_the_newest),
        STORE_TEST(test_stored_while_it_begins),
        STORE_TEST(test_selection),
        STORE_TEST(test_clock_is_set_back),
        STORE_TEST(test_deleted_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
