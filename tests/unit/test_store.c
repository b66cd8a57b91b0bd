/*
 * The store's contract (gateway/store/store.h), on SQLite: rules of the registry, of proof, floor and closing
 * (PROTOCOL 4.4), the commit and what a failure in its middle leaves behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* cmocka's; failure.h has its own */

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/store/store.h"

#define SECOND INT64_C(1000000)
#define NOW    INT64_C(1700000000)

struct fixture {
    char folder[64];
    char path[96];
    struct store *store;
    struct failure failure;
    int64_t now; /* what the store's clock says */
};

/* ---- helpers ---- */

static int64_t fake_clock(void *context)
{
    return *(int64_t *)context;
}

static struct store *open_store(struct fixture *f, enum store_open_mode mode)
{
    struct store *store;

    if (store_open(&store, f->path, mode, &f->failure) != 0)
        return NULL;
    store->now = fake_clock;
    store->now_context = &f->now;
    return store;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->folder, "/tmp/bulla-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/bulla.db", f->folder);
    f->now = NOW;
    f->store = open_store(f, STORE_CREATE);
    assert_non_null(f->store);
    *state = f;
    return 0;
}

static void reopen(struct fixture *f)
{
    f->store->ops->close(f->store);
    f->store = open_store(f, STORE_EXISTING);
    assert_non_null(f->store);
}

static int teardown(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    struct fixture *f = *state;
    char path[128];

    if (f->store != NULL)
        f->store->ops->close(f->store);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(f->folder), 0);
    free(f);
    return 0;
}

#define ok(expression)     assert_int_equal(expression, 0)
#define says(f, words)     assert_non_null(strstr((f)->failure.text, words))
#define call(f, slot, ...) (f)->store->ops->slot((f)->store, __VA_ARGS__, &(f)->failure)

static struct device_row add_device(struct fixture *f, const char *name, uint8_t kid, uint8_t kind,
                                    bool proven)
{
    struct device_row row = {
        .kid = {kid, 0, 7}, .kid_len = 3, .alg = BULLA_AES_CCM_16_64_128, .kind = kind, .created = NOW};

    snprintf(row.name, sizeof(row.name), "%s", name);
    memset(row.secret, kid, sizeof(row.secret));
    assert_int_equal(call(f, device_add, &row, proven), 1);
    assert_true(row.id > 0);
    return row;
}

static struct context_row session(int64_t device, uint8_t id)
{
    return (struct context_row){.device = device, .id_context = {id, 1, 2, 3, 4, 5, 6, 7}};
}

static struct reading real(const char *name, double value, int64_t time)
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
static int commit_one(struct fixture *f, struct store *store, struct commit_context *context, uint64_t piv)
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
static void assert_same_row(const struct context_row *a, const struct context_row *b)
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
static struct context_row prove(struct fixture *f, int64_t device, uint8_t id, uint64_t t, uint64_t piv)
{
    struct commit_context context = {.before = session(device, id)};

    context.before.proven_t = t; /* commit_one() takes it for the proof */
    ok(commit_one(f, f->store, &context, piv));
    assert_int_equal(context.verdict, COMMIT_DONE);
    return context.after;
}

static enum commit_verdict verdict_of_proof(struct fixture *f, int64_t device, uint8_t id, uint64_t t)
{
    struct commit_context context = {.before = session(device, id)};

    context.before.proven_t = t;
    ok(commit_one(f, f->store, &context, 1));
    return context.verdict;
}

static int find(struct fixture *f, int64_t device, uint8_t id, struct context_row *row,
                struct store_clock *clock)
{
    struct context_row wanted = session(device, id);

    return call(f, context_find, device, wanted.id_context, row, clock);
}

static uint64_t floor_of(struct fixture *f)
{
    struct context_row row;
    struct store_clock clock;

    assert_int_equal(call(f, context_find, 999999, NULL, &row, &clock), 0);
    assert_int_equal(clock.now, f->now);
    return clock.floor;
}

static int count_row(void *context, const struct reading_row *row)
{
    (void)row;
    ++*(int64_t *)context;
    return 0;
}

static int64_t count_readings(struct fixture *f, const char *device)
{
    struct reading_filter all = {.device = device, .since = INT64_MIN, .until = INT64_MAX, .limit = -1};
    int64_t count = 0;

    ok(call(f, readings_each, &all, count_row, &count));
    return count;
}

static void run_sql(struct fixture *f, const char *sql)
{
    sqlite3 *db;

    ok(sqlite3_open(f->path, &db));
    ok(sqlite3_exec(db, sql, NULL, NULL, NULL));
    sqlite3_close(db);
}

