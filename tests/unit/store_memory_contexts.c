/* Contexts, and batches that move them. */
#include "store_memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- contexts ---- */

static bool same_id(const struct context_row *a, const struct context_row *b)
{
    return a->device == b->device && a->counter == b->counter &&
           (a->counter || memcmp(a->id_context, b->id_context, BULLA_ID_CONTEXT_SIZE) == 0);
}

static struct context *context_of(struct memory_place *place, const struct context_row *row)
{
    EACH (struct context, context, &place->contexts)
        if (same_id(&context->row, row))
            return context;
    return NULL;
}

static bool is_due(const struct context *context, int64_t now)
{
    return context->row.closes_at != 0 && context->row.closes_at <= now;
}

/* F rises with each row that goes (PROTOCOL 4.4). `device` 0: any; `now` INT64_MAX: also those that are not
 * due. */
int memory_let_go(struct memory_place *place, int64_t device, int64_t now)
{
    int gone = 0;

    for (size_t i = place->contexts.count; i-- > 0;) {
        struct context *context = (struct context *)(void *)place->contexts.at + i;
        if ((device != 0 && context->row.device != device) || (now != INT64_MAX && !is_due(context, now)))
            continue;
        if (context->row.proven_t > place->floor)
            place->floor = context->row.proven_t;
        memory_take_out(&place->contexts, context);
        gone++;
    }
    return gone;
}

int memory_contexts_close(struct store *store, int64_t now, struct failure *failure)
{
    (void)failure;
    return memory_let_go(place_of(store), 0, now);
}

int memory_device_trust(struct store *store, int64_t id, uint64_t lower, struct failure *failure)
{
    struct context *context =
        context_of(place_of(store), &(struct context_row){.device = id, .counter = true});

    if (context == NULL)
        return fail(failure, "it has no counter context");
    if (context->row.proven && context->row.window.lower >= lower)
        return 0;
    context->row.proven = true;
    if (lower > context->row.window.lower)
        context->row.window.lower = lower;
    place_of(store)->generation++;
    return 1;
}

static void read_clock(struct store *store, int64_t device, struct store_clock *clock)
{
    clock->now = now_of(store);
    clock->floor = place_of(store)->floor;
    EACH (struct context, context, &place_of(store)->contexts)
        if (context->row.device == device && is_due(context, clock->now) &&
            context->row.proven_t > clock->floor)
            clock->floor = context->row.proven_t;
}

int memory_context_find(struct store *store, int64_t device, const uint8_t *id_context,
                        struct context_row *row, struct store_clock *clock, struct failure *failure)
{
    struct context_row wanted = {.device = device, .counter = id_context == NULL};

    (void)failure;
    if (id_context != NULL)
        memcpy(wanted.id_context, id_context, BULLA_ID_CONTEXT_SIZE);
    read_clock(store, device, clock);
    struct context *context = context_of(place_of(store), &wanted);
    if (context == NULL || is_due(context, clock->now))
        return 0;
    *row = context->row;
    return 1;
}

int memory_context_newest(struct store *store, int64_t device, struct context_row *row,
                          struct store_clock *clock, struct failure *failure)
{
    const struct context *newest = NULL;

    (void)failure;
    read_clock(store, device, clock);
    EACH (struct context, context, &place_of(store)->contexts)
        if (context->row.device == device && !context->row.counter && context->row.proven &&
            !is_due(context, clock->now) && (newest == NULL || context->rank > newest->rank))
            newest = context;
    if (newest != NULL)
        *row = newest->row;
    return newest != NULL;
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(((const struct context *)a)->row.id_context, ((const struct context *)b)->row.id_context,
                  BULLA_ID_CONTEXT_SIZE);
}

int memory_context_each(struct store *store, int64_t device, context_visitor *visit, void *context,
                        struct failure *failure)
{
    struct list found = {0};

    (void)failure;
    EACH (struct context, item, &place_of(store)->contexts)
        if (item->row.device == device && !is_due(item, now_of(store)))
            memory_put(&found, item, sizeof(*item));
    if (found.count > 0)
        qsort(found.at, found.count, sizeof(struct context), compare_ids);
    EACH (struct context, item, &found)
        if (visit(context, &item->row) != 0)
            break;
    free(found.at);
    return 0;
}

