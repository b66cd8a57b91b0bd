/*
 * Devices' older wires (gateway/wire/wire.h), read and moved.
 *
 * Such messages are few, so what any gateway does with them happens one after the other: each transaction
 * that changes wires or session ids begins by locking the row 'wires' of numbers. What it reads from then on
 * stays true until it ends: of two gateways that spend a session id or issue one, the second sees what the
 * first did.
 */
#include "gateway/store/postgres/postgres.h"

#include <string.h>

static const char look[] = "look an older wire up";
static const char change_it[] = "write an older wire";
static const char take_it[] = "take a message of an older wire";

/* ---- one transaction ---- */

/* A connection that was made anew meanwhile is not in the transaction: nothing may be done on it. */
static int still_inside(struct postgres *pg, const char *what, struct failure *failure)
{
    if (!pg->in_wires || (postgres_is_connected(pg) && PQtransactionStatus(pg->conn) == PQTRANS_INTRANS))
        return 0;
    return fail(failure, "cannot %s: the connection was lost (%s)", what, pg->label);
}

PGresult *postgres_wire_query(struct postgres *pg, enum pg_statement id,
                              const struct pg_parameters *parameters, const char *what,
                              struct failure *failure)
{
    bool in_transaction = pg->conn != NULL && PQtransactionStatus(pg->conn) != PQTRANS_IDLE;

    if (still_inside(pg, what, failure) != 0)
        return NULL;
    return in_transaction ? pg_query(pg, id, parameters, what, failure)
                          : pg_read(pg, id, parameters, what, failure);
}

int postgres_wire_run(struct postgres *pg, enum pg_statement id, const struct pg_parameters *parameters,
                      const char *what, struct failure *failure)
{
    return still_inside(pg, what, failure) != 0 ? -1 : pg_run(pg, id, parameters, what, failure);
}

int postgres_hold_wires(struct postgres *pg, const char *what, struct failure *failure)
{
    return pg_run(pg, PG_WIRES_HOLD, NULL, what, failure) < 0 ? -1 : 0;
}

int postgres_raise_wires(struct postgres *pg, const char *what, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, "wires");
    return postgres_wire_run(pg, PG_NUMBER_RAISE, &parameters, what, failure) < 0 ? -1 : 0;
}

/* The locks in a batch's order; ids of series that were deleted since are forgotten. */
static int begin_inside(struct postgres *pg, struct failure *failure)
{
    if (pg_run(pg, PG_SERIES_LOCK, NULL, take_it, failure) < 0)
        return -1;
    PGresult *result = pg_query(pg, PG_SERIES_GONE, NULL, take_it, failure);
    if (result == NULL)
        return -1;
    int64_t gone = PQntuples(result) > 0 ? pg_get_number(result, 0, 0) : -1;
    PQclear(result);
    if (!pg->series_known || gone != pg->series_gone)
        series_cache_forget(&pg->series);
    pg->series_gone = gone;
    pg->series_known = true;
    return postgres_hold_wires(pg, take_it, failure);
}

int postgres_wires_begin(struct store *store, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);

    if (pg_begin(pg, take_it, failure) != 0)
        return -1;
    if (begin_inside(pg, failure) != 0)
        return pg_end(pg, -1, take_it, failure);
    pg->in_wires = true;
    pg->nodes_entered = false;
    parcels_begin(&pg->parcels);
    return 0;
}

int postgres_wires_end(struct store *store, int result, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);

    if (result >= 0 && still_inside(pg, take_it, failure) != 0)
        result = -1;
    if (result >= 0 && pg->nodes_entered && postgres_raise_generation(pg, take_it, failure) != 0)
        result = -1;
    if (result >= 0 &&
        (parcels_end(&pg->parcels, failure) != 0 || postgres_outbox_add(pg, take_it, failure) != 0))
        result = -1;
    pg->in_wires = false;
    if (pg_end(pg, result, take_it, failure) >= 0) {
        pg->outbox_leapt |= result >= 0 && pg->parcels.count > 0;
        return 0;
    }
    series_cache_forget(&pg->series); /* series that it entered are gone with it */
    pg->series_known = false;
    return -1;
}

