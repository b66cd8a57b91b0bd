/* Devices and their labels. */
#include "store_memory.h"

#include <stdlib.h>
#include <string.h>

struct device_row *memory_device(struct memory_place *place, int64_t id)
{
    EACH (struct device_row, device, &place->devices)
        if (device->id == id)
            return device;
    return NULL;
}

void memory_count_lost(struct device_row *device, uint64_t lost)
{
    device->lost += lost < INT64_MAX - device->lost ? lost : INT64_MAX - device->lost;
}

int memory_device_by_name(struct store *store, const char *name, struct device_row *row,
                          struct failure *failure)
{
    (void)failure;
    EACH (struct device_row, device, &place_of(store)->devices)
        if (strcmp(device->name, name) == 0) {
            *row = *device;
            return 1;
        }
    return 0;
}

int memory_device_by_kid(struct store *store, const uint8_t *kid, size_t len, struct device_row *row,
                         struct failure *failure)
{
    (void)failure;
    EACH (struct device_row, device, &place_of(store)->devices)
        if (device->kid_len == len && memcmp(device->kid, kid, len) == 0) {
            *row = *device;
            return 1;
        }
    return 0;
}

int memory_kid_is_taken(struct store *store, const uint8_t *kid, size_t len, struct failure *failure)
{
    struct device_row row;

    EACH (struct kid, buried, &place_of(store)->buried)
        if (buried->len == len && memcmp(buried->bytes, kid, len) == 0)
            return 1;
    return memory_device_by_kid(store, kid, len, &row, failure);
}

static int set_label(struct memory_place *place, int64_t device, const struct label *label)
{
    struct owned_label entry = {.device = device};

    EACH (struct owned_label, old, &place->labels)
        if (old->device == device && strcmp(old->key, label->key) == 0) {
            if (label->value != NULL && strcmp(old->value, label->value) == 0)
                return 0;
            memory_take_out(&place->labels, old);
            if (label->value == NULL)
                return 1;
            break;
        }
    if (label->value == NULL)
        return 0;
    strcpy(entry.key, label->key);
    strcpy(entry.value, label->value);
    memory_put(&place->labels, &entry, sizeof(entry));
    return 1;
}

/* Whether the labels may be put on the device, as far as it has them already: 0, or -1. */
static int check_labels(struct memory_place *place, int64_t device, const struct label *labels, size_t count,
                        struct failure *failure)
{
    int total = 0;

    for (size_t i = 0; i < count; i++) {
        bool is_new = labels[i].value != NULL;
        if (label_check(&labels[i], failure) != 0 && labels[i].value != NULL)
            return -1;
        for (size_t j = 0; j < i; j++)
            is_new = is_new && strcmp(labels[i].key, labels[j].key) != 0;
        EACH (struct owned_label, old, &place->labels)
            is_new = is_new && !(old->device == device && strcmp(old->key, labels[i].key) == 0);
        total += is_new;
    }
    EACH (struct owned_label, old, &place->labels)
        total += old->device == device;
    return total > LABELS_MAX ? fail(failure, "a device has at most %d labels", LABELS_MAX) : 0;
}

int memory_device_label(struct store *store, int64_t device, const struct label *labels, size_t count,
                        struct failure *failure)
{
    struct memory_place *place = place_of(store);
    int changed = 0;

    if (memory_device(place, device) == NULL)
        return fail(failure, "the device is not in the registry any more");
    if (check_labels(place, device, labels, count, failure) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        changed |= set_label(place, device, &labels[i]);
    return changed;
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct owned_label *)a)->key, ((const struct owned_label *)b)->key);
}

int memory_labels_each(struct store *store, int64_t device, label_visitor *visit, void *context,
                       struct failure *failure)
{
    struct list found = {0};

    (void)failure;
    EACH (struct owned_label, label, &place_of(store)->labels)
        if (label->device == device)
            memory_put(&found, label, sizeof(*label));
    if (found.count > 0)
        qsort(found.at, found.count, sizeof(struct owned_label), compare_labels);
    EACH (struct owned_label, label, &found)
        if (visit(context, &(struct label){label->key, label->value}) != 0)
            break;
    free(found.at);
    return 0;
}

/* 1 the entry clashes, with the registry or an entry before it. */
static int clashes(struct store *store, const struct device_entry *entries, size_t at,
                   enum device_clash *clash)
{
    const struct device_row *row = &entries[at].row;
    struct device_row other;
    struct failure unused;
    bool name = memory_device_by_name(store, row->name, &other, &unused) > 0;
    bool kid = row->kid_len > 0 && memory_kid_is_taken(store, row->kid, row->kid_len, &unused) > 0;

    for (size_t i = 0; i < at; i++) {
        const struct device_row *before = &entries[i].row;
        name = name || strcmp(before->name, row->name) == 0;
        kid = kid || (row->kid_len > 0 && before->kid_len == row->kid_len &&
                      memcmp(before->kid, row->kid, row->kid_len) == 0);
    }
    *clash = name ? CLASH_NAME : CLASH_KID;
    return name || kid;
}

