#include "gateway/store/mysql/mysql.h"

#include <stdio.h>

#include "gateway/store/server_copy.h"

static int maria_open(struct store **store, const char *location, enum store_open_mode mode,
                      struct failure *failure)
{
    struct mysql *my = maria_new(location, mode, failure);
    int result;

    if (my == NULL)
        return -1;
    result = maria_connect(my, failure);
    if (result != 0) {
        maria_close(&my->store);
        return result;
    }
    *store = &my->store;
    return 0;
}

static int maria_key_path(const char *location, char *path, size_t size, struct failure *failure)
{
    (void)location, (void)path, (void)size;
    return fail(failure,
                "a database on a server has no folder for the master key beside it: give a file with "
                "--key FILE or BULLA_KEY; it is made at first use, and every gateway of this database "
                "needs the same");
}

static const char *maria_caution(struct store *store)
{
    const struct mysql *my = mysql_of(store);

    return my->caution[0] == '\0' ? NULL : my->caution;
}

extern const struct store_ops store_mysql;

static int restore_begin(struct store **copy, const char *location, const char *file,
                         const struct store_progress *progress, struct failure *failure)
{
    return server_restore_begin(&store_mysql, copy, location, file, progress, failure);
}

const struct store_ops store_mysql = {
    .scheme = "mysql",
    .alias = "mariadb",
    .is_server = true,
    .open = maria_open,
    .close = maria_close,
    .prepare = maria_prepare,
    .may_pass = maria_may_pass,
    .caution = maria_caution,
    .key_path = maria_key_path,
    .look = maria_look,
    .backup = server_backup,
    .restored = maria_restored,
    .restore_begin = restore_begin,
    .transfer = &maria_transfer,
    .meta_get = maria_meta_get,
    .meta_put = maria_meta_put,
    .device_by_kid = maria_device_by_kid,
    .kid_is_taken = maria_kid_is_taken,
    .device_by_name = maria_device_by_name,
    .devices_add = maria_devices_add,
    .device_each = maria_device_each,
    .device_label = maria_device_label,
    .labels_each = maria_labels_each,
    .device_count = maria_device_count,
    .device_revoke = maria_device_revoke,
    .device_remove = maria_device_remove,
    .device_exported = maria_device_exported,
    .device_trust = maria_device_trust,
    .generation = maria_generation,
    .issued_t = maria_issued_t,
    .probe = maria_probe,
    .context_find = maria_context_find,
    .context_newest = maria_context_newest,
    .context_each = maria_context_each,
    .contexts_close = maria_contexts_close,
    .gateway_id_add = maria_gateway_id_add,
    .commit = maria_commit,
    .events_add = maria_events_add,
    .readings_each = maria_readings_each,
    .events_each = maria_events_each,
    .follow_open = maria_follow_open,
    .follow_next = maria_follow_next,
    .follow_close = maria_follow_close,
    .readings_expire = maria_readings_expire,
    .device_upgrade = maria_device_upgrade,
    .wires_begin = maria_wires_begin,
    .wires_end = maria_wires_end,
    .wire_find = maria_wire_find,
    .wire_node = maria_wire_node,
    .wire_node_add = maria_wire_node_add,
    .wire_remembers = maria_wire_remembers,
    .wire_change = maria_wire_change,
    .session_list = maria_session_list,
    .session_issue = maria_session_issue,
    .session_spend = maria_session_spend,
    .wires_version = maria_wires_version,
    .wires_each = maria_wires_each,
    .wire_of = maria_wire_of,
    .sink_add = maria_sink_add,
    .sinks_each = maria_sinks_each,
    .sink_forget = maria_sink_forget,
    .sinks_update = maria_sinks_update,
    .outbox_read = maria_outbox_read,
    .outbox_trim = maria_outbox_trim,
};
