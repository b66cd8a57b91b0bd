/* Readings: stored, listed, followed, let go. */
#include "store_memory.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/store/series_cache.h"

#define PIECE 4096 /* that memory_follow_next() visits at most */

static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static struct series *series_of(struct memory_place *place, int64_t device, const struct reading *reading)
{
    bool whole = reading->type == READING_PAYLOAD || reading->type == READING_UNDECODED;
    struct series fresh = {.device = device, .key = *reading, .last = INT64_MIN};

    fresh.key.format = whole ? reading->format : 0;
    EACH (struct series, series, &place->series)
        if (series->device == device && series->key.type == reading->type &&
            series->key.format == fresh.key.format &&
            same_text(series->key.name, series->key.name_len, reading->name, reading->name_len) &&
            same_text(series->key.unit, series->key.unit_len, reading->unit, reading->unit_len))
            return series;
    fresh.id = ++place->next;
    fresh.key.name = memory_copy(reading->name, reading->name_len);
    fresh.key.unit = memory_copy(reading->unit, reading->unit_len);
    return memory_put(&place->series, &fresh, sizeof(fresh));
}

void memory_store_reading(struct memory_place *place, int64_t device, const struct commit_message *message,
                          const struct reading *reading)
{
    struct series *series = series_of(place, device, reading);
    struct point *point = calloc(1, sizeof(*point));
    int64_t first, last;

    assert_non_null(point);
    series_hours_around(reading->time, &first, &last);
    series->last = last > series->last ? last : series->last;
    strcpy(point->device, memory_device(place, device)->name);
    point->row = (struct reading_row){
        .device = point->device, .received = message->received, .seq = message->piv, .reading = *reading};
    point->row.reading.format = series->key.format;
    point->row.reading.name = memory_copy(reading->name, reading->name_len);
    point->row.reading.unit = memory_copy(reading->unit, reading->unit_len);
    if (reading->type >= READING_TEXT && reading->type != READING_SUM)
        point->row.reading.value.bytes.at = memory_copy(reading->value.bytes.at, reading->value.bytes.len);
    point->series = series->id;
    point->n = place->next++;
    memory_put(&place->points, &point, sizeof(point));
}

/* ---- readings, read ---- */

static int compare_times(const void *a, const void *b)
{
    const struct point *x = *(struct point *const *)a, *y = *(struct point *const *)b;

    if (x->row.reading.time != y->row.reading.time)
        return x->row.reading.time < y->row.reading.time ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

static int compare_receptions(const void *a, const void *b)
{
    const struct point *x = *(struct point *const *)a, *y = *(struct point *const *)b;

    if (x->row.received != y->row.received)
        return x->row.received < y->row.received ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

static bool is_selected(const struct point *point, const struct reading_filter *filter)
{
    const struct reading *reading = &point->row.reading;

    return (filter->device == NULL || strcmp(filter->device, point->device) == 0) &&
           (filter->name == NULL ||
            same_text(filter->name, strlen(filter->name), reading->name, reading->name_len)) &&
           reading->time >= filter->since && reading->time < filter->until;
}

/* Of those before `end`. */
static int list_points(struct memory_place *place, const struct reading_filter *filter, int64_t end,
                       reading_visitor *visit, void *context)
{
    struct list found = {0};
    size_t first = 0;

    EACH (struct point *, point, &place->points)
        if ((*point)->n < end && is_selected(*point, filter))
            memory_put(&found, point, sizeof(*point));
    if (found.count > 0)
        qsort(found.at, found.count, sizeof(struct point *), compare_times);
    if (filter->limit >= 0 && found.count > (size_t)filter->limit)
        first = found.count - (size_t)filter->limit;
    for (size_t i = first; i < found.count; i++)
        if (visit(context, &((struct point **)(void *)found.at)[i]->row) != 0)
            break;
    free(found.at);
    return 0;
}

int memory_readings_each(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                         void *context, struct failure *failure)
{
    (void)failure;
    return list_points(place_of(store), filter, INT64_MAX, visit, context);
}

struct follower {
    struct reading_filter filter;
    int64_t seen; /* all before that */
};

int memory_follow_open(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                       void *context, struct follower **follower, struct failure *failure)
{
    (void)failure;
    *follower = calloc(1, sizeof(**follower));
    assert_non_null(*follower);
    (*follower)->filter = *filter;
    (*follower)->filter.since = INT64_MIN;
    (*follower)->filter.until = INT64_MAX;
    (*follower)->seen = place_of(store)->next;
    return list_points(place_of(store), &(*follower)->filter, (*follower)->seen, visit, context);
}

int memory_follow_next(struct store *store, struct follower *follower, reading_visitor *visit, void *context,
                       struct failure *failure)
{
    struct list found = {0};

    (void)failure;
    EACH (struct point *, point, &place_of(store)->points)
        if ((*point)->n >= follower->seen && is_selected(*point, &follower->filter) && found.count < PIECE)
            memory_put(&found, point, sizeof(*point));
    if (found.count > 0)
        follower->seen = ((struct point **)(void *)found.at)[found.count - 1]->n + 1;
    if (found.count > 0)
        qsort(found.at, found.count, sizeof(struct point *), compare_receptions);
    EACH (struct point *, point, &found)
        (void)visit(context, &(*point)->row);
    free(found.at);
    return (int)found.count;
}

void memory_follow_close(struct follower *follower)
{
    free(follower);
}

/* ---- expiry ---- */

void memory_free_point(struct point *point)
{
    free((void *)point->row.reading.name);
    free((void *)point->row.reading.unit);
    if (point->row.reading.type >= READING_TEXT && point->row.reading.type != READING_SUM)
        free((void *)point->row.reading.value.bytes.at);
    free(point);
}

int memory_readings_expire(struct store *store, int64_t before, size_t most, struct failure *failure)
{
    struct memory_place *place = place_of(store);
    size_t gone = 0;

    (void)failure;
    if (place->points.count > 0)
        qsort(place->points.at, place->points.count, sizeof(struct point *), compare_times);
    while (gone < most && place->points.count > 0 &&
           (*(struct point **)(void *)place->points.at)->row.reading.time < before) {
        memory_free_point(*(struct point **)(void *)place->points.at);
        memory_take_out(&place->points, place->points.at);
        gone++;
    }
    for (size_t i = place->series.count; gone == 0 && most > 0 && i-- > 0;) {
        struct series *series = (struct series *)(void *)place->series.at + i;
        if (series->last > before)
            continue;
        free((void *)series->key.name);
        free((void *)series->key.unit);
        memory_take_out(&place->series, series);
        return 1;
    }
    return (int)gone;
}