static void enter(struct memory_place *place, struct device_entry *entry)
{
    struct context counter = {.row = {.counter = true, .proven = entry->proven}};

    entry->row.id = ++place->next;
    memory_put(&place->devices, &entry->row, sizeof(entry->row));
    counter.row.device = entry->row.id;
    if (entry->row.kid_len > 0 && entry->row.kind == BULLA_COUNTER)
        memory_put(&place->contexts, &counter, sizeof(counter));
    for (size_t i = 0; i < entry->label_count; i++)
        (void)set_label(place, entry->row.id, &entry->labels[i]);
}

int memory_devices_add(struct store *store, struct device_entry *entries, size_t count, size_t *at,
                       enum device_clash *clash, struct failure *failure)
{
    struct memory_place *place = place_of(store);

    for (*at = 0; *at < count; (*at)++) {
        if (clashes(store, entries, *at, clash))
            return 0;
        if (check_labels(place, 0, entries[*at].labels, entries[*at].label_count, failure) != 0)
            return -1;
    }
    memory_begin(place);
    for (size_t i = 0; i < count; i++) {
        enter(place, &entries[i]);
        if (entries[i].wire != NULL && memory_insert_wire(place, &entries[i], failure) != 0) {
            *at = i;
            memory_rollback(place);
            return -1;
        }
    }
    memory_commit_all(place);
    place->generation++;
    return 1;
}

static bool has_labels(struct memory_place *place, int64_t device, const struct device_filter *filter)
{
    for (size_t i = 0; filter != NULL && i < filter->label_count; i++) {
        bool found = false;
        EACH (struct owned_label, label, &place->labels)
            found = found ||
                    (label->device == device && strcmp(label->key, filter->labels[i].key) == 0 &&
                     (filter->labels[i].value == NULL || strcmp(label->value, filter->labels[i].value) == 0));
        if (!found)
            return false;
    }
    return true;
}

static int64_t last_seen(struct memory_place *place, int64_t device)
{
    int64_t seen = 0;

    EACH (struct context, context, &place->contexts)
        if (context->row.device == device && context->seen > seen)
            seen = context->seen;
    EACH (struct wire_row, wire, &place->wires)
        if (wire->device == device && wire->seen > seen)
            seen = wire->seen;
    return seen;
}

static bool is_silent(const struct device_row *device, const struct device_filter *filter)
{
    return filter == NULL || filter->silent_since == 0 ||
           (!device->revoked && device->created * SECOND < filter->silent_since &&
            device->last_seen < filter->silent_since);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct device_row *)a)->name, ((const struct device_row *)b)->name);
}

int memory_device_each(struct store *store, const struct device_filter *filter, device_visitor *visit,
                       void *context, struct failure *failure)
{
    struct memory_place *place = place_of(store);
    struct list found = {0};

    (void)failure;
    EACH (struct device_row, device, &place->devices) {
        struct device_row row = *device;
        const struct wire_row *wire = memory_wire_of_device(place, row.id);
        row.last_seen = last_seen(place, row.id);
        if (wire != NULL && wire->closed == WIRE_OPEN)
            strcpy(row.wire, wire->wire);
        if (has_labels(place, row.id, filter) && is_silent(&row, filter))
            memory_put(&found, &row, sizeof(row));
    }
    if (found.count > 0)
        qsort(found.at, found.count, sizeof(struct device_row), compare_names);
    EACH (struct device_row, device, &found)
        if (visit(context, device) != 0)
            break;
    free(found.at);
    return 0;
}

int memory_device_count(struct store *store, int64_t *count, struct failure *failure)
{
    (void)failure;
    *count = (int64_t)place_of(store)->devices.count;
    return 0;
}

int memory_device_revoke(struct store *store, int64_t id, struct failure *failure)
{
    struct device_row *device = memory_device(place_of(store), id);

    if (device == NULL)
        return fail(failure, "it is not in the registry any more");
    device->revoked = true;
    place_of(store)->wires_version++;
    place_of(store)->generation++;
    return 0;
}

int memory_device_exported(struct store *store, int64_t id, struct failure *failure)
{
    struct device_row *device = memory_device(place_of(store), id);

    if (device == NULL)
        return fail(failure, "it is not in the registry any more");
    bool first = !device->exported;
    device->exported = true;
    place_of(store)->generation++;
    return first;
}

int memory_device_remove(struct store *store, int64_t id, struct failure *failure)
{
    struct memory_place *place = place_of(store);
    struct device_row *device = memory_device(place, id);
    struct kid buried = {.len = 0};

    if (device == NULL)
        return fail(failure, "it is not in the registry any more");
    buried.len = device->kid_len;
    memcpy(buried.bytes, device->kid, sizeof(buried.bytes));
    if (buried.len > 0)
        memory_put(&place->buried, &buried, sizeof(buried));
    memory_remove_wire(place, id);
    device = memory_device(place, id); /* the list has moved */
    memory_take_out(&place->devices, device);
    memory_let_go(place, id, INT64_MAX);
    for (size_t i = place->labels.count; i-- > 0;)
        if (((struct owned_label *)(void *)place->labels.at)[i].device == id)
            memory_take_out(&place->labels, (struct owned_label *)(void *)place->labels.at + i);
    place->generation++;
    return 0;
}