/* ---- opening ---- */

static void test_urls(void **state)
{
    struct fixture *f = *state;
    struct store *store;
    char url[160], path[200];

    snprintf(url, sizeof(url), "sqlite:%s", f->path);
    ok(store_open(&store, url, STORE_EXISTING, &f->failure));
    store->ops->close(store);
    ok(store_key_path(url, path, sizeof(path), &f->failure));
    assert_int_equal(store_key_path(f->path, path, 8, &f->failure), -1);

    assert_int_equal(store_open(&store, "oracle://x", STORE_CREATE, &f->failure), -1);
    says(f, "oracle:");
    says(f, "sqlite:");
    assert_null(store);
    assert_int_equal(store_open(&store, "sqlite:", STORE_CREATE, &f->failure), -1);
    assert_int_equal(store_open(&store, "", STORE_CREATE, &f->failure), -1);
}

static void test_key_lies_beside_the_database(void **state)
{
    static const char *const cases[][2] = {
        {"bulla.db", "bulla.key"}, {"/var/lib/bulla.db", "/var/lib/bulla.key"},
        {"a.sqlite3", "a.key"},    {"sqlite:a.sqlite", "a.key"},
        {"data", "data.key"},      {"data.v2", "data.v2.key"},
        {"/x/.db", "/x/.db.key"},  {"a.db/b", "a.db/b.key"},
    };
    struct fixture *f = *state;
    char path[200];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(store_key_path(cases[i][0], path, sizeof(path), &f->failure));
        assert_string_equal(path, cases[i][1]);
    }
}

