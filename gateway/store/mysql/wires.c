/*
 * Devices' older wires (gateway/wire/wire.h), read and moved.
 *
 * Such messages are few, so what any gateway does with them happens one after the other: each transaction
 * that changes wires or session ids begins by locking the row 'wires' of numbers. What it reads from then on
 * stays true until it ends: of two gateways that spend a session id or issue one, the second sees what the
 * first did.
 */
#include "gateway/store/mysql/mysql.h"

#include <string.h>

static const char look[] = "look an older wire up";
static const char change_it[] = "write an older wire";
static const char take_it[] = "take a message of an older wire";

/* ---- one transaction ---- */

int maria_hold_wires(struct mysql *my, const char *what, struct failure *failure)
{
    return mq_run(my, MQ_WIRES_HOLD, NULL, what, failure) < 0 ? -1 : 0;
}

int maria_raise_wires(struct mysql *my, const char *what, struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_text(&parameters, "wires");
    return mq_run(my, MQ_NUMBER_RAISE, &parameters, what, failure) < 0 ? -1 : 0;
}

/* The locks in a batch's order; ids of series that were deleted since are forgotten. */
static int begin_inside(struct mysql *my, struct failure *failure)
{
    struct mq_result result;

    if (mq_read(my, MQ_SERIES_HOLD, NULL, &result, take_it, failure) != 0)
        return -1;
    int64_t gone = mq_next(&result) ? mq_get_number(&result, 0) : -1;
    mq_clear(&result);
    if (!my->series_known || gone != my->series_gone)
        series_cache_forget(&my->series);
    my->series_gone = gone;
    my->series_known = true;
    return maria_hold_wires(my, take_it, failure);
}

int maria_wires_begin(struct store *store, struct failure *failure)
{
    struct mysql *my = mysql_of(store);

    if (mq_begin(my, take_it, failure) != 0)
        return -1;
    if (begin_inside(my, failure) != 0)
        return mq_end(my, -1, take_it, failure);
    my->in_wires = true;
    my->nodes_entered = false;
    parcels_begin(&my->parcels);
    return 0;
}

/* What is last: the operator's number, if nodes were entered, and what goes out. */
static int end_inside(struct mysql *my, struct failure *failure)
{
    if (my->nodes_entered && maria_raise_generation(my, take_it, failure) != 0)
        return -1;
    if (parcels_end(&my->parcels, failure) != 0)
        return -1;
    return maria_outbox_add(my, take_it, failure);
}

int maria_wires_end(struct store *store, int result, struct failure *failure)
{
    struct mysql *my = mysql_of(store);

    if (result >= 0)
        result = end_inside(my, failure);
    my->in_wires = false;
    if (mq_end(my, result, take_it, failure) >= 0) {
        my->outbox_leapt |= result >= 0 && my->parcels.count > 0;
        return 0;
    }
    series_cache_forget(&my->series); /* series that it entered are gone with it */
    my->series_known = false;
    return -1;
}

/* ---- reading ---- */

enum column {
    ID,
    DEVICE,
    GROUP,
    NAME,
    REVOKED,
    WIRE,
    ROUTE,
    SESSION_TOPIC,
    NODE,
    READING_NAME,
    FLAGS,
    LIFETIME,
    GRACE,
    NUMBER,
    STORED,
    HASHES,
    SEEN,
    CLOSED,
    KEYS,
    NODES
};

static int read_wire(struct mysql *my, const struct mq_result *result, struct wire_row *row,
                     struct failure *failure)
{
    size_t keys_len;
    const char *keys = mq_get_bytes(result, KEYS, &keys_len);

    *row = (struct wire_row){
        .id = mq_get_number(result, ID),
        .device = mq_get_number(result, DEVICE),
        .group = mq_get_number(result, GROUP),
        .revoked = mq_get_boolean(result, REVOKED),
        .flags = (unsigned)mq_get_number(result, FLAGS),
        .lifetime = mq_get_number(result, LIFETIME),
        .grace = mq_get_number(result, GRACE),
        .number = (uint64_t)mq_get_number(result, NUMBER),
        .stored = (uint64_t)mq_get_number(result, STORED),
        .hashes = (uint64_t)mq_get_number(result, HASHES),
        .seen = mq_get_number(result, SEEN),
        .closed = (enum wire_closed)mq_get_number(result, CLOSED),
        .keys_len = keys_len,
    };
    if (!mq_copy(result, NAME, row->name, sizeof(row->name)) ||
        !mq_copy(result, WIRE, row->wire, sizeof(row->wire)) ||
        !mq_copy(result, ROUTE, row->route, sizeof(row->route)) ||
        !mq_copy(result, SESSION_TOPIC, row->session_topic, sizeof(row->session_topic)) ||
        !mq_copy(result, NODE, row->node, sizeof(row->node)) ||
        !mq_copy(result, READING_NAME, row->reading_name, sizeof(row->reading_name)) ||
        keys_len > sizeof(row->keys))
        return fail(failure, "a row of an older wire is damaged; see docs/gateway.md, Damage (%s)",
                    my->label);
    if (keys_len > 0)
        memcpy(row->keys, keys, keys_len);
    return 0;
}

/* At most `room` rows that a statement gives. `nodes` (or NULL) receives the first row's column NODES. How
 * many, or -1. */
static int read_rows(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters,
                     struct wire_row *rows, size_t room, int64_t *nodes, struct failure *failure)
{
    struct mq_result result;
    int count = 0;

    if (mq_read(my, id, parameters, &result, look, failure) != 0)
        return -1;
    while (count >= 0 && (size_t)count < room && mq_next(&result)) {
        if (nodes != NULL)
            *nodes = mq_get_number(&result, NODES);
        count = read_wire(my, &result, &rows[count], failure) != 0 ? -1 : count + 1;
    }
    mq_clear(&result);
    return count;
}

