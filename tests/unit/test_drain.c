/*
 * How one sink gets what lies in the outbox (gateway/sink/drain.h), and what all of them do at once
 * (gateway/sink/sinks.h, gateway/core/outbox.h): with a sink that fails on demand, a clock that is set, and
 * the database of a fixture.
 */
#include "store_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/sink/sinks.h"
#include "gateway/sink/sinks_status.h"

#define ROOM 200000

/* ---- a sink that does as it is told ---- */

struct fake {
    struct sink sink; /* first */
    pthread_mutex_t mutex;
    bool away;
    bool hangs; /* until it is interrupted */
    bool interrupted;
    int refuses;     /* values that this divides are refused; 0: none */
    int away_after;  /* writes; then it is away. -1: never */
    unsigned writes; /* that were tried */
    size_t largest;  /* points in one of them */
    size_t count;    /* points that it took */
    double values[ROOM];
};

static int fake_write(struct sink *sink, const struct sink_batch *batch, struct failure *failure)
{
    struct fake *fake = (struct fake *)sink;
    int result = SINK_WRITTEN;

    pthread_mutex_lock(&fake->mutex);
    fake->writes++;
    fake->largest = batch->count > fake->largest ? batch->count : fake->largest;
    while (fake->hangs && !fake->interrupted) {
        pthread_mutex_unlock(&fake->mutex);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        pthread_mutex_lock(&fake->mutex);
    }
    if (fake->away || fake->interrupted || fake->away_after == 0) {
        fail(failure, "nobody is there");
        result = SINK_AWAY;
    }
    fake->away_after -= fake->away_after > 0;
    for (size_t i = 0; result == SINK_WRITTEN && fake->refuses > 0 && i < batch->count; i++)
        if ((int)batch->points[i].reading.value.real % fake->refuses == 0) {
            fail(failure, "%g is none of mine", batch->points[i].reading.value.real);
            result = SINK_REFUSED;
        }
    for (size_t i = 0; result == SINK_WRITTEN && i < batch->count; i++) {
        assert_true(fake->count < ROOM);
        fake->values[fake->count++] = batch->points[i].reading.value.real;
    }
    pthread_mutex_unlock(&fake->mutex);
    return result;
}

static void fake_interrupt(struct sink *sink)
{
    struct fake *fake = (struct fake *)sink;

    pthread_mutex_lock(&fake->mutex);
    fake->interrupted = true;
    pthread_mutex_unlock(&fake->mutex);
}

static void fake_close(struct sink *sink)
{
    pthread_mutex_destroy(&((struct fake *)sink)->mutex);
    free(sink);
}

static const struct sink_ops fake_ops = {
    .scheme = "fake", .write = fake_write, .interrupt = fake_interrupt, .close = fake_close};

static struct fake *make_fake(const char *name)
{
    struct fake *fake = calloc(1, sizeof(*fake));

    assert_non_null(fake);
    fake->sink.ops = &fake_ops;
    fake->away_after = -1;
    snprintf(fake->sink.name, sizeof(fake->sink.name), "%s", name);
    pthread_mutex_init(&fake->mutex, NULL);
    return fake;
}

/* The linker puts it in the place of sink_open(). */
int __wrap_sink_open(struct sink **sink, const char *url, struct failure *failure);
int __wrap_sink_open(struct sink **sink, const char *url, struct failure *failure)
{
    (void)failure;
    *sink = &make_fake(url)->sink;
    return 0;
}

/* ---- a device that fills the outbox ---- */

struct world {
    struct fixture *f;
    struct fake *fake;
    struct drain drain;
    struct commit_context context;
    uint64_t piv;
    double value;
};

static int64_t clock_of(void *context)
{
    return ((struct fixture *)context)->now * SECOND;
}

