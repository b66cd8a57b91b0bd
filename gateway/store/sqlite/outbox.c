/*
 * The outbox: parcels in one row each, and where each sink is. The one writer that SQLite has at a time makes
 * their order that of the transactions.
 */
#include "gateway/store/sqlite/sqlite.h"

#include <stdio.h>
#include <string.h>

static const char look[] = "look at the sinks";
static const char change_it[] = "note what sinks have confirmed";

/* ---- writing parcels ---- */

static int read_end(struct sqlite *sqlite, struct outbox_place *end, const char *what,
                    struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_OUTBOX_END, failure);

    if (query == NULL || sqlite_row(sqlite, query, what, failure) < 0)
        return -1;
    end->n = sqlite3_column_int64(query, 0);
    end->points = sqlite3_column_int64(query, 1);
    end->bytes = sqlite3_column_int64(query, 2);
    sqlite3_reset(query);
    return 0;
}

static int add_parcel(struct sqlite *sqlite, const struct parcel *parcel, const struct outbox_place *place,
                      const char *what, struct failure *failure)
{
    sqlite3_stmt *add = sqlite_statement(sqlite, ST_OUTBOX_ADD, failure);

    if (add == NULL)
        return -1;
    bind_number(add, 1, place->n);
    bind_number(add, 2, parcel->received);
    bind_number(add, 3, parcel->points);
    bind_number(add, 4, place->points);
    bind_number(add, 5, place->bytes);
    bind_bytes(add, 6, sqlite->parcels.bytes + parcel->at, parcel->len);
    return sqlite_run(sqlite, add, what, failure) < 0 ? -1 : 0;
}

int sqlite_outbox_add(struct sqlite *sqlite, const char *what, struct failure *failure)
{
    struct outbox_place place;

    if (sqlite->parcels.count == 0)
        return 0;
    if (read_end(sqlite, &place, what, failure) != 0)
        return -1;
    for (size_t i = 0; i < sqlite->parcels.count; i++) {
        const struct parcel *parcel = &sqlite->parcels.items[i];
        place.n++;
        place.points += parcel->points;
        place.bytes += (int64_t)parcel->len;
        if (add_parcel(sqlite, parcel, &place, what, failure) != 0)
            return -1;
    }
    return 0;
}

/* ---- reading them ---- */

int sqlite_outbox_read(struct store *store, int64_t after, size_t bytes, outbox_visitor *visit, void *context,
                       struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_OUTBOX_AFTER, failure);
    size_t read = 0;
    int count = 0;
    int found = 0;

    if (query == NULL)
        return -1;
    bind_number(query, 1, after);
    while (read < bytes && (found = sqlite_row(sqlite, query, "read the outbox", failure)) > 0) {
        const struct outbox_row row = {
            .place = {sqlite3_column_int64(query, 0), sqlite3_column_int64(query, 3),
                      sqlite3_column_int64(query, 4)},
            .received = sqlite3_column_int64(query, 1),
            .points = (uint32_t)sqlite3_column_int64(query, 2),
            .parcel = sqlite3_column_blob(query, 5),
            .len = (size_t)sqlite3_column_bytes(query, 5),
        };
        read += row.len;
        count++;
        if (visit(context, &row) != 0)
            break;
    }
    sqlite3_reset(query);
    return found < 0 ? -1 : count;
}

/* ---- sinks ---- */

static int insert_sink(struct sqlite *sqlite, const char *name, int64_t now, struct failure *failure)
{
    sqlite3_stmt *add = sqlite_statement(sqlite, ST_SINK_ADD, failure);
    struct outbox_place end;

    if (add == NULL || read_end(sqlite, &end, look, failure) != 0)
        return -1;
    bind_text(add, 1, name, strlen(name));
    bind_number(add, 2, end.n);
    bind_number(add, 3, end.points);
    bind_number(add, 4, end.bytes);
    bind_number(add, 5, now);
    return sqlite_run(sqlite, add, "enter a sink", failure);
}

static int check_room(struct sqlite *sqlite, struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_SINK_COUNT, failure);

    if (query == NULL || sqlite_row(sqlite, query, look, failure) < 0)
        return -1;
    int64_t count = sqlite3_column_int64(query, 0);
    sqlite3_reset(query);
    return count <= SINKS_MAX ? 0 : sinks_fail_full(failure);
}

int sqlite_sink_add(struct store *store, const char *name, int64_t now, struct failure *failure)
{
    static const char what[] = "enter a sink";
    struct sqlite *sqlite = sqlite_of(store);

    if (sqlite_begin(sqlite, what, failure) != 0)
        return -1;
    int added = insert_sink(sqlite, name, now, failure);
    if (added > 0 && check_room(sqlite, failure) != 0)
        added = -1;
    return sqlite_end(sqlite, added, what, failure);
}

