#include "gateway/sink/sinks.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_AGAIN      5000 /* milliseconds: another gateway may have stored something, and nobody says so */
#define LOST_TOLD_EVERY 3600 /* seconds */

/* ---- opening ---- */

static int check_names(const struct sinks *sinks, struct failure *failure)
{
    for (size_t i = 0; i < sinks->count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(sinks->names[i], sinks->names[j]) == 0)
                return fail(failure, "--sink %.200s is given twice; keep one of them", sinks->names[i]);
    return 0;
}

static int open_one(struct sinks *sinks, const struct sinks_config *config, size_t i, struct failure *failure)
{
    struct drain_config drain = {
        .db = config->db, .clock = config->clock, .clock_context = config->clock_context};
    struct sinks_entry *entry = &sinks->entries[i];
    struct failure why;

    if (sink_open(&drain.sink, config->urls[i], &why) < 0)
        return fail(failure, "--sink: %s", why.text);
    sinks->count++;
    sinks->names[i] = drain.sink->name;
    pthread_mutex_init(&entry->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&entry->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (drain_init(&entry->drain, &drain) < 0)
        return fail(failure, "no memory is left for sinks");
    atomic_store(&entry->drain.keep, config->keep_seconds);
    return 0;
}

int sinks_open(struct sinks *sinks, const struct sinks_config *config, struct failure *failure)
{
    memset(sinks, 0, sizeof(*sinks));
    sinks->log = config->log;
    if (config->count == 0)
        return 0;
    if (config->count > SINKS_MAX)
        return fail(failure, "there are more than %d sinks", SINKS_MAX);
    sinks->entries = calloc(config->count, sizeof(*sinks->entries));
    if (sinks->entries == NULL)
        return fail(failure, "no memory is left for sinks");
    for (size_t i = 0; i < config->count; i++)
        if (open_one(sinks, config, i, failure) < 0)
            return -1;
    return check_names(sinks, failure);
}

void sinks_close(struct sinks *sinks)
{
    for (size_t i = 0; i < sinks->count; i++) {
        struct sinks_entry *entry = &sinks->entries[i];
        drain_wipe(&entry->drain);
        entry->drain.config.sink->ops->close(entry->drain.config.sink);
        pthread_cond_destroy(&entry->wake);
        pthread_mutex_destroy(&entry->mutex);
    }
    free(sinks->entries);
    memset(sinks, 0, sizeof(*sinks));
}

bool sinks_call(const struct sinks *sinks)
{
    for (size_t i = 0; i < sinks->count; i++)
        if (sinks->entries[i].drain.config.sink->ops->is_server)
            return true;
    return false;
}

void sinks_keep(struct sinks *sinks, int64_t seconds)
{
    for (size_t i = 0; i < sinks->count; i++)
        atomic_store(&sinks->entries[i].drain.keep, seconds);
}

/* ---- a sink's thread ---- */

static struct timespec after(int milliseconds)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += milliseconds / 1000;
    time.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

/* Until the time is over; or, if it may be woken, until it is. The mutex is held. */
static void wait(struct sinks_entry *entry, int milliseconds, bool may_wake)
{
    const struct timespec until = after(milliseconds);
    int error = 0;

    atomic_store(&entry->idle, may_wake);
    while (error == 0 && !entry->stop && entry->held && !entry->granted &&
           !(may_wake && atomic_load(&entry->woken)))
        error = pthread_cond_timedwait(&entry->wake, &entry->mutex, &until);
    atomic_store(&entry->idle, false);
}

/* What has happened goes to who looks at it. The mutex is held. */
static void publish(struct sinks_entry *entry)
{
    struct drain_refusal kept[DRAIN_REFUSALS];
    size_t count = entry->report.refusal_count;
    struct drain_report *mine = &entry->drain.report;

    memcpy(kept, entry->report.refusals, sizeof(kept));
    for (size_t i = 0; i < mine->refusal_count && count < DRAIN_REFUSALS; i++)
        kept[count++] = mine->refusals[i];
    entry->report = *mine;
    memcpy(entry->report.refusals, kept, sizeof(kept));
    entry->report.refusal_count = count;
    mine->refusal_count = 0;
}

static void step(struct sinks_entry *entry)
{
    if (entry->granted) {
        drain_begin(&entry->drain, &entry->place);
        entry->report.cursor = entry->place; /* what it says from before is of another time: the sink may have
                                                been forgotten meanwhile, and n begun anew */
    }
    entry->granted = false;
    atomic_store(&entry->woken, false);
    pthread_mutex_unlock(&entry->mutex);
    int pause = drain_step(&entry->drain);
    pthread_mutex_lock(&entry->mutex);
    publish(entry);
    if (pause == DRAIN_NOTHING)
        wait(entry, LOOK_AGAIN, true);
    else if (pause > 0)
        wait(entry, pause, false);
}

static void *run(void *argument)
{
    struct sinks_entry *entry = argument;

    pthread_mutex_lock(&entry->mutex);
    while (!entry->stop) {
        if (entry->held)
            step(entry);
        else
            pthread_cond_wait(&entry->wake, &entry->mutex);
    }
    entry->done = true;
    pthread_cond_broadcast(&entry->wake);
    pthread_mutex_unlock(&entry->mutex);
    return NULL;
}

int sinks_start(struct sinks *sinks, struct failure *failure)
{
    sigset_t all;
    sigset_t before;
    int error = 0;

    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < sinks->count && error == 0; i++) {
        error = pthread_create(&sinks->entries[i].thread, NULL, run, &sinks->entries[i]);
        sinks->entries[i].running = error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        return 0;
    sinks_stop(sinks);
    return fail(failure, "cannot start a sink's thread: %s", strerror(error));
}

static void tell_stop(struct sinks_entry *entry)
{
    pthread_mutex_lock(&entry->mutex);
    entry->stop = true;
    atomic_store(&entry->drain.stop, true);
    pthread_cond_broadcast(&entry->wake);
    pthread_mutex_unlock(&entry->mutex);
}

static void await_done(struct sinks_entry *entry, const struct timespec *until)
{
    struct sink *sink = entry->drain.config.sink;
    int error = 0;

    pthread_mutex_lock(&entry->mutex);
    while (!entry->done && error == 0)
        error = pthread_cond_timedwait(&entry->wake, &entry->mutex, until);
    if (!entry->done && sink->ops->interrupt != NULL)
        sink->ops->interrupt(sink);
    pthread_mutex_unlock(&entry->mutex);
    pthread_join(entry->thread, NULL);
    entry->running = false;
}

void sinks_stop(struct sinks *sinks)
{
    const struct timespec until = after(SINKS_STOP_SECONDS * 1000);

    for (size_t i = 0; i < sinks->count; i++)
        if (sinks->entries[i].running)
            tell_stop(&sinks->entries[i]);
    for (size_t i = 0; i < sinks->count; i++)
        if (sinks->entries[i].running)
            await_done(&sinks->entries[i], &until);
}

/* ---- on the event loop ---- */

static void tell_away(struct sinks *sinks, struct sinks_entry *entry, const char *name, int64_t now)
{
    const struct drain_report *report = &entry->shown;
    bool away = report->away_since != 0;
    char quoted[2 * sizeof(report->failure.text)];

    if (away && entry->away_told == 0)
        log_line(sinks->log, LOG_LEVEL_ERROR, "sink-away", "sink=%s detail=%s", name,
                 log_quote(quoted, sizeof(quoted), report->failure.text));
    if (!away && entry->away_told != 0)
        log_line(sinks->log, LOG_LEVEL_WARN, "sink-back", "sink=%s after_seconds=%lld", name,
                 (long long)(now - entry->away_told));
    entry->away_told = report->away_since;
}

static void tell_lost(struct sinks *sinks, struct sinks_entry *entry, const char *name, int64_t now)
{
    uint64_t lost = entry->shown.lost - entry->lost_told;

    if (lost == 0 || (entry->lost_told > 0 && now - entry->lost_when < LOST_TOLD_EVERY))
        return;
    log_line(
        sinks->log, LOG_LEVEL_ERROR, "sink-lost",
        "sink=%s readings=%" PRIu64 " damaged=%" PRIu64
        " detail=\"they waited for longer than --sink-keep-age, and the sink does not get them any more\"",
        name, lost, entry->shown.damaged);
    entry->lost_told = entry->shown.lost;
    entry->lost_when = now;
}

static void tell_refusals(struct sinks *sinks, struct sinks_entry *entry, const char *name,
                          struct pipeline *pipeline)
{
    for (size_t i = 0; i < entry->shown.refusal_count; i++) {
        const struct drain_refusal *refusal = &entry->shown.refusals[i];
        char device[2 * sizeof(refusal->device)];
        char reading[2 * sizeof(refusal->name)];
        char why[2 * sizeof(refusal->why)];
        log_line(sinks->log, LOG_LEVEL_ERROR, "sink-refused",
                 "sink=%s device=%s name=%s seq=%" PRIu64 " detail=%s", name,
                 log_quote(device, sizeof(device), refusal->device),
                 log_quote(reading, sizeof(reading), refusal->name), refusal->piv,
                 log_quote(why, sizeof(why), refusal->why));
        pipeline_note_sink(pipeline, refusal->device_id, name, refusal->why);
    }
    entry->shown.refusal_count = 0;
}

static void collect(struct sinks_entry *entry, struct outbox_sink *sink)
{
    uint64_t lost = entry->shown.lost;
    uint64_t refused = entry->shown.refused;

    pthread_mutex_lock(&entry->mutex);
    entry->shown = entry->report;
    entry->report.refusal_count = 0;
    if (entry->held && !entry->granted && entry->report.cursor.n > sink->cursor.n)
        sink->cursor = entry->report.cursor;
    pthread_mutex_unlock(&entry->mutex);
    sink->lost += entry->shown.lost - lost;
    sink->refused += entry->shown.refused - refused;
}

void sinks_collect(struct sinks *sinks, struct pipeline *pipeline)
{
    for (size_t i = 0; i < sinks->count; i++) {
        struct sinks_entry *entry = &sinks->entries[i];
        int64_t now = pipeline->config.clock(pipeline->config.clock_context) / 1000000;
        collect(entry, &pipeline->outbox.sinks[i]);
        tell_away(sinks, entry, sinks->names[i], now);
        tell_lost(sinks, entry, sinks->names[i], now);
        tell_refusals(sinks, entry, sinks->names[i], pipeline);
    }
}

/* Whether there is something to do is looked at in any case: it was told, or the registry's rows say so. */
static void grant(struct sinks_entry *entry, const struct outbox_sink *sink, bool stored)
{
    bool more = stored || (sink->row != NULL && sink->row->end.n > sink->cursor.n);

    if (more)
        atomic_store(&entry->woken, true);
    if (sink->held == entry->held && !(more && atomic_load(&entry->idle)))
        return;
    pthread_mutex_lock(&entry->mutex);
    if (sink->held && !entry->held) {
        entry->granted = true;
        entry->place = sink->cursor;
    }
    entry->held = sink->held;
    pthread_cond_broadcast(&entry->wake);
    pthread_mutex_unlock(&entry->mutex);
}

void sinks_grant(struct sinks *sinks, const struct outbox *outbox, bool stored)
{
    for (size_t i = 0; i < sinks->count; i++)
        grant(&sinks->entries[i], &outbox->sinks[i], stored);
}
