/*
 * Older wires entered, taken away and closed. All of it under the lock on the wires' number
 * (wires.c), which goes before those on devices.
 */
#include "gateway/store/postgres/postgres.h"

#include <string.h>

#include "gateway/store/wire_neighbours.h"

static const char change_it[] = "write an older wire";

static int run_device(struct postgres *pg, enum pg_statement id, int64_t device, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, device);
    return postgres_wire_run(pg, id, &parameters, change_it, failure);
}

/* ---- entering ---- */

/* Inserts a row, or takes one up. How many rows. */
static int put_wire(struct postgres *pg, enum pg_statement id, const struct wire_row *row,
                    struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, row->device);
    pg_number(&parameters, row->group);
    pg_text(&parameters, row->wire);
    pg_text(&parameters, row->route);
    pg_text(&parameters, row->session_topic);
    pg_text(&parameters, row->node);
    pg_text(&parameters, row->reading_name);
    pg_number(&parameters, row->flags);
    pg_number(&parameters, row->lifetime);
    pg_number(&parameters, row->grace);
    pg_bytes(&parameters, row->keys, row->keys_len);
    pg_number(&parameters, (int64_t)row->number);
    return postgres_wire_run(pg, id, &parameters, change_it, failure);
}

static int check_texts(const struct wire_row *row, struct failure *failure)
{
    const char *const texts[] = {row->route, row->session_topic, row->node, row->reading_name};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!pg_is_text(texts[i], strlen(texts[i])))
            return fail(failure, "cannot enter the device: its route, node or reading's name is not UTF-8");
    return 0;
}

/* Whether the route has room, and its session topic is of one mind. */
static int check_neighbours(struct postgres *pg, const struct wire_row *row, size_t per_route,
                            struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, row->wire);
    pg_text(&parameters, row->route);
    pg_text(&parameters, row->session_topic);
    pg_number(&parameters, row->lifetime);
    pg_number(&parameters, row->grace);
    pg_number(&parameters, WIRE_STRICT);
    pg_number(&parameters, row->flags & WIRE_STRICT);
    PGresult *result = postgres_wire_query(pg, PG_WIRE_NEIGHBOURS, &parameters, change_it, failure);
    if (result == NULL)
        return -1;
    const struct wire_neighbours neighbours = {
        .full = pg_get_number(result, 0, 0) >= (int64_t)per_route,
        .differ = pg_get_boolean(result, 0, 1),
        .cross = pg_get_boolean(result, 0, 2),
    };
    PQclear(result);
    return wire_neighbours_check(&neighbours, row, per_route, failure);
}

int postgres_insert_wire(struct postgres *pg, struct device_entry *entry, struct failure *failure)
{
    struct wire_row *row = entry->wire;
    int put = 0;

    row->device = entry->row.id;
    if (check_texts(row, failure) != 0 || check_neighbours(pg, row, entry->per_route, failure) != 0)
        return -1;
    if (entry->per_route == 1)
        put = put_wire(pg, PG_WIRE_TAKE_UP, row, failure);
    if (put == 0)
        put = put_wire(pg, PG_WIRE_ADD, row, failure);
    return put < 0 ? -1 : postgres_raise_wires(pg, change_it, failure);
}

/* 1 there is room for one more and the name is free, 0 not. */
static int may_enter(struct postgres *pg, int64_t group, const char *name, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, group);
    pg_text(&parameters, name);
    pg_number(&parameters, WIRE_NODES_MAX);
    PGresult *result = postgres_wire_query(pg, PG_NODE_MAY_ENTER, &parameters, change_it, failure);
    if (result == NULL)
        return -1;
    int may = pg_get_boolean(result, 0, 0);
    PQclear(result);
    return may;
}

