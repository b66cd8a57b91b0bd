#include "gateway/core/pipeline.h"

#include <string.h>

#include "gateway/core/steps.h"

#define EVENTS_EVERY 250000 /* microseconds between two writes of the journal */
#define CLOCK_SLACK  5      /* seconds */
#define PROBE_COUNTS 5 /* seconds after a batch that failed, from which on a probe shows that all is well */

int pipeline_init(struct pipeline *pipeline, const struct pipeline_config *config)
{
    memset(pipeline, 0, sizeof(*pipeline));
    pipeline->config = *config;
    pipeline->config.challenge_key = NULL;
    pipeline->config.gateway_id = NULL;
    pipeline->generation = -1;
    pipeline->counters.devices = -1;
    answerer_init(&pipeline->answerer, config->crypto);
    if (config->challenge_key != NULL)
        pipeline_open(pipeline, config->challenge_key, config->gateway_id, NULL);
    pipeline->gathered = &pipeline->cycles[0];
    if (devices_init(&pipeline->devices, config->devices, config->crypto) < 0 ||
        cycle_init(&pipeline->cycles[0], config->queue) < 0 ||
        cycle_init(&pipeline->cycles[1], config->queue) < 0)
        return -1;
    return 0;
}

void pipeline_open(struct pipeline *pipeline, const uint8_t challenge_key[CHALLENGE_KEY_SIZE],
                   const uint8_t gateway_id[GATEWAY_ID_SIZE], struct roster *roster)
{
    memcpy(pipeline->challenge_key, challenge_key, CHALLENGE_KEY_SIZE);
    answerer_adopt(&pipeline->answerer, gateway_id);
    pipeline->roster = roster;
    pipeline->failing_since = 0;
    pipeline->open = true;
}

void pipeline_note_closed(struct pipeline *pipeline, const struct failure *failure)
{
    if (pipeline->failing_since == 0)
        pipeline->failing_since = pipeline->config.clock(pipeline->config.clock_context) / 1000000;
    pipeline->failure = *failure;
}

void pipeline_wipe(struct pipeline *pipeline)
{
    cycle_wipe(&pipeline->cycles[0]);
    cycle_wipe(&pipeline->cycles[1]);
    roster_free(pipeline->roster);
    devices_wipe(&pipeline->devices);
    bulla_wipe(pipeline, sizeof(*pipeline));
}

void pipeline_keep(struct pipeline *pipeline, int64_t seconds)
{
    pipeline->config.keep_seconds = seconds;
    expiry_hurry(&pipeline->expiry);
}

bool pipeline_has_room(const struct pipeline *pipeline)
{
    return pipeline->open && !pipeline->draining && pipeline->waiting <= pipeline->config.queue &&
           !outbox_is_full(&pipeline->outbox);
}

void pipeline_receive(struct pipeline *pipeline, struct inbound *inbound)
{
    pipeline->waiting++;
    inbound->context = NULL;
    inbound->tries = 0;
    inbound->opened = false;
    inbound->absent = false;
    inbound->confirmed = false;
    inbound->waited = false;
    inbound->is_refused = false;
    inbound->received = pipeline->config.clock(pipeline->config.clock_context);
    if (bulla_envelope_parse(&inbound->envelope, BULLA_TO_GATEWAY, inbound->bytes, inbound->len) < 0) {
        inbound->envelope.id = NULL;
        inbound->envelope.id_len = 0;
        settle(pipeline, inbound, OUTCOME_MALFORMED, NULL, "%zu bytes that are not a message", inbound->len);
    } else if (!pipeline_has_room(pipeline)) {
        settle_busy(pipeline, inbound);
    } else {
        steps_run(pipeline, inbound);
    }
}

/* ---- to the store ---- */

/* Says what each window that the batch moves was, and what it is to be. */
static void fill_contexts(struct cycle *cycle)
{
    for (size_t i = 0; i < cycle->context_count; i++) {
        struct context *context = cycle->touched[i];
        struct context_row *before = &cycle->contexts[i].before;
        struct context_row *after = &cycle->contexts[i].after;
        before->device = context->device->id;
        before->counter = context->device->kind == BULLA_COUNTER;
        memcpy(before->id_context, context->id_context, BULLA_ID_CONTEXT_SIZE);
        before->proven = context->proven;
        before->proven_t = context->proven_t;
        before->closes_at = context->closes_at;
        before->window = context->stored;
        *after = *before;
        after->window = context->pending;
        cycle->contexts[i].name = context->device->name; /* which is pinned, and has no other */
        after->proven = true;                            /* it was, or one of the messages proves it */
        if (context->proving)
            after->proven_t = context->proving_t;
        context->slot = 0;
    }
}

