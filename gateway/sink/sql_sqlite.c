/*
 * An SQLite database as a sink: a file of its own, beside the registry's, for programs that read it there. A
 * batch is one transaction.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>
#include <sys/stat.h>

#include "gateway/sink/sql_row.h"

#define SCHEMA         1
#define APPLICATION_ID 0x62756c73 /* in the file's header (PRAGMA application_id): "buls" */
#define BUSY_MS        5000

/*
 * Versions, forwards only: entry i brings version i to i + 1. A released entry is never changed.
 *
 * Times are microseconds since 1970. The primary key begins with device and time, so that it also is the
 * index that people's queries want; the other index finds a time over all devices.
 */
static const char *const migrations[SCHEMA] = {
    "CREATE TABLE bulla_readings (device TEXT NOT NULL, time INTEGER NOT NULL, name TEXT NOT NULL, value "
    "REAL,"
    " unit TEXT, type TEXT NOT NULL, integer INTEGER, text TEXT, data BLOB, format INTEGER,"
    " seq INTEGER NOT NULL, received INTEGER NOT NULL, device_id INTEGER NOT NULL, context BLOB NOT NULL,"
    " place INTEGER NOT NULL, PRIMARY KEY (device, time, seq, context, place, device_id)) WITHOUT ROWID;"
    "CREATE INDEX bulla_readings_time ON bulla_readings (time);"
    "CREATE VIEW bulla_readings_plain AS SELECT device,"
    " strftime('%Y-%m-%dT%H:%M:%S', time / 1000000 - (time % 1000000 < 0), 'unixepoch')"
    " || printf('.%06dZ', (time % 1000000 + 1000000) % 1000000) AS time, name, value, unit, text"
    " FROM bulla_readings;",
};

static const char insert[] =
    "INSERT INTO bulla_readings (device, time, name, value, unit, type, integer, text,"
    " data, format, seq, received, device_id, context, place)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
    " ON CONFLICT DO NOTHING";

struct sql_sqlite {
    struct sink sink; /* first */
    char *path;
    sqlite3 *db;  /* NULL: it is not open */
    dev_t device; /* the file that is open */
    ino_t inode;
    sqlite3_stmt *insert;
    atomic_bool interrupted;
};

/* ---- failures ---- */

static const struct {
    int code;
    const char *advice;
} advices[] = {
    {SQLITE_BUSY, "another program holds it; it is tried again"},
    {SQLITE_FULL, "make room on the disk"},
    {SQLITE_IOERR, "see the kernel's log"},
    {SQLITE_READONLY, "the gateway may not write there"},
    {SQLITE_CANTOPEN, "is its folder there, and may the gateway write there?"},
    {SQLITE_NOTADB, "this file is no database: is the path right?"},
    {SQLITE_CORRUPT, "it is damaged: put it aside, and another one is made"},
    {SQLITE_INTERRUPT, "the gateway is being stopped"},
};

static int fail_sqlite(const struct sql_sqlite *sql, int code, struct failure *failure)
{
    const char *advice = "it is tried again";

    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
        if (advices[i].code == (code & 0xff))
            advice = advices[i].advice;
    return fail(failure, "cannot write to %.120s: %.100s; %s", sql->path,
                sql->db != NULL ? sqlite3_errmsg(sql->db) : sqlite3_errstr(code), advice);
}

