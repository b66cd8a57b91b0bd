#include "gateway/store/sqlite/sqlite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

static void bind_value(sqlite3_stmt *statement, int parameter, const struct reading *reading)
{
    switch (reading->type) {
    case READING_REAL:
    case READING_SUM:
        sqlite3_bind_double(statement, parameter, reading->value.real);
        break;
    case READING_INTEGER:
    case READING_BOOLEAN:
        bind_number(statement, parameter, reading->value.integer);
        break;
    case READING_TEXT:
        bind_text(statement, parameter, (const char *)reading->value.bytes.at, reading->value.bytes.len);
        break;
    default:
        bind_bytes(statement, parameter, reading->value.bytes.at, reading->value.bytes.len);
        break;
    }
}

static int insert(struct sqlite *sqlite, enum statement_id id, int64_t series,
                  const struct commit_message *message, const struct reading *reading,
                  struct failure *failure)
{
    sqlite3_stmt *add = sqlite_statement(sqlite, id, failure);

    if (add == NULL)
        return -1;
    bind_number(add, 1, reading->time);
    bind_number(add, 2, series);
    bind_value(add, 3, reading);
    bind_unsigned(add, 4, message->piv);
    bind_unsigned(add, 5, (uint64_t)message->received - (uint64_t)reading->time);
    return sqlite_run(sqlite, add, "store a reading", failure);
}

int sqlite_reading_add(struct sqlite *sqlite, int64_t device, const struct commit_message *message,
                       const struct reading *reading, struct failure *failure)
{
    int64_t series = sqlite_series(sqlite, device, reading, failure);

    if (series < 0)
        return -1;
    int added = insert(sqlite, ST_READING_ADD, series, message, reading, failure);
    if (added == 0) /* there is one of the same microsecond */
        added = insert(sqlite, ST_READING_ADD_NEXT, series, message, reading, failure);
    return added < 0 ? -1 : 0;
}

/* ---- reading back ---- */

/*
 * Rows are copied a page at a time, and visited while no statement is open: a visitor may take as long as it
 * likes without keeping the log from starting over.
 */
#define PAGE_ROWS 1024
#define PAGE_TEXT (256 * 1024)

struct page {
    struct reading_row rows[PAGE_ROWS];
    int64_t ns[PAGE_ROWS]; /* `n` of each row */
    size_t count;
    int64_t time; /* key of the last row */
    int64_t n;
    char *text;
    size_t used;
    size_t room;
};

static const void *copy(struct page *page, const void *bytes, size_t len)
{
    char *at = page->text + page->used;

    if (len > 0)
        memcpy(at, bytes, len);
    at[len] = '\0';
    page->used += len + 1;
    return at;
}

/* Makes room for the row's strings: 1 there is, 0 the page is full. */
static int reserve(struct page *page, sqlite3_stmt *query)
{
    size_t need = 4;

    for (int column = 2; column <= 7; column++)
        need += (size_t)sqlite3_column_bytes(query, column);
    if (page->room - page->used >= need)
        return 1;
    if (page->count > 0)
        return 0;
    char *text = realloc(page->text, need);
    if (text == NULL)
        return -1;
    page->text = text;
    page->room = need;
    return 1;
}

static void copy_value(struct page *page, sqlite3_stmt *query, struct reading *reading)
{
    switch (reading->type) {
    case READING_REAL:
    case READING_SUM:
        /* SQLite has no NaN: one that came against reading.h stands as NULL, and did not fail its whole
         * batch. */
        reading->value.real =
            sqlite3_column_type(query, 2) == SQLITE_NULL ? NAN : sqlite3_column_double(query, 2);
        break;
    case READING_INTEGER:
    case READING_BOOLEAN:
        reading->value.integer = sqlite3_column_int64(query, 2);
        break;
    default:
        reading->value.bytes.len = (size_t)sqlite3_column_bytes(query, 2);
        reading->value.bytes.at = copy(page, sqlite3_column_blob(query, 2), reading->value.bytes.len);
        break;
    }
}

