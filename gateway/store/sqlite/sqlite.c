#include "gateway/store/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/owner.h"
#include "gateway/store/move.h"

/* Checkpoints copy the log back after so many pages; the log's file is cut to the limit when it starts over.
 */
static const char *const pragmas[] = {
    "PRAGMA synchronous = FULL",  "PRAGMA wal_autocheckpoint = 4000", "PRAGMA journal_size_limit = 33554432",
    "PRAGMA cache_size = -16384", "PRAGMA temp_store = MEMORY",
};

static const char *const statement_sql[] = {
#define STATEMENT_SQL(id, sql) sql,
    STATEMENTS(STATEMENT_SQL)
#undef STATEMENT_SQL
};

/* ---- failures ---- */

static const struct {
    int code;
    const char *advice;
} advices[] = {
    {SQLITE_CANTOPEN, "is the folder there and writable?"},
    {SQLITE_FULL, "make room on the disk"},
    {SQLITE_BUSY, "another program holds the database locked"},
    {SQLITE_LOCKED, "another program holds the database locked"},
    {SQLITE_READONLY, "check who owns the file and its folder, and that both are writable"},
    {SQLITE_PERM, "check who owns the file and its folder, and that both are writable"},
    {SQLITE_CORRUPT, "the file is damaged: see docs/gateway.md, Damage"},
    {SQLITE_NOTADB, "the file is no database of this program"},
    {SQLITE_IOERR, "check the disk"},
    {SQLITE_NOMEM, "no memory is left"},
};

static const char *advice_for(int code, int error)
{
    if (error == ENOSPC || error == EDQUOT)
        return advice_for(SQLITE_FULL, 0);
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
        if (advices[i].code == (code & 0xff))
            return advices[i].advice;
    return "this is not expected: please report it";
}

int sqlite_fail(struct sqlite *sqlite, const char *what, struct failure *failure)
{
    int code = sqlite3_extended_errcode(sqlite->db);
    int error = sqlite3_system_errno(sqlite->db);
    bool is_system = error != 0 && ((code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_IOERR);

    return fail(failure, "cannot %s: %s%s%s; %s (%s)", what, sqlite3_errmsg(sqlite->db),
                is_system ? ": " : "", is_system ? strerror(error) : "",
                advice_for(code, is_system ? error : 0), sqlite->path);
}

/* ---- statements and transactions ---- */

sqlite3_stmt *sqlite_statement(struct sqlite *sqlite, enum statement_id id, struct failure *failure)
{
    sqlite3_stmt **statement = &sqlite->statements[id];

    if (*statement == NULL && sqlite3_prepare_v3(sqlite->db, statement_sql[id], -1, SQLITE_PREPARE_PERSISTENT,
                                                 statement, NULL) != SQLITE_OK)
        sqlite_fail(sqlite, "use the database", failure);
    return *statement;
}

int sqlite_row(struct sqlite *sqlite, sqlite3_stmt *statement, const char *what, struct failure *failure)
{
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW)
        return 1;
    if (code != SQLITE_DONE)
        sqlite_fail(sqlite, what, failure);
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? 0 : -1;
}

int sqlite_run(struct sqlite *sqlite, sqlite3_stmt *statement, const char *what, struct failure *failure)
{
    if (sqlite_row(sqlite, statement, what, failure) < 0)
        return -1;
    return sqlite3_changes(sqlite->db);
}

int sqlite_run_id(struct sqlite *sqlite, enum statement_id id, const char *what, struct failure *failure)
{
    sqlite3_stmt *statement = sqlite_statement(sqlite, id, failure);

    return statement == NULL ? -1 : sqlite_run(sqlite, statement, what, failure);
}

int sqlite_run_number(struct sqlite *sqlite, enum statement_id id, int64_t number, const char *what,
                      struct failure *failure)
{
    sqlite3_stmt *statement = sqlite_statement(sqlite, id, failure);

    if (statement == NULL)
        return -1;
    bind_number(statement, 1, number);
    return sqlite_run(sqlite, statement, what, failure);
}

int sqlite_data_version(struct sqlite *sqlite, int64_t *version, const char *what, struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_DATA_VERSION, failure);

    if (query == NULL || sqlite_row(sqlite, query, what, failure) < 0)
        return -1;
    *version = sqlite3_column_int64(query, 0);
    sqlite3_reset(query);
    return 0;
}

int sqlite_begin(struct sqlite *sqlite, const char *what, struct failure *failure)
{
    return sqlite_run_id(sqlite, ST_BEGIN, what, failure) < 0 ? -1 : 0;
}

int sqlite_end(struct sqlite *sqlite, int result, const char *what, struct failure *failure)
{
    if (result >= 0 && sqlite_run_id(sqlite, ST_COMMIT, what, failure) >= 0) {
        sqlite->series.dirty = false;
        return result;
    }
    sqlite_rollback(sqlite);
    return -1;
}