static int run(struct sql_sqlite *sql, const char *statements, struct failure *failure)
{
    int code = sqlite3_exec(sql->db, statements, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : fail_sqlite(sql, code, failure);
}

/* ---- the table ---- */

static int read_number(struct sql_sqlite *sql, const char *query, int *number, struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(sql->db, query, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *number = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : fail_sqlite(sql, code, failure);
}

/* Whether the file is one of ours, or empty. */
static int check_file(struct sql_sqlite *sql, int *version, struct failure *failure)
{
    int application = 0;
    int tables = 0;

    if (read_number(sql, "PRAGMA application_id", &application, failure) != 0 ||
        read_number(sql, "SELECT count(*) FROM sqlite_schema", &tables, failure) != 0 ||
        read_number(sql, "PRAGMA user_version", version, failure) != 0)
        return -1;
    if (application != APPLICATION_ID && (application != 0 || tables != 0))
        return fail(failure,
                    "%.120s is a database of another kind, a registry for example; give a file of its own",
                    sql->path);
    if (*version > SCHEMA)
        return fail(
            failure,
            "%.120s was made by a newer bulla: version %d, this program knows versions up to %d; install "
            "the newer program",
            sql->path, *version, SCHEMA);
    return 0;
}

static int migrate(struct sql_sqlite *sql, struct failure *failure)
{
    char header[96];
    int version = 0;

    if (check_file(sql, &version, failure) != 0) /* once more: another one may have been faster */
        return -1;
    for (; version < SCHEMA; version++)
        if (run(sql, migrations[version], failure) != 0)
            return -1;
    snprintf(header, sizeof(header), "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
             SCHEMA);
    return run(sql, header, failure);
}

static int set_up(struct sql_sqlite *sql, struct failure *failure)
{
    int version = 0;
    int result;

    sqlite3_busy_timeout(sql->db, BUSY_MS);
    if (check_file(sql, &version, failure) != 0 ||
        run(sql, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", failure) != 0)
        return -1;
    if (version != SCHEMA) {
        if (run(sql, "BEGIN IMMEDIATE", failure) != 0)
            return -1;
        result = migrate(sql, failure);
        if (result != 0 || run(sql, "COMMIT", failure) != 0) {
            sqlite3_exec(sql->db, "ROLLBACK", NULL, NULL, NULL);
            return -1;
        }
    }
    result = sqlite3_prepare_v2(sql->db, insert, -1, &sql->insert, NULL);
    return result == SQLITE_OK ? 0 : fail_sqlite(sql, result, failure);
}

/* ---- opening ---- */

static void disconnect(struct sql_sqlite *sql)
{
    sqlite3_finalize(sql->insert);
    sql->insert = NULL;
    sqlite3_close(sql->db);
    sql->db = NULL;
}

static void sqlite_sink_close(struct sink *sink)
{
    struct sql_sqlite *sql = (struct sql_sqlite *)sink;

    disconnect(sql);
    free(sql->path);
    free(sql);
}

static int sqlite_sink_open(struct sink **sink, const struct sink_address *address, struct failure *failure)
{
    const char *path = strchr(address->url, ':') + 1;
    struct sql_sqlite *sql;

    if (address->setting_count > 0)
        return fail(failure, "'%.40s' is no key; sqlite:PATH has none", address->settings[0].key);
    if (path[0] == '\0' || strncmp(path, "//", 2) == 0)
        return fail(failure, "it says no file; give sqlite:PATH");
    sql = calloc(1, sizeof(*sql));
    if (sql == NULL || (sql->path = strdup(path)) == NULL) {
        free(sql);
        return fail(failure, "memory is out");
    }
    if ((size_t)snprintf(sql->sink.name, SINK_NAME_SIZE, "sqlite:%s", path) >= SINK_NAME_SIZE) {
        sqlite_sink_close(&sql->sink);
        return fail(failure, "it is too long to be kept as a name: %d bytes at most", SINK_NAME_SIZE - 1);
    }
    *sink = &sql->sink;
    return 0;
}

/* Somebody took the file away, or put another one there: what is open has no name any more. */
static bool is_elsewhere(const struct sql_sqlite *sql)
{
    struct stat status;

    return sql->db != NULL &&
           (stat(sql->path, &status) != 0 || status.st_dev != sql->device || status.st_ino != sql->inode);
}

/* Opens the file at the first write: its disk may come later. */
static int connect(struct sql_sqlite *sql, struct failure *failure)
{
    struct stat status;
    int code;

    if (is_elsewhere(sql))
        disconnect(sql);
    if (sql->db != NULL)
        return 0;
    code = sqlite3_open_v2(sql->path, &sql->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    fail(failure, "%.120s was taken away while it was opened", sql->path);
    if (code == SQLITE_OK && set_up(sql, failure) == 0 && stat(sql->path, &status) == 0) {
        sql->device = status.st_dev;
        sql->inode = status.st_ino;
        return 0;
    }
    if (code != SQLITE_OK)
        fail_sqlite(sql, code, failure);
    disconnect(sql);
    return -1;
}

/* ---- writing ---- */

static void bind_text(sqlite3_stmt *statement, int at, const struct sql_bytes *text)
{
    if (text->at != NULL)
        sqlite3_bind_text64(statement, at, text->at, text->len, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind(sqlite3_stmt *statement, const struct sql_row *row)
{
    const struct sink_point *point = row->point;

    sqlite3_clear_bindings(statement);
    sqlite3_bind_text(statement, 1, point->device, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, point->reading.time);
    bind_text(statement, 3, &row->name);
    if (row->has_value)
        sqlite3_bind_double(statement, 4, row->value);
    bind_text(statement, 5, &row->unit);
    sqlite3_bind_text(statement, 6, row->type, -1, SQLITE_STATIC);
    if (row->has_integer)
        sqlite3_bind_int64(statement, 7, row->integer);
    bind_text(statement, 8, &row->text);
    if (row->data.at != NULL)
        sqlite3_bind_blob64(statement, 9, row->data.at, row->data.len, SQLITE_STATIC);
    if (row->has_format)
        sqlite3_bind_int64(statement, 10, point->reading.format);
    sqlite3_bind_int64(statement, 11, (int64_t)point->piv);
    sqlite3_bind_int64(statement, 12, point->received);
    sqlite3_bind_int64(statement, 13, point->device_id);
    sqlite3_bind_blob64(statement, 14, point->context_len == 0 ? "" : (const char *)point->context,
                        point->context_len, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 15, point->index);
}

static int add_point(struct sql_sqlite *sql, const struct sink_point *point)
{
    struct sql_row row;
    int code = SQLITE_NOMEM;

    if (sql_row_of(&row, point) == 0) {
        bind(sql->insert, &row);
        code = sqlite3_step(sql->insert);
        sqlite3_reset(sql->insert);
    }
    sql_row_wipe(&row);
    return code;
}

/* What these rows make impossible: somebody's own constraint or trigger, and what is too large for a cell. */
static int result_of(int code)
{
    return (code & 0xff) == SQLITE_CONSTRAINT || (code & 0xff) == SQLITE_TOOBIG ? SINK_REFUSED : SINK_AWAY;
}

/* A database that can not be used any more as it is open: made anew with the next batch. */
static bool is_lost(int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_FULL:
    case SQLITE_INTERRUPT:
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_NOMEM:
        return false;
    default:
        return true;
    }
}

static int write_rows(struct sql_sqlite *sql, const struct sink_batch *batch, struct failure *failure)
{
    int code = sqlite3_exec(sql->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

    for (size_t i = 0; i < batch->count && (code == SQLITE_OK || code == SQLITE_DONE); i++)
        code = atomic_load(&sql->interrupted) ? SQLITE_INTERRUPT : add_point(sql, &batch->points[i]);
    if (code == SQLITE_OK || code == SQLITE_DONE)
        code = sqlite3_exec(sql->db, "COMMIT", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return SINK_WRITTEN;
    fail_sqlite(sql, code, failure);
    sqlite3_exec(sql->db, "ROLLBACK", NULL, NULL, NULL);
    if (is_lost(code))
        disconnect(sql);
    return result_of(code);
}

static int sqlite_sink_write(struct sink *sink, const struct sink_batch *batch, struct failure *failure)
{
    struct sql_sqlite *sql = (struct sql_sqlite *)sink;

    if (atomic_load(&sql->interrupted)) {
        fail(failure, "the gateway is being stopped");
        return SINK_AWAY;
    }
    return connect(sql, failure) == 0 ? write_rows(sql, batch, failure) : SINK_AWAY;
}

/* A statement under way ends with its row; another writer is waited for at most BUSY_MS. */
static void sqlite_sink_interrupt(struct sink *sink)
{
    atomic_store(&((struct sql_sqlite *)sink)->interrupted, true);
}

const struct sink_ops sink_sqlite = {
    .scheme = "sqlite",
    .open = sqlite_sink_open,
    .write = sqlite_sink_write,
    .interrupt = sqlite_sink_interrupt,
    .close = sqlite_sink_close,
};