static int copy_row(struct sqlite *sqlite, struct page *page, sqlite3_stmt *query, struct failure *failure)
{
    struct reading_row *row = &page->rows[page->count];
    struct reading *reading = &row->reading;
    int type = series_type_parse((const char *)sqlite3_column_text(query, 8),
                                 (size_t)sqlite3_column_bytes(query, 8));

    if (type < 0)
        return fail(failure, "a series' row is damaged; see docs/gateway.md, Damage (%s)", sqlite->path);
    page->time = sqlite3_column_int64(query, 0);
    page->n = sqlite3_column_int64(query, 1);
    page->ns[page->count] = page->n;
    row->seq = (uint64_t)sqlite3_column_int64(query, 3);
    row->received = (int64_t)((uint64_t)page->time + (uint64_t)sqlite3_column_int64(query, 4));
    row->device = copy(page, sqlite3_column_blob(query, 5), (size_t)sqlite3_column_bytes(query, 5));
    reading->time = page->time;
    reading->type = (enum reading_type)type;
    reading->format = (uint16_t)sqlite3_column_int(query, 9);
    reading->name_len = (size_t)sqlite3_column_bytes(query, 6);
    reading->name = copy(page, sqlite3_column_blob(query, 6), reading->name_len);
    reading->unit_len = (size_t)sqlite3_column_bytes(query, 7);
    reading->unit = copy(page, sqlite3_column_blob(query, 7), reading->unit_len);
    copy_value(page, query, reading);
    page->count++;
    return 0;
}

static int fill_page(struct sqlite *sqlite, struct page *page, sqlite3_stmt *query, struct failure *failure)
{
    int result = 0;

    page->count = 0;
    page->used = 0;
    while (result == 0 && page->count < PAGE_ROWS) {
        int found = sqlite_row(sqlite, query, "read readings", failure);
        if (found <= 0)
            return found;
        int fits = reserve(page, query);
        if (fits == 0)
            break;
        result = fits < 0 ? fail(failure, "cannot read readings: no memory is left")
                          : copy_row(sqlite, page, query, failure);
    }
    sqlite3_reset(query);
    return result;
}

static void bind_selection(sqlite3_stmt *query, const struct reading_filter *filter)
{
    bind_text_or_null(query, 1, filter->device);
    bind_text_or_null(query, 2, filter->name);
}

/* Narrows since and until to the hours that the selected series have readings in: 1, or 0 if there are none.
 */
static int narrow(struct sqlite *sqlite, struct reading_filter *filter, struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_SERIES_RANGE, failure);

    if (query == NULL)
        return -1;
    bind_selection(query, filter);
    if (sqlite_row(sqlite, query, "read readings", failure) < 0)
        return -1;
    bool found = sqlite3_column_type(query, 0) != SQLITE_NULL;
    int64_t first = sqlite3_column_int64(query, 0);
    int64_t last = sqlite3_column_int64(query, 1);
    sqlite3_reset(query);
    filter->since = first > filter->since ? first : filter->since;
    filter->until = last < filter->until ? last : filter->until;
    return found;
}

/* Finds the oldest of the newest `limit`: readings begin behind *time, *n. */
static int find_start(struct sqlite *sqlite, const struct reading_filter *filter, int64_t *time, int64_t *n,
                      struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_READINGS_START, failure);

    if (query == NULL)
        return -1;
    *time = filter->since;
    *n = -1;
    if (filter->limit < 0)
        return 0;
    bind_selection(query, filter);
    bind_number(query, 3, filter->since);
    bind_number(query, 4, filter->until);
    bind_number(query, 5, filter->limit - 1);
    int found = sqlite_row(sqlite, query, "read readings", failure);
    if (found > 0) {
        *time = sqlite3_column_int64(query, 0);
        *n = sqlite3_column_int64(query, 1) - 1;
        sqlite3_reset(query);
    }
    return found < 0 ? -1 : 0;
}

