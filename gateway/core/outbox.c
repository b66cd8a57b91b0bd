#include "gateway/core/outbox.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGED_BYTES ((size_t)1048576) /* of parcels that are looked at in one go */

void outbox_init(struct outbox *outbox, struct log *log, const char *holder, enum readings_way way,
                 int64_t keep_bytes, const char *const *names, size_t count)
{
    memset(outbox, 0, sizeof(*outbox));
    outbox->log = log;
    snprintf(outbox->holder, sizeof(outbox->holder), "%s", holder);
    outbox->way = way;
    outbox->keep_bytes = keep_bytes;
    for (size_t i = 0; i < count && i < SINKS_MAX; i++)
        outbox->sinks[outbox->count++].name = names[i];
}

bool outbox_has(const struct outbox *outbox, const char *name)
{
    for (size_t i = 0; i < outbox->count; i++)
        if (strcmp(outbox->sinks[i].name, name) == 0)
            return true;
    return false;
}

/* ---- to the store ---- */

/*
 * Somebody else's, as of the last look. A lease ends by the store's clock: where ours is far behind that, the
 * store is asked.
 */
static bool is_others(const struct outbox *outbox, const struct outbox_sink *sink, int64_t now)
{
    return sink->row != NULL && sink_is_held(sink->row, now) && sink->row->lease - now <= 2 * OUTBOX_LEASE &&
           strcmp(sink->row->holder, outbox->holder) != 0;
}

static void plan_sink(struct outbox_sink *sink, struct outbox_work *work, int64_t lease)
{
    sink->lost_sent = sink->lost;
    sink->refused_sent = sink->refused;
    work->updates[work->count++] = (struct sink_update){
        .name = sink->name,
        .lease = lease,
        .cursor = sink->held ? sink->cursor : (struct outbox_place){0},
        .lost = sink->lost,
        .refused = sink->refused,
    };
}

void outbox_plan(struct outbox *outbox, struct outbox_work *work, int64_t now)
{
    int64_t pause = outbox->hurry || outbox_is_full(outbox) ? OUTBOX_HURRY : OUTBOX_EVERY;

    if (outbox->way == READINGS_HERE || (now >= outbox->looked && now - outbox->looked < pause))
        return;
    outbox->looked = now;
    outbox->hurry = false;
    work->due = true;
    work->holder = outbox->holder;
    work->keep_seconds = outbox->keep_seconds;
    work->count = 0;
    for (size_t i = 0; i < outbox->count; i++)
        if (!is_others(outbox, &outbox->sinks[i], now / 1000000))
            plan_sink(&outbox->sinks[i], work, OUTBOX_LEASE);
}

/* ---- on the store's thread ---- */

static int take_row(void *context, const struct sink_row *row)
{
    struct outbox_work *work = context;

    if (work->row_count < SINKS_MAX)
        work->rows[work->row_count++] = *row;
    return 0;
}

static bool has_row(const struct outbox_work *work, const char *name)
{
    for (size_t i = 0; i < work->row_count; i++)
        if (strcmp(work->rows[i].name, name) == 0)
            return true;
    return false;
}

/* A sink that was forgotten while it is written to: from here on it gets what is stored. */
static int enter_missing(const struct outbox_work *work, struct store *store, int64_t now,
                         struct failure *failure)
{
    for (size_t i = 0; i < work->count; i++)
        if (!work->updates[i].held && !has_row(work, work->updates[i].name) &&
            store->ops->sink_add(store, work->updates[i].name, now, failure) < 0)
            return -1;
    return 0;
}

/* What is too old, at the beginning of what a sink has not got. */
struct aged {
    int64_t before; /* microseconds since 1970 */
    struct outbox_place end;
    uint64_t points;
};

static int count_aged(void *context, const struct outbox_row *row)
{
    struct aged *aged = context;

    if (row->received >= aged->before)
        return 1;
    aged->end = row->place;
    aged->points += row->points;
    return 0;
}

/* A sink that no gateway is given any more loses what is too old all the same: its rows would stay for ever.
 */
