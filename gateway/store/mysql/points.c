/* Readings: written, and deleted when they are old. */
#include "gateway/store/mysql/listing.h"

#include <math.h>
#include <stdlib.h>

/* ---- writing ---- */

/* What a DOUBLE does not say: no number at all, infinities, and that a zero is negative. */
static bool is_plain(double value)
{
    return isfinite(value) && !(value == 0 && signbit(value));
}

static void put_bits(struct mq_parameters *points, double value)
{
    uint8_t bytes[sizeof(value)];

    maria_bits_of(value, bytes);
    mq_bytes(points, bytes, sizeof(bytes));
}

/* The columns number, whole and data. */
static void put_value(struct mq_parameters *points, const struct reading *reading)
{
    switch (reading->type) {
    case READING_REAL:
    case READING_SUM:
        mq_real(points, reading->value.real);
        mq_null(points);
        if (is_plain(reading->value.real))
            mq_null(points);
        else
            put_bits(points, reading->value.real);
        return;
    case READING_INTEGER:
    case READING_BOOLEAN:
        mq_null(points);
        mq_number(points, reading->value.integer);
        mq_null(points);
        return;
    default:
        mq_null(points);
        mq_null(points);
        mq_bytes(points, reading->value.bytes.at, reading->value.bytes.len);
    }
}

/* `place` is the row's in what was taken of 'points': 0 is the last one. */
static void put_point(struct mq_parameters *points, const struct commit_message *message,
                      const struct reading *reading, int64_t series, int64_t place)
{
    mq_row(points);
    maria_put_time(points, reading->time);
    mq_last_id(points, place);
    mq_number(points, series);
    mq_unsigned(points, message->piv);
    mq_number(points, message->received);
    put_value(points, reading);
}

static bool is_stored(const struct commit *commit, const struct commit_message *message)
{
    return commit->contexts[message->context].verdict == COMMIT_DONE;
}

/* How many points there will be; -1 where one has no series. */
static int64_t count_points(const struct commit *commit, const int64_t *ids, struct failure *failure)
{
    int64_t count = 0;

    for (size_t i = 0; i < commit->message_count; i++) {
        const struct commit_message *message = &commit->messages[i];
        for (size_t r = message->first; is_stored(commit, message) && r < message->first + message->count;
             r++, count++)
            if (ids[r] == 0)
                return fail(failure, "cannot enter a series: its device is not in the registry");
    }
    return count;
}

static void send_points(struct mq_batch *batch, struct mq_parameters *points)
{
    mq_list_end(points);
    mq_batch_add(batch, MQ_POINTS_ADD, points);
}

static void send_all(struct mq_batch *batch, const struct commit *commit, const int64_t *ids, int64_t count)
{
    struct mq_parameters points = {0};

    for (size_t i = 0; i < commit->message_count; i++) {
        const struct commit_message *message = &commit->messages[i];
        for (size_t r = message->first; is_stored(commit, message) && r < message->first + message->count;
             r++) {
            if (!points.in_list)
                mq_list(&points);
            put_point(&points, message, &commit->readings[r], ids[r], --count);
            if (mq_is_long(&points))
                send_points(batch, &points);
        }
    }
    if (points.in_list)
        send_points(batch, &points);
}

int maria_points_send(struct mq_batch *batch, const struct commit *commit, const int64_t *ids,
                      struct failure *failure)
{
    struct mq_parameters parameters = {0};
    int64_t count = count_points(commit, ids, failure);

    if (count <= 0)
        return (int)count;
    mq_number(&parameters, count);
    mq_batch_add(batch, MQ_POINTS_TAKE, &parameters);
    send_all(batch, commit, ids, count);
    return 0;
}

static int add_points(struct mysql *my, const struct commit *commit, const int64_t *ids, const char *what,
                      struct failure *failure)
{
    struct mq_batch batch;

    mq_batch_begin(&batch, my, NULL, NULL, what, failure);
    return mq_batch_end(&batch, maria_points_send(&batch, commit, ids, failure));
}

int maria_points_add(struct mysql *my, const struct commit *commit, const char *what, struct failure *failure)
{
    int64_t *ids = calloc(commit->messages[0].count + 1, sizeof(*ids));
    int result;

    if (ids == NULL)
        return fail(failure, "cannot %s: no memory is left", what);
    result = maria_series_find(my, commit, ids, failure);
    if (result == 0)
        result = add_points(my, commit, ids, what, failure);
    free(ids);
    return result;
}

/* ---- expiry ---- */

static const char expire[] = "delete old readings";

/* The oldest points before `before` that nobody is writing, as a list. How many, or -1. */
static int oldest_points(struct mysql *my, int64_t before, size_t most, struct mq_parameters *list,
                         struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;

    maria_put_time(&parameters, before);
    mq_number(&parameters, (int64_t)most);
    if (mq_query(my, MQ_POINTS_OLDEST, &parameters, &result, expire, failure) != 0)
        return -1;
    mq_list(list);
    while (mq_next(&result))
        mq_number(list, mq_get_number(&result, 0));
    mq_list_end(list);
    int count = mq_count(&result);
    mq_clear(&result);
    return count;
}

static int delete_points(struct mysql *my, int64_t before, size_t most, struct failure *failure)
{
    struct mq_parameters list = {0};
    int count = oldest_points(my, before, most, &list, failure);

    if (count > 0)
        return mq_run(my, MQ_POINTS_DELETE, &list, expire, failure);
    mq_drop(&list);
    return count;
}

/* While no batch uses an id. Whoever has one in a cache learns from the registry that some are gone. */
static int delete_series(struct mysql *my, int64_t before, size_t most, struct failure *failure)
{
    struct mq_parameters parameters = {0};
    int free_now = mq_run(my, MQ_SERIES_GONE_HOLD, NULL, expire, failure);

    if (free_now <= 0)
        return free_now;
    maria_put_time(&parameters, before);
    mq_number(&parameters, before);
    mq_number(&parameters, (int64_t)most);
    int gone = mq_run(my, MQ_SERIES_DELETE, &parameters, expire, failure);
    if (gone <= 0)
        return gone;
    mq_text(&parameters, "series_gone");
    return mq_run(my, MQ_NUMBER_RAISE, &parameters, expire, failure) < 0 ? -1 : gone;
}

/* What is due: 1 points, 2 series, 0 nothing. */
static int what_is_due(struct mysql *my, int64_t before, struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;
    int due = 0;

    maria_put_time(&parameters, before);
    mq_number(&parameters, before);
    if (mq_read(my, MQ_EXPIRE_IS_DUE, &parameters, &result, expire, failure) != 0)
        return -1;
    if (mq_next(&result))
        due = mq_get_boolean(&result, 0) ? 1 : mq_get_boolean(&result, 1) ? 2 : 0;
    mq_clear(&result);
    return due;
}

int maria_readings_expire(struct store *store, int64_t before, size_t most, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    int due = what_is_due(my, before, failure);

    if (due <= 0)
        return due;
    if (mq_begin(my, expire, failure) != 0)
        return -1;
    int gone = due == 1 ? delete_points(my, before, most, failure) : delete_series(my, before, most, failure);
    return mq_end(my, gone, expire, failure);
}