/* A batch with so many readings: the next numbers. */
static void store(struct world *w, size_t count)
{
    static struct reading readings[3 * PARCEL_POINTS_MAX];
    struct commit_message message = {.piv = ++w->piv, .received = w->f->now * SECOND, .count = count};
    struct commit commit = {.contexts = &w->context,
                            .context_count = 1,
                            .messages = &message,
                            .message_count = 1,
                            .readings = readings,
                            .way = READINGS_OUT};

    for (size_t i = 0; i < count; i++)
        readings[i] = real("t", ++w->value, message.received);
    w->context.after = w->context.before;
    bulla_window_mark(&w->context.after.window, message.piv);
    ok(w->f->store->ops->commit(w->f->store, &commit, w->f->now, &w->f->failure));
    assert_int_equal(w->context.verdict, COMMIT_DONE);
    w->context.before = w->context.after;
}

static void begin_device(struct world *w)
{
    int64_t device = add_device(w->f, "kitchen", 1, BULLA_COUNTER, true).id;

    w->context.before = (struct context_row){.device = device, .counter = true, .proven = true};
    w->context.name = "kitchen";
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    void *f;

    store_setup(&f);
    w->f = f;
    w->fake = make_fake("fake:one");
    const struct drain_config config = {
        .sink = &w->fake->sink, .db = w->f->path, .clock = clock_of, .clock_context = w->f};
    ok(drain_init(&w->drain, &config));
    begin_device(w);
    assert_int_equal(call(w->f, sink_add, "fake:one", NOW), 1);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    void *f = w->f;

    drain_wipe(&w->drain);
    fake_close(&w->fake->sink);
    free(w);
    return store_teardown(&f);
}

