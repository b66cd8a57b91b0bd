/*
 * A faulty store, for tests only: one in memory, whose n-th call fails. Until it does, it is as good as any
 * other, and the contract holds for it.
 */
#include "store_faulty.h"

#include <stdlib.h>

/* Whether this call is the one. The clock of the outer store is the inner one's. */
static bool is_next(struct faulty_store *faulty)
{
    faulty->inner->now = faulty->store.now;
    faulty->inner->now_context = faulty->store.now_context;
    faulty->calls++;
    return faulty->fail_in > 0 && --faulty->fail_in == 0;
}

#define FORWARD(slot, ...)                                                                                   \
    struct faulty_store *faulty = (struct faulty_store *)store;                                              \
    bool failed = is_next(faulty);                                                                           \
    struct store *inner = faulty->inner;                                                                     \
    int result = 0;                                                                                          \
    if (!failed || faulty->after)                                                                            \
        result = inner->ops->slot(__VA_ARGS__);                                                              \
    return failed ? fail(failure, "made to fail") : result

static int faulty_restored(struct store *store, const void *challenge, size_t len, int64_t *contexts,
                           struct failure *failure)
{
    FORWARD(restored, inner, challenge, len, contexts, failure);
}

static int faulty_meta_get(struct store *store, const char *name, void *value, size_t *len,
                           struct failure *failure)
{
    FORWARD(meta_get, inner, name, value, len, failure);
}

static int faulty_meta_put(struct store *store, const char *name, const void *value, size_t len,
                           struct failure *failure)
{
    FORWARD(meta_put, inner, name, value, len, failure);
}

static int faulty_device_by_kid(struct store *store, const uint8_t *kid, size_t kid_len,
                                struct device_row *row, struct failure *failure)
{
    FORWARD(device_by_kid, inner, kid, kid_len, row, failure);
}

static int faulty_kid_is_taken(struct store *store, const uint8_t *kid, size_t kid_len,
                               struct failure *failure)
{
    FORWARD(kid_is_taken, inner, kid, kid_len, failure);
}

static int faulty_device_by_name(struct store *store, const char *name, struct device_row *row,
                                 struct failure *failure)
{
    FORWARD(device_by_name, inner, name, row, failure);
}

static int faulty_devices_add(struct store *store, struct device_entry *entries, size_t count, size_t *at,
                              enum device_clash *clash, struct failure *failure)
{
    FORWARD(devices_add, inner, entries, count, at, clash, failure);
}

static int faulty_device_each(struct store *store, const struct device_filter *filter, device_visitor *visit,
                              void *context, struct failure *failure)
{
    FORWARD(device_each, inner, filter, visit, context, failure);
}

static int faulty_device_label(struct store *store, int64_t device, const struct label *labels, size_t count,
                               struct failure *failure)
{
    FORWARD(device_label, inner, device, labels, count, failure);
}

static int faulty_labels_each(struct store *store, int64_t device, label_visitor *visit, void *context,
                              struct failure *failure)
{
    FORWARD(labels_each, inner, device, visit, context, failure);
}

static int faulty_device_count(struct store *store, int64_t *count, struct failure *failure)
{
    FORWARD(device_count, inner, count, failure);
}

static int faulty_device_revoke(struct store *store, int64_t device, struct failure *failure)
{
    FORWARD(device_revoke, inner, device, failure);
}

static int faulty_device_remove(struct store *store, int64_t device, struct failure *failure)
{
    FORWARD(device_remove, inner, device, failure);
}

static int faulty_device_exported(struct store *store, int64_t device, struct failure *failure)
{
    FORWARD(device_exported, inner, device, failure);
}

static int faulty_device_trust(struct store *store, int64_t device, uint64_t lower, struct failure *failure)
{
    FORWARD(device_trust, inner, device, lower, failure);
}

static int faulty_generation(struct store *store, int64_t *generation, struct failure *failure)
{
    FORWARD(generation, inner, generation, failure);
}

static int faulty_issued_t(struct store *store, uint64_t t, uint64_t *kept, struct failure *failure)
{
    FORWARD(issued_t, inner, t, kept, failure);
}

static int faulty_probe(struct store *store, struct failure *failure)
{
    FORWARD(probe, inner, failure);
}

static int faulty_context_find(struct store *store, int64_t device, const uint8_t *id_context,
                               struct context_row *row, struct store_clock *clock, struct failure *failure)
{
    FORWARD(context_find, inner, device, id_context, row, clock, failure);
}