static void test_new_file_is_private(void **state)
{
    struct fixture *f = *state;
    struct stat status;

    ok(stat(f->path, &status));
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_open_failures(void **state)
{
    struct fixture *f = *state;
    struct store *store;

    assert_int_equal(store_open(&store, "/nowhere/at/all.db", STORE_CREATE, &f->failure), -1);
    says(f, "/nowhere/at/all.db");
    says(f, "is the folder there");
    assert_int_equal(store_open(&store, "/nowhere/at/all.db", STORE_EXISTING, &f->failure), -1);
    says(f, "is the path right");
    assert_int_equal(store_open(&store, f->folder, STORE_CREATE, &f->failure), -1);
}

/* Bytes of a file, for comparing; the caller frees them. */
static char *slurp(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(1 << 20);

    assert_non_null(file);
    *len = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void refuse_file(struct fixture *f, const char *reason)
{
    size_t before_len, after_len;
    char *before = slurp(f->path, &before_len);

    assert_null(open_store(f, STORE_CREATE));
    says(f, reason);
    char *after = slurp(f->path, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, before_len);
    free(before);
    free(after);
}

static void test_other_files_are_refused(void **state)
{
    struct fixture *f = *state;

    f->store->ops->close(f->store);
    f->store = NULL;
    unlink(f->path);
    run_sql(f, "CREATE TABLE recipes (name); PRAGMA journal_mode = WAL; INSERT INTO recipes VALUES ('soup')");
    refuse_file(f, "another program");

    FILE *file = fopen(f->path, "w");
    for (int i = 0; i < 100; i++)
        fputs("This is a diary, not a database.\n", file);
    fclose(file);
    refuse_file(f, "not a database");

    ok(truncate(f->path, 0));
    assert_null(open_store(f, STORE_EXISTING));
    says(f, "empty");
}

static void test_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;

    f->store->ops->close(f->store);
    f->store = NULL;
    run_sql(f, "PRAGMA user_version = 4711");
    refuse_file(f, "version 4711");
    says(f, "versions up to 1");
}

/* Opens and closes the database that others open, close and make at the same moment. Never returns. */
static void open_repeatedly(struct fixture *f)
{
    for (int i = 0; i < 10; i++) {
        struct store *store = open_store(f, STORE_CREATE);
        if (store == NULL) {
            fprintf(stderr, "%s\n", f->failure.text);
            _exit(1);
        }
        store->ops->close(store);
    }
    _exit(0);
}

static void test_concurrent_creation(void **state)
{
    struct fixture *f = *state;

    f->store->ops->close(f->store);
    f->store = NULL;
    unlink(f->path);
    for (int i = 0; i < 8; i++)
        if (fork() == 0)
            open_repeatedly(f);
    for (int i = 0; i < 8; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    f->store = open_store(f, STORE_EXISTING);
    assert_non_null(f->store);
}

/* ---- registry ---- */

static void test_meta(void **state)
{
    struct fixture *f = *state;
    uint8_t value[8];
    size_t len = sizeof(value);

    assert_int_equal(call(f, meta_get, "K", value, &len), 0);
    assert_int_equal(call(f, meta_put, "K", "\0bc", 3), 1);
    assert_int_equal(call(f, meta_put, "K", "other", 5), 0);
    reopen(f);
    assert_int_equal(call(f, meta_get, "K", value, &len), 1);
    assert_int_equal(len, 3);
    assert_memory_equal(value, "\0bc", 3);
    len = 2;
    assert_int_equal(call(f, meta_get, "K", value, &len), -1);
    says(f, "3 bytes");
}

static void test_gateway_ids(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(call(f, gateway_id_add, (const uint8_t *)"abcdef", NOW), 1);
    assert_int_equal(call(f, gateway_id_add, (const uint8_t *)"abcdeg", NOW), 1);
    reopen(f);
    assert_int_equal(call(f, gateway_id_add, (const uint8_t *)"abcdef", NOW), 0);
}

static void test_device_rows(void **state)
{
    struct fixture *f = *state;
    struct device_row added = add_device(f, "küche 🌡️ 1", 1, BULLA_SESSION, false);
    struct device_row row, other = added;

    reopen(f);
    assert_int_equal(call(f, device_by_name, "küche 🌡️ 1", &row), 1);
    assert_int_equal(row.id, added.id);
    assert_int_equal(row.alg, added.alg);
    assert_int_equal(row.kind, added.kind);
    assert_int_equal(row.created, added.created);
    assert_int_equal(row.kid_len, added.kid_len);
    assert_memory_equal(row.kid, added.kid, sizeof(row.kid));
    assert_memory_equal(row.secret, added.secret, sizeof(row.secret));
    assert_string_equal(row.name, added.name);
    assert_false(row.revoked || row.exported || row.last_seen != 0);
    assert_int_equal(call(f, device_by_kid, added.kid, 3, &row), 1);
    assert_string_equal(row.name, added.name);
    assert_int_equal(call(f, device_by_kid, added.kid, 2, &row), 0);
    assert_int_equal(call(f, device_by_name, "küche", &row), 0);

    strcpy(other.name, "another");
    assert_int_equal(call(f, device_add, &other, false), 0); /* the kid is taken */
    strcpy(other.name, added.name);
    other.kid[0] = 99;
    assert_int_equal(call(f, device_add, &other, false), -1);
    says(f, "named");
}

static void test_names_of_full_length(void **state)
{
    struct fixture *f = *state;
    char name[BULLA_NAME_MAX + 1];
    struct device_row row;

    memset(name, 'x', BULLA_NAME_MAX);
    name[BULLA_NAME_MAX] = '\0';
    add_device(f, name, 1, BULLA_SESSION, false);
    assert_int_equal(call(f, device_by_name, name, &row), 1);
    assert_string_equal(row.name, name);
}

static int collect_name(void *context, const struct device_row *row)
{
    char *names = context;

    strcat(strcat(names, row->name), row->last_seen != 0 ? "! " : " ");
    return strcmp(row->name, "stop") == 0;
}

static void test_device_list(void **state)
{
    struct fixture *f = *state;
    struct device_row garden = add_device(f, "garden", 2, BULLA_SESSION, false);
    char names[200] = "";
    int64_t count;

    add_device(f, "attic", 1, BULLA_COUNTER, true);
    add_device(f, "stop", 3, BULLA_SESSION, false);
    add_device(f, "well", 4, BULLA_SESSION, false);
    prove(f, garden.id, 1, 5, 9);
    ok(call(f, device_each, collect_name, names));
    assert_string_equal(names, "attic garden! stop ");
    ok(f->store->ops->device_count(f->store, &count, &f->failure));
    assert_int_equal(count, 4);
}

static void test_damaged_rows(void **state)
{
    struct fixture *f = *state;
    struct device_row row = add_device(f, "a", 1, BULLA_SESSION, false);

    run_sql(f, "UPDATE devices SET secret = x'00'");
    assert_int_equal(call(f, device_by_name, "a", &row), -1);
    says(f, "damaged");
}

static void test_last_seen(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context context = {.before = prove(f, device.id, 1, 5, 9)};
    char names[64] = "";

    f->now += 10;
    ok(commit_one(f, f->store, &context, 11));
    f->now -= 10; /* a clock set back does not take it back */
    context.before = context.after;
    ok(commit_one(f, f->store, &context, 12));
    ok(call(f, device_each, collect_name, names));
    sqlite3 *db;
    sqlite3_stmt *query;
    ok(sqlite3_open(f->path, &db));
    ok(sqlite3_prepare_v2(db, "SELECT seen FROM contexts", -1, &query, NULL));
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int64(query, 0), (NOW + 10) * SECOND + 11);
    sqlite3_finalize(query);
    sqlite3_close(db);
}

static void test_revoke_and_exported(void **state)
{
    struct fixture *f = *state;
    struct device_row row = add_device(f, "a", 1, BULLA_COUNTER, true);

    ok(call(f, device_revoke, row.id));
    assert_int_equal(call(f, device_exported, row.id), 1);
    assert_int_equal(call(f, device_exported, row.id), 0);
    assert_int_equal(call(f, device_by_name, "a", &row), 1);
    assert_true(row.revoked);
    assert_true(row.exported);
    assert_int_equal(call(f, device_revoke, 12345), -1);
    says(f, "not in the registry");
    assert_int_equal(call(f, device_exported, 12345), -1);
}

static void test_remove(void **state)
{
    struct fixture *f = *state;
    struct device_row row = add_device(f, "a", 1, BULLA_SESSION, false), again = row;
    struct store_clock clock;
    struct context_row context;

    prove(f, row.id, 1, 77, 9);
    prove(f, row.id, 2, 99, 9);
    ok(call(f, device_remove, row.id));
    assert_int_equal(call(f, device_by_name, "a", &row), 0);
    assert_int_equal(find(f, row.id, 1, &context, &clock), 0);
    assert_int_equal(floor_of(f), 99);
    assert_int_equal(call(f, device_remove, row.id), -1);

    /* The kid is never given out again, the name may be; the old readings stay under it (PROTOCOL 9). */
    assert_int_equal(call(f, device_add, &again, false), 0);
    again = add_device(f, "a", 2, BULLA_SESSION, false);
    assert_true(again.id != row.id);
    assert_int_equal(count_readings(f, "a"), 2);
    prove(f, again.id, 1, 100, 9);
    assert_int_equal(count_readings(f, "a"), 3);
}

static void test_trust(void **state)
{
    struct fixture *f = *state;
    struct device_row counter = add_device(f, "c", 1, BULLA_COUNTER, false);
    struct device_row other = add_device(f, "s", 2, BULLA_SESSION, false);
    struct context_row row;
    struct store_clock clock;

    assert_int_equal(call(f, context_find, counter.id, NULL, &row, &clock), 1);
    assert_true(row.counter);
    assert_false(row.proven);
    assert_int_equal(call(f, device_trust, counter.id), 1);
    assert_int_equal(call(f, device_trust, counter.id), 0);
    assert_int_equal(call(f, context_find, counter.id, NULL, &row, &clock), 1);
    assert_true(row.proven);
    assert_int_equal(call(f, device_trust, other.id), -1);
}

/* ---- generation ---- */

static int64_t generation_of(struct store *store)
{
    struct failure failure;
    int64_t generation;

    ok(store->ops->generation(store, &generation, &failure));
    return generation;
}

static void test_generation(void **state)
{
    struct fixture *f = *state;
    struct store *other = open_store(f, STORE_EXISTING);
    struct event_row event = {.kind = "forged", .time = 1};
    int64_t before = generation_of(other);

    assert_int_equal(generation_of(f->store), before);
    struct device_row row = add_device(f, "a", 1, BULLA_COUNTER, false);
    assert_int_equal(generation_of(f->store), before + 1);
    assert_int_equal(generation_of(other), before + 1);
    assert_int_equal(call(f, device_trust, row.id), 1);
    assert_int_equal(call(f, device_exported, row.id), 1);
    ok(call(f, device_revoke, row.id));
    ok(call(f, device_remove, row.id));
    assert_int_equal(generation_of(other), before + 5);

    /* What is no operator's change leaves it alone. */
    assert_int_equal(call(f, device_add, &row, false), 0);
    ok(call(f, events_add, &event, 1));
    assert_int_equal(call(f, meta_put, "x", "y", 1), 1);
    assert_int_equal(generation_of(other), before + 5);
    assert_int_equal(generation_of(f->store), before + 5);
    other->ops->close(other);
}

/* ---- windows ---- */

static void test_window_moves_and_persists(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context context = {.before = prove(f, device.id, 1, 5, 9)};
    struct context_row row;
    struct store_clock clock;

    ok(commit_one(f, f->store, &context, 11));
    assert_int_equal(context.verdict, COMMIT_DONE);
    reopen(f);
    assert_int_equal(find(f, device.id, 1, &row, &clock), 1);
    assert_same_row(&row, &context.after);
    assert_int_equal(row.window.top, 11);
    assert_int_equal(row.window.bits, 5);
    assert_int_equal(row.window.lower, 9);
    assert_int_equal(row.proven_t, 5);
    assert_int_equal(count_readings(f, NULL), 2);
}

static void test_windows_of_64_bits(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_COUNTER, true);
    struct commit_context context = {.before = {.device = device.id, .counter = true, .proven = true}};
    struct commit commit = {.contexts = &context, .context_count = 1};
    struct context_row row;
    struct store_clock clock;

    context.after = context.before;
    context.after.window =
        (struct bulla_window){.top = (UINT64_C(1) << 40) - 1, .bits = UINT64_MAX, .lower = 3};
    ok(call(f, commit, &commit, NOW));
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_int_equal(call(f, context_find, device.id, NULL, &row, &clock), 1);
    assert_true(row.window.bits == UINT64_MAX);
    assert_true(row.window.top == (UINT64_C(1) << 40) - 1);

    context.before = context.after;
    context.after.window.bits = UINT64_C(0x8000000000000001);
    ok(call(f, commit, &commit, NOW));
    assert_int_equal(context.verdict, COMMIT_DONE);
}

