#include "gateway/core/cycle.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

int cycle_init(struct cycle *cycle, size_t capacity)
{
    memset(cycle, 0, sizeof(*cycle));
    cycle->capacity = capacity;
    cycle->lookups = calloc(CYCLE_LOOKUPS, sizeof(*cycle->lookups));
    cycle->inbounds = calloc(capacity, sizeof(*cycle->inbounds));
    cycle->messages = calloc(capacity, sizeof(*cycle->messages));
    cycle->touched = calloc(capacity, sizeof(*cycle->touched));
    cycle->contexts = calloc(capacity, sizeof(*cycle->contexts));
    cycle->events = calloc(JOURNAL_GATHERED, sizeof(*cycle->events));
    readings_init(&cycle->readings);
    readings_init(&cycle->older.readings);
    cycle_reset(cycle);
    return cycle->lookups != NULL && cycle->inbounds != NULL && cycle->messages != NULL &&
                   cycle->touched != NULL && cycle->contexts != NULL && cycle->events != NULL
               ? 0
               : -1;
}

void cycle_wipe(struct cycle *cycle)
{
    free(cycle->lookups);
    free(cycle->inbounds);
    free(cycle->messages);
    free(cycle->touched);
    free(cycle->contexts);
    free(cycle->events);
    readings_wipe(&cycle->readings);
    readings_wipe(&cycle->older.readings);
    roster_free(cycle->older.roster);
    memset(cycle, 0, sizeof(*cycle));
}

void cycle_reset(struct cycle *cycle)
{
    cycle->lookup_count = 0;
    cycle->message_count = 0;
    cycle->message_bytes = 0;
    cycle->context_count = 0;
    cycle->event_count = 0;
    cycle->wants_id = false;
    cycle->housekeeping = false;
    cycle->count_devices = false;
    cycle->probe = false;
    cycle->keep_t = 0;
    cycle->kept_t = 0;
    cycle->health = STORE_UNTRIED;
    cycle->failed = false;
    cycle->events_lost = false;
    cycle->id_drawn = false;
    cycle->clock_read = false;
    cycle->generation = -1;
    cycle->device_count = -1;
    cycle->expire_before = 0;
    cycle->expire_most = 0;
    cycle->expired = 0;
    cycle->outbox.due = false;
    cycle->commit_nanoseconds = 0;
    cycle->undecoded = 0;
    cycle->failure.text[0] = '\0';
    readings_reset(&cycle->readings);
    cycle->older.count = 0;
    cycle->older.judged = 0;
    cycle->older.failed = false;
    readings_reset(&cycle->older.readings);
}

void inbound_push(struct inbound_list *list, struct inbound *inbound)
{
    inbound->next = NULL;
    if (list->last != NULL)
        list->last->next = inbound;
    else
        list->first = inbound;
    list->last = inbound;
    list->count++;
}

struct inbound *inbound_pop(struct inbound_list *list)
{
    struct inbound *inbound = list->first;

    if (inbound == NULL)
        return NULL;
    list->first = inbound->next;
    if (list->first == NULL)
        list->last = NULL;
    list->count--;
    inbound->next = NULL;
    return inbound;
}

void inbound_append(struct inbound_list *list, struct inbound_list *tail)
{
    if (tail->first == NULL)
        return;
    if (list->last != NULL)
        list->last->next = tail->first;
    else
        list->first = tail->first;
    list->last = tail->last;
    list->count += tail->count;
    *tail = (struct inbound_list){0};
}

/* ---- on the store's thread ---- */

/* The latest time, and the highest floor: a lookup's counts in the device's rows that are due. */
static void note_clock(struct cycle *cycle, const struct store_clock *clock)
{
    if (!cycle->clock_read || clock->floor > cycle->clock.floor)
        cycle->clock.floor = clock->floor;
    cycle->clock.now = clock->now;
    cycle->clock_read = true;
}

static int look_up(struct cycle *cycle, struct lookup *lookup, struct store *store, struct failure *failure)
{
    const struct store_ops *ops = store->ops;
    const uint8_t *id_context = lookup->named ? lookup->id_context : NULL;
    struct store_clock clock;
    int found = ops->device_by_kid(store, lookup->kid, lookup->kid_len, &lookup->device, failure);

    lookup->device_found = found > 0;
    lookup->context_found = false;
    if (found <= 0)
        return found;
    if (lookup->named || lookup->device.kind == BULLA_COUNTER)
        found = ops->context_find(store, lookup->device.id, id_context, &lookup->context, &clock, failure);
    else
        found = ops->context_newest(store, lookup->device.id, &lookup->context, &clock, failure);
    lookup->context_found = found > 0;
    if (found >= 0)
        note_clock(cycle, &clock);
    return found;
}