static int faulty_context_newest(struct store *store, int64_t device, struct context_row *row,
                                 struct store_clock *clock, struct failure *failure)
{
    FORWARD(context_newest, inner, device, row, clock, failure);
}

static int faulty_context_each(struct store *store, int64_t device, context_visitor *visit, void *context,
                               struct failure *failure)
{
    FORWARD(context_each, inner, device, visit, context, failure);
}

static int faulty_contexts_close(struct store *store, int64_t now, struct failure *failure)
{
    FORWARD(contexts_close, inner, now, failure);
}

static int faulty_gateway_id_add(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                                 struct failure *failure)
{
    FORWARD(gateway_id_add, inner, id, now, failure);
}

static int faulty_commit(struct store *store, struct commit *commit, int64_t now, struct failure *failure)
{
    FORWARD(commit, inner, commit, now, failure);
}

static int faulty_events_add(struct store *store, const struct event_row *events, size_t count,
                             struct failure *failure)
{
    FORWARD(events_add, inner, events, count, failure);
}

static int faulty_readings_each(struct store *store, const struct reading_filter *filter,
                                reading_visitor *visit, void *context, struct failure *failure)
{
    FORWARD(readings_each, inner, filter, visit, context, failure);
}

static int faulty_events_each(struct store *store, const struct event_filter *filter, event_visitor *visit,
                              void *context, struct failure *failure)
{
    FORWARD(events_each, inner, filter, visit, context, failure);
}

static int faulty_follow_open(struct store *store, const struct reading_filter *filter,
                              reading_visitor *visit, void *context, struct follower **follower,
                              struct failure *failure)
{
    FORWARD(follow_open, inner, filter, visit, context, follower, failure);
}

static int faulty_follow_next(struct store *store, struct follower *follower, reading_visitor *visit,
                              void *context, struct failure *failure)
{
    FORWARD(follow_next, inner, follower, visit, context, failure);
}

static int faulty_readings_expire(struct store *store, int64_t before, size_t most, struct failure *failure)
{
    FORWARD(readings_expire, inner, before, most, failure);
}

static int faulty_device_upgrade(struct store *store, const struct device_row *row, bool proven, bool at_once,
                                 struct failure *failure)
{
    FORWARD(device_upgrade, inner, row, proven, at_once, failure);
}

static int faulty_wires_begin(struct store *store, struct failure *failure)
{
    FORWARD(wires_begin, inner, failure);
}

static int faulty_wires_end(struct store *store, int outcome, struct failure *failure)
{
    FORWARD(wires_end, inner, outcome, failure);
}

static int faulty_wire_find(struct store *store, const char *wire, const char *route, struct wire_row *rows,
                            size_t room, struct failure *failure)
{
    FORWARD(wire_find, inner, wire, route, rows, room, failure);
}

static int faulty_wire_node(struct store *store, int64_t group, const char *node, struct wire_row *row,
                            struct failure *failure)
{
    FORWARD(wire_node, inner, group, node, row, failure);
}

static int faulty_wire_node_add(struct store *store, const struct wire_row *group, const char *node,
                                const char *name, int64_t now, struct wire_row *row, struct failure *failure)
{
    FORWARD(wire_node_add, inner, group, node, name, now, row, failure);
}

static int faulty_wire_remembers(struct store *store, int64_t row, const uint8_t hash[WIRE_HASH_SIZE],
                                 struct failure *failure)
{
    FORWARD(wire_remembers, inner, row, hash, failure);
}

static int faulty_wire_change(struct store *store, const struct wire_change *change, struct failure *failure)
{
    FORWARD(wire_change, inner, change, failure);
}

static int faulty_session_list(struct store *store, const char *topic,
                               struct session_row rows[WIRE_SESSIONS_MAX], struct failure *failure)
{
    FORWARD(session_list, inner, topic, rows, failure);
}

static int faulty_session_issue(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                                int64_t now, struct failure *failure)
{
    FORWARD(session_issue, inner, topic, id, now, failure);
}

static int faulty_session_spend(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                                const uint8_t *hash, struct failure *failure)
{
    FORWARD(session_spend, inner, topic, id, hash, failure);
}

static int faulty_wires_version(struct store *store, int64_t *version, struct failure *failure)
{
    FORWARD(wires_version, inner, version, failure);
}

static int faulty_wires_each(struct store *store, wire_visitor *visit, void *context, struct failure *failure)
{
    FORWARD(wires_each, inner, visit, context, failure);
}