/* Whatever differs from the row makes a conflict, and nothing of that context is stored; the others' is. */
static void test_window_conflicts(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct device_row counter = add_device(f, "c", 2, BULLA_COUNTER, true);
    struct context_row good = prove(f, device.id, 1, 5, 9);

    for (int i = 0; i < 7; i++) {
        struct commit_context context = {.before = good};
        switch (i) {
        case 0:
            context.before.window.top++;
            break;
        case 1:
            context.before.window.bits ^= 2;
            break;
        case 2:
            context.before.window.lower--;
            break;
        case 3:
            context.before.id_context[7] ^= 1;
            break;
        case 4:
            context.before.device = 4711;
            break;
        case 5:
            context.before.proven = false;
            context.before.proven_t = 6;
            break;
        case 6:
            context.before = (struct context_row){.device = counter.id, .counter = true, .proven_t = 6};
            break;
        default:
            break;
        }
        ok(commit_one(f, f->store, &context, 20));
        assert_int_equal(context.verdict, COMMIT_CONFLICT);
    }
    assert_int_equal(count_readings(f, NULL), 1);
}

static void test_conflict_leaves_the_others(void **state)
{
    struct fixture *f = *state;
    struct device_row a = add_device(f, "a", 1, BULLA_COUNTER, true),
                      b = add_device(f, "b", 2, BULLA_COUNTER, true);
    struct commit_context contexts[2] = {{.before = {.device = a.id, .counter = true, .proven = true}},
                                         {.before = {.device = b.id, .counter = true, .proven = true}}};
    struct reading readings[3] = {real("x", 1, 1), real("y", 2, 2), real("z", 3, 3)};
    struct commit_message messages[2] = {{.context = 0, .piv = 5, .first = 0, .count = 1},
                                         {.context = 1, .piv = 6, .first = 1, .count = 2}};
    struct commit commit = {contexts, 2, messages, 2, readings};

    contexts[0].before.window.top = 1;
    for (int i = 0; i < 2; i++) {
        contexts[i].after = contexts[i].before;
        bulla_window_mark(&contexts[i].after.window, 6);
    }
    ok(call(f, commit, &commit, NOW));
    assert_int_equal(contexts[0].verdict, COMMIT_CONFLICT);
    assert_int_equal(contexts[1].verdict, COMMIT_DONE);
    assert_int_equal(count_readings(f, "a"), 0);
    assert_int_equal(count_readings(f, "b"), 2);
}

