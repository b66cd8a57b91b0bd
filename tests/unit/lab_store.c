#include "lab_store.h"

#include <string.h>

static struct lab_store *lab_store_of(struct store *store)
{
    return (struct lab_store *)store;
}

/* Whether this call is one that fails. */
static bool fails(struct lab_store *store, enum lab_call call)
{
    struct lab_faults *faults = &store->faults[call];

    faults->calls++;
    if (faults->fail_count == 0)
        return false;
    if (faults->fail_in > 1) {
        faults->fail_in--;
        return false;
    }
    faults->fail_count--;
    return true;
}

/*
 * Calls the inner store's function of that name: `failed` says whether this call fails, and how.
 */
#define FORWARD(call, slot, ...)                                                                             \
    do {                                                                                                     \
        struct lab_store *outer = lab_store_of(store);                                                       \
        bool failed = fails(outer, call);                                                                    \
        int result = 0;                                                                                      \
        if (!failed || outer->faults[call].fault == FAULT_AFTER)                                             \
            result = outer->inner->ops->slot(outer->inner, __VA_ARGS__, failure);                            \
        return failed ? fail(failure, "made to fail") : result;                                              \
    } while (0)

static int forward_generation(struct store *store, int64_t *generation, struct failure *failure)
{
    FORWARD(CALL_GENERATION, generation, generation);
}

static int forward_device_by_kid(struct store *store, const uint8_t *kid, size_t kid_len,
                                 struct device_row *row, struct failure *failure)
{
    FORWARD(CALL_DEVICE_BY_KID, device_by_kid, kid, kid_len, row);
}

static int forward_device_count(struct store *store, int64_t *count, struct failure *failure)
{
    FORWARD(CALL_DEVICE_COUNT, device_count, count);
}

static int forward_context_find(struct store *store, int64_t device, const uint8_t *id_context,
                                struct context_row *row, struct store_clock *clock, struct failure *failure)
{
    FORWARD(CALL_CONTEXT_FIND, context_find, device, id_context, row, clock);
}

static int forward_context_newest(struct store *store, int64_t device, struct context_row *row,
                                  struct store_clock *clock, struct failure *failure)
{
    FORWARD(CALL_CONTEXT_NEWEST, context_newest, device, row, clock);
}

static int forward_contexts_close(struct store *store, int64_t now, struct failure *failure)
{
    FORWARD(CALL_CONTEXTS_CLOSE, contexts_close, now);
}

static int forward_gateway_id_add(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                                  struct failure *failure)
{
    FORWARD(CALL_GATEWAY_ID_ADD, gateway_id_add, id, now);
}

/* What the inner store's commit did is seen even where the gateway is told that it failed. */
static int inner_commit(struct lab_store *outer, struct commit *commit, int64_t now, struct failure *failure)
{
    int result = outer->inner->ops->commit(outer->inner, commit, now, failure);

    if (result == 0 && outer->after_commit != NULL)
        outer->after_commit(outer->auditor, commit, now);
    return result;
}

static int forward_commit(struct store *store, struct commit *commit, int64_t now, struct failure *failure)
{
    struct lab_store *outer = lab_store_of(store);
    void (*before_commit)(void *) = outer->before_commit;
    bool failed;
    int result = 0;

    outer->before_commit = NULL;
    if (before_commit != NULL)
        before_commit(outer->context);
    failed = fails(outer, CALL_COMMIT);
    if (!failed || outer->faults[CALL_COMMIT].fault == FAULT_AFTER)
        result = inner_commit(outer, commit, now, failure);
    return failed ? fail(failure, "made to fail") : result;
}

static int forward_events_add(struct store *store, const struct event_row *events, size_t count,
                              struct failure *failure)
{
    FORWARD(CALL_EVENTS_ADD, events_add, events, count);
}

static int forward_probe(struct store *store, struct failure *failure)
{
    return lab_store_of(store)->inner->ops->probe(lab_store_of(store)->inner, failure);
}

static int forward_issued_t(struct store *store, uint64_t t, uint64_t *kept, struct failure *failure)
{
    FORWARD(CALL_ISSUED_T, issued_t, t, kept);
}

static int forward_readings_expire(struct store *store, int64_t before, size_t most, struct failure *failure)
{
    FORWARD(CALL_READINGS_EXPIRE, readings_expire, before, most);
}

static const struct store_ops forwarding = {
    .scheme = "lab",
    .generation = forward_generation,
    .probe = forward_probe,
    .issued_t = forward_issued_t,
    .device_by_kid = forward_device_by_kid,
    .device_count = forward_device_count,
    .context_find = forward_context_find,
    .context_newest = forward_context_newest,
    .contexts_close = forward_contexts_close,
    .gateway_id_add = forward_gateway_id_add,
    .commit = forward_commit,
    .events_add = forward_events_add,
    .readings_expire = forward_readings_expire,
};

void lab_store_init(struct lab_store *store, struct store *inner)
{
    memset(store, 0, sizeof(*store));
    store->store.ops = &forwarding;
    store->inner = inner;
}

void lab_store_fail(struct lab_store *store, enum lab_call call, enum lab_fault fault, unsigned count)
{
    store->faults[call].fail_in = 1;
    store->faults[call].fail_count = count;
    store->faults[call].fault = fault;
}