static void move_events(struct pipeline *pipeline, struct cycle *cycle, int64_t now)
{
    cycle->event_count = journal_take(&pipeline->journal, cycle->events);
    pipeline->events_taken = now;
}

static void plan_expiry(struct pipeline *pipeline, struct cycle *cycle, int64_t now)
{
    bool doubted = pipeline->expiry.ahead > 0;

    expiry_plan(&pipeline->expiry, cycle, pipeline->config.keep_seconds, now);
    if (!doubted && pipeline->expiry.ahead > 0)
        log_line(
            pipeline->config.log, LOG_LEVEL_WARN, "clock-jumped",
            "ahead_seconds=%lld detail=\"no reading is deleted by the new time for a day; if it is right, a "
            "restart believes it at once\"",
            (long long)pipeline->expiry.ahead);
}

struct cycle *pipeline_take(struct pipeline *pipeline, bool idle_work)
{
    struct cycle *cycle = pipeline->gathered;
    int64_t now = pipeline->config.clock(pipeline->config.clock_context);
    bool events_due = pipeline->journal.count > 0 && (now - pipeline->events_taken >= EVENTS_EVERY ||
                                                      now < pipeline->events_taken || pipeline->draining);

    if (pipeline->running != NULL || !pipeline->open)
        return NULL;
    if (cycle->lookup_count == 0 && cycle->message_count == 0 && cycle->parked.count == 0 &&
        pipeline->older.count == 0 && !events_due && !idle_work)
        return NULL;
    pipeline->taken = now / 1000000;
    cycle->now = pipeline->taken + pipeline->clock_offset;
    cycle->housekeeping = cycle->now != pipeline->housekept;
    pipeline->housekept = cycle->now;
    cycle->count_devices = pipeline->recount;
    pipeline->recount = false;
    if (!pipeline->draining)
        plan_expiry(pipeline, cycle, now);
    cycle->probe = pipeline->failing_since != 0;
    if (cycle->lookup_count > 0)
        cycle->keep_t = current_t(pipeline); /* and hear whether another gateway raised it */
    cycle->wants_id = answerer_wants_id(&pipeline->answerer);
    if (events_due)
        move_events(pipeline, cycle, now);
    fill_contexts(cycle);
    cycle->way = pipeline->outbox.way;
    outbox_plan(&pipeline->outbox, &cycle->outbox, now);
    older_gather(pipeline, cycle);
    pipeline->running = cycle;
    pipeline->gathered = cycle == &pipeline->cycles[0] ? &pipeline->cycles[1] : &pipeline->cycles[0];
    return cycle;
}

/* ---- from the store ---- */

static size_t log2_place(uint64_t value, size_t places)
{
    size_t place = 0;

    while (place < places - 1 && value > (uint64_t)1 << place)
        place++;
    return place;
}

static void count_batch(struct pipeline *pipeline, const struct cycle *cycle)
{
    struct pipeline_counters *counters = &pipeline->counters;
    size_t places = sizeof(counters->batch_sizes) / sizeof(counters->batch_sizes[0]);

    counters->batches++;
    counters->batch_messages += cycle->message_count;
    counters->batch_sizes[log2_place(cycle->message_count, places)]++;
    counters->commit_times[log2_place((cycle->commit_nanoseconds + 99999) / 100000, places)]++;
    counters->commit_nanoseconds += cycle->commit_nanoseconds;
    counters->readings += cycle->readings.count;
    counters->undecoded += cycle->undecoded;
}

static void note_failure(struct pipeline *pipeline, const struct cycle *cycle)
{
    char quoted[2 * sizeof(cycle->trouble.text)];

    if (pipeline->failing_since == 0) {
        pipeline->failing_since = cycle->now;
        log_line(pipeline->config.log, LOG_LEVEL_ERROR, "store-failing", "detail=%s",
                 log_quote(quoted, sizeof(quoted), cycle->trouble.text));
    }
    pipeline->failure = cycle->trouble;
}

static void note_recovery(struct pipeline *pipeline, const struct cycle *cycle)
{
    if (pipeline->failing_since == 0)
        return;
    log_line(pipeline->config.log, LOG_LEVEL_WARN, "store-recovered", "after_seconds=%lld",
             (long long)(cycle->now - pipeline->failing_since));
    pipeline->failing_since = 0;
}

/*
 * The store's clock counts (PROTOCOL 4.4). It was read at some moment while the cycle was under way, however
 * long that took; if our own was set back meanwhile, nothing can be said.
 */
static void follow_clock(struct pipeline *pipeline, int64_t store_now)
{
    int64_t now = pipeline->config.clock(pipeline->config.clock_context) / 1000000;
    int64_t earliest = pipeline->taken + pipeline->clock_offset - CLOCK_SLACK;
    int64_t latest = now + pipeline->clock_offset + CLOCK_SLACK;

    if (now >= pipeline->taken && (store_now < earliest || store_now > latest))
        pipeline->clock_offset = store_now - now;
}