void sqlite_rollback(struct sqlite *sqlite)
{
    struct failure ignored;

    /* Some errors, a full disk among them, have rolled back already. */
    if (!sqlite3_get_autocommit(sqlite->db) && sqlite_run_id(sqlite, ST_ROLLBACK, "roll back", &ignored) < 0)
        sqlite3_exec(sqlite->db, "ROLLBACK", NULL, NULL, NULL);
    if (sqlite->series.dirty)
        series_cache_forget(&sqlite->series.cache);
    sqlite->series.dirty = false;
}

/* ---- open, close ---- */

static int check_there(const struct sqlite *sqlite, struct failure *failure)
{
    if (access(sqlite->path, F_OK) == 0)
        return 0;
    return fail(failure, "cannot open the database %s: %s; %s", sqlite->path, strerror(errno),
                errno == ENOENT
                    ? "is the path right? --db or BULLA_DB says it; 'bulla serve' or 'bulla device "
                      "add' makes a new one"
                    : "may this user open it, and its folder?");
}

int sqlite_open_file(struct sqlite *sqlite, struct failure *failure)
{
    if (check_there(sqlite, failure) != 0)
        return -1;
    if (sqlite3_open_v2(sqlite->path, &sqlite->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                        NULL) != SQLITE_OK) {
        if (sqlite->db == NULL)
            return fail(failure, "no memory is left to open %s", sqlite->path);
        return sqlite_fail(sqlite, "open the database", failure);
    }
    sqlite3_busy_timeout(sqlite->db, COMMAND_BUSY_MS);
    return 0;
}

/* SQLite does not fail where a file system cannot share memory, but keeps another mode. */
static int use_wal(struct sqlite *sqlite, struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    int result = 0;

    if (sqlite3_prepare_v2(sqlite->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        result = sqlite_fail(sqlite, "set up the database", failure);
    else if (strcmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0)
        result =
            fail(failure, "cannot keep a log beside the database %s: put it on a local disk", sqlite->path);
    sqlite3_finalize(statement);
    return result;
}

static int set_pragmas(struct sqlite *sqlite, struct failure *failure)
{
    for (size_t i = 0; i < sizeof(pragmas) / sizeof(pragmas[0]); i++)
        if (sqlite3_exec(sqlite->db, pragmas[i], NULL, NULL, NULL) != SQLITE_OK)
            return sqlite_fail(sqlite, "set up the database", failure);
    return 0;
}

static int open_database(struct sqlite *sqlite, struct failure *failure)
{
    if (sqlite_open_file(sqlite, failure) != 0)
        return -1;
    /* Until it is known to be ours, not even closing may write to it. */
    sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite_identify(sqlite, failure) != 0)
        return -1;
    sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    if (use_wal(sqlite, failure) != 0 || set_pragmas(sqlite, failure) != 0)
        return -1;
    return sqlite_migrate(sqlite, failure);
}

void sqlite_close_database(struct sqlite *sqlite)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(sqlite->statements[i]);
        sqlite->statements[i] = NULL;
    }
    sqlite3_finalize(sqlite->transfer.query);
    sqlite->transfer.query = NULL;
    sqlite3_close(sqlite->db);
    sqlite->db = NULL;
}

/* A copy that did not take its place goes; its lock last of all. */
void sqlite_close(struct store *store)
{
    struct sqlite *sqlite = sqlite_of(store);

    sqlite_close_database(sqlite);
    if (sqlite->replaces != NULL)
        sqlite_remove_files(sqlite->path);
    if (sqlite->lock >= 0)
        close(sqlite->lock);
    free(sqlite->replaces);
    series_cache_forget(&sqlite->series.cache);
    commit_notes_wipe(&sqlite->notes);
    parcels_wipe(&sqlite->parcels);
    free(sqlite->path);
    free(sqlite);
}

struct sqlite *sqlite_new(const char *path)
{
    struct sqlite *sqlite = calloc(1, sizeof(*sqlite));