/* The generation is raised when the transaction ends: its row is the last that is locked. */
int postgres_wire_node_add(struct store *store, const struct wire_row *group, const char *node,
                           const char *name, int64_t now, struct wire_row *row, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct device_row device = {.alg = BULLA_AES_CCM_16_64_128, .kind = BULLA_SESSION, .created = now};
    int may = may_enter(pg, group->id, name, failure);

    if (may <= 0)
        return may;
    strcpy(device.name, name);
    if (postgres_insert_device(pg, &device, false, failure) < 0)
        return -1;
    *row = *group;
    row->device = device.id;
    row->group = group->id;
    row->keys_len = 0;
    strcpy(row->node, node);
    pg->nodes_entered = true;
    if (put_wire(pg, PG_WIRE_ADD, row, failure) < 0)
        return -1;
    return postgres_wire_node(store, group->id, node, row, failure);
}

/* ---- removing ---- */

/* In this order: first the nodes, as long as the group's row says that they are its. */
int postgres_remove_wire(struct postgres *pg, int64_t device, struct failure *failure)
{
    static const enum pg_statement steps[] = {
        PG_NODES_LABELS_DELETE, PG_NODES_DELETE, PG_NODE_WIRES_DELETE,
        PG_NODE_WIRES_CLOSE,    PG_WIRE_DELETE,  PG_WIRE_BURY,
    };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (run_device(pg, steps[i], device, failure) < 0)
            return -1;
    if (postgres_wire_run(pg, PG_SESSIONS_DELETE_UNUSED, NULL, change_it, failure) < 0)
        return -1;
    return postgres_raise_wires(pg, change_it, failure);
}

/* ---- upgrade ---- */

static int close_wire(struct postgres *pg, int64_t device, struct failure *failure)
{
    int closed = run_device(pg, PG_WIRE_CLOSE, device, failure);

    if (closed > 0 && postgres_raise_wires(pg, change_it, failure) != 0)
        return -1;
    return closed;
}

static int write_credential(struct postgres *pg, const struct device_row *row, bool proven,
                            struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, row->id);
    pg_bytes(&parameters, row->kid, row->kid_len);
    pg_number(&parameters, row->alg);
    pg_number(&parameters, row->kind);
    pg_bytes(&parameters, row->secret, sizeof(row->secret));
    pg_boolean(&parameters, proven);
    pg_number(&parameters, BULLA_COUNTER);
    return pg_run(pg, PG_DEVICE_UPGRADE, &parameters, change_it, failure);
}

static int kid_is_taken(struct postgres *pg, const struct device_row *row, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_bytes(&parameters, row->kid, row->kid_len);
    PGresult *result = postgres_wire_query(pg, PG_KID_TAKEN, &parameters, change_it, failure);
    if (result == NULL)
        return -1;
    int taken = pg_get_boolean(result, 0, 0);
    PQclear(result);
    return taken;
}

static int upgrade(struct postgres *pg, const struct device_row *row, bool proven, bool at_once,
                   struct failure *failure)
{
    struct wire_row wire;
    int taken = row->kid_len == 0 ? 0 : kid_is_taken(pg, row, failure);

    if (taken != 0)
        return taken < 0 ? -1 : 0;
    if (row->kid_len == 0)
        return close_wire(pg, row->id, failure) < 0 ? -1 : 1;
    int found = postgres_wire_of(&pg->store, row->id, &wire, NULL, failure);
    if (found < 0)
        return -1;
    if (found == 0 || (wire.group == 0 && wire.session_topic[0] != '\0' && wire.node[0] == '\0'))
        return fail(failure, "cannot upgrade the device: it has no older wire of its own");
    int written = write_credential(pg, row, proven, failure);
    if (written <= 0)
        return written < 0 ? -1
                           : fail(failure, "cannot upgrade the device: it has a native credential already");
    return at_once && close_wire(pg, row->id, failure) < 0 ? -1 : 1;
}

int postgres_device_upgrade(struct store *store, const struct device_row *row, bool proven, bool at_once,
                            struct failure *failure)
{
    static const char what[] = "upgrade the device";
    struct postgres *pg = postgres_of(store);

    if (pg_begin(pg, what, failure) != 0)
        return -1;
    int result = postgres_hold_wires(pg, what, failure);
    if (result == 0)
        result = upgrade(pg, row, proven, at_once, failure);
    if (result == 0) {
        pg_rollback(pg);
        return 0;
    }
    return postgres_end_change(pg, result, what, failure);
}
