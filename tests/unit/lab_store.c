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

static int forward_wires_begin(struct store *store, struct failure *failure)
{
    struct lab_store *outer = lab_store_of(store);

    if (fails(outer, CALL_WIRES_BEGIN))
        return fail(failure, "made to fail");
    return outer->inner->ops->wires_begin(outer->inner, failure);
}

static int forward_wires_end(struct store *store, int asked, struct failure *failure)
{
    struct lab_store *outer = lab_store_of(store);
    bool failed = fails(outer, CALL_WIRES_END);
    int ended;

    if (failed && outer->faults[CALL_WIRES_END].fault == FAULT_BEFORE)
        asked = -1;
    ended = outer->inner->ops->wires_end(outer->inner, asked, failure);
    return failed ? fail(failure, "made to fail") : ended;
}

static int forward_wire_find(struct store *store, const char *wire, const char *route, struct wire_row *rows,
                             size_t room, struct failure *failure)
{
    struct store *inner = lab_store_of(store)->inner;

    return inner->ops->wire_find(inner, wire, route, rows, room, failure);
}

static int forward_wire_node(struct store *store, int64_t group, const char *node, struct wire_row *row,
                             struct failure *failure)
{
    struct store *inner = lab_store_of(store)->inner;

    return inner->ops->wire_node(inner, group, node, row, failure);
}

static int forward_wire_node_add(struct store *store, const struct wire_row *group, const char *node,
                                 const char *name, int64_t now, struct wire_row *row, struct failure *failure)
{
    struct store *inner = lab_store_of(store)->inner;

    return inner->ops->wire_node_add(inner, group, node, name, now, row, failure);
}

static int forward_wire_remembers(struct store *store, int64_t row, const uint8_t hash[WIRE_HASH_SIZE],
                                  struct failure *failure)
{
    struct store *inner = lab_store_of(store)->inner;

    return inner->ops->wire_remembers(inner, row, hash, failure);
}

static int forward_wire_change(struct store *store, const struct wire_change *change, struct failure *failure)
{
    FORWARD(CALL_WIRE_CHANGE, wire_change, change);
}

static int forward_wires_version(struct store *store, int64_t *version, struct failure *failure)
{
    struct store *inner = lab_store_of(store)->inner;

    return inner->ops->wires_version(inner, version, failure);
}

static int forward_wires_each(struct store *store, wire_visitor *visit, void *context,
                              struct failure *failure)
{
    struct store *inner = lab_store_of(store)->inner;

    return inner->ops->wires_each(inner, visit, context, failure);
}

static int forward_session_list(struct store *store, const char *topic,
                                struct session_row rows[WIRE_SESSIONS_MAX], struct failure *failure)
{
    struct store *inner = lab_store_of(store)->inner;

    return inner->ops->session_list(inner, topic, rows, failure);
}

static int forward_session_issue(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                                 int64_t now, struct failure *failure)
{
    struct store *inner = lab_store_of(store)->inner;

    return inner->ops->session_issue(inner, topic, id, now, failure);
}

static int forward_session_spend(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                                 const uint8_t *hash, struct failure *failure)
{
    FORWARD(CALL_SESSION_SPEND, session_spend, topic, id, hash);
}

static const struct store_ops forwarding = {
    .wires_begin = forward_wires_begin,
    .wires_end = forward_wires_end,
    .wire_find = forward_wire_find,
    .wire_node = forward_wire_node,
    .wire_node_add = forward_wire_node_add,
    .wire_remembers = forward_wire_remembers,
    .wire_change = forward_wire_change,
    .wires_version = forward_wires_version,
    .wires_each = forward_wires_each,
    .session_list = forward_session_list,
    .session_issue = forward_session_issue,
    .session_spend = forward_session_spend,
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