/* A probe writes little: it may find room where batches find none. */
static bool probe_counts(const struct pipeline *pipeline, const struct cycle *cycle)
{
    return cycle->now - pipeline->batch_failed >= PROBE_COUNTS || cycle->now < pipeline->batch_failed;
}

static void take_health(struct pipeline *pipeline, const struct cycle *cycle)
{
    if (cycle->message_count > 0 && cycle->failed) {
        pipeline->counters.batch_failures++;
        pipeline->batch_failed = cycle->now;
    } else if (cycle->message_count > 0) {
        count_batch(pipeline, cycle);
    }
    if (cycle->health == STORE_BAD)
        note_failure(pipeline, cycle);
    else if (cycle->health == STORE_WELL && (cycle->message_count > 0 || probe_counts(pipeline, cycle)))
        note_recovery(pipeline, cycle);
}

/* Events that were not written are tried again, but for the end: nothing waits for the journal. */
static void keep_events(struct pipeline *pipeline, const struct cycle *cycle)
{
    if (pipeline->draining)
        pipeline->counters.events_lost += cycle->event_count;
    else
        pipeline->counters.events_lost +=
            journal_put_back(&pipeline->journal, cycle->events, cycle->event_count);
}

/* What the cycle brought besides its messages. */
static void take_news(struct pipeline *pipeline, const struct cycle *cycle)
{
    if (cycle->generation >= 0 && cycle->generation != pipeline->generation) {
        devices_mark_dirty(&pipeline->devices);
        pipeline->generation = cycle->generation;
        pipeline->recount = true;
    }
    if (cycle->clock_read) {
        if (cycle->clock.floor > pipeline->floor) /* one device's rows that are due may raise it */
            pipeline->floor = cycle->clock.floor;
        follow_clock(pipeline, cycle->clock.now);
    }
    if (cycle->kept_t > pipeline->kept_t)
        pipeline->kept_t = cycle->kept_t;
    if (cycle->id_drawn)
        answerer_adopt(&pipeline->answerer, cycle->id);
    if (cycle->device_count >= 0)
        pipeline->counters.devices = cycle->device_count;
    expiry_note(&pipeline->expiry, cycle);
    outbox_note(&pipeline->outbox, &cycle->outbox, cycle->now);
    if (cycle->expired > 0)
        pipeline->counters.expired += (uint64_t)cycle->expired;
    if (cycle->events_lost)
        keep_events(pipeline, cycle);
    take_health(pipeline, cycle);
}

/* The session is the device's newest now; the others close after their hour (PROTOCOL 4.4). */
static void supersede(struct context *proven, int64_t now)
{
    struct device *device = proven->device;

    if (device->kind != BULLA_SESSION)
        return;
    for (struct context *context = device->contexts; context != NULL; context = context->next) {
        if (context != proven && context->row_known && context->closes_at == 0)
            context->closes_at = now + SESSION_CLOSES_AFTER;
    }
    device->newest = proven;
    device->newest_known = true;
}

/* The batch stands: what was pending when it left is stored. */
static void commit_contexts(struct cycle *cycle)
{
    for (size_t i = 0; i < cycle->context_count; i++) {
        struct context *context = cycle->touched[i];
        const struct context_row *after = &cycle->contexts[i].after;
        if (cycle->contexts[i].verdict != COMMIT_DONE)
            continue;
        context->stored = after->window;
        if (context->proving) {
            context->proving = false;
            context->proven = true;
            context->proven_t = after->proven_t;
            context->closes_at = 0;
            supersede(context, cycle->now);
        }
    }
}

/* What a batch had marked is taken back: its contexts are what is stored, and their rows are read anew. */
static void undo(struct context *context)
{
    context->pending = context->stored;
    context->proving = false;
    context->slot = 0;
    context->device->dirty = true;
}

/* Takes all messages out of the cycle that gathers, and what they had marked. */
static void ungather(struct pipeline *pipeline, struct inbound_list *out)
{
    struct cycle *cycle = pipeline->gathered;

    for (size_t i = 0; i < cycle->message_count; i++) {
        cycle->inbounds[i]->context->pins--;
        inbound_push(out, cycle->inbounds[i]);
    }
    for (size_t i = 0; i < cycle->context_count; i++)
        undo(cycle->touched[i]);
    cycle->message_count = 0;
    cycle->message_bytes = 0;
    cycle->context_count = 0;
}

/*
 * The batch failed: nothing of it was stored, and what gathered meanwhile stood on it. All of them are told
 * to try again, and so is who waited for their fate.
 */
