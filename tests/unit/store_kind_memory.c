/* In memory, for tests only. */
#include "store_memory.h"

#include <stdlib.h>
#include <string.h>

static void close_memory(struct store *store)
{
    commit_notes_wipe(&((struct memory *)store)->notes);
    parcels_wipe(&((struct memory *)store)->parcels);
    free(store);
}

static const struct store_ops memory_ops = {
    .scheme = "memory",
    .close = close_memory,
    .restored = memory_restored,
    .meta_get = memory_meta_get,
    .meta_put = memory_meta_put,
    .device_by_kid = memory_device_by_kid,
    .kid_is_taken = memory_kid_is_taken,
    .device_by_name = memory_device_by_name,
    .devices_add = memory_devices_add,
    .device_each = memory_device_each,
    .device_label = memory_device_label,
    .labels_each = memory_labels_each,
    .device_count = memory_device_count,
    .device_revoke = memory_device_revoke,
    .device_remove = memory_device_remove,
    .device_exported = memory_device_exported,
    .device_trust = memory_device_trust,
    .generation = memory_generation,
    .issued_t = memory_issued_t,
    .probe = memory_probe,
    .context_find = memory_context_find,
    .context_newest = memory_context_newest,
    .context_each = memory_context_each,
    .contexts_close = memory_contexts_close,
    .gateway_id_add = memory_gateway_id_add,
    .commit = memory_commit,
    .events_add = memory_events_add,
    .readings_each = memory_readings_each,
    .events_each = memory_events_each,
    .follow_open = memory_follow_open,
    .follow_next = memory_follow_next,
    .follow_close = memory_follow_close,
    .readings_expire = memory_readings_expire,
    .sink_add = memory_sink_add,
    .sinks_each = memory_sinks_each,
    .sink_forget = memory_sink_forget,
    .sinks_update = memory_sinks_update,
    .outbox_read = memory_outbox_read,
    .outbox_trim = memory_outbox_trim,
    .device_upgrade = memory_device_upgrade,
    .wires_begin = memory_wires_begin,
    .wires_end = memory_wires_end,
    .wire_find = memory_wire_find,
    .wire_node = memory_wire_node,
    .wire_node_add = memory_wire_node_add,
    .wire_remembers = memory_wire_remembers,
    .wire_change = memory_wire_change,
    .session_list = memory_session_list,
    .session_issue = memory_session_issue,
    .session_spend = memory_session_spend,
    .wires_version = memory_wires_version,
    .wires_each = memory_wires_each,
    .wire_of = memory_wire_of,
};

static void make(struct fixture *f)
{
    struct memory_place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    place->generation = 1;
    f->place = place;
}

static int open_memory(struct fixture *f, enum store_open_mode mode, struct store **store)
{
    struct memory *memory = calloc(1, sizeof(*memory));

    (void)mode;
    assert_non_null(memory);
    memory->store.ops = &memory_ops;
    memory->place = f->place;
    *store = &memory->store;
    return 0;
}

static void clear(struct fixture *f)
{
    struct memory_place *place = f->place;
    struct list *lists[] = {&place->values, &place->ids,      &place->devices, &place->labels,
                            &place->buried, &place->contexts, &place->series,  &place->points,
                            &place->events, &place->wires,    &place->hashes,  &place->sessions};

    EACH (struct point *, point, &place->points)
        memory_free_point(*point);
    EACH (struct series, series, &place->series) {
        free((void *)series->key.name);
        free((void *)series->key.unit);
    }
    EACH (struct event, event, &place->events) {
        free((void *)event->row.kind);
        free((void *)event->row.device_name);
        free((void *)event->row.source);
        free((void *)event->row.detail);
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        free(lists[i]->at);
    memory_free_outbox(place);
    free(place);
}

const struct store_kind store_kind_memory = {
    .name = "memory",
    .make = make,
    .open = open_memory,
    .clear = clear,
};