static void test_revoked_and_removed_store_nothing(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context context = {.before = prove(f, device.id, 1, 5, 9)};
    struct store *operator_s = open_store(f, STORE_EXISTING);

    ok(operator_s->ops->device_revoke(operator_s, device.id, &f->failure));
    ok(commit_one(f, f->store, &context, 11));
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
    assert_int_equal(verdict_of_proof(f, device.id, 2, 100), COMMIT_CONFLICT);
    ok(operator_s->ops->device_remove(operator_s, device.id, &f->failure));
    ok(commit_one(f, f->store, &context, 11));
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
    assert_int_equal(verdict_of_proof(f, device.id, 2, 100), COMMIT_CONFLICT);
    assert_int_equal(count_readings(f, NULL), 1);
    operator_s->ops->close(operator_s);
}

static void test_nothing_is_stored_unproven(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context context = {.before = session(device.id, 1), .after = session(device.id, 1)};
    struct commit commit = {.contexts = &context, .context_count = 1};

    ok(call(f, commit, &commit, NOW));
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
}

/* ---- proof, floor, closing (PROTOCOL 4.4) ---- */

static void test_proof_supersedes(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct device_row bystander = add_device(f, "b", 2, BULLA_SESSION, false);
    struct context_row row;
    struct store_clock clock;

    prove(f, bystander.id, 1, 5, 1);
    prove(f, device.id, 9, 5, 1);
    f->now += 60;
    prove(f, device.id, 3, 6, 1);
    assert_int_equal(call(f, context_newest, device.id, &row, &clock), 1);
    assert_int_equal(row.id_context[0], 3);
    assert_int_equal(row.closes_at, 0);
    assert_int_equal(find(f, device.id, 9, &row, &clock), 1);
    assert_int_equal(row.closes_at, NOW + 60 + SESSION_CLOSES_AFTER);

    /* A third does not put the first one's closing off. */
    f->now += 60;
    prove(f, device.id, 5, 7, 1);
    assert_int_equal(find(f, device.id, 9, &row, &clock), 1);
    assert_int_equal(row.closes_at, NOW + 60 + SESSION_CLOSES_AFTER);
    assert_int_equal(find(f, bystander.id, 1, &row, &clock), 1);
    assert_int_equal(row.closes_at, 0);
    assert_int_equal(call(f, context_newest, 4711, &row, &clock), 0);
}

