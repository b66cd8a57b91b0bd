/* SQLite: a database in a folder of its own. */
#include "store_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void make(struct fixture *f)
{
    strcpy(f->folder, "/tmp/bulla-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/bulla.db", f->folder);
}

static int open_path(struct fixture *f, enum store_open_mode mode, struct store **store)
{
    return store_open(store, f->path, mode, &f->failure);
}

/* Nothing else may be in the folder. */
static void clear(struct fixture *f)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", "-lock"};
    char path[192];

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
        unlink(path);
    }
    ok(rmdir(f->folder));
}

static void run(struct fixture *f, const char *sql)
{
    sqlite3 *db;

    ok(sqlite3_open(f->path, &db));
    ok(sqlite3_exec(db, sql, NULL, NULL, NULL));
    sqlite3_close(db);
}

static void read_text(struct fixture *f, const char *sql, char *out, size_t size)
{
    sqlite3 *db;
    sqlite3_stmt *query;

    ok(sqlite3_open(f->path, &db));
    ok(sqlite3_prepare_v2(db, sql, -1, &query, NULL));
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    snprintf(out, size, "%s", (const char *)sqlite3_column_text(query, 0));
    sqlite3_finalize(query);
    sqlite3_close(db);
}

static int64_t read_number(struct fixture *f, const char *sql)
{
    char text[32];

    read_text(f, sql, text, sizeof(text));
    return strtoll(text, NULL, 10);
}

const struct store_kind store_kind_sqlite = {
    .name = "sqlite",
    .make = make,
    .open = open_path,
    .clear = clear,
    .run_sql = run,
    .number = read_number,
    .text = read_text,
};
