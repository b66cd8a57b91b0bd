/*
 * Older wires entered, taken away and closed. All of it under the lock on the wires' number (wires.c),
 * which goes before those on devices.
 */
#include "gateway/store/mysql/mysql.h"

#include <string.h>

#include "gateway/store/wire_neighbours.h"

static const char change_it[] = "write an older wire";

static int run_device(struct mysql *my, enum mq_statement id, int64_t device, struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_number(&parameters, device);
    return mq_run(my, id, &parameters, change_it, failure);
}

/* The first column of the first row is true: 1, or 0. */
static int ask(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters,
               struct failure *failure)
{
    struct mq_result result;

    if (mq_read(my, id, parameters, &result, change_it, failure) != 0)
        return -1;
    int answer = mq_next(&result) && mq_get_boolean(&result, 0);
    mq_clear(&result);
    return answer;
}

/* ---- entering ---- */

/* Inserts a row, or takes one up. How many rows. */
static int put_wire(struct mysql *my, enum mq_statement id, const struct wire_row *row,
                    struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_number(&parameters, row->device);
    mq_number(&parameters, row->group);
    mq_text(&parameters, row->wire);
    mq_text(&parameters, row->route);
    mq_text(&parameters, row->session_topic);
    mq_text(&parameters, row->node);
    mq_text(&parameters, row->reading_name);
    mq_number(&parameters, row->flags);
    mq_number(&parameters, row->lifetime);
    mq_number(&parameters, row->grace);
    mq_bytes(&parameters, row->keys, row->keys_len);
    mq_number(&parameters, (int64_t)row->number);
    return mq_run(my, id, &parameters, change_it, failure);
}

/* Whether the route has room, and its session topic is of one mind. */
static int check_neighbours(struct mysql *my, const struct wire_row *row, size_t per_route,
                            struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct wire_neighbours neighbours = {0};
    struct mq_result result;

    mq_text(&parameters, row->wire);
    mq_text(&parameters, row->route);
    mq_text(&parameters, row->session_topic);
    mq_number(&parameters, row->lifetime);
    mq_number(&parameters, row->grace);
    mq_number(&parameters, WIRE_STRICT);
    mq_number(&parameters, row->flags & WIRE_STRICT);
    if (mq_read(my, MQ_WIRE_NEIGHBOURS, &parameters, &result, change_it, failure) != 0)
        return -1;
    if (mq_next(&result)) {
        neighbours.full = mq_get_number(&result, 0) >= (int64_t)per_route;
        neighbours.differ = mq_get_boolean(&result, 1);
        neighbours.cross = mq_get_boolean(&result, 2);
    }
    mq_clear(&result);
    return wire_neighbours_check(&neighbours, row, per_route, failure);
}

int maria_insert_wire(struct mysql *my, struct device_entry *entry, struct failure *failure)
{
    struct wire_row *row = entry->wire;
    int put = 0;

    row->device = entry->row.id;
    if (check_neighbours(my, row, entry->per_route, failure) != 0)
        return -1;
    if (entry->per_route == 1)
        put = put_wire(my, MQ_WIRE_TAKE_UP, row, failure);
    if (put == 0)
        put = put_wire(my, MQ_WIRE_ADD, row, failure);
    return put < 0 ? -1 : maria_raise_wires(my, change_it, failure);
}

/* 1 there is room for one more and the name is free, 0 not. */
static int may_enter(struct mysql *my, int64_t group, const char *name, struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_number(&parameters, group);
    mq_text(&parameters, name);
    mq_number(&parameters, WIRE_NODES_MAX);
    return ask(my, MQ_NODE_MAY_ENTER, &parameters, failure);
}

/* The generation is raised when the transaction ends: its row is the last that is locked. */
int maria_wire_node_add(struct store *store, const struct wire_row *group, const char *node, const char *name,
                        int64_t now, struct wire_row *row, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    struct device_row device = {.alg = BULLA_AES_CCM_16_64_128, .kind = BULLA_SESSION, .created = now};
    int may = may_enter(my, group->id, name, failure);

    if (may <= 0)
        return may;
    strcpy(device.name, name);
    if (maria_insert_device(my, &device, false, failure) < 0)
        return -1;
    *row = *group;
    row->device = device.id;
    row->group = group->id;
    row->keys_len = 0;
    strcpy(row->node, node);
    my->nodes_entered = true;
    if (put_wire(my, MQ_WIRE_ADD, row, failure) < 0)
        return -1;
    return maria_wire_node(store, group->id, node, row, failure);
}