static void copy_text(char *out, size_t size, sqlite3_stmt *query, int column)
{
    const unsigned char *text = sqlite3_column_text(query, column);

    snprintf(out, size, "%s", text == NULL ? "" : (const char *)text);
}

static void read_sink(sqlite3_stmt *query, struct sink_row *row)
{
    copy_text(row->name, sizeof(row->name), query, 0);
    row->cursor = (struct outbox_place){sqlite3_column_int64(query, 1), sqlite3_column_int64(query, 2),
                                        sqlite3_column_int64(query, 3)};
    row->added = sqlite3_column_int64(query, 4);
    row->confirmed = sqlite3_column_int64(query, 5);
    row->lost = (uint64_t)sqlite3_column_int64(query, 6);
    row->refused = (uint64_t)sqlite3_column_int64(query, 7);
    copy_text(row->holder, sizeof(row->holder), query, 8);
    row->lease = sqlite3_column_int64(query, 9);
    row->end = (struct outbox_place){sqlite3_column_int64(query, 10), sqlite3_column_int64(query, 11),
                                     sqlite3_column_int64(query, 12)};
    row->oldest = sqlite3_column_int64(query, 13);
}

int sqlite_sinks_each(struct store *store, sink_visitor *visit, void *context, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_SINKS, failure);
    int found;

    if (query == NULL)
        return -1;
    while ((found = sqlite_row(sqlite, query, look, failure)) > 0) {
        struct sink_row row;
        read_sink(query, &row);
        if (visit(context, &row) != 0)
            break;
    }
    sqlite3_reset(query);
    return found < 0 ? -1 : 0;
}

int sqlite_sink_forget(struct store *store, const char *name, struct failure *failure)
{
    static const char what[] = "forget a sink";
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *delete = sqlite_statement(sqlite, ST_SINK_DELETE, failure);

    if (delete == NULL || sqlite_begin(sqlite, what, failure) != 0)
        return -1;
    bind_text(delete, 1, name, strlen(name));
    return sqlite_end(sqlite, sqlite_run(sqlite, delete, what, failure), what, failure);
}

static int update_sink(struct sqlite *sqlite, const char *holder, struct sink_update *update, int64_t now,
                       struct failure *failure)
{
    sqlite3_stmt *statement = sqlite_statement(sqlite, ST_SINK_UPDATE, failure);

    if (statement == NULL)
        return -1;
    bind_text(statement, 1, update->name, strlen(update->name));
    bind_text(statement, 2, holder, strlen(holder));
    bind_number(statement, 3, update->cursor.n);
    bind_number(statement, 4, update->cursor.points);
    bind_number(statement, 5, update->cursor.bytes);
    bind_unsigned(statement, 6, update->lost);
    bind_unsigned(statement, 7, update->refused);
    bind_number(statement, 8, now);
    bind_number(statement, 9, update->lease);
    int changed = sqlite_run(sqlite, statement, change_it, failure);
    update->held = changed > 0;
    return changed < 0 ? -1 : 0;
}

/* What another writer keeps from being done now is done a moment later. */
static int begin_now(struct sqlite *sqlite, struct failure *failure)
{
    sqlite3_busy_timeout(sqlite->db, 0);
    int begun = sqlite_begin(sqlite, change_it, failure);
    sqlite3_busy_timeout(sqlite->db, COMMAND_BUSY_MS);
    return begun;
}

int sqlite_sinks_update(struct store *store, const char *holder, struct sink_update *updates, size_t count,
                        int64_t now, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    int result = 0;

    if (begin_now(sqlite, failure) != 0)
        return -1;
    for (size_t i = 0; i < count && result == 0; i++)
        result = update_sink(sqlite, holder, &updates[i], now, failure);
    return sqlite_end(sqlite, result, change_it, failure);
}

/* ---- letting go ---- */

/* A transaction that deletes nothing still waits for its turn, and is a write. */
static int is_due(struct sqlite *sqlite, struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_OUTBOX_IS_DUE, failure);

    if (query == NULL || sqlite_row(sqlite, query, look, failure) < 0)
        return -1;
    int due = sqlite3_column_int(query, 0);
    sqlite3_reset(query);
    return due;
}

int sqlite_outbox_trim(struct store *store, size_t most, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    int due = is_due(sqlite, failure);

    if (due <= 0)
        return due;
    if (begin_now(sqlite, failure) != 0)
        return -1;
    return sqlite_end(sqlite,
                      sqlite_run_number(sqlite, ST_OUTBOX_DELETE, (int64_t)most, "empty the outbox", failure),
                      "empty the outbox", failure);
}