int maria_wire_find(struct store *store, const char *wire, const char *route, struct wire_row *rows,
                    size_t room, struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_text(&parameters, wire);
    if (route != NULL)
        mq_text(&parameters, route);
    else
        mq_number(&parameters, WIRE_ALLOW_UNSEQUENCED);
    mq_number(&parameters, (int64_t)room);
    return read_rows(mysql_of(store), route != NULL ? MQ_WIRE_FIND : MQ_WIRE_FIND_FLAG, &parameters, rows,
                     room, NULL, failure);
}

int maria_wire_node(struct store *store, int64_t group, const char *node, struct wire_row *row,
                    struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_number(&parameters, group);
    mq_text(&parameters, node);
    return read_rows(mysql_of(store), MQ_WIRE_NODE, &parameters, row, 1, NULL, failure);
}

int maria_wire_of(struct store *store, int64_t device, struct wire_row *row, int64_t *nodes,
                  struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_number(&parameters, device);
    if (nodes != NULL)
        *nodes = 0;
    return read_rows(mysql_of(store), MQ_WIRE_OF, &parameters, row, 1, nodes, failure);
}

int maria_wires_each(struct store *store, wire_visitor *visit, void *context, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    struct mq_result result;
    int good = mq_read(my, MQ_WIRES_EACH, NULL, &result, look, failure);

    while (good == 0 && mq_next(&result)) {
        struct wire_row row;
        good = read_wire(my, &result, &row, failure);
        row.keys_len = 0;
        if (good == 0 && visit(context, &row) != 0)
            break;
    }
    mq_clear(&result);
    return good;
}

int maria_wires_version(struct store *store, int64_t *version, struct failure *failure)
{
    return maria_number(mysql_of(store), "wires", version, look, failure);
}

int maria_wire_remembers(struct store *store, int64_t row, const uint8_t hash[WIRE_HASH_SIZE],
                         struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;

    mq_number(&parameters, row);
    mq_bytes(&parameters, hash, WIRE_HASH_SIZE);
    if (mq_read(mysql_of(store), MQ_WIRE_HASH_FIND, &parameters, &result, look, failure) != 0)
        return -1;
    int found = mq_count(&result);
    mq_clear(&result);
    return found;
}

/* ---- a message ---- */

/* 1 it is remembered now, 0 it was before, or there are too many already. */
static int remember(struct mysql *my, int64_t row, const uint8_t *hash, struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_number(&parameters, row);
    mq_bytes(&parameters, hash, WIRE_HASH_SIZE);
    mq_number(&parameters, WIRE_HASHES_MAX);
    return mq_run(my, MQ_WIRE_HASH_ADD, &parameters, change_it, failure);
}

static int move_row(struct mysql *my, const struct wire_change *change, int remembered,
                    struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_number(&parameters, change->row);
    mq_boolean(&parameters, change->sets_number);
    mq_unsigned(&parameters, change->number);
    mq_number(&parameters, change->stored);
    mq_number(&parameters, change->stored ? change->received : 0);
    mq_number(&parameters, remembered);
    int moved = mq_run(my, MQ_WIRE_MOVE, &parameters, change_it, failure);
    if (moved == 0)
        return fail(failure, "cannot %s: it is not in the registry any more", change_it);
    return moved < 0 ? -1 : 0;
}

/* *seq receives what the message's readings are numbered with, *group the group's row. */
static int read_moved(struct mysql *my, const struct wire_change *change, uint64_t *seq, int64_t *group,
                      struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;

    mq_number(&parameters, change->row);
    if (mq_read(my, MQ_WIRE_MOVED, &parameters, &result, change_it, failure) != 0)
        return -1;
    if (mq_next(&result)) {
        *seq = change->sets_number ? change->number : (uint64_t)mq_get_number(&result, 0);
        *group = mq_get_number(&result, 1);
    }
    mq_clear(&result);
    return 0;
}

static int two_numbers(struct mysql *my, enum mq_statement id, int64_t first, int64_t second,
                       struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_number(&parameters, first);
    mq_number(&parameters, second);
    return mq_run(my, id, &parameters, change_it, failure);
}

/* As a batch of one message, whose context is what it is. */
static int write_readings(struct mysql *my, const struct wire_change *change, uint64_t seq,
                          struct failure *failure)
{
    struct commit_context context = {
        .before.device = change->device, .after.device = change->device, .verdict = COMMIT_DONE};
    struct commit_message message = {.piv = seq, .received = change->received, .count = change->count};
    const struct commit commit = {.contexts = &context,
                                  .context_count = 1,
                                  .messages = &message,
                                  .message_count = 1,
                                  .readings = change->readings};

    if (change->count > 0 && change->way != READINGS_OUT &&
        maria_points_add(my, &commit, change_it, failure) != 0)
        return -1;
    return change->way == READINGS_HERE ? 0 : parcels_add_wire(&my->parcels, change, seq, failure);
}

int maria_wire_change(struct store *store, const struct wire_change *change, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    int remembered = change->hash != NULL ? remember(my, change->row, change->hash, failure) : 0;
    int64_t group = 0;
    uint64_t seq = 0;

    if (remembered < 0 || move_row(my, change, remembered, failure) != 0 ||
        read_moved(my, change, &seq, &group, failure) != 0)
        return -1;
    if (change->stored && group != 0 && two_numbers(my, MQ_WIRE_SEEN, group, change->received, failure) < 0)
        return -1;
    if (change->lost > 0 &&
        two_numbers(my, MQ_DEVICE_LOST, change->device, (int64_t)change->lost, failure) < 0)
        return -1;
    return write_readings(my, change, seq, failure);
}
