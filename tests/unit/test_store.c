/*
 * The store's contract (gateway/store/store.h), on SQLite: rules of the registry, of proof, floor and closing
 * (PROTOCOL 4.4), the commit and what a failure in its middle leaves behind.
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
    says(f, "versions up to 2");
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
    ok(call(f, device_each, NULL, collect_name, names));
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

/* Numbers whose low byte, or low 32 bits, would pass. */
static void test_rows_out_of_range(void **state)
{
    static const char *const changes[] = {
        "alg = 266",  "alg = -246",  "alg = 4294967306",  "alg = 11",  "alg = 0",  "alg = 'x'",
        "kind = 256", "kind = -255", "kind = 4294967297", "kind = -1", "kind = 2",
    };
    struct fixture *f = *state;
    struct device_row row = add_device(f, "a", 1, BULLA_SESSION, false);
    char sql[96];

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        snprintf(sql, sizeof(sql), "UPDATE devices SET %s", changes[i]);
        run_sql(f, sql);
        f->failure.text[0] = 0;
        assert_int_equal(call(f, device_by_name, "a", &row), -1);
        says(f, "damaged");
        assert_int_equal(call(f, device_by_kid, (const uint8_t *)"\1\0\7", 3, &row), -1);
        run_sql(f, "UPDATE devices SET alg = 10, kind = 0");
        assert_int_equal(call(f, device_by_name, "a", &row), 1);
    }
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
    ok(call(f, device_each, NULL, collect_name, names));
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
    assert_int_equal(call(f, device_trust, counter.id, 0), 1);
    assert_int_equal(call(f, device_trust, counter.id, 0), 0);
    assert_int_equal(call(f, context_find, counter.id, NULL, &row, &clock), 1);
    assert_true(row.proven);
    assert_int_equal(call(f, device_trust, other.id, 0), -1);
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
    assert_int_equal(call(f, device_trust, row.id, 0), 1);
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

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
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
        STORE_TEST(test_rows_out_of_range),
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
        STORE_TEST(test_locked),
        STORE_TEST(test_every_failing_operation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