/* ---- reading ---- */

static int read_wire(struct postgres *pg, const PGresult *result, int at, struct wire_row *row,
                     struct failure *failure)
{
    size_t keys_len = (size_t)PQgetlength(result, at, 18);

    *row = (struct wire_row){
        .id = pg_get_number(result, at, 0),
        .device = pg_get_number(result, at, 1),
        .group = pg_get_number(result, at, 2),
        .revoked = pg_get_boolean(result, at, 4),
        .flags = (unsigned)pg_get_number(result, at, 10),
        .lifetime = pg_get_number(result, at, 11),
        .grace = pg_get_number(result, at, 12),
        .number = (uint64_t)pg_get_number(result, at, 13),
        .stored = (uint64_t)pg_get_number(result, at, 14),
        .hashes = (uint64_t)pg_get_number(result, at, 15),
        .seen = pg_get_number(result, at, 16),
        .closed = (enum wire_closed)pg_get_number(result, at, 17),
        .keys_len = keys_len,
    };
    if (!pg_copy(result, at, 3, row->name, sizeof(row->name)) ||
        !pg_copy(result, at, 5, row->wire, sizeof(row->wire)) ||
        !pg_copy(result, at, 6, row->route, sizeof(row->route)) ||
        !pg_copy(result, at, 7, row->session_topic, sizeof(row->session_topic)) ||
        !pg_copy(result, at, 8, row->node, sizeof(row->node)) ||
        !pg_copy(result, at, 9, row->reading_name, sizeof(row->reading_name)) || keys_len > sizeof(row->keys))
        return fail(failure, "a row of an older wire is damaged; see docs/gateway.md, Damage (%s)",
                    pg->label);
    if (keys_len > 0)
        memcpy(row->keys, PQgetvalue(result, at, 18), keys_len);
    return 0;
}

/* Takes at most `room` rows of a result, and clears it. How many, or -1. */
static int take_rows(struct postgres *pg, PGresult *result, struct wire_row *rows, size_t room,
                     struct failure *failure)
{
    int count = result == NULL ? -1 : PQntuples(result);

    if (count > 0 && (size_t)count > room)
        count = (int)room;
    for (int i = 0; i < count; i++)
        if (read_wire(pg, result, i, &rows[i], failure) != 0)
            count = -1;
    PQclear(result);
    return count;
}

/* What is no text is no route or node of any device. */
int postgres_wire_find(struct store *store, const char *wire, const char *route, struct wire_row *rows,
                       size_t room, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    if (route != NULL && !pg_is_text(route, strlen(route)))
        return 0;
    pg_text(&parameters, wire);
    if (route != NULL)
        pg_text(&parameters, route);
    else
        pg_number(&parameters, WIRE_ALLOW_UNSEQUENCED);
    pg_number(&parameters, (int64_t)room);
    PGresult *result =
        postgres_wire_query(pg, route != NULL ? PG_WIRE_FIND : PG_WIRE_FIND_FLAG, &parameters, look, failure);
    return take_rows(pg, result, rows, room, failure);
}

int postgres_wire_node(struct store *store, int64_t group, const char *node, struct wire_row *row,
                       struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    if (!pg_is_text(node, strlen(node)))
        return 0;
    pg_number(&parameters, group);
    pg_text(&parameters, node);
    return take_rows(pg, postgres_wire_query(pg, PG_WIRE_NODE, &parameters, look, failure), row, 1, failure);
}

int postgres_wire_of(struct store *store, int64_t device, struct wire_row *row, int64_t *nodes,
                     struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, device);
    PGresult *result = postgres_wire_query(pg, PG_WIRE_OF, &parameters, look, failure);
    if (nodes != NULL)
        *nodes = result != NULL && PQntuples(result) > 0 ? pg_get_number(result, 0, 19) : 0;
    return take_rows(pg, result, row, 1, failure);
}