static struct page *new_page(struct failure *failure)
{
    struct page *page = malloc(sizeof(*page));

    if (page == NULL || (page->text = malloc(PAGE_TEXT)) == NULL) {
        free(page);
        fail(failure, "cannot read readings: no memory is left");
        return NULL;
    }
    page->room = PAGE_TEXT;
    return page;
}

static void free_page(struct page *page)
{
    free(page->text);
    free(page);
}

/* Who is to see the readings. */
struct audience {
    reading_visitor *visit;
    void *context;
    sqlite_key_note *note; /* or NULL */
    void *note_context;
};

/* 1 to go on, 0 the visitor has had enough. */
static int show(const struct audience *audience, const struct page *page, size_t i, struct failure *failure)
{
    const struct reading_row *row = &page->rows[i];
    struct reading_key key = {.order = row->reading.time, .time = row->reading.time, .n = page->ns[i]};

    if (audience->note != NULL && audience->note(audience->note_context, &key, row->received, failure) != 0)
        return -1;
    return audience->visit(audience->context, row) == 0;
}

/* Visits the readings behind page->time, page->n; at most filter->limit, though more may have come meanwhile.
 */
static int visit_pages(struct sqlite *sqlite, const struct reading_filter *filter, struct page *page,
                       const struct audience *audience, struct failure *failure)
{
    int64_t left = filter->limit;

    do {
        sqlite3_stmt *query = sqlite_statement(sqlite, ST_READINGS_PAGE, failure);
        if (query == NULL)
            return -1;
        bind_selection(query, filter);
        bind_number(query, 3, page->time);
        bind_number(query, 4, filter->until);
        bind_number(query, 5, page->n);
        if (fill_page(sqlite, page, query, failure) != 0)
            return -1;
        for (size_t i = 0; i < page->count; i++) {
            int going = left-- == 0 ? 0 : show(audience, page, i, failure);
            if (going <= 0)
                return going;
        }
    } while (page->count > 0);
    return 0;
}

int sqlite_readings_noted(struct sqlite *sqlite, const struct reading_filter *filter, reading_visitor *visit,
                          void *context, sqlite_key_note *note, void *note_context, struct failure *failure)
{
    struct audience audience = {visit, context, note, note_context};
    struct reading_filter narrowed = *filter;
    struct page *page;
    int result = filter->limit == 0 ? 0 : narrow(sqlite, &narrowed, failure);

    if (result <= 0)
        return result;
    page = new_page(failure);
    if (page == NULL)
        return -1;
    result = find_start(sqlite, &narrowed, &page->time, &page->n, failure);
    if (result == 0)
        result = visit_pages(sqlite, &narrowed, page, &audience, failure);
    free_page(page);
    return result;
}

int sqlite_readings_each(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                         void *context, struct failure *failure)
{
    return sqlite_readings_noted(sqlite_of(store), filter, visit, context, NULL, NULL, failure);
}

int sqlite_readings_at(struct sqlite *sqlite, const struct reading_key *keys, size_t count,
                       reading_visitor *visit, void *context, struct failure *failure)
{
    struct audience audience = {visit, context, NULL, NULL};
    struct page *page = count == 0 ? NULL : new_page(failure);
    int result = page != NULL;

    for (size_t i = 0; result > 0 && i < count; i++) {
        sqlite3_stmt *query = sqlite_statement(sqlite, ST_READING_AT, failure);
        if (query == NULL) {
            result = -1;
            break;
        }
        bind_number(query, 1, keys[i].time);
        bind_number(query, 2, keys[i].n);
        result = fill_page(sqlite, page, query, failure) != 0 ? -1 : 1;
        if (result > 0 && page->count > 0)
            result = show(&audience, page, 0, failure);
    }
    if (count > 0 && page == NULL)
        return -1;
    if (page != NULL)
        free_page(page);
    return result < 0 ? -1 : 0;
}