static int faulty_wire_of(struct store *store, int64_t device, struct wire_row *row, int64_t *nodes,
                          struct failure *failure)
{
    FORWARD(wire_of, inner, device, row, nodes, failure);
}

static int faulty_sink_add(struct store *store, const char *name, int64_t now, struct failure *failure)
{
    FORWARD(sink_add, inner, name, now, failure);
}

static int faulty_sinks_each(struct store *store, sink_visitor *visit, void *context, struct failure *failure)
{
    FORWARD(sinks_each, inner, visit, context, failure);
}

static int faulty_sink_forget(struct store *store, const char *name, struct failure *failure)
{
    FORWARD(sink_forget, inner, name, failure);
}

static int faulty_sinks_update(struct store *store, const char *holder, struct sink_update *updates,
                               size_t count, int64_t now, struct failure *failure)
{
    FORWARD(sinks_update, inner, holder, updates, count, now, failure);
}

static int faulty_outbox_read(struct store *store, int64_t behind, size_t bytes, outbox_visitor *visit,
                              void *context, struct failure *failure)
{
    FORWARD(outbox_read, inner, behind, bytes, visit, context, failure);
}

static int faulty_outbox_trim(struct store *store, size_t most, struct failure *failure)
{
    FORWARD(outbox_trim, inner, most, failure);
}

static void faulty_close(struct store *store)
{
    struct store *inner = ((struct faulty_store *)store)->inner;

    inner->ops->close(inner);
    free(store);
}

/* The inner store's own: a follower is its. */
static void faulty_follow_close(struct follower *follower)
{
    free(follower);
}

static const struct store_ops faulty_ops = {
    .scheme = "faulty",
    .close = faulty_close,
    .restored = faulty_restored,
    .meta_get = faulty_meta_get,
    .meta_put = faulty_meta_put,
    .device_by_kid = faulty_device_by_kid,
    .kid_is_taken = faulty_kid_is_taken,
    .device_by_name = faulty_device_by_name,
    .devices_add = faulty_devices_add,
    .device_each = faulty_device_each,
    .device_label = faulty_device_label,
    .labels_each = faulty_labels_each,
    .device_count = faulty_device_count,
    .device_revoke = faulty_device_revoke,
    .device_remove = faulty_device_remove,
    .device_exported = faulty_device_exported,
    .device_trust = faulty_device_trust,
    .generation = faulty_generation,
    .issued_t = faulty_issued_t,
    .probe = faulty_probe,
    .context_find = faulty_context_find,
    .context_newest = faulty_context_newest,
    .context_each = faulty_context_each,
    .contexts_close = faulty_contexts_close,
    .gateway_id_add = faulty_gateway_id_add,
    .commit = faulty_commit,
    .events_add = faulty_events_add,
    .readings_each = faulty_readings_each,
    .events_each = faulty_events_each,
    .follow_open = faulty_follow_open,
    .follow_next = faulty_follow_next,
    .readings_expire = faulty_readings_expire,
    .device_upgrade = faulty_device_upgrade,
    .wires_begin = faulty_wires_begin,
    .wires_end = faulty_wires_end,
    .wire_find = faulty_wire_find,
    .wire_node = faulty_wire_node,
    .wire_node_add = faulty_wire_node_add,
    .wire_remembers = faulty_wire_remembers,
    .wire_change = faulty_wire_change,
    .session_list = faulty_session_list,
    .session_issue = faulty_session_issue,
    .session_spend = faulty_session_spend,
    .wires_version = faulty_wires_version,
    .wires_each = faulty_wires_each,
    .wire_of = faulty_wire_of,
    .follow_close = faulty_follow_close,
    .sink_add = faulty_sink_add,
    .sinks_each = faulty_sinks_each,
    .sink_forget = faulty_sink_forget,
    .sinks_update = faulty_sinks_update,
    .outbox_read = faulty_outbox_read,
    .outbox_trim = faulty_outbox_trim,
};

static int open_faulty(struct fixture *f, enum store_open_mode mode, struct store **store)
{
    struct faulty_store *faulty = calloc(1, sizeof(*faulty));

    assert_non_null(faulty);
    faulty->store.ops = &faulty_ops;
    *store = &faulty->store;
    return store_kind_memory.open(f, mode, &faulty->inner);
}

static void make(struct fixture *f)
{
    store_kind_memory.make(f);
}

static void clear(struct fixture *f)
{
    store_kind_memory.clear(f);
}

const struct store_kind store_kind_faulty = {
    .name = "faulty",
    .make = make,
    .open = open_faulty,
    .clear = clear,
};
