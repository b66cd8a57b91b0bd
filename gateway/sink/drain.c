#include "gateway/sink/drain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/random.h>

#define BYTES_ROOM  (DRAIN_BYTES + OUTBOX_ROW_MAX)
#define POINTS_ROOM (SINK_POINTS_MAX + PARCEL_POINTS_MAX)

int drain_init(struct drain *drain, const struct drain_config *config)
{
    memset(drain, 0, sizeof(*drain));
    drain->config = *config;
    atomic_init(&drain->keep, 0);
    atomic_init(&drain->stop, false);
    if (getrandom(&drain->chance, sizeof(drain->chance), GRND_NONBLOCK) != sizeof(drain->chance))
        drain->chance = (uint64_t)config->clock(config->clock_context);
    drain->bytes = malloc(BYTES_ROOM);
    drain->points = calloc(POINTS_ROOM, sizeof(*drain->points));
    return drain->bytes != NULL && drain->points != NULL ? 0 : -1;
}

void drain_wipe(struct drain *drain)
{
    if (drain->store != NULL)
        drain->store->ops->close(drain->store);
    free(drain->bytes);
    free(drain->points);
    drain->store = NULL;
    drain->bytes = NULL;
    drain->points = NULL;
}

void drain_begin(struct drain *drain, const struct outbox_place *cursor)
{
    drain->report.cursor = *cursor;
    drain->tries = 0;
}

static int64_t now_of(const struct drain *drain)
{
    return drain->config.clock(drain->config.clock_context);
}

/* ---- what goes wrong ---- */

