#include "gateway/store/sqlite/sqlite.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 50000 /* of those that authenticated, and of the others (PROTOCOL 4) */

/* ---- writing ---- */

static int add_event(struct sqlite *sqlite, const struct event_row *event, struct failure *failure)
{
    sqlite3_stmt *add = sqlite_statement(sqlite, ST_EVENT_ADD, failure);
    const char *source = event->source == NULL ? "" : event->source;
    const char *detail = event->detail == NULL ? "" : event->detail;

    if (add == NULL)
        return -1;
    bind_number(add, 1, event->authentic);
    bind_number(add, 2, event->time);
    bind_text(add, 3, event->kind, strlen(event->kind));
    bind_number(add, 4, event->device);
    bind_text(add, 5, source, strlen(source));
    bind_text(add, 6, detail, strlen(detail));
    return sqlite_run(sqlite, add, "write events", failure) < 0 ? -1 : 0;
}

/* Ids count up by one within each sort, so the oldest are a range of the key. */
static int trim(struct sqlite *sqlite, bool authentic, struct failure *failure)
{
    sqlite3_stmt *statement = sqlite_statement(sqlite, ST_EVENTS_TRIM, failure);

    if (statement == NULL)
        return -1;
    bind_number(statement, 1, authentic);
    bind_number(statement, 2, EVENTS_MAX);
    return sqlite_run(sqlite, statement, "write events", failure) < 0 ? -1 : 0;
}

int sqlite_events_add(struct store *store, const struct event_row *events, size_t count,
                      struct failure *failure)
{
    static const char what[] = "write events";
    struct sqlite *sqlite = sqlite_of(store);
    int result = 0;

    if (count == 0)
        return 0;
    sqlite3_busy_timeout(sqlite->db, 0); /* the journal keeps nobody waiting: its writer tries again */
    result = sqlite_begin(sqlite, what, failure);
    sqlite3_busy_timeout(sqlite->db, COMMAND_BUSY_MS);
    if (result != 0)
        return -1;
    for (size_t i = 0; result == 0 && i < count; i++)
        result = add_event(sqlite, &events[i], failure);
    if (result == 0)
        result = trim(sqlite, true, failure);
    if (result == 0)
        result = trim(sqlite, false, failure);
    return sqlite_end(sqlite, result, what, failure);
}

/* ---- reading back ---- */

/* Where a listing stands: the key of the last event. */
struct cursor {
    int64_t time;
    int64_t authentic;
    int64_t id;
};

static void bind_selection(sqlite3_stmt *query, const struct event_filter *filter)
{
    bind_text_or_null(query, 1, filter->kind);
    bind_text_or_null(query, 2, filter->device);
}

/* Finds the oldest of the newest `limit`: events begin behind the cursor. */
static int find_start(struct sqlite *sqlite, const struct event_filter *filter, struct cursor *cursor,
                      struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_EVENTS_START, failure);

    if (query == NULL)
        return -1;
    *cursor = (struct cursor){.time = INT64_MIN, .authentic = -1};
    if (filter->limit < 0)
        return 0;
    bind_selection(query, filter);
    bind_number(query, 3, filter->limit - 1);
    int found = sqlite_row(sqlite, query, "read events", failure);
    if (found > 0) {
        cursor->time = sqlite3_column_int64(query, 0);
        cursor->authentic = sqlite3_column_int64(query, 1);
        cursor->id = sqlite3_column_int64(query, 2) - 1;
        sqlite3_reset(query);
    }
    return found < 0 ? -1 : 0;
}

/* The texts of one event. */
struct texts {
    char *kind;
    char *device_name;
    char *source;
    char *detail;
};

static void texts_wipe(struct texts *texts)
{
    free(texts->kind);
    free(texts->device_name);
    free(texts->source);
    free(texts->detail);
}

/* NULL when memory is out, in SQLite or here. */
static char *copy_text(sqlite3_stmt *query, int column)
{
    const char *text = (const char *)sqlite3_column_text(query, column);

    return text == NULL ? NULL : strdup(text);
}

/* Copies, so that the statement can be reset before the visitor is called. */
static int read_event(sqlite3_stmt *query, struct cursor *cursor, struct event_row *row, struct texts *texts,
                      struct failure *failure)
{
    cursor->time = sqlite3_column_int64(query, 0);
    cursor->authentic = sqlite3_column_int64(query, 1);
    cursor->id = sqlite3_column_int64(query, 2);
    *texts = (struct texts){
        .kind = copy_text(query, 3),
        .device_name = copy_text(query, 5),
        .source = copy_text(query, 6),
        .detail = copy_text(query, 7),
    };
    *row = (struct event_row){
        .time = cursor->time,
        .kind = texts->kind,
        .device = sqlite3_column_int64(query, 4),
        .device_name = texts->device_name,
        .source = texts->source,
        .detail = texts->detail,
        .authentic = cursor->authentic != 0,
    };
    if (row->kind == NULL || row->device_name == NULL || row->source == NULL || row->detail == NULL)
        return fail(failure, "cannot read events: no memory is left");
    return 0;
}

/* Visits the event behind the cursor: 1 to go on, 0 at the end. */
static int visit_next(struct sqlite *sqlite, const struct event_filter *filter, struct cursor *cursor,
                      event_visitor *visit, void *context, struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_EVENT_AFTER, failure);
    struct event_row row;
    struct texts texts;

    if (query == NULL)
        return -1;
    bind_selection(query, filter);
    bind_number(query, 3, cursor->time);
    bind_number(query, 4, cursor->authentic);
    bind_number(query, 5, cursor->id);
    int result = sqlite_row(sqlite, query, "read events", failure);
    if (result <= 0)
        return result;
    if (read_event(query, cursor, &row, &texts, failure) != 0)
        result = -1;
    sqlite3_reset(query);
    if (result > 0)
        result = visit(context, &row) == 0;
    texts_wipe(&texts);
    return result;
}

int sqlite_events_each(struct store *store, const struct event_filter *filter, event_visitor *visit,
                       void *context, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    struct cursor cursor;
    int result = 1;

    if (filter->limit == 0)
        return 0;
    if (find_start(sqlite, filter, &cursor, failure) != 0)
        return -1;
    for (int64_t left = filter->limit; result > 0 && left != 0; left--)
        result = visit_next(sqlite, filter, &cursor, visit, context, failure);
    return result < 0 ? -1 : 0;
}
