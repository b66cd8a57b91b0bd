/*
 * What is SQLite's own: its files, what is in their place, locks, and a disk that fails in the middle of a
 * commit.
 */
#include "store_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening ---- */

static void test_urls(void **state)
{
    struct fixture *f = *state;
    struct store *store;
    char url[200], path[200];

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

    empty_place(f);
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
    says(f, "versions up to 4");
}

/* SQLite keeps whatever is put into a column. */
static void test_a_row_of_another_type(void **state)
{
    struct fixture *f = *state;
    struct device_row row = add_device(f, "a", 1, BULLA_SESSION, false);

    run_sql(f, "UPDATE devices SET alg = 'x'");
    assert_int_equal(call(f, device_by_name, "a", &row), -1);
    says(f, "damaged");
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
    struct commit commit = {.contexts = contexts,
                            .context_count = 2,
                            .messages = messages,
                            .message_count = 2,
                            .readings = readings};

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

/* Old readings are deleted while nobody else writes: it does not wait, and nothing was deleted. */
static void test_expiry_does_not_wait(void **state)
{
    struct fixture *f = *state;
    sqlite3 *other;

    prove(f, add_device(f, "a", 1, BULLA_SESSION, false).id, 1, 5, 1);
    other = lock_database(f);
    assert_int_equal(call(f, readings_expire, INT64_MAX, 100), -1);
    says(f, "locked");
    sqlite3_close(other);
    assert_int_equal(count_readings(f, NULL), 1);
    assert_int_equal(call(f, readings_expire, INT64_MAX, 100), 1);
}

static void test_readable_view(void **state)
{
    struct fixture *f = *state;
    char row[128];

    prove(f, add_device(f, "a", 1, BULLA_SESSION, false).id, 1, 5, 123000);
    f->kind->text(f,
                  "SELECT device || ' ' || time || ' ' || name || ' ' || value || ' ' || unit"
                  " FROM readings_readable",
                  row, sizeof(row));
    assert_string_equal(row, "a 2023-11-14T22:13:20.123Z temperature 123000.0 Cel");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_urls),
        STORE_TEST(test_key_lies_beside_the_database),
        STORE_TEST(test_new_file_is_private),
        STORE_TEST(test_open_failures),
        STORE_TEST(test_other_files_are_refused),
        STORE_TEST(test_newer_schema_is_refused),
        STORE_TEST(test_a_row_of_another_type),
        STORE_TEST(test_readable_view),
        STORE_TEST(test_locked),
        STORE_TEST(test_expiry_does_not_wait),
        STORE_TEST(test_every_failing_operation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
