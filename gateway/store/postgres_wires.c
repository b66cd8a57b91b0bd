/*
 * Older wires are not kept in PostgreSQL yet. So there are none: whoever asks is told so, and whoever wants
 * to enter one is refused.
 */
#include "gateway/store/postgres.h"

#include <string.h>

int postgres_no_wires(struct failure *failure)
{
    return fail(failure, "older wires are not kept in PostgreSQL yet: such devices need a gateway with an "
                         "SQLite database (--db FILE)");
}

int postgres_device_upgrade(struct store *store, const struct device_row *row, bool proven, bool at_once,
                            struct failure *failure)
{
    (void)store, (void)row, (void)proven, (void)at_once;
    return postgres_no_wires(failure);
}

int postgres_wires_begin(struct store *store, struct failure *failure)
{
    return pg_begin(postgres_of(store), "take a message of an older wire", failure);
}

int postgres_wires_end(struct store *store, int result, struct failure *failure)
{
    return pg_end(postgres_of(store), result, "take a message of an older wire", failure);
}

int postgres_wire_find(struct store *store, const char *wire, const char *route, struct wire_row *rows,
                       size_t room, struct failure *failure)
{
    (void)store, (void)wire, (void)route, (void)rows, (void)room, (void)failure;
    return 0;
}

int postgres_wire_node(struct store *store, int64_t group, const char *node, struct wire_row *row,
                       struct failure *failure)
{
    (void)store, (void)group, (void)node, (void)row, (void)failure;
    return 0;
}

int postgres_wire_node_add(struct store *store, const struct wire_row *group, const char *node,
                           const char *name, int64_t now, struct wire_row *row, struct failure *failure)
{
    (void)store, (void)group, (void)node, (void)name, (void)now, (void)row;
    return postgres_no_wires(failure);
}

int postgres_wire_remembers(struct store *store, int64_t row, const uint8_t hash[WIRE_HASH_SIZE],
                            struct failure *failure)
{
    (void)store, (void)row, (void)hash, (void)failure;
    return 0;
}

int postgres_wire_change(struct store *store, const struct wire_change *change, struct failure *failure)
{
    (void)store, (void)change;
    return postgres_no_wires(failure);
}

int postgres_session_list(struct store *store, const char *topic, struct session_row rows[WIRE_SESSIONS_MAX],
                          struct failure *failure)
{
    (void)store, (void)topic, (void)rows, (void)failure;
    return 0;
}

int postgres_session_issue(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                           int64_t now, struct failure *failure)
{
    (void)store, (void)topic, (void)id, (void)now;
    return postgres_no_wires(failure);
}

int postgres_session_spend(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                           const uint8_t *hash, struct failure *failure)
{
    (void)store, (void)topic, (void)id, (void)hash;
    return postgres_no_wires(failure);
}

int postgres_wires_version(struct store *store, int64_t *version, struct failure *failure)
{
    (void)store, (void)failure;
    *version = 0;
    return 0;
}

int postgres_wires_each(struct store *store, wire_visitor *visit, void *context, struct failure *failure)
{
    (void)store, (void)visit, (void)context, (void)failure;
    return 0;
}

int postgres_wire_of(struct store *store, int64_t device, struct wire_row *row, int64_t *nodes,
                     struct failure *failure)
{
    (void)store, (void)device, (void)row, (void)failure;
    if (nodes != NULL)
        *nodes = 0;
    return 0;
}