/* The values from `first` on, in order, without a gap. */
static void assert_values(const struct fake *fake, double first, size_t count)
{
    assert_int_equal(fake->count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(fake->values[i] == first + (double)i);
}

/* ---- one sink ---- */

static void test_in_order(void **state)
{
    struct world *w = *state;

    assert_int_equal(drain_step(&w->drain), DRAIN_NOTHING);
    store(w, 3);
    store(w, 1);
    assert_int_equal(drain_step(&w->drain), 0);
    assert_values(w->fake, 1, 4);
    assert_int_equal(w->fake->writes, 1); /* together */
    assert_int_equal(w->drain.report.cursor.points, 4);
    assert_int_equal(w->drain.report.written, 4);
    assert_int_equal(drain_step(&w->drain), DRAIN_NOTHING);
    store(w, 2);
    assert_int_equal(drain_step(&w->drain), 0);
    assert_values(w->fake, 1, 6);
}

static void test_bounded_batches(void **state)
{
    struct world *w = *state;
    size_t all = 0;

    for (int i = 0; i < 3; i++, all += 3 * PARCEL_POINTS_MAX)
        store(w, 3 * PARCEL_POINTS_MAX);
    while (drain_step(&w->drain) == 0)
        ;
    assert_values(w->fake, 1, all);
    assert_true(w->fake->largest <= SINK_POINTS_MAX && w->fake->largest > PARCEL_POINTS_MAX);
    assert_int_equal(w->drain.report.batches, w->fake->writes);
}

static void test_away_and_back(void **state)
{
    struct world *w = *state;
    int64_t sum = 0;

    w->fake->away = true;
    store(w, 2);
    for (int i = 0; i < 20; i++) {
        int most = i < 8 ? DRAIN_RETRY_LEAST << i : DRAIN_RETRY_MOST;
        int pause = drain_step(&w->drain);
        assert_in_range(pause, most < DRAIN_RETRY_MOST ? most / 2 : DRAIN_RETRY_MOST / 2,
                        most < DRAIN_RETRY_MOST ? most : DRAIN_RETRY_MOST);
        sum += pause % 100;
        store(w, 1);
        w->f->now++;
    }
    assert_true(sum > 0); /* by chance */
    assert_int_equal(w->drain.report.away_since, NOW);
    assert_string_equal(w->drain.report.failure.text, "nobody is there");
    assert_int_equal(w->drain.report.cursor.n, 0);
    w->fake->away = false;
    assert_int_equal(drain_step(&w->drain), 0);
    assert_int_equal(w->drain.report.away_since, 0);
    assert_values(w->fake, 1, 22);
    w->fake->away = true; /* pauses begin anew */
    store(w, 1);
    assert_in_range(drain_step(&w->drain), DRAIN_RETRY_LEAST / 2, DRAIN_RETRY_LEAST);
}

static void test_refused_ones_are_found(void **state)
{
    struct world *w = *state;
    double expected = 0;

    w->fake->refuses = 50;
    for (int i = 0; i < 10; i++)
        store(w, 100);
    assert_int_equal(drain_step(&w->drain), 0);
    assert_int_equal(w->fake->count, 980);
    for (size_t i = 0; i < w->fake->count; i++) {
        expected += (int)(expected + 1) % 50 == 0 ? 2 : 1;
        assert_true(w->fake->values[i] == expected);
    }
    assert_int_equal(w->drain.report.refused, 20);
    assert_int_equal(w->drain.report.written, 980);
    assert_int_equal(w->drain.report.cursor.points, 1000);
    assert_int_equal(w->drain.report.refusal_count, DRAIN_REFUSALS);
    assert_string_equal(w->drain.report.refusals[0].why, "50 is none of mine");
    assert_string_equal(w->drain.report.refusals[0].device, "kitchen");
    assert_string_equal(w->drain.report.refusals[0].name, "t");
    assert_int_equal(w->drain.report.refusals[1].piv, 1);
    assert_true(w->fake->writes < 500);
}

/* All of it comes again, and nothing is counted twice. */
static void test_away_in_the_middle_of_refusals(void **state)
{
    struct world *w = *state;

    w->fake->refuses = 50;
    w->fake->away_after = 4;
    store(w, 100);
    assert_true(drain_step(&w->drain) > 0);
    assert_int_equal(w->drain.report.refused, 0);
    assert_int_equal(w->drain.report.refusal_count, 0);
    assert_int_equal(w->drain.report.cursor.n, 0);
    w->fake->away_after = -1;
    w->fake->count = 0;
    assert_int_equal(drain_step(&w->drain), 0);
    assert_int_equal(w->drain.report.refused, 2);
    assert_int_equal(w->fake->count, 98);
}

static void test_what_is_too_old_goes(void **state)
{
    struct world *w = *state;

    atomic_store(&w->drain.keep, 3600);
    w->fake->away = true;
    store(w, 2);
    store(w, 3);
    w->f->now += 3000;
    store(w, 4);
    assert_true(drain_step(&w->drain) > 0);
    assert_int_equal(w->drain.report.lost, 0);
    w->f->now += 601;
    assert_true(drain_step(&w->drain) > 0); /* also while it is away */
    assert_int_equal(w->drain.report.lost, 5);
    assert_int_equal(w->drain.report.cursor.points, 5);
    w->fake->away = false;
    assert_int_equal(drain_step(&w->drain), 0);
    assert_values(w->fake, 6, 4);
    assert_int_equal(w->drain.report.lost, 5);
    atomic_store(&w->drain.keep, 0); /* for ever */
    store(w, 1);
    w->f->now += 1000000000;
    assert_int_equal(drain_step(&w->drain), 0);
    assert_int_equal(w->fake->count, 5);
}

static void test_a_damaged_parcel(void **state)
{
    struct world *w = *state;

    store(w, 1);
    store(w, 2);
    store(w, 1);
    run_sql(w->f, "UPDATE outbox SET parcel = x'00112233445566' WHERE n = 2");
    assert_int_equal(drain_step(&w->drain), 0);
    assert_int_equal(w->fake->count, 2);
    assert_true(w->fake->values[0] == 1 && w->fake->values[1] == 4);
    assert_int_equal(w->drain.report.lost, 2);
    assert_int_equal(w->drain.report.damaged, 2);
    assert_int_equal(w->drain.report.cursor.n, 3);
    store(w, 1);
    run_sql(w->f, "UPDATE outbox SET points = 7 WHERE n = 4"); /* it says what it is not */
    assert_int_equal(drain_step(&w->drain), 0);
    assert_int_equal(w->drain.report.damaged, 9);
}

/* One between others is counted once, however often these come again. */
static void test_a_damaged_parcel_that_comes_again(void **state)
{
    struct world *w = *state;

    store(w, 1);
    store(w, 2);
    store(w, 1);
    run_sql(w->f, "UPDATE outbox SET parcel = x'00112233445566' WHERE n = 2");
    w->fake->away = true;
    for (int i = 0; i < 3; i++)
        assert_true(drain_step(&w->drain) > 0);
    assert_int_equal(w->drain.report.lost, 0);
    w->fake->away = false;
    assert_int_equal(drain_step(&w->drain), 0);
    assert_int_equal(w->drain.report.lost, 2);
    assert_int_equal(w->drain.report.damaged, 2);
    assert_int_equal(w->drain.report.cursor.n, 3);
}

static void test_the_registry_is_away(void **state)
{
    struct world *w = *state;

    w->drain.config.db = "/nonexistent/bulla.db";
    assert_true(drain_step(&w->drain) > 0);
    assert_non_null(strstr(w->drain.report.failure.text, "the registry: "));
    assert_int_equal(w->drain.report.away_since, NOW);
    w->drain.config.db = w->f->path;
    assert_int_equal(drain_step(&w->drain), DRAIN_NOTHING);
    assert_int_equal(w->drain.report.away_since, 0);
}

static void test_no_write_is_begun_at_the_end(void **state)
{
    struct world *w = *state;

    store(w, 1);
    atomic_store(&w->drain.stop, true);
    assert_int_equal(drain_step(&w->drain), DRAIN_NOTHING);
    assert_int_equal(w->fake->writes, 0);
    assert_int_equal(w->drain.report.away_since, 0);
}

/* ---- several, on their threads ---- */

static struct pipeline pipeline;
static struct log quiet = {.level = LOG_LEVEL_ERROR};

static struct fake *fake_of(struct sinks *sinks, size_t i)
{
    return (struct fake *)sinks->entries[i].drain.config.sink;
}

static int64_t real_clock(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec / 1000;
}

/* What the loop and the store's thread do, in turn. */
static void turn(struct world *w, struct sinks *sinks)
{
    static struct outbox_work work;

    memset(&work, 0, sizeof(work));
    sinks_collect(sinks, &pipeline);
    pipeline.outbox.looked = 0;
    outbox_plan(&pipeline.outbox, &work, w->f->now * SECOND);
    outbox_run(&work, w->f->store, w->f->now);
    assert_false(work.failed);
    outbox_note(&pipeline.outbox, &work, w->f->now);
    sinks_grant(sinks, &pipeline.outbox, true);
}

static void open_sinks(struct world *w, struct sinks *sinks, const char *const *names, size_t count)
{
    const struct sinks_config config = {
        .urls = names, .count = count, .db = w->f->path, .log = &quiet, .clock = real_clock};

    memset(&pipeline, 0, sizeof(pipeline));
    pipeline.config.clock = real_clock;
    pipeline.config.log = &quiet;
    ok(sinks_open(sinks, &config, &w->f->failure));
    outbox_init(&pipeline.outbox, &quiet, "gw:1", READINGS_OUT, 1 << 20, sinks->names, sinks->count);
    ok(outbox_enter(&pipeline.outbox, w->f->store, w->f->now, &w->f->failure));
}

static void await_count(struct world *w, struct sinks *sinks, size_t i, size_t count)
{
    for (int tries = 0; tries < 10000; tries++) {
        pthread_mutex_lock(&fake_of(sinks, i)->mutex);
        size_t there = fake_of(sinks, i)->count;
        pthread_mutex_unlock(&fake_of(sinks, i)->mutex);
        if (there >= count)
            return;
        turn(w, sinks);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    _fail(__FILE__, __LINE__);
}

/* One hangs: the other gets everything all the same; at the end the first one is interrupted. */
static void test_a_hanging_sink_slows_no_other(void **state)
{
    static const char *const names[] = {"fake:one", "fake:two"};
    struct world *w = *state;
    struct sinks sinks;

    open_sinks(w, &sinks, names, 2);
    fake_of(&sinks, 0)->hangs = true;
    ok(sinks_start(&sinks, &w->f->failure));
    for (int i = 0; i < 20; i++) {
        store(w, 10);
        await_count(w, &sinks, 1, (size_t)(i + 1) * 10);
    }
    assert_int_equal(fake_of(&sinks, 0)->count, 0);
    sinks_stop(&sinks); /* after SINKS_STOP_SECONDS */
    assert_true(fake_of(&sinks, 0)->interrupted && !fake_of(&sinks, 1)->interrupted);
    assert_values(fake_of(&sinks, 1), 1, 200);
    sinks_collect(&sinks, &pipeline);
    outbox_leave(&pipeline.outbox, w->f->store, w->f->now);
    assert_int_equal(number(w->f, "SELECT points FROM sinks WHERE name = 'fake:two'"), 200);
    assert_int_equal(number(w->f, "SELECT points FROM sinks WHERE name = 'fake:one'"), 0);
    assert_int_equal(number(w->f, "SELECT count(*) FROM sinks WHERE lease != 0 OR holder != ''"), 0);
    sinks_close(&sinks);
}

/* As long as another gateway holds it, nothing is written; then it goes on where that one was. */
static void test_another_gateway_holds_it(void **state)
{
    static const char *const names[] = {"fake:one"};
    struct world *w = *state;
    struct sink_update other = {.name = "fake:one", .lease = 10};
    struct sinks sinks;

    store(w, 5);
    ok(call(w->f, sinks_update, "gw:2", &other, 1, w->f->now));
    open_sinks(w, &sinks, names, 1);
    assert_false(pipeline.outbox.sinks[0].held);
    ok(sinks_start(&sinks, &w->f->failure));
    for (int i = 0; i < 20; i++)
        turn(w, &sinks);
    assert_int_equal(fake_of(&sinks, 0)->writes, 0);
    other.cursor = (struct outbox_place){1, 5, 100};
    ok(call(w->f, sinks_update, "gw:2", &other, 1, w->f->now));
    store(w, 3);
    w->f->now += 11;
    await_count(w, &sinks, 0, 3);
    assert_values(fake_of(&sinks, 0), 6, 3);
    sinks_stop(&sinks);
    sinks_close(&sinks);
}

/* Devices are told to come again until a tenth is free. */
static void test_the_bound(void **state)
{
    static const char *const names[] = {"fake:one"};
    struct world *w = *state;
    struct sinks sinks;

    open_sinks(w, &sinks, names, 1);
    pipeline.outbox.keep_bytes = 20000;
    fake_of(&sinks, 0)->away = true;
    while (number(w->f, "SELECT max(all_bytes) FROM outbox") < 20000) {
        assert_false(outbox_is_full(&pipeline.outbox));
        turn(w, &sinks);
        store(w, 50);
    }
    turn(w, &sinks);
    assert_true(outbox_is_full(&pipeline.outbox));
    assert_string_equal(pipeline.outbox.behind, "fake:one");
    assert_int_equal(pipeline.outbox.full_since, w->f->now);
    fake_of(&sinks, 0)->away = false;
    ok(sinks_start(&sinks, &w->f->failure));
    await_count(w, &sinks, 0, (size_t)w->value);
    for (int i = 0; i < 10000 && outbox_is_full(&pipeline.outbox); i++) {
        turn(w, &sinks);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    assert_false(outbox_is_full(&pipeline.outbox));
    assert_int_equal(number(w->f, "SELECT count(*) FROM outbox"), 0);
    sinks_stop(&sinks);
    sinks_close(&sinks);
}

/* It was forgotten while it is written to: it is entered anew, and nothing is stored without it for long. */
static void test_forgotten_meanwhile(void **state)
{
    static const char *const names[] = {"fake:one"};
    struct world *w = *state;
    struct sinks sinks;

    open_sinks(w, &sinks, names, 1);
    ok(sinks_start(&sinks, &w->f->failure));
    store(w, 5);
    await_count(w, &sinks, 0, 5);
    assert_int_equal(call(w->f, sink_forget, "fake:one"), 1);
    turn(w, &sinks);
    assert_int_equal(number(w->f, "SELECT count(*) FROM sinks"), 1);
    store(w, 5);
    await_count(w, &sinks, 0, 10);
    assert_values(fake_of(&sinks, 0), 1, 10);
    sinks_stop(&sinks);
    sinks_close(&sinks);
}

/* Where everything was let go, n begins anew: what a thread has said before is no cursor any more. */
static void test_forgotten_with_all_that_there_was(void **state)
{
    static const char *const names[] = {"fake:one"};
    struct world *w = *state;
    struct sinks sinks;

    open_sinks(w, &sinks, names, 1);
    ok(sinks_start(&sinks, &w->f->failure));
    for (int i = 0; i < 20; i++)
        store(w, 1);
    await_count(w, &sinks, 0, 20);
    for (int i = 0; i < 10000 && number(w->f, "SELECT count(*) FROM outbox") > 0; i++) {
        turn(w, &sinks);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    assert_int_equal(number(w->f, "SELECT n FROM sinks"), 20);
    assert_int_equal(call(w->f, sink_forget, "fake:one"), 1);
    turn(w, &sinks);
    fake_of(&sinks, 0)->hangs = true;
    for (int i = 0; i < 3; i++)
        store(w, 1);
    for (int i = 0; i < 20; i++) { /* its thread is in the middle of a write */
        turn(w, &sinks);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    assert_int_equal(number(w->f, "SELECT n FROM sinks"), 0);
    assert_int_equal(number(w->f, "SELECT count(*) FROM outbox"), 3);
    pthread_mutex_lock(&fake_of(&sinks, 0)->mutex);
    fake_of(&sinks, 0)->hangs = false;
    pthread_mutex_unlock(&fake_of(&sinks, 0)->mutex);
    await_count(w, &sinks, 0, 23);
    assert_values(fake_of(&sinks, 0), 1, 23);
    sinks_stop(&sinks);
    sinks_close(&sinks);
}

/* A clock was set back: a lease from before does not keep a sink from being written to until it has come
 * again.
 */
static void test_a_lease_from_the_future(void **state)
{
    static const char *const names[] = {"fake:one"};
    static struct outbox_work work;
    struct world *w = *state;
    struct sink_update other = {.name = "fake:one", .lease = OUTBOX_LEASE};
    struct sinks sinks;

    store(w, 5);
    ok(call(w->f, sinks_update, "gw:2", &other, 1, w->f->now));
    open_sinks(w, &sinks, names, 1);
    assert_false(pipeline.outbox.sinks[0].held);
    /* our own clock alone is behind: the store is asked, and goes by its own */
    pipeline.outbox.looked = 0;
    outbox_plan(&pipeline.outbox, &work, (w->f->now - 30) * SECOND);
    assert_int_equal(work.count, 1);
    ok(sinks_start(&sinks, &w->f->failure));
    w->f->now -= 86400;
    await_count(w, &sinks, 0, 5);
    sinks_stop(&sinks);
    sinks_close(&sinks);
}

/* What waits for a sink that no gateway writes to becomes too old, too. */
static void test_nobody_writes_to_it(void **state)
{
    static const char *const names[] = {"fake:two"};
    struct world *w = *state;
    struct sinks sinks;

    open_sinks(w, &sinks, names, 1);
    pipeline.outbox.keep_seconds = 3600;
    store(w, 5);
    w->f->now += 3000;
    store(w, 3);
    turn(w, &sinks);
    assert_int_equal(number(w->f, "SELECT lost FROM sinks WHERE name = 'fake:one'"), 0);
    w->f->now += 601;
    turn(w, &sinks);
    assert_int_equal(number(w->f, "SELECT lost FROM sinks WHERE name = 'fake:one'"), 5);
    assert_int_equal(number(w->f, "SELECT points FROM sinks WHERE name = 'fake:one'"), 5);
    assert_int_equal(number(w->f, "SELECT lost FROM sinks WHERE name = 'fake:two'"),
                     0); /* its thread's work */
    turn(w, &sinks);
    assert_int_equal(number(w->f, "SELECT lost FROM sinks WHERE name = 'fake:one'"), 5);
    sinks_close(&sinks);
}

/* A cursor that counts more than there is, after a crash of the registry's server, is no huge number. */
static void test_never_behind_by_less_than_nothing(void **state)
{
    static const char *const names[] = {"fake:one"};
    struct world *w = *state;
    struct sinks sinks;
    char *text = NULL;
    size_t len = 0;

    open_sinks(w, &sinks, names, 1);
    pipeline.outbox.rows[0].cursor = (struct outbox_place){7, 70, 700};
    pipeline.outbox.rows[0].end = (struct outbox_place){6, 60, 600};
    FILE *out = open_memstream(&text, &len);
    sinks_metrics(&sinks, &pipeline.outbox, w->f->now * SECOND, out);
    fclose(out);
    assert_non_null(strstr(text, "bulla_sink_behind_readings{sink=\"fake:one\"} 0\n"));
    assert_non_null(strstr(text, "bulla_sink_behind_bytes{sink=\"fake:one\"} 0\n"));
    free(text);
    sinks_close(&sinks);
}

static void test_one_sink_twice(void **state)
{
    static const char *const names[] = {"fake:one", "fake:one"};
    struct world *w = *state;
    const struct sinks_config config = {
        .urls = names, .count = 2, .db = w->f->path, .log = &quiet, .clock = real_clock};
    struct sinks sinks;

    assert_int_equal(sinks_open(&sinks, &config, &w->f->failure), -1);
    says(w->f, "given twice");
    sinks_close(&sinks);
}

#define DRAIN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRAIN_TEST(test_in_order),
        DRAIN_TEST(test_bounded_batches),
        DRAIN_TEST(test_away_and_back),
        DRAIN_TEST(test_refused_ones_are_found),
        DRAIN_TEST(test_away_in_the_middle_of_refusals),
        DRAIN_TEST(test_what_is_too_old_goes),
        DRAIN_TEST(test_a_damaged_parcel),
        DRAIN_TEST(test_a_damaged_parcel_that_comes_again),
        DRAIN_TEST(test_the_registry_is_away),
        DRAIN_TEST(test_no_write_is_begun_at_the_end),
        DRAIN_TEST(test_a_hanging_sink_slows_no_other),
        DRAIN_TEST(test_another_gateway_holds_it),
        DRAIN_TEST(test_the_bound),
        DRAIN_TEST(test_forgotten_meanwhile),
        DRAIN_TEST(test_forgotten_with_all_that_there_was),
        DRAIN_TEST(test_a_lease_from_the_future),
        DRAIN_TEST(test_nobody_writes_to_it),
        DRAIN_TEST(test_never_behind_by_less_than_nothing),
        DRAIN_TEST(test_one_sink_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