int postgres_wires_each(struct store *store, wire_visitor *visit, void *context, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    PGresult *result = postgres_wire_query(pg, PG_WIRES_EACH, NULL, look, failure);
    int good = result == NULL ? -1 : 0;

    for (int i = 0; good == 0 && i < PQntuples(result); i++) {
        struct wire_row row;
        good = read_wire(pg, result, i, &row, failure);
        row.keys_len = 0;
        if (good == 0 && visit(context, &row) != 0)
            break;
    }
    PQclear(result);
    return good;
}

int postgres_wires_version(struct store *store, int64_t *version, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, "wires");
    PGresult *result = postgres_wire_query(postgres_of(store), PG_NUMBER_GET, &parameters, look, failure);
    if (result == NULL)
        return -1;
    *version = PQntuples(result) > 0 ? pg_get_number(result, 0, 0) : 0;
    PQclear(result);
    return 0;
}

int postgres_wire_remembers(struct store *store, int64_t row, const uint8_t hash[WIRE_HASH_SIZE],
                            struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, row);
    pg_bytes(&parameters, hash, WIRE_HASH_SIZE);
    PGresult *result = postgres_wire_query(postgres_of(store), PG_WIRE_HASH_FIND, &parameters, look, failure);
    int found = result == NULL ? -1 : PQntuples(result);
    PQclear(result);
    return found;
}

/* ---- a message ---- */

/* 1 it is remembered now, 0 it was before, or there are too many already. */
static int remember(struct postgres *pg, int64_t row, const uint8_t *hash, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, row);
    pg_bytes(&parameters, hash, WIRE_HASH_SIZE);
    pg_number(&parameters, WIRE_HASHES_MAX);
    return postgres_wire_run(pg, PG_WIRE_HASH_ADD, &parameters, change_it, failure);
}

/* Moves the row; *seq receives what the message's readings are numbered with, *group the group's row. */
static int move_row(struct postgres *pg, const struct wire_change *change, int remembered, uint64_t *seq,
                    int64_t *group, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, change->row);
    pg_boolean(&parameters, change->sets_number);
    pg_unsigned(&parameters, change->number);
    pg_number(&parameters, change->stored);
    pg_number(&parameters, change->stored ? change->received : 0);
    pg_number(&parameters, remembered);
    PGresult *result = postgres_wire_query(pg, PG_WIRE_MOVE, &parameters, change_it, failure);
    if (result == NULL)
        return -1;
    bool found = PQntuples(result) > 0;
    if (found) {
        *seq = change->sets_number ? change->number : (uint64_t)pg_get_number(result, 0, 0);
        *group = pg_get_number(result, 0, 1);
    }
    PQclear(result);
    return found ? 0 : fail(failure, "cannot %s: it is not in the registry any more", change_it);
}

static int two_numbers(struct postgres *pg, enum pg_statement id, int64_t first, int64_t second,
                       struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, first);
    pg_number(&parameters, second);
    return postgres_wire_run(pg, id, &parameters, change_it, failure);
}

/* As a batch of one message, whose context is what it is. */
static int write_readings(struct postgres *pg, const struct wire_change *change, uint64_t seq,
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

    return change->count == 0 ? 0 : postgres_points_add(pg, &commit, change_it, failure);
}

int postgres_wire_change(struct store *store, const struct wire_change *change, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    int remembered = change->hash != NULL ? remember(pg, change->row, change->hash, failure) : 0;
    int64_t group = 0;
    uint64_t seq = 0;

    if (remembered < 0 || move_row(pg, change, remembered, &seq, &group, failure) != 0)
        return -1;
    if (change->stored && group != 0 && two_numbers(pg, PG_WIRE_SEEN, group, change->received, failure) < 0)
        return -1;
    if (change->lost > 0 &&
        two_numbers(pg, PG_DEVICE_LOST, change->device, (int64_t)change->lost, failure) < 0)
        return -1;
    if (change->way != READINGS_OUT && write_readings(pg, change, seq, failure) != 0)
        return -1;
    return change->way == READINGS_HERE ? 0 : parcels_add_wire(&pg->parcels, change, seq, failure);
}