static int let_go(const struct outbox_work *work, const struct sink_row *row, struct store *store,
                  int64_t now, struct failure *failure)
{
    struct aged aged = {.before = (now - work->keep_seconds) * 1000000};
    struct sink_update update = {.name = row->name};

    if (store->ops->outbox_read(store, row->cursor.n, AGED_BYTES, count_aged, &aged, failure) < 0)
        return -1;
    update.cursor = aged.end;
    update.lost = aged.points;
    return aged.points == 0 ? 0 : store->ops->sinks_update(store, work->holder, &update, 1, now, failure);
}

static int let_aged_go(const struct outbox_work *work, struct store *store, int64_t now,
                       struct failure *failure)
{
    for (size_t i = 0; i < work->row_count && work->keep_seconds > 0; i++) {
        const struct sink_row *row = &work->rows[i];
        if (!sink_is_held(row, now) && row->oldest != 0 &&
            row->oldest < (now - work->keep_seconds) * 1000000 && let_go(work, row, store, now, failure) < 0)
            return -1;
    }
    return 0;
}

void outbox_run(struct outbox_work *work, struct store *store, int64_t now)
{
    const struct store_ops *ops = store->ops;
    struct failure unsaid;

    work->row_count = 0;
    work->trimmed = 0;
    work->failed = (work->count > 0 && ops->sinks_update(store, work->holder, work->updates, work->count, now,
                                                         &work->failure) < 0) ||
                   ops->sinks_each(store, take_row, work, &work->failure) < 0 ||
                   enter_missing(work, store, now, &work->failure) < 0 ||
                   let_aged_go(work, store, now, &work->failure) < 0;
    if (!work->failed && work->row_count > 0)
        work->trimmed = ops->outbox_trim(store, OUTBOX_TRIM, &unsaid);
}

/* ---- from the store ---- */

static void note_update(struct outbox *outbox, const struct sink_update *update)
{
    for (size_t i = 0; i < outbox->count; i++) {
        struct outbox_sink *sink = &outbox->sinks[i];
        if (strcmp(sink->name, update->name) != 0)
            continue;
        if (update->held) {
            sink->lost -= sink->lost_sent;
            sink->refused -= sink->refused_sent;
        }
        if (update->held && !sink->held)
            sink->cursor = (struct outbox_place){0}; /* the row's, which find_row() puts here */
        sink->held = update->held;
    }
}

static const struct sink_row *find_row(const struct outbox *outbox, const char *name)
{
    for (size_t i = 0; i < outbox->row_count; i++)
        if (strcmp(outbox->rows[i].name, name) == 0)
            return &outbox->rows[i];
    return NULL;
}

static void note_rows(struct outbox *outbox, const struct outbox_work *work)
{
    memcpy(outbox->rows, work->rows, work->row_count * sizeof(work->rows[0]));
    outbox->row_count = work->row_count;
    for (size_t i = 0; i < outbox->count; i++) {
        struct outbox_sink *sink = &outbox->sinks[i];
        bool was_missing = sink->missing;
        sink->row = find_row(outbox, sink->name);
        sink->missing = sink->row == NULL;
        if (sink->missing && !was_missing)
            log_line(outbox->log, LOG_LEVEL_ERROR, "sink-forgotten",
                     "sink=%s detail=\"it was forgotten while this gateway writes to it, and gets what is "
                     "stored from now on\"",
                     sink->name);
        if (sink->row != NULL && sink->held && sink->row->cursor.n > sink->cursor.n)
            sink->cursor = sink->row->cursor;
    }
}

/* How many bytes lie in the outbox because of the sink that is furthest behind. */
static int64_t measure(struct outbox *outbox)
{
    int64_t most = 0;

    outbox->behind = NULL;
    for (size_t i = 0; i < outbox->row_count; i++) {
        int64_t bytes = outbox->rows[i].end.bytes - outbox->rows[i].cursor.bytes;
        if (bytes > most) {
            most = bytes;
            outbox->behind = outbox->rows[i].name;
        }
    }
    return most;
}