static void test_superseded_session_until_it_closes(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context old = {.before = prove(f, device.id, 9, 50, 1)};
    struct context_row row;
    struct store_clock clock;

    prove(f, device.id, 3, 60, 1);
    f->now += SESSION_CLOSES_AFTER - 1;
    ok(commit_one(f, f->store, &old, 2));
    assert_int_equal(old.verdict, COMMIT_DONE);

    f->now += 1;
    old.before = old.after;
    ok(commit_one(f, f->store, &old, 3));
    assert_int_equal(old.verdict, COMMIT_CONFLICT);
    /* As good as gone, though its row is there: its T counts already. */
    assert_int_equal(find(f, device.id, 9, &row, &clock), 0);
    assert_int_equal(clock.floor, 50);
    assert_int_equal(floor_of(f), 0);
    assert_int_equal(f->store->ops->contexts_close(f->store, f->now, &f->failure), 1);
    assert_int_equal(f->store->ops->contexts_close(f->store, f->now, &f->failure), 0);
    assert_int_equal(floor_of(f), 50);
    assert_int_equal(call(f, context_newest, device.id, &row, &clock), 1);
    assert_int_equal(row.id_context[0], 3);
}

static void test_proof_must_be_above_the_floor(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);

    prove(f, device.id, 1, 50, 1);
    prove(f, device.id, 2, 60, 1);
    f->now += SESSION_CLOSES_AFTER;
    /* Session 1 is due: proving it again lets its row go first, so its own old T does not hold. */
    assert_int_equal(verdict_of_proof(f, device.id, 1, 50), COMMIT_CONFLICT);
    assert_int_equal(floor_of(f), 50);
    assert_int_equal(verdict_of_proof(f, device.id, 3, 50), COMMIT_CONFLICT);
    assert_int_equal(verdict_of_proof(f, device.id, 3, 51), COMMIT_DONE);
    assert_int_equal(count_readings(f, NULL), 3);
    reopen(f);
    assert_int_equal(floor_of(f), 50);
}

static void test_floor_never_falls(void **state)
{
    struct fixture *f = *state;
    struct device_row a = add_device(f, "a", 1, BULLA_SESSION, false),
                      b = add_device(f, "b", 2, BULLA_SESSION, false);

    prove(f, a.id, 1, 80, 1);
    prove(f, b.id, 1, 70, 1);
    ok(call(f, device_remove, a.id));
    ok(call(f, device_remove, b.id));
    assert_int_equal(floor_of(f), 80);
}

