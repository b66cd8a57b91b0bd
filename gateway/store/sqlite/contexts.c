#include "gateway/store/sqlite/sqlite.h"

#include <string.h>

void sqlite_read_context(sqlite3_stmt *statement, int first, struct context_row *row)
{
    *row = (struct context_row){
        .device = sqlite3_column_int64(statement, first),
        .counter = sqlite3_column_bytes(statement, first + 1) == 0,
        .proven = sqlite3_column_int(statement, first + 2) != 0,
        .proven_t = (uint64_t)sqlite3_column_int64(statement, first + 3),
        .closes_at = sqlite3_column_int64(statement, first + 4),
        .window.top = (uint64_t)sqlite3_column_int64(statement, first + 5),
        .window.bits = (uint64_t)sqlite3_column_int64(statement, first + 6),
        .window.lower = (uint64_t)sqlite3_column_int64(statement, first + 7),
    };
    if (sqlite3_column_bytes(statement, first + 1) == BULLA_ID_CONTEXT_SIZE)
        memcpy(row->id_context, sqlite3_column_blob(statement, first + 1), BULLA_ID_CONTEXT_SIZE);
}

void sqlite_bind_id_context(sqlite3_stmt *statement, int parameter, const struct context_row *row)
{
    bind_bytes(statement, parameter, row->id_context, row->counter ? 0 : BULLA_ID_CONTEXT_SIZE);
}

/* Clock, floor and row in one statement, so in one read (PROTOCOL 4.4). */
static int read_with_clock(struct sqlite *sqlite, sqlite3_stmt *query, int64_t device,
                           struct context_row *row, struct store_clock *clock, struct failure *failure)
{
    clock->now = sqlite->store.now(sqlite->store.now_context);
    bind_number(query, 1, device);
    bind_number(query, 2, clock->now);
    if (sqlite_row(sqlite, query, "look a context up", failure) < 0)
        return -1;
    bool found = sqlite3_column_type(query, 1) != SQLITE_NULL;
    clock->floor = (uint64_t)sqlite3_column_int64(query, 0);
    if (found)
        sqlite_read_context(query, 1, row);
    sqlite3_reset(query);
    return found;
}

int sqlite_context_find(struct store *store, int64_t device, const uint8_t *id_context,
                        struct context_row *row, struct store_clock *clock, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_CONTEXT_FIND, failure);

    if (query == NULL)
        return -1;
    bind_bytes(query, 3, id_context, id_context == NULL ? 0 : BULLA_ID_CONTEXT_SIZE);
    return read_with_clock(sqlite, query, device, row, clock, failure);
}

int sqlite_context_newest(struct store *store, int64_t device, struct context_row *row,
                          struct store_clock *clock, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_CONTEXT_NEWEST, failure);

    return query == NULL ? -1 : read_with_clock(sqlite, query, device, row, clock, failure);
}

/* One query a row, as in sqlite_device_each(). The counter's row is asked for by itself: nothing is below its
 * empty id. */
int sqlite_context_each(struct store *store, int64_t device, context_visitor *visit, void *context,
                        struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    struct context_row row = {.counter = true};
    struct store_clock clock;
    int found = sqlite_context_find(store, device, NULL, &row, &clock, failure);

    if (found < 0 || (found > 0 && visit(context, &row) != 0))
        return found < 0 ? -1 : 0;
    for (;;) {
        sqlite3_stmt *query = sqlite_statement(sqlite, ST_CONTEXT_AFTER, failure);
        if (query == NULL)
            return -1;
        bind_number(query, 1, device);
        bind_number(query, 2, clock.now);
        sqlite_bind_id_context(query, 3, &row);
        found = sqlite_row(sqlite, query, "list the contexts", failure);
        if (found <= 0)
            return found;
        struct context_row next;
        sqlite_read_context(query, 0, &next);
        sqlite3_reset(query);
        row = next;
        if (visit(context, &row) != 0)
            return 0;
    }
}

/* ---- closing (PROTOCOL 4.4): F is raised in the transaction that lets the row go ---- */

static int contexts_are_due(struct sqlite *sqlite, int64_t now, struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_CONTEXTS_ARE_DUE, failure);

    if (query == NULL)
        return -1;
    bind_number(query, 1, now);
    int due = sqlite_row(sqlite, query, "close sessions", failure);
    if (due > 0)
        due = sqlite3_column_int(query, 0);
    sqlite3_reset(query);
    return due;
}

int sqlite_contexts_close(struct store *store, int64_t now, struct failure *failure)
{
    static const char what[] = "close sessions";
    struct sqlite *sqlite = sqlite_of(store);
    int due = contexts_are_due(sqlite, now, failure);

    if (due <= 0)
        return due;
    sqlite3_busy_timeout(sqlite->db, 0); /* it is tried again a second later */
    int begun = sqlite_begin(sqlite, what, failure);
    sqlite3_busy_timeout(sqlite->db, COMMAND_BUSY_MS);
    if (begun != 0)
        return -1;
    int result = sqlite_run_number(sqlite, ST_FLOOR_RAISE_DUE, now, what, failure);
    if (result >= 0)
        result = sqlite_run_number(sqlite, ST_CONTEXTS_DELETE_DUE, now, what, failure);
    return sqlite_end(sqlite, result, what, failure);
}

int sqlite_contexts_delete(struct sqlite *sqlite, int64_t device, struct failure *failure)
{
    static const char what[] = "remove contexts";

    if (sqlite_run_number(sqlite, ST_FLOOR_RAISE_DEVICE, device, what, failure) < 0)
        return -1;
    return sqlite_run_number(sqlite, ST_CONTEXTS_DELETE_DEVICE, device, what, failure);
}

int sqlite_contexts_delete_due(struct sqlite *sqlite, int64_t device, int64_t now, struct failure *failure)
{
    static const char what[] = "close sessions";
    sqlite3_stmt *raise_floor = sqlite_statement(sqlite, ST_FLOOR_RAISE_DEVICE_DUE, failure);
    sqlite3_stmt *delete_due = sqlite_statement(sqlite, ST_CONTEXTS_DELETE_DEVICE_DUE, failure);

    if (raise_floor == NULL || delete_due == NULL)
        return -1;
    bind_number(raise_floor, 1, device);
    bind_number(raise_floor, 2, now);
    bind_number(delete_due, 1, device);
    bind_number(delete_due, 2, now);
    if (sqlite_run(sqlite, raise_floor, what, failure) < 0)
        return -1;
    return sqlite_run(sqlite, delete_due, what, failure);
}
