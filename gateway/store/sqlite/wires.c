/* Devices' older wires (gateway/wire/wire.h). */
#include "gateway/store/sqlite/sqlite.h"

#include <string.h>

#include "gateway/store/wire_neighbours.h"

#define COMMIT_BUSY_MS 2000 /* as a batch's: the devices are waiting */

static const char look[] = "look an older wire up";
static const char change_it[] = "write an older wire";

/* ---- reading ---- */

static bool copy_text(sqlite3_stmt *query, int column, char *out, size_t size)
{
    size_t len = (size_t)sqlite3_column_bytes(query, column);

    if (len >= size)
        return false;
    if (len > 0)
        memcpy(out, sqlite3_column_blob(query, column), len);
    out[len] = '\0';
    return true;
}

static int read_wire(struct sqlite *sqlite, sqlite3_stmt *query, struct wire_row *row,
                     struct failure *failure)
{
    size_t keys_len = (size_t)sqlite3_column_bytes(query, 18);

    *row = (struct wire_row){
        .id = sqlite3_column_int64(query, 0),
        .device = sqlite3_column_int64(query, 1),
        .group = sqlite3_column_int64(query, 2),
        .revoked = sqlite3_column_int(query, 4) != 0,
        .flags = (unsigned)sqlite3_column_int(query, 10),
        .lifetime = sqlite3_column_int64(query, 11),
        .grace = sqlite3_column_int64(query, 12),
        .number = (uint64_t)sqlite3_column_int64(query, 13),
        .stored = (uint64_t)sqlite3_column_int64(query, 14),
        .hashes = (uint64_t)sqlite3_column_int64(query, 15),
        .seen = sqlite3_column_int64(query, 16),
        .closed = (enum wire_closed)sqlite3_column_int(query, 17),
        .keys_len = keys_len,
    };
    if (!copy_text(query, 3, row->name, sizeof(row->name)) ||
        !copy_text(query, 5, row->wire, sizeof(row->wire)) ||
        !copy_text(query, 6, row->route, sizeof(row->route)) ||
        !copy_text(query, 7, row->session_topic, sizeof(row->session_topic)) ||
        !copy_text(query, 8, row->node, sizeof(row->node)) ||
        !copy_text(query, 9, row->reading_name, sizeof(row->reading_name)) || keys_len > sizeof(row->keys))
        return fail(failure, "a row of an older wire is damaged; see docs/gateway.md, Damage (%s)",
                    sqlite->path);
    if (keys_len > 0)
        memcpy(row->keys, sqlite3_column_blob(query, 18), keys_len);
    return 0;
}

/* Runs a query for at most one row. */
static int find_one(struct sqlite *sqlite, sqlite3_stmt *query, struct wire_row *row, struct failure *failure)
{
    int found = sqlite_row(sqlite, query, look, failure);

    if (found > 0 && read_wire(sqlite, query, row, failure) != 0)
        found = -1;
    sqlite3_reset(query);
    return found;
}

int sqlite_wire_find(struct store *store, const char *wire, const char *route, struct wire_row *rows,
                     size_t room, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, route != NULL ? ST_WIRE_FIND : ST_WIRE_FIND_FLAG, failure);
    size_t count = 0;
    int found = 0;

    if (query == NULL)
        return -1;
    bind_text(query, 1, wire, strlen(wire));
    if (route != NULL)
        bind_text(query, 2, route, strlen(route));
    else
        bind_number(query, 2, WIRE_ALLOW_UNSEQUENCED);
    bind_number(query, 3, (int64_t)room);
    while (count < room && (found = sqlite_row(sqlite, query, look, failure)) > 0)
        if (read_wire(sqlite, query, &rows[count++], failure) != 0) {
            found = -1;
            break;
        }
    sqlite3_reset(query);
    return found < 0 ? -1 : (int)count;
}

int sqlite_wire_node(struct store *store, int64_t group, const char *node, struct wire_row *row,
                     struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_WIRE_NODE, failure);

    if (query == NULL)
        return -1;
    bind_number(query, 1, group);
    bind_text(query, 2, node, strlen(node));
    return find_one(sqlite, query, row, failure);
}

int sqlite_wire_of(struct store *store, int64_t device, struct wire_row *row, int64_t *nodes,
                   struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_WIRE_OF, failure);

    if (query == NULL)
        return -1;
    bind_number(query, 1, device);
    int found = sqlite_row(sqlite, query, look, failure);
    if (found > 0 && nodes != NULL)
        *nodes = sqlite3_column_int64(query, 19);
    if (found > 0 && read_wire(sqlite, query, row, failure) != 0)
        found = -1;
    sqlite3_reset(query);
    return found;
}