/* As after a restore: rows are there, unproven, with their windows (PROTOCOL 9). */
static void test_proving_restored_rows(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct device_row counter = add_device(f, "c", 2, BULLA_COUNTER, true);
    struct commit_context context = {.before = prove(f, device.id, 1, 50, 5)};
    struct context_row row;
    struct store_clock clock;

    run_sql(f, "UPDATE contexts SET proven = 0");
    ok(commit_one(f, f->store, &context, 6));
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
    assert_int_equal(call(f, context_newest, device.id, &row, &clock), 0);

    assert_int_equal(find(f, device.id, 1, &context.before, &clock), 1);
    context.before.proven_t = 40; /* a clock set back, all the same above F; the row keeps the higher T */
    ok(commit_one(f, f->store, &context, 8));
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_int_equal(find(f, device.id, 1, &row, &clock), 1);
    assert_true(row.proven);
    assert_int_equal(row.proven_t, 50);
    assert_int_equal(row.window.lower, 8);
    assert_int_equal(row.window.bits, 9);

    context.before = (struct context_row){.device = counter.id, .counter = true, .proven_t = 51};
    ok(commit_one(f, f->store, &context, 8));
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_int_equal(call(f, context_find, counter.id, NULL, &row, &clock), 1);
    assert_int_equal(row.window.top, 8);
    assert_int_equal(find(f, device.id, 1, &row, &clock), 1);
    assert_int_equal(row.closes_at, 0);
}

static int collect_context(void *context, const struct context_row *row)
{
    char *list = context;
    char item[16];

    snprintf(item, sizeof(item), row->counter ? "counter " : "%u ", row->id_context[0]);
    strcat(list, item);
    return row->id_context[0] == 8;
}

static void test_context_list(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct device_row counter = add_device(f, "c", 2, BULLA_COUNTER, true);
    char list[100] = "";

    for (uint8_t id = 9; id > 5; id--)
        prove(f, device.id, id, 50 + id, 5);
    ok(call(f, context_each, device.id, collect_context, list));
    ok(call(f, context_each, counter.id, collect_context, list));
    assert_string_equal(list, "6 7 8 counter ");
    f->now += SESSION_CLOSES_AFTER;
    list[0] = '\0';
    ok(call(f, context_each, device.id, collect_context, list));
    assert_string_equal(list, "6 ");
}

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

/* ---- failures ---- */

/* A second connection that holds the write lock. */
static sqlite3 *lock_database(struct fixture *f)
{
    sqlite3 *db;

    ok(sqlite3_open(f->path, &db));
    ok(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
    return db;
}

static void test_locked(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context context = {.before = prove(f, device.id, 1, 5, 1)};
    sqlite3 *other = lock_database(f);

    assert_int_equal(commit_one(f, f->store, &context, 2), -1);
    says(f, "another program holds the database locked");
    assert_int_equal(count_readings(f, NULL), 1); /* reading goes on */
    sqlite3_close(other);
    ok(commit_one(f, f->store, &context, 2));
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_int_equal(count_readings(f, NULL), 2);
}

/* A kind of file with its own write and sync; `methods` first, so a file leads back to it. */
struct failing_methods {
    sqlite3_io_methods methods;
    const sqlite3_io_methods *real;
};

/* The VFS below makes the database's files fail from a certain write or sync on. */
static struct {
    sqlite3_vfs *system;
    struct failing_methods kinds[2]; /* the database itself has locks and shared memory, the log has not */
    int left;                        /* operations that still succeed; negative: all */
    int code;                        /* what the others fail with */
} disk = {.left = -1};

static const sqlite3_io_methods *real_methods(const sqlite3_file *file)
{
    return ((const struct failing_methods *)file->pMethods)->real;
}

static int disk_fails(void)
{
    if (disk.left > 0)
        disk.left--;
    else if (disk.left == 0)
        return 1;
    return 0;
}

static int disk_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    return disk_fails() ? disk.code : real_methods(file)->xWrite(file, bytes, len, at);
}

static int disk_sync(sqlite3_file *file, int flags)
{
    return disk_fails() ? SQLITE_IOERR_FSYNC : real_methods(file)->xSync(file, flags);
}

static int disk_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags)
{
    struct failing_methods *kind = &disk.kinds[(flags & SQLITE_OPEN_MAIN_DB) != 0 ? 0 : 1];
    int code = disk.system->xOpen(disk.system, name, file, flags, out_flags);

    (void)vfs;
    if (code == SQLITE_OK) {
        kind->real = file->pMethods;
        kind->methods = *file->pMethods;
        kind->methods.xWrite = disk_write;
        kind->methods.xSync = disk_sync;
        file->pMethods = &kind->methods;
    }
    return code;
}

/* A proof, a move and a new series in one batch: everything that commit() writes. Returns what commit() does.
 */