/* Not when everybody else tries: a number that nobody needs to foresee (splitmix64). */
static uint64_t draw(struct drain *drain)
{
    uint64_t z = drain->chance += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Longer and longer, half of it by chance. */
static int pause_after(struct drain *drain)
{
    unsigned doublings = drain->tries < 10 ? drain->tries : 10;
    uint64_t pause = (uint64_t)DRAIN_RETRY_LEAST << doublings;

    if (pause > DRAIN_RETRY_MOST)
        pause = DRAIN_RETRY_MOST;
    drain->tries++;
    return (int)(pause / 2 + draw(drain) % (pause / 2 + 1));
}

static int note_away(struct drain *drain, const struct failure *why)
{
    if (drain->report.away_since == 0)
        drain->report.away_since = now_of(drain) / 1000000;
    drain->report.failure = *why;
    return pause_after(drain);
}

static int note_registry(struct drain *drain, const struct failure *why)
{
    struct failure failure;

    fail(&failure, "the registry: %.280s", why->text);
    return note_away(drain, &failure);
}

/* ---- reading ---- */

/* Of the first rows only: what is in the middle of others goes with them. */
static bool is_too_old(const struct drain *drain, const struct outbox_row *row)
{
    int64_t keep = atomic_load(&drain->keep);

    return keep > 0 && drain->count == 0 && row->received < now_of(drain) - keep * 1000000;
}

/* Lets the first row go. */
static void lose(struct drain *drain, const struct outbox_row *row)
{
    drain->report.lost += row->points;
    drain->end = row->place;
    drain->report.cursor = row->place;
}

/* A parcel that is none, whatever happened to it, does not stop those behind it. In the middle of others it
 * counts once these are written: until then it comes again with them. */
static void lose_damaged(struct drain *drain, const struct outbox_row *row)
{
    if (drain->count > 0) {
        drain->damaged += row->points;
        drain->end = row->place;
        return;
    }
    drain->report.damaged += row->points;
    lose(drain, row);
}

static int take_row(void *context, const struct outbox_row *row)
{
    struct drain *drain = context;
    struct sink_point *points = drain->points + drain->count;

    if (is_too_old(drain, row)) {
        lose(drain, row);
        return 0;
    }
    if (row->points > SINK_POINTS_MAX - drain->count && drain->count > 0)
        return 1; /* it begins the next batch */
    if (row->len > BYTES_ROOM - drain->used || row->len > OUTBOX_ROW_MAX) {
        lose_damaged(drain, row);
        return 0;
    }
    memcpy(drain->bytes + drain->used, row->parcel, row->len);
    if (parcel_read(drain->bytes + drain->used, row->len, points) != (int)row->points) {
        lose_damaged(drain, row);
        return 0;
    }
    drain->used += row->len;
    drain->count += row->points;
    drain->end = row->place;
    return 0;
}

/* How many rows were read; -1 the registry is away, or fails. */
static int gather(struct drain *drain, struct failure *failure)
{
    drain->used = 0;
    drain->count = 0;
    drain->damaged = 0;
    if (drain->store == NULL && store_open(&drain->store, drain->config.db, STORE_EXISTING, failure) != 0)
        return -1;
    return drain->store->ops->outbox_read(drain->store, drain->report.cursor.n, DRAIN_BYTES, take_row, drain,
                                          failure);
}

/* ---- writing ---- */

static uint64_t nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void count_write(struct drain *drain, uint64_t spent)
{
    size_t place = 0;

    while (place < DRAIN_PLACES - 1 && spent > UINT64_C(1000000) << place)
        place++;
    drain->report.times[place]++;
    drain->report.batches++;
    drain->report.nanoseconds += spent;
}

static int write_some(struct drain *drain, size_t first, size_t count, struct failure *failure)
{
    const struct sink_batch batch = {.points = drain->points + first, .count = count};
    uint64_t begun = nanoseconds();

    if (atomic_load(&drain->stop))
        return SINK_AWAY;
    int result = drain->config.sink->ops->write(drain->config.sink, &batch, failure);
    count_write(drain, nanoseconds() - begun);
    return result;
}

static void note_refusal(struct drain *drain, const struct sink_point *point, const struct failure *why)
{
    if (drain->refused < DRAIN_REFUSALS) {
        struct drain_refusal *refusal = &drain->refusals[drain->refused];
        size_t len =
            point->reading.name_len < DRAIN_REFUSAL_NAME ? point->reading.name_len : DRAIN_REFUSAL_NAME - 1;
        *refusal = (struct drain_refusal){.device_id = point->device_id, .piv = point->piv};
        snprintf(refusal->device, sizeof(refusal->device), "%s", point->device);
        if (len > 0)
            memcpy(refusal->name, point->reading.name, len);
        snprintf(refusal->why, sizeof(refusal->why), "%.*s", DRAIN_REFUSAL_WHY - 1, why->text);
    }
    drain->refused++;
}

/* What is refused is halved, until those points are found that never go: the others are written. */
static int write_points(struct drain *drain, size_t first, size_t count, struct failure *failure)
{
    int result = write_some(drain, first, count, failure);

    if (result != SINK_REFUSED)
        return result;
    if (count == 1) {
        note_refusal(drain, &drain->points[first], failure);
        return SINK_WRITTEN;
    }
    result = write_points(drain, first, count / 2, failure);
    return result != SINK_WRITTEN ? result
                                  : write_points(drain, first + count / 2, count - count / 2, failure);
}

static void confirm(struct drain *drain)
{
    struct drain_report *report = &drain->report;

    report->cursor = drain->end;
    report->written += drain->count - drain->refused;
    report->refused += drain->refused;
    report->lost += drain->damaged;
    report->damaged += drain->damaged;
    for (size_t i = 0; i < drain->refused && i < DRAIN_REFUSALS; i++)
        if (report->refusal_count < DRAIN_REFUSALS)
            report->refusals[report->refusal_count++] = drain->refusals[i];
    report->away_since = 0;
    drain->tries = 0;
}

int drain_step(struct drain *drain)
{
    struct failure failure = {.text = ""};
    int64_t before = drain->report.cursor.n;
    int rows = gather(drain, &failure);

    if (rows < 0)
        return note_registry(drain, &failure);
    if (drain->count == 0 && rows == 0 && drain->tries > 0 && drain->report.cursor.n == before)
        drain->report.away_since = 0; /* nothing is left that waits for it */
    if (drain->count == 0)
        return rows == 0 ? DRAIN_NOTHING : 0;
    drain->refused = 0;
    if (write_points(drain, 0, drain->count, &failure) != SINK_WRITTEN)
        return atomic_load(&drain->stop) ? DRAIN_NOTHING : note_away(drain, &failure);
    confirm(drain);
    return 0;
}
