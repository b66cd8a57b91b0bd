#include "gateway/store/postgres/postgres.h"

#include <stdio.h>

#include "gateway/store/server_copy.h"

static int postgres_open(struct store **store, const char *location, enum store_open_mode mode,
                         struct failure *failure)
{
    struct postgres *pg = postgres_new(location, mode, failure);
    int result;

    if (pg == NULL)
        return -1;
    result = postgres_connect(pg, failure);
    if (result != 0) {
        postgres_close(&pg->store);
        return result;
    }
    *store = &pg->store;
    return 0;
}

static int postgres_key_path(const char *location, char *path, size_t size, struct failure *failure)
{
    (void)location, (void)path, (void)size;
    return fail(failure,
                "a database on a server has no folder for the master key beside it: give a file with "
                "--key FILE or BULLA_KEY; it is made at first use, and every gateway of this database "
                "needs the same");
}

static const char *postgres_caution(struct store *store)
{
    const struct postgres *pg = postgres_of(store);

    return pg->caution[0] == '\0' ? NULL : pg->caution;
}

extern const struct store_ops store_postgres;

static int restore_begin(struct store **copy, const char *location, const char *file,
                         const struct store_progress *progress, struct failure *failure)
{
    return server_restore_begin(&store_postgres, copy, location, file, progress, failure);
}

const struct store_ops store_postgres = {
    .scheme = "postgres",
    .alias = "postgresql",
    .is_server = true,
    .open = postgres_open,
    .prepare = postgres_prepare,
    .may_pass = postgres_may_pass,
    .close = postgres_close,
    .caution = postgres_caution,
    .key_path = postgres_key_path,
    .look = postgres_look,
    .backup = server_backup,
    .restored = postgres_restored,
    .restore_begin = restore_begin,
    .transfer = &postgres_transfer,
    .meta_get = postgres_meta_get,
    .meta_put = postgres_meta_put,
    .device_by_kid = postgres_device_by_kid,
    .kid_is_taken = postgres_kid_is_taken,
    .device_by_name = postgres_device_by_name,
    .devices_add = postgres_devices_add,
    .device_each = postgres_device_each,
    .device_label = postgres_device_label,
    .labels_each = postgres_labels_each,
    .device_count = postgres_device_count,
    .device_revoke = postgres_device_revoke,
    .device_remove = postgres_device_remove,
    .device_exported = postgres_device_exported,
    .device_trust = postgres_device_trust,
    .generation = postgres_generation,
    .issued_t = postgres_issued_t,
    .probe = postgres_probe,
    .context_find = postgres_context_find,
    .context_newest = postgres_context_newest,
    .context_each = postgres_context_each,
    .contexts_close = postgres_contexts_close,
    .gateway_id_add = postgres_gateway_id_add,
    .commit = postgres_commit,
    .events_add = postgres_events_add,
    .readings_each = postgres_readings_each,
    .events_each = postgres_events_each,
    .follow_open = postgres_follow_open,
    .follow_next = postgres_follow_next,
    .follow_close = postgres_follow_close,
    .readings_expire = postgres_readings_expire,
    .sink_add = postgres_sink_add,
    .sinks_each = postgres_sinks_each,
    .sink_forget = postgres_sink_forget,
    .sinks_update = postgres_sinks_update,
    .outbox_read = postgres_outbox_read,
    .outbox_trim = postgres_outbox_trim,
    .device_upgrade = postgres_device_upgrade,
    .wires_begin = postgres_wires_begin,
    .wires_end = postgres_wires_end,
    .wire_find = postgres_wire_find,
    .wire_node = postgres_wire_node,
    .wire_node_add = postgres_wire_node_add,
    .wire_remembers = postgres_wire_remembers,
    .wire_change = postgres_wire_change,
    .session_list = postgres_session_list,
    .session_issue = postgres_session_issue,
    .session_spend = postgres_session_spend,
    .wires_version = postgres_wires_version,
    .wires_each = postgres_wires_each,
    .wire_of = postgres_wire_of,
};