static void fail_batch(struct pipeline *pipeline, struct cycle *cycle)
{
    struct inbound_list failed = {0};
    struct inbound *inbound;

    for (size_t i = 0; i < cycle->message_count; i++) {
        cycle->inbounds[i]->context->pins--;
        inbound_push(&failed, cycle->inbounds[i]);
    }
    ungather(pipeline, &failed);
    for (size_t i = 0; i < cycle->context_count; i++)
        undo(cycle->touched[i]);
    inbound_append(&failed, &cycle->parked);
    inbound_append(&failed, &pipeline->gathered->parked);
    inbound_append(&failed, &pipeline->crowd);
    while ((inbound = inbound_pop(&failed)) != NULL) {
        if (inbound->is_refused)
            settle_refused(pipeline, inbound);
        else
            settle_busy(pipeline, inbound);
    }
}

/* Answers what is stored; what met a conflict begins anew, and so does what had gathered on top of it. */
static void finish_batch(struct pipeline *pipeline, struct cycle *cycle, struct inbound_list *again)
{
    bool conflict = false;

    commit_contexts(cycle);
    for (size_t i = 0; i < cycle->message_count; i++) {
        struct inbound *inbound = cycle->inbounds[i];
        struct context *context = inbound->context;
        context->pins--;
        if (cycle->contexts[cycle->messages[i].context].verdict == COMMIT_DONE) {
            settle(pipeline, inbound, OUTCOME_STORED, context, "%s", "");
        } else {
            conflict = true;
            inbound_push(again, inbound);
        }
    }
    if (!conflict)
        return;
    ungather(pipeline, again);
    for (size_t i = 0; i < cycle->context_count; i++) {
        if (cycle->contexts[i].verdict != COMMIT_DONE)
            undo(cycle->touched[i]);
    }
}

static void finish_lookups(struct pipeline *pipeline, struct cycle *cycle)
{
    for (size_t i = 0; i < cycle->lookup_count; i++) {
        struct lookup *lookup = &cycle->lookups[i];
        lookup->inbound->waited = true;
        if (!lookup->failed && steps_install(pipeline, lookup))
            steps_run(pipeline, lookup->inbound);
        else
            settle_busy(pipeline, lookup->inbound);
    }
}

/* Those who waited for room, oldest first, until there is none; the others go on waiting. */
static void admit(struct pipeline *pipeline, struct inbound_list *crowd)
{
    while (pipeline->crowd.count == 0 && crowd->count > 0)
        steps_run(pipeline, inbound_pop(crowd));
    inbound_append(&pipeline->crowd, crowd);
}

/*
 * What came while the cycle ran, and waits for the next one, may have found by now what it waits for. It
 * begins anew before anything else comes in, which would find it at once and so overtake it. (Refusals wait
 * for their cycle in any case.)
 */
static void resume_gathered(struct pipeline *pipeline)
{
    struct cycle *cycle = pipeline->gathered;
    struct inbound_list waiting = {0};
    struct inbound *inbound;
    size_t kept = 0;

    for (size_t i = 0; i < cycle->lookup_count; i++) {
        const struct lookup *lookup = &cycle->lookups[i];
        if (devices_find(&pipeline->devices, lookup->kid, lookup->kid_len) != NULL)
            inbound_push(&waiting, lookup->inbound);
        else
            cycle->lookups[kept++] = *lookup;
    }
    cycle->lookup_count = kept;
    inbound_append(&waiting, &cycle->parked);
    while ((inbound = inbound_pop(&waiting)) != NULL) {
        if (inbound->is_refused) {
            inbound_push(&cycle->parked, inbound);
            continue;
        }
        if (inbound->tries > 0)
            inbound->tries--; /* it counts when its own cycle is through */
        steps_run(pipeline, inbound);
    }
}

void pipeline_finish(struct pipeline *pipeline)
{
    struct cycle *cycle = pipeline->running;
    struct inbound_list again = {0};
    struct inbound_list crowd = {0};
    struct inbound *inbound;

    pipeline->running = NULL;
    take_news(pipeline, cycle);
    if (cycle->failed)
        fail_batch(pipeline, cycle);
    else
        finish_batch(pipeline, cycle, &again);
    inbound_append(&crowd, &pipeline->crowd);
    while ((inbound = inbound_pop(&again)) != NULL)
        steps_run(pipeline, inbound);
    admit(pipeline, &crowd);
    older_finish(pipeline, cycle);
    finish_lookups(pipeline, cycle);
    while ((inbound = inbound_pop(&cycle->parked)) != NULL) {
        inbound->waited = true;
        steps_run(pipeline, inbound);
    }
    resume_gathered(pipeline);
    cycle_reset(cycle);
}
