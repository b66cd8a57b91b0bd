/*
 * A store in memory, for tests only: the contract (gateway/store/store.h) in the plainest form, lists that
 * are searched from one end to the other. Where a database disagrees with it, one of the two is wrong.
 */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "gateway/sink/parcel.h"
#include "gateway/store/commit_notes.h"
#include "store_fixture.h"

/* ---- lists ---- */

struct list {
    char *at;
    size_t count;
    size_t size; /* of an element */
    size_t room;
};

/* A new element, as that one is. */
void *memory_put(struct list *list, const void *element, size_t size);
void memory_take_out(struct list *list, const void *element);

#define EACH(type, item, list)                                                                               \
    for (type *item = (type *)(void *)(list)->at;                                                            \
         item != NULL && item < (type *)(void *)(list)->at + (list)->count; item++)

/* ---- what there is ---- */

struct value {
    char name[32];
    uint8_t bytes[128];
    size_t len;
};

struct owned_label {
    int64_t device;
    char key[LABEL_KEY_MAX + 1];
    char value[LABEL_VALUE_MAX + 1];
};

struct context {
    struct context_row row;
    int64_t seen;
    int64_t rank;
};

struct kid {
    uint8_t bytes[BULLA_KID_MAX];
    size_t len;
};

struct series {
    int64_t id;
    int64_t device;
    struct reading key; /* name, unit, type, format */
    int64_t last;       /* the end of the last hour that it has readings in */
};

struct point {
    char device[BULLA_NAME_MAX + 1];
    struct reading_row row;
    int64_t series;
    int64_t n; /* in the order of their coming */
};

struct event {
    struct event_row row;
    int64_t n;
};

struct hash {
    int64_t wire;
    uint8_t bytes[WIRE_HASH_SIZE];
};

struct session_id {
    char topic[WIRE_ROUTE_MAX + 1];
    struct session_row row;
    int64_t n;     /* in the order of their coming */
    int64_t spent; /* in the order of their spending; 0: it is not */
};

/* What a transaction of older wires, or a list of devices, may have to put back. */
struct memory_snapshot {
    struct list devices, labels, contexts, wires, hashes, sessions;
    size_t points;
    int64_t generation, wires_version;
};

struct memory_place {
    struct list values, ids, devices, labels, buried, contexts, series, points, events;
    struct list wires, hashes, sessions;
    struct list sinks, outbox;
    struct outbox_place end; /* of the outbox */
    struct memory_snapshot before;
    int64_t wires_version;
    int64_t generation;
    int64_t next;
    uint64_t floor;
    uint64_t issued_t;
};

struct memory {
    struct store store; /* first */
    struct memory_place *place;
    struct commit_notes notes;
    struct parcels parcels; /* that the transaction under way sends out */
};

static inline struct memory_place *place_of(struct store *store)
{
    return ((struct memory *)store)->place;
}

static inline int64_t now_of(struct store *store)
{
    return store->now(store->now_context);
}

/* With a zero behind it. The caller frees it. */
void *memory_copy(const void *bytes, size_t len);

/* ---- store_memory.c ---- */

int memory_meta_get(struct store *store, const char *name, void *out, size_t *len, struct failure *failure);
void memory_set_value(struct memory_place *place, const char *name, const void *bytes, size_t len);
int memory_meta_put(struct store *store, const char *name, const void *bytes, size_t len,
                    struct failure *failure);
int memory_gateway_id_add(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                          struct failure *failure);
int memory_generation(struct store *store, int64_t *number, struct failure *failure);
int memory_issued_t(struct store *store, uint64_t t, uint64_t *kept, struct failure *failure);
int memory_probe(struct store *store, struct failure *failure);
int memory_restored(struct store *store, const void *challenge, size_t len, int64_t *marked,
                    struct failure *failure);

/* ---- store_memory_devices.c ---- */

struct device_row *memory_device(struct memory_place *place, int64_t id);
/* Counts so many more, as far as the number goes that databases have. */
void memory_count_lost(struct device_row *device, uint64_t lost);
int memory_device_by_name(struct store *store, const char *name, struct device_row *row,
                          struct failure *failure);
int memory_device_by_kid(struct store *store, const uint8_t *kid, size_t len, struct device_row *row,
                         struct failure *failure);
int memory_kid_is_taken(struct store *store, const uint8_t *kid, size_t len, struct failure *failure);
int memory_device_label(struct store *store, int64_t device, const struct label *labels, size_t count,
                        struct failure *failure);
int memory_labels_each(struct store *store, int64_t device, label_visitor *visit, void *context,
                       struct failure *failure);
int memory_devices_add(struct store *store, struct device_entry *entries, size_t count, size_t *at,
                       enum device_clash *clash, struct failure *failure);
int memory_device_each(struct store *store, const struct device_filter *filter, device_visitor *visit,
                       void *context, struct failure *failure);
int memory_device_count(struct store *store, int64_t *count, struct failure *failure);
int memory_device_revoke(struct store *store, int64_t id, struct failure *failure);
int memory_device_exported(struct store *store, int64_t id, struct failure *failure);
int memory_device_remove(struct store *store, int64_t id, struct failure *failure);