    /* Nobody asks for SQLite's memory statistics, which cost a lock at every allocation. Refused once it
     * runs. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (sqlite == NULL || (sqlite->path = strdup(path)) == NULL) {
        free(sqlite);
        return NULL;
    }
    sqlite->lock = -1;
    series_cache_init(&sqlite->series.cache);
    return sqlite;
}

/* The schema is written before the log is switched on, so the file is complete without one. */
static int fill_database(const char *path, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_new(path);
    int result;

    if (sqlite == NULL)
        return fail(failure, "no memory is left to make %s", path);
    result = sqlite_open_file(sqlite, failure);
    if (result == 0)
        result = sqlite_migrate(sqlite, failure);
    if (result == 0)
        result = use_wal(sqlite, failure);
    sqlite_close(&sqlite->store);
    return result;
}

/*
 * A new database is made under another name, mode 0600, and takes its own when it is complete: nobody ever
 * opens half a database, and of two programs that make it at once one finds the other's.
 */
static int make_database(const char *path, struct failure *failure)
{
    char *temporary;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return fail(failure, "no memory is left to make %s", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    int result = fd < 0 ? -1 : 0;
    if (fd < 0) {
        fail(failure, "cannot make the database %s: %s; is the folder there and writable?", path,
             strerror(errno));
    } else {
        owner_follow_folder(fd, path);
        close(fd);
        result = fill_database(temporary, failure);
        if (result == 0 && link(temporary, path) != 0 && errno != EEXIST)
            result = fail(failure, "cannot make the database %s: %s", path, strerror(errno));
        unlink(temporary);
    }
    free(temporary);
    return result;
}

static int open_path(struct store **store, const char *path, enum store_open_mode mode,
                     struct failure *failure)
{
    struct sqlite *sqlite;

    if (store_may_be_made(mode) && access(path, F_OK) != 0 && make_database(path, failure) != 0)
        return -1;
    sqlite = sqlite_new(path);
    if (sqlite == NULL)
        return fail(failure, "no memory is left to open %s", path);
    if (check_there(sqlite, failure) != 0 ||
        (sqlite->lock = sqlite_lock(path, store_is_alone(mode), failure)) < 0 ||
        open_database(sqlite, failure) != 0 ||
        move_allows(&sqlite->store, sqlite_meta_get, mode, path, failure) != 0) {
        sqlite_close(&sqlite->store);
        return -1;
    }
    *store = &sqlite->store;
    return 0;
}

/* SQLite gives a meaning to names such as ":memory:" and "file:…"; behind "./" they are paths. */
static int sqlite_open(struct store **store, const char *location, enum store_open_mode mode,
                       struct failure *failure)
{
    char *path;

    if (asprintf(&path, "%s%s", location[0] == '/' ? "" : "./", location) < 0)
        return fail(failure, "no memory is left to open %s", location);
    int result = open_path(store, path, mode, failure);
    free(path);
    return result;
}

/* Beside the database, under its name: bulla.key for bulla.db. */
static int sqlite_key_path(const char *location, char *path, size_t size, struct failure *failure)
{
    static const char *const extensions[] = {".db", ".sqlite", ".sqlite3"};
    size_t stem = strlen(location);

    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        size_t len = strlen(extensions[i]);
        size_t all = strlen(location);
        if (all > len && location[all - len - 1] != '/' && strcmp(location + all - len, extensions[i]) == 0)
            stem = all - len;
    }
    int len = snprintf(path, size, "%.*s.key", (int)stem, location);
    if (stem > INT_MAX || len < 0 || (size_t)len >= size)
        return fail(failure, "the path of the database is too long: %.80s…", location);
    return 0;
}

extern const struct store_ops store_sqlite;

const struct store_ops store_sqlite = {
    .scheme = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .key_path = sqlite_key_path,
    .look = sqlite_look,
    .backup = sqlite_backup,
    .restored = sqlite_restored,
    .restore_begin = sqlite_restore_begin,
    .restore_compare = sqlite_restore_compare,
    .restore_finish = sqlite_restore_finish,
    .transfer = &sqlite_transfer,
    .meta_get = sqlite_meta_get,
    .meta_put = sqlite_meta_put,
    .device_by_kid = sqlite_device_by_kid,
    .kid_is_taken = sqlite_kid_is_taken,
    .device_by_name = sqlite_device_by_name,
    .devices_add = sqlite_devices_add,
    .device_each = sqlite_device_each,
    .device_label = sqlite_device_label,
    .labels_each = sqlite_labels_each,
    .device_count = sqlite_device_count,
    .device_revoke = sqlite_device_revoke,
    .device_remove = sqlite_device_remove,
    .device_exported = sqlite_device_exported,
    .device_trust = sqlite_device_trust,
    .device_upgrade = sqlite_device_upgrade,
    .wires_begin = sqlite_wires_begin,
    .wires_end = sqlite_wires_end,
    .wire_find = sqlite_wire_find,
    .wire_node = sqlite_wire_node,
    .wire_node_add = sqlite_wire_node_add,
    .wire_remembers = sqlite_wire_remembers,
    .wire_change = sqlite_wire_change,
    .wires_version = sqlite_wires_version,
    .wires_each = sqlite_wires_each,
    .wire_of = sqlite_wire_of,
    .session_list = sqlite_session_list,
    .session_issue = sqlite_session_issue,
    .session_spend = sqlite_session_spend,
    .generation = sqlite_generation,
    .issued_t = sqlite_issued_t,
    .probe = sqlite_probe,
    .context_find = sqlite_context_find,
    .context_newest = sqlite_context_newest,
    .context_each = sqlite_context_each,
    .contexts_close = sqlite_contexts_close,
    .gateway_id_add = sqlite_gateway_id_add,
    .commit = sqlite_commit,
    .events_add = sqlite_events_add,
    .readings_each = sqlite_readings_each,
    .events_each = sqlite_events_each,
    .follow_open = sqlite_follow_open,
    .follow_next = sqlite_follow_next,
    .follow_close = sqlite_follow_close,
    .readings_expire = sqlite_readings_expire,
    .sink_add = sqlite_sink_add,
    .sinks_each = sqlite_sinks_each,
    .sink_forget = sqlite_sink_forget,
    .sinks_update = sqlite_sinks_update,
    .outbox_read = sqlite_outbox_read,
    .outbox_trim = sqlite_outbox_trim,
};
