/* Older wires. */
#include "store_memory.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/store/wire_neighbours.h"

/* ---- transactions ---- */

static struct list copy_list(const struct list *list)
{
    struct list copy = *list;

    copy.at = list->count == 0 ? NULL : memory_copy(list->at, list->count * list->size);
    copy.room = list->count;
    return copy;
}

static void put_back(struct list *list, struct list *before)
{
    free(list->at);
    *list = *before;
    *before = (struct list){0};
}

void memory_begin(struct memory_place *place)
{
    place->before = (struct memory_snapshot){
        .devices = copy_list(&place->devices),
        .labels = copy_list(&place->labels),
        .contexts = copy_list(&place->contexts),
        .wires = copy_list(&place->wires),
        .hashes = copy_list(&place->hashes),
        .sessions = copy_list(&place->sessions),
        .points = place->points.count,
        .generation = place->generation,
        .wires_version = place->wires_version,
    };
}

void memory_commit_all(struct memory_place *place)
{
    struct memory_snapshot *before = &place->before;
    struct list *lists[] = {&before->devices, &before->labels, &before->contexts,
                            &before->wires,   &before->hashes, &before->sessions};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        free(lists[i]->at);
    *before = (struct memory_snapshot){0};
}

void memory_rollback(struct memory_place *place)
{
    struct memory_snapshot *before = &place->before;

    put_back(&place->devices, &before->devices);
    put_back(&place->labels, &before->labels);
    put_back(&place->contexts, &before->contexts);
    put_back(&place->wires, &before->wires);
    put_back(&place->hashes, &before->hashes);
    put_back(&place->sessions, &before->sessions);
    while (place->points.count > before->points)
        memory_free_point(((struct point **)(void *)place->points.at)[--place->points.count]);
    place->generation = before->generation;
    place->wires_version = before->wires_version;
}

int memory_wires_begin(struct store *store, struct failure *failure)
{
    (void)failure;
    memory_begin(place_of(store));
    return 0;
}

int memory_wires_end(struct store *store, int result, struct failure *failure)
{
    struct parcels *parcels = &((struct memory *)store)->parcels;

    assert_int_equal(parcels_end(parcels, failure), 0);
    if (result < 0)
        parcels_begin(parcels);
    if (result < 0)
        memory_rollback(place_of(store));
    else
        memory_commit_all(place_of(store));
    memory_send_out(store);
    return result < 0 ? -1 : 0;
}

/* ---- reading ---- */

/* As a store gives it: with what is its device's. */
static struct wire_row shown(struct memory_place *place, const struct wire_row *wire)
{
    const struct device_row *device = memory_device(place, wire->device);
    struct wire_row row = *wire;

    row.revoked = device != NULL && device->revoked;
    strcpy(row.name, device != NULL ? device->name : "");
    return row;
}

struct wire_row *memory_wire_of_device(struct memory_place *place, int64_t device)
{
    EACH (struct wire_row, wire, &place->wires)
        if (wire->device == device && device != 0)
            return wire;
    return NULL;
}