int sqlite_wires_each(struct store *store, wire_visitor *visit, void *context, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_WIRES_EACH, failure);
    int found;

    if (query == NULL)
        return -1;
    while ((found = sqlite_row(sqlite, query, look, failure)) > 0) {
        struct wire_row row;
        if (read_wire(sqlite, query, &row, failure) != 0) {
            found = -1;
            break;
        }
        row.keys_len = 0;
        if (visit(context, &row) != 0)
            break;
    }
    sqlite3_reset(query);
    return found < 0 ? -1 : 0;
}

int sqlite_wires_version(struct store *store, int64_t *version, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_WIRES_VERSION, failure);

    if (query == NULL || sqlite_row(sqlite, query, look, failure) < 0)
        return -1;
    *version = sqlite3_column_int64(query, 0);
    sqlite3_reset(query);
    return 0;
}

int sqlite_wire_remembers(struct store *store, int64_t row, const uint8_t hash[WIRE_HASH_SIZE],
                          struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_WIRE_HASH_FIND, failure);

    if (query == NULL)
        return -1;
    bind_number(query, 1, row);
    bind_bytes(query, 2, hash, WIRE_HASH_SIZE);
    int found = sqlite_row(sqlite, query, look, failure);
    sqlite3_reset(query);
    return found;
}

/* ---- a batch's messages ---- */

int sqlite_wires_begin(struct store *store, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);

    sqlite3_busy_timeout(sqlite->db, COMMIT_BUSY_MS);
    int result = sqlite_begin(sqlite, change_it, failure);
    sqlite3_busy_timeout(sqlite->db, COMMAND_BUSY_MS);
    parcels_begin(&sqlite->parcels);
    if (result == 0 && sqlite_series_check(sqlite, failure) != 0)
        return sqlite_end(sqlite, -1, change_it, failure);
    return result;
}

static int send_out(struct sqlite *sqlite, struct failure *failure)
{
    if (parcels_end(&sqlite->parcels, failure) != 0)
        return -1;
    return sqlite->parcels.count == 0 ? 0 : sqlite_outbox_add(sqlite, change_it, failure);
}

int sqlite_wires_end(struct store *store, int result, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);

    if (result >= 0)
        result = send_out(sqlite, failure);
    return sqlite_end(sqlite, result, change_it, failure) < 0 ? -1 : 0;
}

/* 1 it is remembered from now on, 0 there are too many already. */
static int remember(struct sqlite *sqlite, int64_t row, const uint8_t *hash, struct failure *failure)
{
    sqlite3_stmt *add = sqlite_statement(sqlite, ST_WIRE_HASH_ADD, failure);

    if (add == NULL)
        return -1;
    bind_number(add, 1, row);
    bind_bytes(add, 2, hash, WIRE_HASH_SIZE);
    bind_number(add, 3, WIRE_HASHES_MAX);
    return sqlite_run(sqlite, add, change_it, failure);
}

/* Moves the row; *seq receives what the message's readings are numbered with, *group the group's row. */
static int move_row(struct sqlite *sqlite, const struct wire_change *change, int remembered, uint64_t *seq,
                    int64_t *group, struct failure *failure)
{
    sqlite3_stmt *move = sqlite_statement(sqlite, ST_WIRE_MOVE, failure);

    if (move == NULL)
        return -1;
    bind_number(move, 1, change->row);
    bind_number(move, 2, change->sets_number);
    bind_unsigned(move, 3, change->number);
    bind_number(move, 4, change->stored);
    bind_number(move, 5, change->stored ? change->received : 0);
    bind_number(move, 6, remembered);
    int found = sqlite_row(sqlite, move, change_it, failure);
    if (found <= 0)
        return found < 0 ? -1 : fail(failure, "cannot %s: it is not in the registry any more", change_it);
    *seq = change->sets_number ? change->number : (uint64_t)sqlite3_column_int64(move, 0);
    *group = sqlite3_column_int64(move, 1);
    sqlite3_reset(move);
    return 0;
}

static int two_numbers(struct sqlite *sqlite, enum statement_id id, int64_t first, int64_t second,
                       struct failure *failure)
{
    sqlite3_stmt *statement = sqlite_statement(sqlite, id, failure);

    if (statement == NULL)
        return -1;
    bind_number(statement, 1, first);
    bind_number(statement, 2, second);
    return sqlite_run(sqlite, statement, change_it, failure);
}

