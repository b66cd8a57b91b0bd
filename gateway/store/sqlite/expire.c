#include "gateway/store/sqlite/sqlite.h"

static const char what[] = "delete old readings";

/* Readings are clustered by time, so the oldest are a range at the beginning of the table. */
static int delete_readings(struct sqlite *sqlite, int64_t before, size_t most, struct failure *failure)
{
    sqlite3_stmt *bound = sqlite_statement(sqlite, ST_READINGS_BOUND, failure);
    sqlite3_stmt *delete = sqlite_statement(sqlite, ST_READINGS_DELETE, failure);

    if (bound == NULL || delete == NULL)
        return -1;
    bind_number(bound, 1, before);
    bind_number(bound, 2, (int64_t)most);
    int found = sqlite_row(sqlite, bound, what, failure);
    if (found < 0)
        return -1;
    bind_number(delete, 1, found > 0 ? sqlite3_column_int64(bound, 0) : before);
    bind_number(delete, 2, found > 0 ? sqlite3_column_int64(bound, 1) : 0);
    sqlite3_reset(bound);
    return sqlite_run(sqlite, delete, what, failure);
}

/*
 * Once no reading before `before` is left, a series whose hours all lie before it has none. Its id is never
 * given to another; whoever has it in a cache learns from the registry that it is gone (sqlite_series_check).
 */
static int delete_series(struct sqlite *sqlite, int64_t before, size_t most, struct failure *failure)
{
    sqlite3_stmt *delete = sqlite_statement(sqlite, ST_SERIES_DELETE, failure);

    if (delete == NULL)
        return -1;
    bind_number(delete, 1, before);
    bind_number(delete, 2, (int64_t)most);
    int gone = sqlite_run(sqlite, delete, what, failure);
    if (gone > 0 && sqlite_run_id(sqlite, ST_SERIES_GONE_RAISE, what, failure) < 0)
        return -1;
    if (gone > 0)
        series_cache_forget(&sqlite->series.cache);
    return gone;
}

/* Whether there is anything to delete; a transaction that writes nothing still waits for its turn. */
static int is_due(struct sqlite *sqlite, int64_t before, struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_EXPIRE_IS_DUE, failure);

    if (query == NULL)
        return -1;
    bind_number(query, 1, before);
    int due = sqlite_row(sqlite, query, what, failure);
    if (due > 0)
        due = sqlite3_column_int(query, 0);
    sqlite3_reset(query);
    return due;
}

int sqlite_readings_expire(struct store *store, int64_t before, size_t most, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    int due = is_due(sqlite, before, failure);

    if (due <= 0)
        return due;
    sqlite3_busy_timeout(sqlite->db, 0); /* it is tried again soon */
    int begun = sqlite_begin(sqlite, what, failure);
    sqlite3_busy_timeout(sqlite->db, COMMAND_BUSY_MS);
    if (begun != 0)
        return -1;
    int gone = delete_readings(sqlite, before, most, failure);
    if (gone == 0)
        gone = delete_series(sqlite, before, most, failure);
    return sqlite_end(sqlite, gone, what, failure);
}