/* ---- removing ---- */

/* In this order: first the nodes, as long as the group's row says that they are its. */
int maria_remove_wire(struct mysql *my, int64_t device, struct failure *failure)
{
    static const enum mq_statement steps[] = {
        MQ_NODES_LABELS_DELETE, MQ_NODES_DELETE, MQ_NODE_WIRES_DELETE,
        MQ_NODE_WIRES_CLOSE,    MQ_WIRE_DELETE,  MQ_WIRE_BURY,
    };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (run_device(my, steps[i], device, failure) < 0)
            return -1;
    if (mq_run(my, MQ_SESSIONS_DELETE_UNUSED, NULL, change_it, failure) < 0)
        return -1;
    return maria_raise_wires(my, change_it, failure);
}

/* ---- upgrade ---- */

static int close_wire(struct mysql *my, int64_t device, struct failure *failure)
{
    int closed = run_device(my, MQ_WIRE_CLOSE, device, failure);

    if (closed > 0 && maria_raise_wires(my, change_it, failure) != 0)
        return -1;
    return closed;
}

static int write_credential(struct mysql *my, const struct device_row *row, bool proven,
                            struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_number(&parameters, row->id);
    mq_bytes(&parameters, row->kid, row->kid_len);
    mq_number(&parameters, row->alg);
    mq_number(&parameters, row->kind);
    mq_bytes(&parameters, row->secret, sizeof(row->secret));
    int written = mq_run(my, MQ_DEVICE_UPGRADE, &parameters, change_it, failure);
    if (written <= 0 || row->kind != BULLA_COUNTER)
        return written;
    mq_number(&parameters, row->id);
    mq_boolean(&parameters, proven);
    return mq_run(my, MQ_COUNTER_ADD, &parameters, change_it, failure);
}

static int kid_is_taken(struct mysql *my, const struct device_row *row, struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_bytes(&parameters, row->kid, row->kid_len);
    return ask(my, MQ_KID_TAKEN, &parameters, failure);
}

static int upgrade(struct mysql *my, const struct device_row *row, bool proven, bool at_once,
                   struct failure *failure)
{
    struct wire_row wire;
    int taken = row->kid_len == 0 ? 0 : kid_is_taken(my, row, failure);

    if (taken != 0)
        return taken < 0 ? -1 : 0;
    if (row->kid_len == 0)
        return close_wire(my, row->id, failure) < 0 ? -1 : 1;
    int found = maria_wire_of(&my->store, row->id, &wire, NULL, failure);
    if (found < 0)
        return -1;
    if (found == 0 || (wire.group == 0 && wire.session_topic[0] != '\0' && wire.node[0] == '\0'))
        return fail(failure, "cannot upgrade the device: it has no older wire of its own");
    int written = write_credential(my, row, proven, failure);
    if (written <= 0)
        return written < 0 ? -1
                           : fail(failure, "cannot upgrade the device: it has a native credential already");
    return at_once && close_wire(my, row->id, failure) < 0 ? -1 : 1;
}

static int upgrade_once(struct mysql *my, const struct device_row *row, bool proven, bool at_once,
                        struct failure *failure)
{
    static const char what[] = "upgrade the device";

    if (mq_begin(my, what, failure) != 0)
        return -1;
    int result = maria_hold_wires(my, what, failure);
    if (result == 0)
        result = upgrade(my, row, proven, at_once, failure);
    if (result == 0) {
        mq_rollback(my);
        return 0;
    }
    return maria_end_change(my, result, what, failure);
}

int maria_device_upgrade(struct store *store, const struct device_row *row, bool proven, bool at_once,
                         struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    int tries = 0, result;

    do
        result = upgrade_once(my, row, proven, at_once, failure);
    while (result < 0 && mq_again(my, &tries));
    return result;
}