int sqlite_wire_change(struct store *store, const struct wire_change *change, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    struct commit_message message = {.received = change->received};
    int remembered = change->hash != NULL ? remember(sqlite, change->row, change->hash, failure) : 0;
    int64_t group = 0;

    if (remembered < 0 || move_row(sqlite, change, remembered, &message.piv, &group, failure) != 0)
        return -1;
    if (change->stored && group != 0 &&
        two_numbers(sqlite, ST_WIRE_SEEN, group, change->received, failure) < 0)
        return -1;
    if (change->lost > 0 &&
        two_numbers(sqlite, ST_DEVICE_LOST, change->device, (int64_t)change->lost, failure) < 0)
        return -1;
    for (size_t i = 0; i < change->count && change->way != READINGS_OUT; i++)
        if (sqlite_reading_add(sqlite, change->device, &message, &change->readings[i], failure) != 0)
            return -1;
    return change->way == READINGS_HERE ? 0
                                        : parcels_add_wire(&sqlite->parcels, change, message.piv, failure);
}

/* ---- entering and removing ---- */

/* Inserts a row, or takes one up. How many rows. */
static int put_wire(struct sqlite *sqlite, enum statement_id id, const struct wire_row *row,
                    struct failure *failure)
{
    sqlite3_stmt *put = sqlite_statement(sqlite, id, failure);

    if (put == NULL)
        return -1;
    bind_number(put, 1, row->device);
    bind_number(put, 2, row->group);
    bind_text(put, 3, row->wire, strlen(row->wire));
    bind_text(put, 4, row->route, strlen(row->route));
    bind_text(put, 5, row->session_topic, strlen(row->session_topic));
    bind_text(put, 6, row->node, strlen(row->node));
    bind_text(put, 7, row->reading_name, strlen(row->reading_name));
    bind_number(put, 8, row->flags);
    bind_number(put, 9, row->lifetime);
    bind_number(put, 10, row->grace);
    bind_bytes(put, 11, row->keys, row->keys_len);
    bind_unsigned(put, 12, row->number);
    return sqlite_run(sqlite, put, change_it, failure);
}

/* Whether the route has room, and its session topic is of one mind. */
static int check_neighbours(struct sqlite *sqlite, const struct wire_row *row, size_t per_route,
                            struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_WIRE_NEIGHBOURS, failure);

    if (query == NULL)
        return -1;
    bind_text(query, 1, row->wire, strlen(row->wire));
    bind_text(query, 2, row->route, strlen(row->route));
    bind_text(query, 3, row->session_topic, strlen(row->session_topic));
    bind_number(query, 4, row->lifetime);
    bind_number(query, 5, row->grace);
    bind_number(query, 6, WIRE_STRICT);
    bind_number(query, 7, row->flags & WIRE_STRICT);
    if (sqlite_row(sqlite, query, look, failure) < 0)
        return -1;
    const struct wire_neighbours neighbours = {
        .full = sqlite3_column_int64(query, 0) >= (int64_t)per_route,
        .differ = sqlite3_column_int(query, 1) != 0,
        .cross = sqlite3_column_int(query, 2) != 0,
    };
    sqlite3_reset(query);
    return wire_neighbours_check(&neighbours, row, per_route, failure);
}

int sqlite_insert_wire(struct sqlite *sqlite, struct device_entry *entry, struct failure *failure)
{
    struct wire_row *row = entry->wire;
    int put = 0;

    row->device = entry->row.id;
    if (check_neighbours(sqlite, row, entry->per_route, failure) != 0)
        return -1;
    if (entry->per_route == 1)
        put = put_wire(sqlite, ST_WIRE_TAKE_UP, row, failure);
    if (put == 0)
        put = put_wire(sqlite, ST_WIRE_ADD, row, failure);
    if (put < 0 || sqlite_run_id(sqlite, ST_WIRES_RAISE, change_it, failure) < 0)
        return -1;
    return 1;
}

static int count_nodes(struct sqlite *sqlite, int64_t group, int64_t *count, struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_WIRE_NODES, failure);

    if (query == NULL)
        return -1;
    bind_number(query, 1, group);
    if (sqlite_row(sqlite, query, look, failure) < 0)
        return -1;
    *count = sqlite3_column_int64(query, 0);
    sqlite3_reset(query);
    return 0;
}