/* There is room again once a tenth of it is free: not for one batch, and then none. */
static void judge_room(struct outbox *outbox, int64_t now)
{
    bool was_full = outbox_is_full(outbox);
    bool is_full = outbox->bytes >= (was_full ? outbox->keep_bytes / 10 * 9 : outbox->keep_bytes);

    if (is_full == was_full)
        return;
    if (is_full)
        log_line(outbox->log, LOG_LEVEL_ERROR, "sinks-full",
                 "sink=%s bytes=%lld detail=\"devices are told to try again until it has taken some of what "
                 "waits for it: see what is wrong with it, or let it go (bulla sinks forget)\"",
                 outbox->behind, (long long)outbox->bytes);
    else
        log_line(outbox->log, LOG_LEVEL_WARN, "sinks-room", "after_seconds=%lld",
                 (long long)(now - outbox->full_since));
    outbox->full_since = is_full ? now : 0;
}

void outbox_note(struct outbox *outbox, const struct outbox_work *work, int64_t now)
{
    if (!work->due || work->failed)
        return;
    for (size_t i = 0; i < work->count; i++)
        note_update(outbox, &work->updates[i]);
    note_rows(outbox, work);
    outbox->hurry = work->trimmed == OUTBOX_TRIM;
    outbox->bytes = measure(outbox);
    judge_room(outbox, now);
}

/* ---- without the store's thread ---- */

static int look(struct outbox *outbox, struct outbox_work *work, struct store *store, int64_t now,
                struct failure *failure)
{
    outbox->looked = 0;
    outbox_plan(outbox, work, now * 1000000);
    outbox_run(work, store, now);
    if (work->failed) {
        *failure = work->failure;
        return -1;
    }
    outbox_note(outbox, work, now);
    return 0;
}

/* The process of this host that holder names ("HOST:PROCESS:CHANCE"); 0: of another host. */
static long process_of(const struct outbox *outbox, const char *holder)
{
    size_t host = strcspn(outbox->holder, ":");

    if (strncmp(outbox->holder, holder, host + 1) != 0)
        return 0;
    return strtol(holder + host + 1, NULL, 10);
}

/* A gateway of this host that died holds its sinks for some seconds yet: it is let go of them at once. Where
 * that is wrong, two write to a sink for a moment, which harms nothing. */
static int release_dead(struct outbox *outbox, struct store *store, int64_t now, struct failure *failure)
{
    for (size_t i = 0; i < outbox->row_count; i++) {
        const struct sink_row *row = &outbox->rows[i];
        struct sink_update update = {.name = row->name};
        long process = process_of(outbox, row->holder);
        bool is_dead = process > 0 && strcmp(row->holder, outbox->holder) != 0 &&
                       kill((pid_t)process, 0) != 0 && errno == ESRCH;
        if (is_dead && store->ops->sinks_update(store, row->holder, &update, 1, now, failure) < 0)
            return -1;
    }
    return 0;
}

int outbox_enter(struct outbox *outbox, struct store *store, int64_t now, struct failure *failure)
{
    struct outbox_work *work;
    int result;

    if (outbox->way == READINGS_HERE)
        return 0;
    if (store->ops->sink_add == NULL)
        return fail(failure, "this kind of database cannot keep readings for sinks yet");
    for (size_t i = 0; i < outbox->count; i++)
        if (store->ops->sink_add(store, outbox->sinks[i].name, now, failure) < 0)
            return -1;
    work = calloc(1, sizeof(*work));
    result =
        work == NULL ? fail(failure, "no memory is left for sinks") : look(outbox, work, store, now, failure);
    if (result == 0)
        result = release_dead(outbox, store, now, failure);
    if (result == 0)
        result = look(outbox, work, store, now, failure);
    free(work);
    return result;
}

void outbox_leave(struct outbox *outbox, struct store *store, int64_t now)
{
    struct outbox_work work = {.count = 0};
    struct failure unsaid;

    for (size_t i = 0; i < outbox->count; i++)
        if (outbox->sinks[i].held)
            plan_sink(&outbox->sinks[i], &work, 0);
    if (work.count > 0)
        (void)store->ops->sinks_update(store, outbox->holder, work.updates, work.count, now, &unsaid);
}