/* ---- commit ---- */

static bool same_window(const struct bulla_window *a, const struct bulla_window *b)
{
    return a->top == b->top && a->bits == b->bits && a->lower == b->lower;
}

static bool may_move(struct memory_place *place, const struct commit_context *batch, int64_t now)
{
    const struct device_row *device = memory_device(place, batch->before.device);
    const struct context *context = context_of(place, &batch->before);

    return device != NULL && !device->revoked && context != NULL && context->row.proven &&
           !is_due(context, now) && same_window(&context->row.window, &batch->before.window);
}

static bool may_prove(struct memory_place *place, const struct commit_context *batch)
{
    const struct device_row *device = memory_device(place, batch->before.device);
    const struct context *context = context_of(place, &batch->before);
    uint64_t t = batch->after.proven_t;

    if (device == NULL || device->revoked || (device->kind == BULLA_COUNTER) != batch->before.counter ||
        t <= place->floor || t + 1 < place->issued_t)
        return false;
    if (context == NULL)
        return commit_may_be_new(&batch->before);
    return !context->row.proven && same_window(&context->row.window, &batch->before.window);
}

static void prove_row(struct memory_place *place, const struct commit_context *batch, int64_t seen,
                      int64_t now)
{
    struct context fresh = {.row = batch->after};
    struct context *context = context_of(place, &batch->before);
    uint64_t t = batch->after.proven_t > place->issued_t ? batch->after.proven_t : place->issued_t;
    int64_t rank = 0;

    EACH (struct context, other, &place->contexts)
        if (other->row.device == batch->after.device && other->rank > rank)
            rank = other->rank;
    fresh.row.proven_t = context != NULL && context->row.proven_t > t ? context->row.proven_t : t;
    fresh.row.closes_at = 0;
    fresh.seen = context != NULL && context->seen > seen ? context->seen : seen;
    fresh.rank = rank + 1;
    if (context != NULL)
        *context = fresh;
    else
        memory_put(&place->contexts, &fresh, sizeof(fresh));
    EACH (struct context, other, &place->contexts)
        if (!batch->after.counter && other->row.device == batch->after.device && !other->row.counter &&
            !same_id(&other->row, &batch->after) && other->row.closes_at == 0)
            other->row.closes_at = now + SESSION_CLOSES_AFTER;
}

static void judge(struct memory_place *place, struct commit_context *context, const struct commit_note *note,
                  int64_t now)
{
    context->verdict = COMMIT_CONFLICT;
    if (!context->after.proven)
        return;
    if (context->before.proven && may_move(place, context, now)) {
        struct context *row = context_of(place, &context->before);
        row->row.window = context->after.window;
        row->seen = note->seen > row->seen ? note->seen : row->seen;
        context->verdict = COMMIT_DONE;
    }
    if (!context->before.proven) {
        memory_let_go(place, context->before.device, now);
        if (may_prove(place, context)) {
            prove_row(place, context, note->seen, now);
            context->verdict = COMMIT_DONE;
        }
    }
    if (context->verdict == COMMIT_DONE && commit_is_first(context) &&
        memory_close_wire(place, context->before.device) > 0)
        place->generation++;
    if (context->verdict == COMMIT_DONE)
        memory_count_lost(memory_device(place, context->before.device), note->lost);
}

int memory_commit(struct store *store, struct commit *batch, int64_t now, struct failure *failure)
{
    struct memory *memory = (struct memory *)store;

    if (commit_notes_take(&memory->notes, batch, failure) != 0)
        return -1;
    for (size_t i = 0; i < batch->context_count; i++)
        judge(memory->place, &batch->contexts[i], &memory->notes.items[i], now);
    for (size_t i = 0; i < batch->message_count; i++) {
        const struct commit_message *message = &batch->messages[i];
        const struct commit_context *context = &batch->contexts[message->context];
        for (size_t r = 0;
             batch->way != READINGS_OUT && context->verdict == COMMIT_DONE && r < message->count; r++)
            memory_store_reading(memory->place, context->after.device, message,
                                 &batch->readings[message->first + r]);
    }
    if (batch->way != READINGS_HERE) {
        assert_int_equal(parcels_of_commit(&memory->parcels, batch, failure), 0);
        memory_send_out(store);
    }
    return 0;
}