static int decode_all(struct cycle *cycle)
{
    for (size_t i = 0; i < cycle->message_count; i++) {
        struct commit_message *message = &cycle->messages[i];
        const struct inbound *inbound = cycle->inbounds[i];
        message->first = cycle->readings.count;
        if (decode(inbound->envelope.content_format, inbound->envelope.ciphertext, inbound->plaintext_len,
                   inbound->received, &cycle->readings) < 0)
            return fail(&cycle->failure, "out of memory while decoding a batch");
        message->count = cycle->readings.count - message->first;
        if (message->count > 0 && cycle->readings.items[message->first].type == READING_UNDECODED)
            cycle->undecoded++;
    }
    return 0;
}

static uint64_t nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int store_batch(struct cycle *cycle, struct store *store)
{
    uint64_t begun = nanoseconds();
    struct commit commit = {.generation = -1};

    if (decode_all(cycle) < 0)
        return -1;
    commit.contexts = cycle->contexts;
    commit.context_count = cycle->context_count;
    commit.messages = cycle->messages;
    commit.message_count = cycle->message_count;
    commit.readings = cycle->readings.items;
    commit.way = cycle->way;
    if (store->ops->commit(store, &commit, cycle->now, &cycle->failure) < 0)
        return -1;
    cycle->generation = commit.generation;
    cycle->commit_nanoseconds = nanoseconds() - begun;
    return 0;
}

static int store_events(struct cycle *cycle, struct store *store)
{
    struct event_row rows[JOURNAL_GATHERED];
    struct failure unsaid; /* the journal never fails a batch */

    for (size_t i = 0; i < cycle->event_count; i++) {
        const struct journal_entry *entry = &cycle->events[i];
        rows[i] = (struct event_row){
            .time = entry->time,
            .kind = outcome_word(entry->outcome),
            .device = entry->device,
            .source = entry->source,
            .detail = entry->detail,
            .authentic = outcome_authentic(entry->outcome),
        };
    }
    return store->ops->events_add(store, rows, cycle->event_count, &unsaid);
}

/* What fails here is tried again in a later cycle. */
static void keep_house(struct cycle *cycle, struct store *store)
{
    struct failure unsaid;

    if (cycle->housekeeping)
        (void)store->ops->contexts_close(store, cycle->now, &unsaid);
    if (cycle->count_devices && store->ops->device_count(store, &cycle->device_count, &unsaid) < 0)
        cycle->device_count = -1;
}

/* Trouble counts whatever else went well in the same cycle; the first one is told. */
static void note_health(struct cycle *cycle, int result, const struct failure *failure)
{
    if (result >= 0 && cycle->health == STORE_UNTRIED)
        cycle->health = STORE_WELL;
    if (result < 0 && cycle->health != STORE_BAD) {
        cycle->health = STORE_BAD;
        cycle->trouble = *failure;
    }
}

/* Before rows are looked up: what changes them afterwards raises it again. */
static void read_generation(struct cycle *cycle, struct store *store)
{
    struct failure failure;

    if (cycle->generation < 0 && store->ops->generation(store, &cycle->generation, &failure) < 0) {
        cycle->generation = -1;
        note_health(cycle, -1, &failure);
    }
}

void cycle_run(struct cycle *cycle, struct store *store)
{
    struct failure failure;
    struct failure unsaid;

    keep_house(cycle, store);
    if (cycle->keep_t != 0 && store->ops->issued_t(store, cycle->keep_t, &cycle->kept_t, &failure) < 0) {
        cycle->kept_t = 0;
        note_health(cycle, -1, &failure);
    }
    if (cycle->message_count > 0)
        cycle->failed = store_batch(cycle, store) < 0;
    if (cycle->message_count > 0)
        note_health(cycle, cycle->failed ? -1 : 0, &cycle->failure);
    else if (cycle->probe)
        note_health(cycle, store->ops->probe(store, &failure), &failure);
    read_generation(cycle, store);
    /* Behind the batch: what closes an older wire in it counts. It has nothing to fear from them. */
    int older = older_run(&cycle->older, store, cycle->now, cycle->housekeeping);
    if (older != 0)
        note_health(cycle, older, &cycle->older.failure);
    for (size_t i = 0; i < cycle->lookup_count; i++) { /* they see what the batch made of the rows */
        cycle->lookups[i].failed = look_up(cycle, &cycle->lookups[i], store, &failure) < 0;
        if (cycle->lookups[i].failed)
            note_health(cycle, -1, &failure);
    }
    if (cycle->event_count > 0)
        cycle->events_lost = store_events(cycle, store) < 0;
    if (cycle->wants_id)
        cycle->id_drawn = gateway_id_draw(store, cycle->now, cycle->id, &unsaid) == 0;
    if (cycle->outbox.due && cycle->health != STORE_BAD)
        outbox_run(&cycle->outbox, store, cycle->now);
    else
        cycle->outbox.failed = true;
    if (cycle->expire_before != 0 && cycle->health != STORE_BAD) /* a failing store has other worries */
        cycle->expired =
            store->ops->readings_expire(store, cycle->expire_before, cycle->expire_most, &unsaid);
}
