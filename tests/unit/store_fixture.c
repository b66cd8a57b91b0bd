#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct store_kind *const kinds[] = {
    &store_kind_sqlite, &store_kind_postgres, &store_kind_mysql, &store_kind_memory, &store_kind_faulty, NULL,
};

static const struct store_kind *kind_under_test(void)
{
    const char *name = getenv("BULLA_TEST_STORE");

    for (size_t i = 0; kinds[i] != NULL; i++)
        if (name == NULL || strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    fprintf(stderr, "BULLA_TEST_STORE=%s: there is no such kind of store\n", name);
    abort();
}

int64_t fake_clock(void *context)
{
    return *(int64_t *)context;
}

struct store *open_store(struct fixture *f, enum store_open_mode mode)
{
    struct store *store;

    if (f->kind->open(f, mode, &store) != 0)
        return NULL;
    store->now = fake_clock;
    store->now_context = &f->now;
    return store;
}

int store_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->kind = kind_under_test();
    f->now = NOW;
    f->kind->make(f);
    f->store = open_store(f, STORE_CREATE);
    if (f->store == NULL)
        fprintf(stderr, "%s\n", f->failure.text);
    assert_non_null(f->store);
    *state = f;
    return 0;
}

static void close_store(struct fixture *f)
{
    if (f->store != NULL)
        f->store->ops->close(f->store);
    f->store = NULL;
}

void reopen(struct fixture *f)
{
    close_store(f);
    f->store = open_store(f, STORE_EXISTING);
    assert_non_null(f->store);
}

void empty_place(struct fixture *f)
{
    close_store(f);
    f->kind->clear(f);
    f->kind->make(f);
}

int store_teardown(void **state)
{
    struct fixture *f = *state;

    close_store(f);
    f->kind->clear(f);
    free(f);
    return 0;
}

void run_sql(struct fixture *f, const char *sql)
{
    f->kind->run_sql(f, sql);
}

int64_t number(struct fixture *f, const char *sql)
{
    return f->kind->number(f, sql);
}

struct device_row add_device(struct fixture *f, const char *name, uint8_t kid, uint8_t kind, bool proven)
{
    struct device_row row = {
        .kid = {kid, 0, 7}, .kid_len = 3, .alg = BULLA_AES_CCM_16_64_128, .kind = kind, .created = NOW};

    snprintf(row.name, sizeof(row.name), "%s", name);
    memset(row.secret, kid, sizeof(row.secret));
    assert_int_equal(store_device_add(f->store, &row, proven, &f->failure), 1);
    assert_true(row.id > 0);
    return row;
}

struct context_row session(int64_t device, uint8_t id)
{
    return (struct context_row){.device = device, .id_context = {id, 1, 2, 3, 4, 5, 6, 7}};
}

struct reading real(const char *name, double value, int64_t time)
{
    return (struct reading){.name = name,
                            .name_len = strlen(name),
                            .unit = "Cel",
                            .unit_len = 3,
                            .type = READING_REAL,
                            .time = time,
                            .value.real = value};
}

/* Commits one message with one reading in a context. Returns what commit() does. */
int commit_one(struct fixture *f, struct store *store, struct commit_context *context, uint64_t piv)
{
    struct reading reading = real("temperature", (double)piv, f->now * SECOND + (int64_t)piv);
    struct commit_message message = {.piv = piv, .received = f->now * SECOND + (int64_t)piv, .count = 1};
    struct commit commit = {.contexts = context,
                            .context_count = 1,
                            .messages = &message,
                            .message_count = 1,
                            .readings = &reading};

    context->after = context->before;
    context->after.proven = true;
    if (!context->before.proven) {
        context->after.window.lower = piv;
        if (context->after.proven_t == 0)
            context->after.proven_t = (uint64_t)f->now / 256;
    }
    bulla_window_mark(&context->after.window, piv);
    return store->ops->commit(store, &commit, f->now, &f->failure);
}

/* Member by member: what stands between them is nobody's. */
void assert_same_row(const struct context_row *a, const struct context_row *b)
{
    assert_int_equal(a->device, b->device);
    assert_int_equal(a->counter, b->counter);
    assert_memory_equal(a->id_context, b->id_context, sizeof(a->id_context));
    assert_int_equal(a->proven, b->proven);
    assert_int_equal(a->proven_t, b->proven_t);
    assert_int_equal(a->closes_at, b->closes_at);
    assert_memory_equal(&a->window, &b->window, sizeof(a->window));
}

/* Proves a session under T with a message of that piv, and returns its row. */
struct context_row prove(struct fixture *f, int64_t device, uint8_t id, uint64_t t, uint64_t piv)
{
    struct commit_context context = {.before = session(device, id)};

    context.before.proven_t = t; /* commit_one() takes it for the proof */
    ok(commit_one(f, f->store, &context, piv));
    assert_int_equal(context.verdict, COMMIT_DONE);
    return context.after;
}

enum commit_verdict verdict_of_proof(struct fixture *f, int64_t device, uint8_t id, uint64_t t)
{
    struct commit_context context = {.before = session(device, id)};

    context.before.proven_t = t;
    ok(commit_one(f, f->store, &context, 1));
    return context.verdict;
}

int find(struct fixture *f, int64_t device, uint8_t id, struct context_row *row, struct store_clock *clock)
{
    struct context_row wanted = session(device, id);

    return call(f, context_find, device, wanted.id_context, row, clock);
}

uint64_t floor_of(struct fixture *f)
{
    struct context_row row;
    struct store_clock clock;

    assert_int_equal(call(f, context_find, 999999, NULL, &row, &clock), 0);
    assert_int_equal(clock.now, f->now);
    return clock.floor;
}

int count_row(void *context, const struct reading_row *row)
{
    (void)row;
    ++*(int64_t *)context;
    return 0;
}

int64_t count_readings(struct fixture *f, const char *device)
{
    struct reading_filter all = {.device = device, .since = INT64_MIN, .until = INT64_MAX, .limit = -1};
    int64_t count = 0;

    ok(call(f, readings_each, &all, count_row, &count));
    return count;
}