static int commit_mixed(struct fixture *f, struct commit_context contexts[2])
{
    struct reading readings[2] = {real("new series", 1, NOW * SECOND), real("temperature", 2, NOW * SECOND)};
    struct commit_message messages[2] = {{.context = 0, .piv = 7, .first = 0, .count = 1},
                                         {.context = 1, .piv = 8, .first = 1, .count = 1}};
    struct commit commit = {contexts, 2, messages, 2, readings};

    for (int i = 0; i < 2; i++) {
        contexts[i].after = contexts[i].before;
        contexts[i].after.proven = true;
        bulla_window_mark(&contexts[i].after.window, messages[i].piv);
    }
    contexts[1].after.proven_t = 60;
    return call(f, commit, &commit, f->now);
}

/* Whichever operation of a commit fails: nothing of the batch is there, and the next try stores it all, once.
 */
static void test_every_failing_operation(void **state)
{
    struct fixture *f = *state;
    sqlite3_vfs failing;

    f->store->ops->close(f->store);
    f->store = NULL;
    disk.system = sqlite3_vfs_find(NULL);
    failing = *disk.system;
    failing.zName = "failing";
    failing.xOpen = disk_open;
    ok(sqlite3_vfs_register(&failing, 1));
    disk.code = SQLITE_FULL;
    f->store = open_store(f, STORE_EXISTING);
    struct device_row device = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context contexts[2] = {{.before = prove(f, device.id, 1, 50, 6)},
                                         {.before = session(device.id, 2)}};
    int failures = 0;

    for (int operations = 0;; operations++) {
        disk.left = operations;
        int result = commit_mixed(f, contexts);
        disk.left = -1;
        if (result == 0)
            break;
        failures++;
        assert_true(strstr(f->failure.text, "make room") != NULL || strstr(f->failure.text, "disk") != NULL);
        struct context_row row;
        struct store_clock clock;
        assert_int_equal(count_readings(f, NULL), 1);
        assert_int_equal(find(f, device.id, 1, &row, &clock), 1);
        assert_same_row(&row, &contexts[0].before);
        assert_int_equal(find(f, device.id, 2, &row, &clock), 0);
        disk.code = disk.code == SQLITE_FULL ? SQLITE_IOERR_WRITE : SQLITE_FULL;
    }
    assert_true(failures > 3);
    assert_int_equal(contexts[0].verdict, COMMIT_DONE);
    assert_int_equal(contexts[1].verdict, COMMIT_DONE);
    assert_int_equal(count_readings(f, "a"), 3);
    f->store->ops->close(f->store);
    f->store = NULL;
    sqlite3_vfs_unregister(&failing);
    sqlite3_vfs_register(disk.system, 1);
    f->store = open_store(f, STORE_EXISTING);
    assert_int_equal(count_readings(f, "a"), 3);
}

int main(void)
{
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_urls),
        STORE_TEST(test_key_lies_beside_the_database),
        STORE_TEST(test_new_file_is_private),
        STORE_TEST(test_open_failures),
        STORE_TEST(test_other_files_are_refused),
        STORE_TEST(test_newer_schema_is_refused),
        STORE_TEST(test_concurrent_creation),
        STORE_TEST(test_meta),
        STORE_TEST(test_gateway_ids),
        STORE_TEST(test_device_rows),
        STORE_TEST(test_names_of_full_length),
        STORE_TEST(test_device_list),
        STORE_TEST(test_damaged_rows),
        STORE_TEST(test_last_seen),
        STORE_TEST(test_revoke_and_exported),
        STORE_TEST(test_remove),
        STORE_TEST(test_trust),
        STORE_TEST(test_generation),
        STORE_TEST(test_window_moves_and_persists),
        STORE_TEST(test_windows_of_64_bits),
        STORE_TEST(test_window_conflicts),
        STORE_TEST(test_conflict_leaves_the_others),
        STORE_TEST(test_revoked_and_removed_store_nothing),
        STORE_TEST(test_nothing_is_stored_unproven),
        STORE_TEST(test_proof_supersedes),
        STORE_TEST(test_superseded_session_until_it_closes),
        STORE_TEST(test_proof_must_be_above_the_floor),
        STORE_TEST(test_floor_never_falls),
        STORE_TEST(test_proving_restored_rows),
        STORE_TEST(test_context_list),
        STORE_TEST(test_values_are_exact),
        STORE_TEST(test_selections),
        STORE_TEST(test_many_and_large),
        STORE_TEST(test_series),
        STORE_TEST(test_visitors_may_write),
        STORE_TEST(test_readable_view),
        STORE_TEST(test_events),
        STORE_TEST(test_events_are_bounded),
        STORE_TEST(test_locked),
        STORE_TEST(test_every_failing_operation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
