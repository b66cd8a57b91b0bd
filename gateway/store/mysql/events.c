#include "gateway/store/mysql/mysql.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 50000 /* of those that authenticated, and of the others (PROTOCOL 4) */

static const char write_it[] = "write events";

/* ---- writing ---- */

/* `place` is the row's in what was taken of the numbers: 0 is the last one. */
static void put_event(struct mq_parameters *rows, const struct event_row *event, int64_t place)
{
    mq_row(rows);
    mq_boolean(rows, event->authentic);
    mq_last_id(rows, place);
    mq_time(rows, event->time);
    mq_text(rows, event->kind);
    mq_number(rows, event->device);
    mq_text(rows, "");
    mq_text(rows, event->source == NULL ? "" : event->source);
    mq_text(rows, event->detail == NULL ? "" : event->detail);
}

static int64_t count_events(const struct event_row *events, size_t count, bool authentic)
{
    int64_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += events[i].authentic == authentic;
    return found;
}

static void add_rows(struct mq_batch *batch, struct mq_parameters *rows)
{
    mq_list_end(rows);
    mq_batch_add(batch, MQ_EVENTS_ADD, rows);
}

static void send_rows(struct mq_batch *batch, const struct event_row *events, size_t count, bool authentic,
                      int64_t left)
{
    struct mq_parameters rows = {0};

    for (size_t i = 0; i < count; i++) {
        if (events[i].authentic != authentic)
            continue;
        if (!rows.in_list)
            mq_list(&rows);
        put_event(&rows, &events[i], --left);
        if (mq_is_long(&rows))
            add_rows(batch, &rows);
    }
    if (rows.in_list)
        add_rows(batch, &rows);
}

static void add_step(struct mq_batch *batch, enum mq_statement id, bool authentic, int64_t count)
{
    struct mq_parameters parameters = {0};

    mq_boolean(&parameters, authentic);
    mq_number(&parameters, count);
    mq_batch_add(batch, id, &parameters);
}

/* Those of one kind. Their ids are dense, so that the oldest are known by them. */
static void send_kind(struct mq_batch *batch, const struct event_row *events, size_t count, bool authentic)
{
    int64_t found = count_events(events, count, authentic);
    struct mq_parameters parameters = {0};

    if (found == 0)
        return;
    mq_text(&parameters, authentic ? "events_authentic" : "events_other");
    mq_number(&parameters, found);
    mq_batch_add(batch, MQ_EVENTS_TAKE, &parameters);
    send_rows(batch, events, count, authentic, found);
    add_step(batch, MQ_EVENTS_NAME, authentic, found);
    add_step(batch, MQ_EVENTS_TRIM, authentic, EVENTS_MAX);
}

static int write_events(struct mysql *my, const struct event_row *events, size_t count,
                        struct failure *failure)
{
    struct mq_batch batch;

    if (mq_begin(my, write_it, failure) != 0)
        return -1;
    mq_batch_begin(&batch, my, NULL, NULL, write_it, failure);
    send_kind(&batch, events, count, true);
    send_kind(&batch, events, count, false);
    return mq_end(my, mq_batch_end(&batch, 0), write_it, failure);
}

int maria_events_add(struct store *store, const struct event_row *events, size_t count,
                     struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    int tries = 0, result;

    if (count == 0)
        return 0;
    do
        result = write_events(my, events, count, failure);
    while (result < 0 && mq_again(my, &tries));
    return result;
}

/* ---- reading back ---- */

/* Where a listing stands: the key of the last event. */
struct cursor {
    int64_t time;
    bool authentic;
    int64_t id;
};

static void begin_selection(struct mq_parameters *parameters, const struct event_filter *filter)
{
    mq_text(parameters, filter->kind);
    mq_text(parameters, filter->device);
}

/* Finds the oldest of the newest `limit`: events begin behind the cursor. */
static int find_start(struct mysql *my, const struct event_filter *filter, struct cursor *cursor,
                      struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;

    *cursor = (struct cursor){.time = INT64_MIN, .id = -1};
    if (filter->limit < 0)
        return 0;
    begin_selection(&parameters, filter);
    mq_number(&parameters, filter->limit - 1);
    if (mq_read(my, MQ_EVENTS_START, &parameters, &result, "read events", failure) != 0)
        return -1;
    if (mq_next(&result))
        *cursor = (struct cursor){mq_get_time(&result, 0), mq_get_boolean(&result, 1),
                                  mq_get_number(&result, 2) - 1};
    mq_clear(&result);
    return 0;
}

/* 1 there may be more, 0 that was all, or the visitor has had enough. */
static int visit_page(struct mq_result *result, struct cursor *cursor, int64_t *left, event_visitor *visit,
                      void *context)
{
    while (mq_next(result)) {
        *cursor =
            (struct cursor){mq_get_time(result, 0), mq_get_boolean(result, 1), mq_get_number(result, 2)};
        struct event_row row = {
            .time = cursor->time,
            .kind = mq_get_text(result, 3),
            .device = mq_get_number(result, 4),
            .device_name = mq_get_text(result, 5),
            .source = mq_get_text(result, 6),
            .detail = mq_get_text(result, 7),
            .authentic = cursor->authentic,
        };
        if (*left == 0 || visit(context, &row) != 0)
            return 0;
        --*left;
    }
    return mq_count(result) > 0;
}

static int list_page(struct mysql *my, const struct event_filter *filter, struct cursor *cursor,
                     int64_t *left, event_visitor *visit, void *context, struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;

    begin_selection(&parameters, filter);
    mq_time(&parameters, cursor->time);
    mq_boolean(&parameters, cursor->authentic);
    mq_number(&parameters, cursor->id);
    if (mq_read(my, MQ_EVENTS_AFTER, &parameters, &result, "read events", failure) != 0)
        return -1;
    int going = visit_page(&result, cursor, left, visit, context);
    mq_clear(&result);
    return going;
}

int maria_events_each(struct store *store, const struct event_filter *filter, event_visitor *visit,
                      void *context, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    int64_t left = filter->limit;
    struct cursor cursor;
    int going = filter->limit == 0 ? 0 : 1;

    if (going > 0 && find_start(my, filter, &cursor, failure) != 0)
        going = -1;
    while (going > 0)
        going = list_page(my, filter, &cursor, &left, visit, context, failure);
    return going;
}
