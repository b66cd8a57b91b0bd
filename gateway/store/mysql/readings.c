/*
 * Readings, read back: a page at a time, so that neither side holds all of it.
 *
 * Points are clustered by time, which is the order that they are read in. Those of a few series are found by
 * an index of theirs: in windows of time, as wide as it takes to find about a page in each, because what an
 * index of several series gives has to be sorted.
 */
#include "gateway/store/mysql/mysql.h"

#include <string.h>

#include "gateway/store/mysql/listing.h"

#define SERIES_FEW 256                 /* that are found by their index; of more, all points are looked at */
#define HOUR       INT64_C(3600000000) /* microseconds */

static const char what[] = "read readings";

/* ---- rows ---- */

enum { TIME, BEYOND, N, RECEIVED, PIV, NUMBER, WHOLE, DATA, DEVICE, NAME, UNIT, TYPE, FORMAT };

void maria_bits_of(double value, uint8_t bytes[8])
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    for (int i = 7; i >= 0; i--, bits >>= 8)
        bytes[i] = (uint8_t)bits;
}

double maria_real_of(const char *bytes, size_t len)
{
    uint64_t bits = 0;
    double value;

    for (size_t i = 0; i < 8 && i < len; i++)
        bits = bits << 8 | (uint8_t)bytes[i];
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* A real has its bits beside it where the type DOUBLE does not say them. */
static double read_real(const struct mq_result *result)
{
    return mq_get_length(result, DATA) == 8 ? maria_real_of(mq_get_text(result, DATA), 8)
                                            : mq_get_real(result, NUMBER);
}

static void read_value(const struct mq_result *result, struct reading *reading)
{
    switch (reading->type) {
    case READING_REAL:
    case READING_SUM:
        reading->value.real = read_real(result);
        break;
    case READING_INTEGER:
    case READING_BOOLEAN:
        reading->value.integer = mq_get_number(result, WHOLE);
        break;
    default:
        reading->value.bytes.at = (const uint8_t *)mq_get_bytes(result, DATA, &reading->value.bytes.len);
        break;
    }
}

int maria_show(struct mysql *my, const struct mq_result *result, reading_visitor *visit, void *context,
               struct failure *failure)
{
    int type = series_type_parse(mq_get_text(result, TYPE), mq_get_length(result, TYPE));
    int64_t beyond = mq_get_number(result, BEYOND);
    struct reading_row row = {
        .device = mq_get_text(result, DEVICE),
        .received = mq_get_number(result, RECEIVED),
        .seq = (uint64_t)mq_get_number(result, PIV),
    };

    if (type < 0)
        return fail(failure, "a series' row is damaged; see docs/gateway.md, Damage (%s)", my->label);
    row.reading.type = (enum reading_type)type;
    row.reading.format = (uint16_t)mq_get_number(result, FORMAT);
    row.reading.time = beyond != 0 ? beyond : mq_get_time(result, TIME);
    row.reading.name = mq_get_bytes(result, NAME, &row.reading.name_len);
    row.reading.unit = mq_get_bytes(result, UNIT, &row.reading.unit_len);
    read_value(result, &row.reading);
    return visit(context, &row) == 0;
}

int64_t maria_point_number(const struct mq_result *result)
{
    return mq_get_number(result, N);
}

/* ---- places in the order of points ---- */

/* Behind all points of that time whose number is at most `n`. */
struct place {
    int64_t time; /* microseconds since 1970, exactly */
    int64_t n;
};

static bool is_beyond(int64_t time)
{
    return time < MQ_EARLIEST || time > MQ_LATEST;
}

void maria_put_time(struct mq_parameters *parameters, int64_t time)
{
    mq_time(parameters, time);
    mq_number(parameters, is_beyond(time) ? time : 0);
}

static struct place place_of(const struct mq_result *result)
{
    int64_t beyond = mq_get_number(result, BEYOND);

    return (struct place){beyond != 0 ? beyond : mq_get_time(result, TIME), mq_get_number(result, N)};
}

/* ---- a listing ---- */

struct listing {
    struct mysql *my;
    struct reading_filter filter; /* `since` and `until` as narrow as the series say */
    int64_t newest;               /* points with a higher number are not there */
    int64_t series[SERIES_FEW];
    int series_count; /* 0: all points are looked at */
    int64_t width;    /* of the windows, microseconds */
};

void maria_selection(struct mq_parameters *parameters, const struct reading_filter *filter)
{
    mq_text(parameters, filter->device);
    mq_text(parameters, filter->name);
}

/* What the statements about points take, $1 to $9. */
static void put_listing(struct mq_parameters *parameters, const struct listing *listing,
                        const struct place *from, int64_t until)
{
    maria_selection(parameters, &listing->filter);
    mq_list(parameters);
    for (int i = 0; i < listing->series_count; i++)
        mq_number(parameters, listing->series[i]);
    mq_list_end(parameters);
    maria_put_time(parameters, from->time);
    mq_number(parameters, from->n);
    maria_put_time(parameters, until);
    mq_number(parameters, listing->newest);
}

/* Narrows since and until to the hours that the selected series have readings in. How many series these are,
 * or -1. */
static int64_t narrow(struct listing *listing, struct failure *failure)
{
    struct reading_filter *filter = &listing->filter;
    struct mq_parameters parameters = {0};
    struct mq_result result;
    int64_t count = 0;

    maria_selection(&parameters, filter);
    if (mq_read(listing->my, MQ_SERIES_RANGE, &parameters, &result, what, failure) != 0)
        return -1;
    if (mq_next(&result) && !mq_is_null(&result, 0)) {
        int64_t first = mq_get_number(&result, 0);
        int64_t last = mq_get_number(&result, 1);
        count = mq_get_number(&result, 2);
        filter->since = first > filter->since ? first : filter->since;
        filter->until = last < filter->until ? last : filter->until;
    }
    mq_clear(&result);
    return count;
}

static int take_series(struct listing *listing, struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;

    maria_selection(&parameters, &listing->filter);
    mq_number(&parameters, SERIES_FEW);
    if (mq_read(listing->my, MQ_SERIES_SELECTED, &parameters, &result, what, failure) != 0)
        return -1;
    while (listing->series_count < SERIES_FEW && mq_next(&result))
        listing->series[listing->series_count++] = mq_get_number(&result, 0);
    mq_clear(&result);
    return 0;
}

/* 1, or 0 where there is nothing to list. */
static int begin(struct listing *listing, struct failure *failure)
{
    int64_t count = narrow(listing, failure);
    bool selects = listing->filter.device != NULL || listing->filter.name != NULL;

    if (count <= 0)
        return (int)count;
    listing->width = HOUR;
    if (selects && count <= SERIES_FEW && take_series(listing, failure) != 0)
        return -1;
    return 1;
}

static int64_t later(int64_t time, int64_t by, int64_t at_most)
{
    int64_t sum;

    return __builtin_add_overflow(time, by, &sum) || sum > at_most ? at_most : sum;
}

static int64_t earlier(int64_t time, int64_t by, int64_t at_least)
{
    int64_t difference;

    return __builtin_sub_overflow(time, by, &difference) || difference < at_least ? at_least : difference;
}

static void double_width(struct listing *listing)
{
    if (listing->width <= INT64_MAX / 2)
        listing->width *= 2;
}

/* ---- where it begins ---- */

/* The oldest of the newest `count` between two times is behind `start`; where there are fewer, all are. */
static int start_between(struct listing *listing, int64_t since, int64_t until, int64_t count,
                         struct place *start, struct failure *failure)
{
    const struct place from = {since, -1};
    struct mq_parameters parameters = {0};
    struct mq_result result;

    put_listing(&parameters, listing, &from, until);
    mq_number(&parameters, count - 1);
    if (mq_read(listing->my, listing->series_count > 0 ? MQ_POINTS_START_OF : MQ_POINTS_START, &parameters,
                &result, what, failure) != 0)
        return -1;
    *start = from;
    if (mq_next(&result)) {
        *start = place_of(&result);
        start->n--;
    }
    mq_clear(&result);
    return 0;
}

static int count_between(struct listing *listing, int64_t since, int64_t until, int64_t *count,
                         struct failure *failure)
{
    const struct place from = {since, -1};
    struct mq_parameters parameters = {0};
    struct mq_result result;

    put_listing(&parameters, listing, &from, until);
    if (mq_read(listing->my, MQ_POINTS_COUNT_OF, &parameters, &result, what, failure) != 0)
        return -1;
    *count = mq_next(&result) ? mq_get_number(&result, 0) : 0;
    mq_clear(&result);
    return 0;
}

/* Backwards in windows, until they hold as many as are wanted. */
static int find_start(struct listing *listing, struct place *start, struct failure *failure)
{
    const struct reading_filter *filter = &listing->filter;
    int64_t until = filter->until;
    int64_t left = filter->limit;

    *start = (struct place){filter->since, -1};
    if (left < 0)
        return 0;
    while (listing->series_count > 0 && until > filter->since) {
        int64_t since = earlier(until, listing->width, filter->since);
        int64_t count;
        if (count_between(listing, since, until, &count, failure) != 0)
            return -1;
        if (count >= left)
            return start_between(listing, since, until, left, start, failure);
        left -= count;
        until = since;
        double_width(listing);
    }
    return listing->series_count > 0
               ? 0
               : start_between(listing, filter->since, filter->until, left, start, failure);
}

/* ---- pages ---- */

/* At most `*left` rows, though more may have come meanwhile. 1 there may be more, 0 that was all, or the
 * visitor has had enough. */
static int visit_page(struct mysql *my, struct mq_result *result, struct place *from, int64_t *left,
                      reading_visitor *visit, void *context, struct failure *failure)
{
    while (mq_next(result)) {
        int going = (*left)-- == 0 ? 0 : maria_show(my, result, visit, context, failure);
        if (going <= 0)
            return going;
        *from = place_of(result);
    }
    return 1;
}

/* Where the page was not full, there is nothing more up to `until`. 1 to go on, 0 that was all. */
static int go_on(struct listing *listing, int count, int64_t until, struct place *from)
{
    if (count < MQ_PAGE && until >= listing->filter.until)
        return 0;
    if (count < MQ_PAGE) {
        *from = (struct place){until, -1};
        double_width(listing);
    } else if (listing->width > 1) {
        listing->width /= 2;
    }
    return 1;
}

static int list_page(struct listing *listing, struct place *from, int64_t *left, reading_visitor *visit,
                     void *context, struct failure *failure)
{
    const bool few = listing->series_count > 0;
    const int64_t until =
        few ? later(from->time, listing->width, listing->filter.until) : listing->filter.until;
    struct mq_parameters parameters = {0};
    struct mq_result result;

    put_listing(&parameters, listing, from, until);
    if (mq_read(listing->my, few ? MQ_POINTS_PAGE_OF : MQ_POINTS_PAGE, &parameters, &result, what, failure) !=
        0)
        return -1;
    int count = mq_count(&result);
    int going = visit_page(listing->my, &result, from, left, visit, context, failure);
    mq_clear(&result);
    return going > 0 ? go_on(listing, count, until, from) : going;
}

int maria_list(struct mysql *my, const struct reading_filter *filter, int64_t newest, reading_visitor *visit,
               void *context, struct failure *failure)
{
    struct listing listing = {.my = my, .filter = *filter, .newest = newest};
    int64_t left = filter->limit;
    struct place from;
    int going = filter->limit == 0 ? 0 : begin(&listing, failure);

    if (going > 0 && find_start(&listing, &from, failure) != 0)
        going = -1;
    while (going > 0)
        going = list_page(&listing, &from, &left, visit, context, failure);
    return going;
}

int maria_readings_each(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                        void *context, struct failure *failure)
{
    return maria_list(mysql_of(store), filter, INT64_MAX, visit, context, failure);
}