int sqlite_wire_node_add(struct store *store, const struct wire_row *group, const char *node,
                         const char *name, int64_t now, struct wire_row *row, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    struct device_row device = {.alg = BULLA_AES_CCM_16_64_128, .kind = BULLA_SESSION, .created = now};
    int64_t count;
    int taken = sqlite_name_is_taken(sqlite, name, failure);

    if (taken < 0 || count_nodes(sqlite, group->id, &count, failure) != 0)
        return -1;
    if (taken > 0 || count >= WIRE_NODES_MAX)
        return 0;
    strcpy(device.name, name);
    if (sqlite_insert_device(sqlite, &device, false, failure) < 0)
        return -1;
    *row = *group;
    row->device = device.id;
    row->group = group->id;
    row->keys_len = 0;
    strcpy(row->node, node);
    sqlite->generation_known = false;
    if (put_wire(sqlite, ST_WIRE_ADD, row, failure) < 0 ||
        sqlite_run_id(sqlite, ST_GENERATION_RAISE, change_it, failure) < 0)
        return -1;
    return sqlite_wire_node(store, group->id, node, row, failure);
}

int sqlite_close_wire(struct sqlite *sqlite, int64_t device, struct failure *failure)
{
    int closed = sqlite_run_number(sqlite, ST_WIRE_CLOSE, device, change_it, failure);

    if (closed > 0 && sqlite_run_id(sqlite, ST_WIRES_RAISE, change_it, failure) < 0)
        return -1;
    return closed;
}

/* In this order: first the nodes, as long as the group's row says that they are its. */
int sqlite_remove_wire(struct sqlite *sqlite, int64_t device, struct failure *failure)
{
    static const enum statement_id steps[] = {
        ST_NODES_LABELS_DELETE, ST_NODES_DELETE, ST_NODE_WIRES_DELETE,
        ST_NODE_WIRES_CLOSE,    ST_WIRE_DELETE,  ST_WIRE_BURY,
    };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (sqlite_run_number(sqlite, steps[i], device, change_it, failure) < 0)
            return -1;
    if (sqlite_run_id(sqlite, ST_SESSIONS_DELETE_UNUSED, change_it, failure) < 0)
        return -1;
    return sqlite_run_id(sqlite, ST_WIRES_RAISE, change_it, failure);
}

/* ---- upgrade ---- */

static int write_credential(struct sqlite *sqlite, const struct device_row *row, struct failure *failure)
{
    sqlite3_stmt *upgrade = sqlite_statement(sqlite, ST_DEVICE_UPGRADE, failure);

    if (upgrade == NULL)
        return -1;
    bind_number(upgrade, 1, row->id);
    bind_bytes(upgrade, 2, row->kid, row->kid_len);
    bind_number(upgrade, 3, row->alg);
    bind_number(upgrade, 4, row->kind);
    bind_bytes(upgrade, 5, row->secret, sizeof(row->secret));
    return sqlite_run(sqlite, upgrade, change_it, failure);
}

static int upgrade(struct sqlite *sqlite, const struct device_row *row, bool proven, bool at_once,
                   struct failure *failure)
{
    struct wire_row wire;
    int taken = row->kid_len == 0 ? 0 : sqlite_kid_is_taken(&sqlite->store, row->kid, row->kid_len, failure);

    if (taken != 0)
        return taken < 0 ? -1 : 0;
    if (row->kid_len == 0)
        return sqlite_close_wire(sqlite, row->id, failure) < 0 ? -1 : 1;
    int found = sqlite_wire_of(&sqlite->store, row->id, &wire, NULL, failure);
    if (found < 0)
        return -1;
    if (found == 0 || (wire.group == 0 && wire.session_topic[0] != '\0' && wire.node[0] == '\0'))
        return fail(failure, "cannot upgrade the device: it has no older wire of its own");
    int written = write_credential(sqlite, row, failure);
    if (written <= 0)
        return written < 0 ? -1
                           : fail(failure, "cannot upgrade the device: it has a native credential already");
    if (row->kind == BULLA_COUNTER && sqlite_insert_counter(sqlite, row->id, proven, failure) < 0)
        return -1;
    return at_once && sqlite_close_wire(sqlite, row->id, failure) < 0 ? -1 : 1;
}

int sqlite_device_upgrade(struct store *store, const struct device_row *row, bool proven, bool at_once,
                          struct failure *failure)
{
    static const char what[] = "upgrade the device";
    struct sqlite *sqlite = sqlite_of(store);

    if (sqlite_begin(sqlite, what, failure) != 0)
        return -1;
    int result = upgrade(sqlite, row, proven, at_once, failure);
    if (result == 0) {
        sqlite_rollback(sqlite);
        return 0;
    }
    return sqlite_end_change(sqlite, result, what, failure);
}