static int compare_wires(const void *a, const void *b)
{
    const struct wire_row *x = a, *y = b;

    if (x->closed != y->closed)
        return x->closed < y->closed ? -1 : 1;
    if ((x->node[0] == '\0') != (y->node[0] == '\0'))
        return x->node[0] != '\0' ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

int memory_wire_find(struct store *store, const char *wire, const char *route, struct wire_row *rows,
                     size_t room, struct failure *failure)
{
    struct memory_place *place = place_of(store);
    struct list found = {0};
    size_t count = 0;

    (void)failure;
    EACH (struct wire_row, row, &place->wires) {
        bool is_meant = route != NULL
                            ? strcmp(row->route, route) == 0
                            : row->closed == WIRE_OPEN && (row->flags & WIRE_ALLOW_UNSEQUENCED) != 0;
        if (row->device != 0 && row->group == 0 && strcmp(row->wire, wire) == 0 && is_meant)
            memory_put(&found, row, sizeof(*row));
    }
    if (found.count > 0)
        qsort(found.at, found.count, sizeof(struct wire_row), compare_wires);
    EACH (struct wire_row, row, &found)
        if (count < room)
            rows[count++] = shown(place, row);
    free(found.at);
    return (int)count;
}

int memory_wire_node(struct store *store, int64_t group, const char *node, struct wire_row *row,
                     struct failure *failure)
{
    (void)failure;
    EACH (struct wire_row, wire, &place_of(store)->wires)
        if (wire->group == group && strcmp(wire->node, node) == 0) {
            *row = shown(place_of(store), wire);
            return 1;
        }
    return 0;
}

static int64_t count_nodes(struct memory_place *place, int64_t group)
{
    int64_t count = 0;

    EACH (struct wire_row, wire, &place->wires)
        count += wire->group == group && wire->closed == WIRE_OPEN;
    return count;
}

int memory_wire_of(struct store *store, int64_t device, struct wire_row *row, int64_t *nodes,
                   struct failure *failure)
{
    const struct wire_row *wire = memory_wire_of_device(place_of(store), device);

    (void)failure;
    if (wire == NULL)
        return 0;
    *row = shown(place_of(store), wire);
    if (nodes != NULL)
        *nodes = count_nodes(place_of(store), wire->id);
    return 1;
}

int memory_wires_version(struct store *store, int64_t *version, struct failure *failure)
{
    (void)failure;
    *version = place_of(store)->wires_version;
    return 0;
}

int memory_wires_each(struct store *store, wire_visitor *visit, void *context, struct failure *failure)
{
    (void)failure;
    EACH (struct wire_row, wire, &place_of(store)->wires) { /* they stand in the order of their ids */
        struct wire_row row = shown(place_of(store), wire);
        row.keys_len = 0;
        if (row.closed == WIRE_OPEN && row.group == 0 && visit(context, &row) != 0)
            break;
    }
    return 0;
}

int memory_wire_remembers(struct store *store, int64_t row, const uint8_t hash[WIRE_HASH_SIZE],
                          struct failure *failure)
{
    (void)failure;
    EACH (struct hash, known, &place_of(store)->hashes)
        if (known->wire == row && memcmp(known->bytes, hash, WIRE_HASH_SIZE) == 0)
            return 1;
    return 0;
}

/* ---- a message ---- */

static struct wire_row *wire_by_id(struct memory_place *place, int64_t id)
{
    EACH (struct wire_row, wire, &place->wires)
        if (wire->id == id)
            return wire;
    return NULL;
}

static void remember(struct store *store, struct wire_row *row, const uint8_t *bytes)
{
    struct hash hash = {.wire = row->id};
    struct failure unused;

    memcpy(hash.bytes, bytes, WIRE_HASH_SIZE);
    if (row->hashes >= WIRE_HASHES_MAX || memory_wire_remembers(store, row->id, bytes, &unused) > 0)
        return;
    memory_put(&place_of(store)->hashes, &hash, sizeof(hash));
    row->hashes++;
}

int memory_wire_change(struct store *store, const struct wire_change *change, struct failure *failure)
{
    struct memory_place *place = place_of(store);
    struct commit_message message = {.received = change->received};
    struct wire_row *row = wire_by_id(place, change->row);
    struct wire_row *group = row == NULL ? NULL : wire_by_id(place, row->group);

    if (row == NULL)
        return fail(failure, "it is not in the registry any more");
    if (change->hash != NULL)
        remember(store, row, change->hash);
    if (change->sets_number)
        row->number = change->number;
    row->stored += change->stored;
    if (change->stored && change->received > row->seen)
        row->seen = change->received;
    if (change->stored && group != NULL && change->received > group->seen)
        group->seen = change->received;
    memory_count_lost(memory_device(place, change->device), change->lost);
    message.piv = change->sets_number ? change->number : row->stored;
    for (size_t i = 0; change->way != READINGS_OUT && i < change->count; i++)
        memory_store_reading(place, change->device, &message, &change->readings[i]);
    if (change->way != READINGS_HERE)
        assert_int_equal(parcels_add_wire(&((struct memory *)store)->parcels, change, message.piv, failure),
                         0);
    return 0;
}

/* ---- entering and removing ---- */

int memory_insert_wire(struct memory_place *place, struct device_entry *entry, struct failure *failure)
{
    struct wire_row *row = entry->wire;
    struct wire_neighbours neighbours = {.full = false};
    struct wire_row *left = NULL;
    size_t of_route = 0;

    row->device = entry->row.id;
    EACH (struct wire_row, other, &place->wires) {
        bool same_route = strcmp(other->wire, row->wire) == 0 && strcmp(other->route, row->route) == 0;
        bool is_open = other->closed == WIRE_OPEN && other->group == 0 && row->session_topic[0] != '\0';
        of_route += same_route && other->group == 0 && other->device != 0;
        if (same_route && other->group == 0 && other->device == 0 && entry->per_route == 1)
            left = other;
        if (is_open && strcmp(other->session_topic, row->session_topic) == 0)
            neighbours.differ = neighbours.differ || other->lifetime != row->lifetime ||
                                other->grace != row->grace ||
                                ((other->flags ^ row->flags) & WIRE_STRICT) != 0;
        if (is_open && other->session_topic[0] != '\0')
            neighbours.cross = neighbours.cross || strcmp(other->route, row->session_topic) == 0 ||
                               strcmp(other->session_topic, row->route) == 0;
    }
    neighbours.full = of_route >= entry->per_route;
    if (wire_neighbours_check(&neighbours, row, entry->per_route, failure) != 0)
        return -1;
    struct wire_row fresh = *row;
    fresh.id = left != NULL ? left->id : ++place->next;
    fresh.number = left != NULL && left->number > row->number ? left->number : row->number;
    fresh.stored = left != NULL ? left->stored : 0;
    fresh.hashes = left != NULL ? left->hashes : 0;
    fresh.seen = left != NULL ? left->seen : 0;
    fresh.closed = WIRE_OPEN;
    if (left != NULL)
        *left = fresh;
    else
        memory_put(&place->wires, &fresh, sizeof(fresh));
    place->wires_version++;
    return 0;
}

int memory_wire_node_add(struct store *store, const struct wire_row *group, const char *node,
                         const char *name, int64_t now, struct wire_row *row, struct failure *failure)
{
    struct memory_place *place = place_of(store);
    struct device_row device = {.alg = BULLA_AES_CCM_16_64_128, .kind = BULLA_SESSION, .created = now};
    struct wire_row fresh = *group;

    if (memory_device_by_name(store, name, &(struct device_row){0}, failure) > 0 ||
        count_nodes(place, group->id) >= WIRE_NODES_MAX)
        return 0;
    device.id = ++place->next;
    strcpy(device.name, name);
    memory_put(&place->devices, &device, sizeof(device));
    fresh.id = ++place->next;
    fresh.device = device.id;
    fresh.group = group->id;
    fresh.number = fresh.stored = fresh.hashes = 0;
    fresh.seen = 0;
    fresh.closed = WIRE_OPEN;
    fresh.keys_len = 0;
    strcpy(fresh.node, node);
    memory_put(&place->wires, &fresh, sizeof(fresh));
    place->generation++;
    return memory_wire_node(store, group->id, node, row, failure);
}

static void drop_device(struct memory_place *place, int64_t id)
{
    for (size_t i = place->labels.count; i-- > 0;)
        if (((struct owned_label *)(void *)place->labels.at)[i].device == id)
            memory_take_out(&place->labels, (struct owned_label *)(void *)place->labels.at + i);
    memory_take_out(&place->devices, memory_device(place, id));
}

/* A node with a native credential stays, and its row is closed. */
static void remove_nodes(struct memory_place *place, int64_t group)
{
    for (size_t i = place->wires.count; i-- > 0;) {
        struct wire_row *node = (struct wire_row *)(void *)place->wires.at + i;
        const struct device_row *device = memory_device(place, node->device);
        if (node->group != group)
            continue;
        if (device != NULL && device->kid_len > 0) {
            node->closed = node->closed == WIRE_OPEN ? WIRE_UPGRADED : node->closed;
            continue;
        }
        if (device != NULL)
            drop_device(place, device->id);
        memory_take_out(&place->wires, node);
    }
}

static bool is_group_of_some(struct memory_place *place, int64_t id)
{
    EACH (struct wire_row, wire, &place->wires)
        if (wire->group == id)
            return true;
    return false;
}

void memory_remove_wire(struct memory_place *place, int64_t device)
{
    struct wire_row *row = memory_wire_of_device(place, device);

    place->wires_version++;
    if (row == NULL)
        return;
    remove_nodes(place, row->id);
    row = memory_wire_of_device(place, device);
    if (row->session_topic[0] != '\0' && row->closed == WIRE_OPEN && !is_group_of_some(place, row->id)) {
        memory_take_out(&place->wires, row);
    } else {
        row->device = 0;
        row->keys_len = 0;
        row->closed = row->closed == WIRE_OPEN ? WIRE_REMOVED : row->closed;
    }
    memory_drop_sessions(place);
}

/* ---- upgrade ---- */

int memory_close_wire(struct memory_place *place, int64_t device)
{
    struct wire_row *row = memory_wire_of_device(place, device);

    if (row == NULL || row->closed != WIRE_OPEN || memory_device(place, device)->kid_len == 0)
        return 0;
    row->closed = WIRE_UPGRADED;
    row->keys_len = 0;
    place->wires_version++;
    return 1;
}

static void give_credential(struct memory_place *place, const struct device_row *row, bool proven)
{
    struct device_row *device = memory_device(place, row->id);
    struct context counter = {.row = {.device = row->id, .counter = true, .proven = proven}};

    device->kid_len = row->kid_len;
    device->alg = row->alg;
    device->kind = row->kind;
    device->exported = false;
    memcpy(device->kid, row->kid, sizeof(device->kid));
    memcpy(device->secret, row->secret, sizeof(device->secret));
    if (row->kind == BULLA_COUNTER)
        memory_put(&place->contexts, &counter, sizeof(counter));
}

int memory_device_upgrade(struct store *store, const struct device_row *row, bool proven, bool at_once,
                          struct failure *failure)
{
    struct memory_place *place = place_of(store);
    const struct wire_row *wire = memory_wire_of_device(place, row->id);

    if (row->kid_len > 0 && memory_kid_is_taken(store, row->kid, row->kid_len, failure) > 0)
        return 0;
    if (row->kid_len > 0) {
        if (wire == NULL || (wire->group == 0 && wire->session_topic[0] != '\0' && wire->node[0] == '\0'))
            return fail(failure, "it has no older wire of its own");
        if (memory_device(place, row->id)->kid_len > 0)
            return fail(failure, "it has a native credential already");
        give_credential(place, row, proven);
    }
    if (row->kid_len == 0 || at_once)
        (void)memory_close_wire(place, row->id);
    place->generation++;
    return 1;
}