/* ---- store_memory_contexts.c ---- */

int memory_let_go(struct memory_place *place, int64_t device, int64_t now);
int memory_contexts_close(struct store *store, int64_t now, struct failure *failure);
int memory_device_trust(struct store *store, int64_t id, uint64_t lower, struct failure *failure);
int memory_context_find(struct store *store, int64_t device, const uint8_t *id_context,
                        struct context_row *row, struct store_clock *clock, struct failure *failure);
int memory_context_newest(struct store *store, int64_t device, struct context_row *row,
                          struct store_clock *clock, struct failure *failure);
int memory_context_each(struct store *store, int64_t device, context_visitor *visit, void *context,
                        struct failure *failure);
int memory_commit(struct store *store, struct commit *batch, int64_t now, struct failure *failure);

/* ---- store_memory_readings.c ---- */

void memory_store_reading(struct memory_place *place, int64_t device, const struct commit_message *message,
                          const struct reading *reading);
int memory_readings_each(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                         void *context, struct failure *failure);
int memory_follow_open(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                       void *context, struct follower **follower, struct failure *failure);
int memory_follow_next(struct store *store, struct follower *follower, reading_visitor *visit, void *context,
                       struct failure *failure);
void memory_follow_close(struct follower *follower);
void memory_free_point(struct point *point);
int memory_readings_expire(struct store *store, int64_t before, size_t most, struct failure *failure);

/* ---- store_memory_wires.c ---- */

/* Keeps what there is; then one of the others, which puts it back or lets it go. */
void memory_begin(struct memory_place *place);
void memory_commit_all(struct memory_place *place);
void memory_rollback(struct memory_place *place);

/* A row's device's name, and whether it is revoked, are the device's. */
struct wire_row *memory_wire_of_device(struct memory_place *place, int64_t device);
/* 0, or -1 with the failure: a neighbour forbids it. */
int memory_insert_wire(struct memory_place *place, struct device_entry *entry, struct failure *failure);
void memory_remove_wire(struct memory_place *place, int64_t device);
/* 1 closed now, 0 there is none that is open. */
int memory_close_wire(struct memory_place *place, int64_t device);

int memory_wires_begin(struct store *store, struct failure *failure);
int memory_wires_end(struct store *store, int result, struct failure *failure);
int memory_wire_find(struct store *store, const char *wire, const char *route, struct wire_row *rows,
                     size_t room, struct failure *failure);
int memory_wire_node(struct store *store, int64_t group, const char *node, struct wire_row *row,
                     struct failure *failure);
int memory_wire_node_add(struct store *store, const struct wire_row *group, const char *node,
                         const char *name, int64_t now, struct wire_row *row, struct failure *failure);
int memory_wire_remembers(struct store *store, int64_t row, const uint8_t hash[WIRE_HASH_SIZE],
                          struct failure *failure);
int memory_wire_change(struct store *store, const struct wire_change *change, struct failure *failure);
int memory_wires_version(struct store *store, int64_t *version, struct failure *failure);
int memory_wires_each(struct store *store, wire_visitor *visit, void *context, struct failure *failure);
int memory_wire_of(struct store *store, int64_t device, struct wire_row *row, int64_t *nodes,
                   struct failure *failure);
int memory_device_upgrade(struct store *store, const struct device_row *row, bool proven, bool at_once,
                          struct failure *failure);

/* ---- store_memory_outbox.c ---- */

/* Appends the parcels. */
void memory_send_out(struct store *store);
void memory_free_outbox(struct memory_place *place);
int memory_sink_add(struct store *store, const char *name, int64_t now, struct failure *failure);
int memory_sinks_each(struct store *store, sink_visitor *visit, void *context, struct failure *failure);
int memory_sink_forget(struct store *store, const char *name, struct failure *failure);
int memory_sinks_update(struct store *store, const char *holder, struct sink_update *updates, size_t count,
                        int64_t now, struct failure *failure);
int memory_outbox_read(struct store *store, int64_t after, size_t bytes, outbox_visitor *visit, void *context,
                       struct failure *failure);
int memory_outbox_trim(struct store *store, size_t most, struct failure *failure);

/* ---- store_memory_sessions.c ---- */

void memory_void_sessions(struct memory_place *place);
/* Of topics that no open wire has. */
void memory_drop_sessions(struct memory_place *place);
int memory_session_list(struct store *store, const char *topic, struct session_row rows[WIRE_SESSIONS_MAX],
                        struct failure *failure);
int memory_session_issue(struct store *store, const char *topic, const char id[WIRE_SESSION_ID], int64_t now,
                         struct failure *failure);
int memory_session_spend(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                         const uint8_t *hash, struct failure *failure);

/* ---- store_memory_events.c ---- */

int memory_events_add(struct store *store, const struct event_row *events, size_t count,
                      struct failure *failure);
int memory_events_each(struct store *store, const struct event_filter *filter, event_visitor *visit,
                       void *context, struct failure *failure);

#endif
