/*
 * A store in memory, for tests only: the contract (gateway/store/store.h) in the plainest form, lists that
 * are searched from one end to the other. Where a database disagrees with it, one of the two is wrong.
 */
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/store/commit_notes.h"
#include "gateway/store/series_cache.h"

#define EVENTS_MAX 50000
#define PIECE      4096 /* readings that follow_next() visits at most */

/* ---- lists ---- */

struct list {
    char *at;
    size_t count;
    size_t size; /* of an element */
    size_t room;
};

/* A new element, as that one is. */
static void *put(struct list *list, const void *element, size_t size)
{
    if (list->count == list->room) {
        list->room = list->room * 2 + 16;
        list->at = realloc(list->at, list->room * size);
        assert_non_null(list->at);
    }
    list->size = size;
    return memcpy(list->at + list->count++ * size, element, size);
}

#define EACH(type, item, list)                                                                               \
    for (type *item = (type *)(void *)(list)->at;                                                            \
         item != NULL && item < (type *)(void *)(list)->at + (list)->count; item++)

static void take_out(struct list *list, const void *element)
{
    size_t i = (size_t)((const char *)element - list->at) / list->size;

    memmove(list->at + i * list->size, list->at + (i + 1) * list->size, (list->count - i - 1) * list->size);
    list->count--;
}

/* ---- what there is ---- */

struct value {
    char name[32];
    uint8_t bytes[128];
    size_t len;
};

struct owned_label {
    int64_t device;
    char key[LABEL_KEY_MAX + 1];
    char value[LABEL_VALUE_MAX + 1];
};

struct context {
    struct context_row row;
    int64_t seen;
    int64_t rank;
};

struct kid {
    uint8_t bytes[BULLA_KID_MAX];
    size_t len;
};

struct series {
    int64_t id;
    int64_t device;
    struct reading key; /* name, unit, type, format */
    int64_t last;       /* the end of the last hour that it has readings in */
};

struct point {
    char device[BULLA_NAME_MAX + 1];
    struct reading_row row;
    int64_t series;
    int64_t n; /* in the order of their coming */
};

struct event {
    struct event_row row;
    int64_t n;
};

struct memory_place {
    struct list values, ids, devices, labels, buried, contexts, series, points, events;
    int64_t generation;
    int64_t next;
    uint64_t floor;
    uint64_t issued_t;
};

struct memory {
    struct store store; /* first */
    struct memory_place *place;
    struct commit_notes notes;
};

static struct memory_place *place_of(struct store *store)
{
    return ((struct memory *)store)->place;
}

static int64_t now_of(struct store *store)
{
    return store->now(store->now_context);
}

static void *copy_of(const void *bytes, size_t len)
{
    char *copy = malloc(len + 1);

    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

/* ---- the registry's own ---- */

static struct value *value_of(struct memory_place *place, const char *name)
{
    EACH (struct value, value, &place->values)
        if (strcmp(value->name, name) == 0)
            return value;
    return NULL;
}

static int meta_get(struct store *store, const char *name, void *out, size_t *len, struct failure *failure)
{
    struct value *value = value_of(place_of(store), name);

    if (value == NULL)
        return 0;
    if (value->len > *len)
        return fail(failure, "the value %s has %zu bytes", name, value->len);
    memcpy(out, value->bytes, value->len);
    *len = value->len;
    return 1;
}

static void set_value(struct memory_place *place, const char *name, const void *bytes, size_t len)
{
    struct value value = {.len = len};
    struct value *old = value_of(place, name);

    assert_true(len <= sizeof(value.bytes));
    strcpy(value.name, name);
    memcpy(value.bytes, bytes, len);
    if (old != NULL)
        *old = value;
    else
        put(&place->values, &value, sizeof(value));
}

static int meta_put(struct store *store, const char *name, const void *bytes, size_t len,
                    struct failure *failure)
{
    (void)failure;
    if (value_of(place_of(store), name) != NULL)
        return 0;
    set_value(place_of(store), name, bytes, len);
    return 1;
}

static int gateway_id_add(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                          struct failure *failure)
{
    struct memory_place *place = place_of(store);
    struct value value = {.len = GATEWAY_ID_SIZE};

    (void)now, (void)failure;
    EACH (struct value, taken, &place->ids)
        if (memcmp(taken->bytes, id, GATEWAY_ID_SIZE) == 0)
            return 0;
    memcpy(value.bytes, id, GATEWAY_ID_SIZE);
    put(&place->ids, &value, sizeof(value));
    return 1;
}

static int generation(struct store *store, int64_t *number, struct failure *failure)
{
    (void)failure;
    *number = place_of(store)->generation;
    return 0;
}

static int issued_t(struct store *store, uint64_t t, uint64_t *kept, struct failure *failure)
{
    struct memory_place *place = place_of(store);

    (void)failure;
    if (t > place->issued_t)
        place->issued_t = t;
    *kept = place->issued_t;
    return 0;
}

static int probe(struct store *store, struct failure *failure)
{
    (void)store, (void)failure;
    return 0;
}

static int restored(struct store *store, const void *challenge, size_t len, int64_t *marked,
                    struct failure *failure)
{
    struct memory_place *place = place_of(store);

    (void)failure;
    *marked = 0;
    EACH (struct context, context, &place->contexts) {
        *marked += context->row.proven;
        context->row.proven = false;
    }
    set_value(place, "challenge", challenge, len);
    place->generation++;
    return 0;
}

/* ---- devices ---- */

static struct device_row *device_of(struct memory_place *place, int64_t id)
{
    EACH (struct device_row, device, &place->devices)
        if (device->id == id)
            return device;
    return NULL;
}

static int device_by_name(struct store *store, const char *name, struct device_row *row,
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

static int device_by_kid(struct store *store, const uint8_t *kid, size_t len, struct device_row *row,
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

static int kid_is_taken(struct store *store, const uint8_t *kid, size_t len, struct failure *failure)
{
    struct device_row row;

    EACH (struct kid, buried, &place_of(store)->buried)
        if (buried->len == len && memcmp(buried->bytes, kid, len) == 0)
            return 1;
    return device_by_kid(store, kid, len, &row, failure);
}

static int set_label(struct memory_place *place, int64_t device, const struct label *label)
{
    struct owned_label entry = {.device = device};

    EACH (struct owned_label, old, &place->labels)
        if (old->device == device && strcmp(old->key, label->key) == 0) {
            if (label->value != NULL && strcmp(old->value, label->value) == 0)
                return 0;
            take_out(&place->labels, old);
            if (label->value == NULL)
                return 1;
            break;
        }
    if (label->value == NULL)
        return 0;
    strcpy(entry.key, label->key);
    strcpy(entry.value, label->value);
    put(&place->labels, &entry, sizeof(entry));
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

static int device_label(struct store *store, int64_t device, const struct label *labels, size_t count,
                        struct failure *failure)
{
    struct memory_place *place = place_of(store);
    int changed = 0;

    if (device_of(place, device) == NULL)
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

static int labels_each(struct store *store, int64_t device, label_visitor *visit, void *context,
                       struct failure *failure)
{
    struct list found = {0};

    (void)failure;
    EACH (struct owned_label, label, &place_of(store)->labels)
        if (label->device == device)
            put(&found, label, sizeof(*label));
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
    bool name = device_by_name(store, row->name, &other, &unused) > 0;
    bool kid = kid_is_taken(store, row->kid, row->kid_len, &unused) > 0;

    for (size_t i = 0; i < at; i++) {
        const struct device_row *before = &entries[i].row;
        name = name || strcmp(before->name, row->name) == 0;
        kid = kid || (before->kid_len == row->kid_len && memcmp(before->kid, row->kid, row->kid_len) == 0);
    }
    *clash = name ? CLASH_NAME : CLASH_KID;
    return name || kid;
}

static void enter(struct memory_place *place, struct device_entry *entry)
{
    struct context counter = {.row = {.counter = true, .proven = entry->proven}};

    entry->row.id = ++place->next;
    put(&place->devices, &entry->row, sizeof(entry->row));
    counter.row.device = entry->row.id;
    if (entry->row.kind == BULLA_COUNTER)
        put(&place->contexts, &counter, sizeof(counter));
    for (size_t i = 0; i < entry->label_count; i++)
        (void)set_label(place, entry->row.id, &entry->labels[i]);
}

static int devices_add(struct store *store, struct device_entry *entries, size_t count, size_t *at,
                       enum device_clash *clash, struct failure *failure)
{
    struct memory_place *place = place_of(store);

    for (*at = 0; *at < count; (*at)++) {
        if (clashes(store, entries, *at, clash))
            return 0;
        if (check_labels(place, 0, entries[*at].labels, entries[*at].label_count, failure) != 0)
            return -1;
    }
    for (size_t i = 0; i < count; i++)
        enter(place, &entries[i]);
    place->generation++;
    return 1;
}

static int device_add(struct store *store, struct device_row *row, bool proven, struct failure *failure)
{
    struct device_entry entry = {.row = *row, .proven = proven};
    enum device_clash clash = CLASH_KID;
    size_t at;
    int result = devices_add(store, &entry, 1, &at, &clash, failure);

    if (result == 0 && clash == CLASH_NAME)
        return fail(failure, "there is a device named \"%s\" already", row->name);
    if (result > 0)
        row->id = entry.row.id;
    return result;
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

static int device_each(struct store *store, const struct device_filter *filter, device_visitor *visit,
                       void *context, struct failure *failure)
{
    struct memory_place *place = place_of(store);
    struct list found = {0};

    (void)failure;
    EACH (struct device_row, device, &place->devices) {
        struct device_row row = *device;
        row.last_seen = last_seen(place, row.id);
        if (has_labels(place, row.id, filter) && is_silent(&row, filter))
            put(&found, &row, sizeof(row));
    }
    if (found.count > 0)
        qsort(found.at, found.count, sizeof(struct device_row), compare_names);
    EACH (struct device_row, device, &found)
        if (visit(context, device) != 0)
            break;
    free(found.at);
    return 0;
}

static int device_count(struct store *store, int64_t *count, struct failure *failure)
{
    (void)failure;
    *count = (int64_t)place_of(store)->devices.count;
    return 0;
}

static int device_revoke(struct store *store, int64_t id, struct failure *failure)
{
    struct device_row *device = device_of(place_of(store), id);

    if (device == NULL)
        return fail(failure, "it is not in the registry any more");
    device->revoked = true;
    place_of(store)->generation++;
    return 0;
}

static int device_exported(struct store *store, int64_t id, struct failure *failure)
{
    struct device_row *device = device_of(place_of(store), id);

    if (device == NULL)
        return fail(failure, "it is not in the registry any more");
    bool first = !device->exported;
    device->exported = true;
    place_of(store)->generation++;
    return first;
}

/* ---- contexts ---- */

static bool same_id(const struct context_row *a, const struct context_row *b)
{
    return a->device == b->device && a->counter == b->counter &&
           (a->counter || memcmp(a->id_context, b->id_context, BULLA_ID_CONTEXT_SIZE) == 0);
}

static struct context *context_of(struct memory_place *place, const struct context_row *row)
{
    EACH (struct context, context, &place->contexts)
        if (same_id(&context->row, row))
            return context;
    return NULL;
}

static bool is_due(const struct context *context, int64_t now)
{
    return context->row.closes_at != 0 && context->row.closes_at <= now;
}

/* F rises with each row that goes (PROTOCOL 4.4). `device` 0: any; `now` INT64_MAX: also those that are not
 * due. */
static int let_go(struct memory_place *place, int64_t device, int64_t now)
{
    int gone = 0;

    for (size_t i = place->contexts.count; i-- > 0;) {
        struct context *context = (struct context *)(void *)place->contexts.at + i;
        if ((device != 0 && context->row.device != device) || (now != INT64_MAX && !is_due(context, now)))
            continue;
        if (context->row.proven_t > place->floor)
            place->floor = context->row.proven_t;
        take_out(&place->contexts, context);
        gone++;
    }
    return gone;
}

static int contexts_close(struct store *store, int64_t now, struct failure *failure)
{
    (void)failure;
    return let_go(place_of(store), 0, now);
}

static int device_remove(struct store *store, int64_t id, struct failure *failure)
{
    struct memory_place *place = place_of(store);
    struct device_row *device = device_of(place, id);
    struct kid buried = {.len = 0};

    if (device == NULL)
        return fail(failure, "it is not in the registry any more");
    buried.len = device->kid_len;
    memcpy(buried.bytes, device->kid, sizeof(buried.bytes));
    put(&place->buried, &buried, sizeof(buried));
    take_out(&place->devices, device);
    let_go(place, id, INT64_MAX);
    for (size_t i = place->labels.count; i-- > 0;)
        if (((struct owned_label *)(void *)place->labels.at)[i].device == id)
            take_out(&place->labels, (struct owned_label *)(void *)place->labels.at + i);
    place->generation++;
    return 0;
}

static int device_trust(struct store *store, int64_t id, uint64_t lower, struct failure *failure)
{
    struct context *context =
        context_of(place_of(store), &(struct context_row){.device = id, .counter = true});

    if (context == NULL)
        return fail(failure, "it has no counter context");
    if (context->row.proven && context->row.window.lower >= lower)
        return 0;
    context->row.proven = true;
    if (lower > context->row.window.lower)
        context->row.window.lower = lower;
    place_of(store)->generation++;
    return 1;
}

static void read_clock(struct store *store, int64_t device, struct store_clock *clock)
{
    clock->now = now_of(store);
    clock->floor = place_of(store)->floor;
    EACH (struct context, context, &place_of(store)->contexts)
        if (context->row.device == device && is_due(context, clock->now) &&
            context->row.proven_t > clock->floor)
            clock->floor = context->row.proven_t;
}

static int context_find(struct store *store, int64_t device, const uint8_t *id_context,
                        struct context_row *row, struct store_clock *clock, struct failure *failure)
{
    struct context_row wanted = {.device = device, .counter = id_context == NULL};

    (void)failure;
    if (id_context != NULL)
        memcpy(wanted.id_context, id_context, BULLA_ID_CONTEXT_SIZE);
    read_clock(store, device, clock);
    struct context *context = context_of(place_of(store), &wanted);
    if (context == NULL || is_due(context, clock->now))
        return 0;
    *row = context->row;
    return 1;
}

static int context_newest(struct store *store, int64_t device, struct context_row *row,
                          struct store_clock *clock, struct failure *failure)
{
    const struct context *newest = NULL;

    (void)failure;
    read_clock(store, device, clock);
    EACH (struct context, context, &place_of(store)->contexts)
        if (context->row.device == device && !context->row.counter && context->row.proven &&
            !is_due(context, clock->now) && (newest == NULL || context->rank > newest->rank))
            newest = context;
    if (newest != NULL)
        *row = newest->row;
    return newest != NULL;
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(((const struct context *)a)->row.id_context, ((const struct context *)b)->row.id_context,
                  BULLA_ID_CONTEXT_SIZE);
}

static int context_each(struct store *store, int64_t device, context_visitor *visit, void *context,
                        struct failure *failure)
{
    struct list found = {0};

    (void)failure;
    EACH (struct context, item, &place_of(store)->contexts)
        if (item->row.device == device && !is_due(item, now_of(store)))
            put(&found, item, sizeof(*item));
    if (found.count > 0)
        qsort(found.at, found.count, sizeof(struct context), compare_ids);
    EACH (struct context, item, &found)
        if (visit(context, &item->row) != 0)
            break;
    free(found.at);
    return 0;
}

/* ---- commit ---- */

static bool same_window(const struct bulla_window *a, const struct bulla_window *b)
{
    return a->top == b->top && a->bits == b->bits && a->lower == b->lower;
}

static bool may_move(struct memory_place *place, const struct commit_context *batch, int64_t now)
{
    const struct device_row *device = device_of(place, batch->before.device);
    const struct context *context = context_of(place, &batch->before);

    return device != NULL && !device->revoked && context != NULL && context->row.proven &&
           !is_due(context, now) && same_window(&context->row.window, &batch->before.window);
}

static bool may_prove(struct memory_place *place, const struct commit_context *batch)
{
    const struct device_row *device = device_of(place, batch->before.device);
    const struct context *context = context_of(place, &batch->before);
    uint64_t t = batch->after.proven_t;

    if (device == NULL || device->revoked || (device->kind == BULLA_COUNTER) != batch->before.counter ||
        t <= place->floor || t + 1 < place->issued_t)
        return false;
    if (context == NULL)
        return commit_may_be_new(&batch->before);
    return !context->row.proven && same_window(&context->row.window, &batch->before.window);
}

static void prove_row(struct memory_place *place, const struct commit_context *batch, int64_t seen,
                      int64_t now)
{
    struct context fresh = {.row = batch->after};
    struct context *context = context_of(place, &batch->before);
    uint64_t t = batch->after.proven_t > place->issued_t ? batch->after.proven_t : place->issued_t;
    int64_t rank = 0;

    EACH (struct context, other, &place->contexts)
        if (other->row.device == batch->after.device && other->rank > rank)
            rank = other->rank;
    fresh.row.proven_t = context != NULL && context->row.proven_t > t ? context->row.proven_t : t;
    fresh.row.closes_at = 0;
    fresh.seen = context != NULL && context->seen > seen ? context->seen : seen;
    fresh.rank = rank + 1;
    if (context != NULL)
        *context = fresh;
    else
        put(&place->contexts, &fresh, sizeof(fresh));
    EACH (struct context, other, &place->contexts)
        if (!batch->after.counter && other->row.device == batch->after.device && !other->row.counter &&
            !same_id(&other->row, &batch->after) && other->row.closes_at == 0)
            other->row.closes_at = now + SESSION_CLOSES_AFTER;
}

static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static struct series *series_of(struct memory_place *place, int64_t device, const struct reading *reading)
{
    bool whole = reading->type == READING_PAYLOAD || reading->type == READING_UNDECODED;
    struct series fresh = {.device = device, .key = *reading, .last = INT64_MIN};

    fresh.key.format = whole ? reading->format : 0;
    EACH (struct series, series, &place->series)
        if (series->device == device && series->key.type == reading->type &&
            series->key.format == fresh.key.format &&
            same_text(series->key.name, series->key.name_len, reading->name, reading->name_len) &&
            same_text(series->key.unit, series->key.unit_len, reading->unit, reading->unit_len))
            return series;
    fresh.id = ++place->next;
    fresh.key.name = copy_of(reading->name, reading->name_len);
    fresh.key.unit = copy_of(reading->unit, reading->unit_len);
    return put(&place->series, &fresh, sizeof(fresh));
}

static void store_reading(struct memory_place *place, int64_t device, const struct commit_message *message,
                          const struct reading *reading)
{
    struct series *series = series_of(place, device, reading);
    struct point *point = calloc(1, sizeof(*point));
    int64_t first, last;

    assert_non_null(point);
    series_hours_around(reading->time, &first, &last);
    series->last = last > series->last ? last : series->last;
    strcpy(point->device, device_of(place, device)->name);
    point->row = (struct reading_row){
        .device = point->device, .received = message->received, .seq = message->piv, .reading = *reading};
    point->row.reading.format = series->key.format;
    point->row.reading.name = copy_of(reading->name, reading->name_len);
    point->row.reading.unit = copy_of(reading->unit, reading->unit_len);
    if (reading->type >= READING_TEXT && reading->type != READING_SUM)
        point->row.reading.value.bytes.at = copy_of(reading->value.bytes.at, reading->value.bytes.len);
    point->series = series->id;
    point->n = place->next++;
    put(&place->points, &point, sizeof(point));
}

static void judge(struct memory_place *place, struct commit_context *context, const struct commit_note *note,
                  int64_t now)
{
    context->verdict = COMMIT_CONFLICT;
    if (!context->after.proven)
        return;
    if (context->before.proven && may_move(place, context, now)) {
        struct context *row = context_of(place, &context->before);
        row->row.window = context->after.window;
        row->seen = note->seen > row->seen ? note->seen : row->seen;
        context->verdict = COMMIT_DONE;
    }
    if (!context->before.proven) {
        let_go(place, context->before.device, now);
        if (may_prove(place, context)) {
            prove_row(place, context, note->seen, now);
            context->verdict = COMMIT_DONE;
        }
    }
    if (context->verdict == COMMIT_DONE)
        device_of(place, context->before.device)->lost += note->lost;
}

static int commit(struct store *store, struct commit *batch, int64_t now, struct failure *failure)
{
    struct memory *memory = (struct memory *)store;

    if (commit_notes_take(&memory->notes, batch, failure) != 0)
        return -1;
    for (size_t i = 0; i < batch->context_count; i++)
        judge(memory->place, &batch->contexts[i], &memory->notes.items[i], now);
    for (size_t i = 0; i < batch->message_count; i++) {
        const struct commit_message *message = &batch->messages[i];
        const struct commit_context *context = &batch->contexts[message->context];
        for (size_t r = 0; context->verdict == COMMIT_DONE && r < message->count; r++)
            store_reading(memory->place, context->after.device, message,
                          &batch->readings[message->first + r]);
    }
    return 0;
}

/* ---- readings, read ---- */

static int compare_times(const void *a, const void *b)
{
    const struct point *x = *(struct point *const *)a, *y = *(struct point *const *)b;

    if (x->row.reading.time != y->row.reading.time)
        return x->row.reading.time < y->row.reading.time ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

static int compare_receptions(const void *a, const void *b)
{
    const struct point *x = *(struct point *const *)a, *y = *(struct point *const *)b;

    if (x->row.received != y->row.received)
        return x->row.received < y->row.received ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

static bool is_selected(const struct point *point, const struct reading_filter *filter)
{
    const struct reading *reading = &point->row.reading;

    return (filter->device == NULL || strcmp(filter->device, point->device) == 0) &&
           (filter->name == NULL ||
            same_text(filter->name, strlen(filter->name), reading->name, reading->name_len)) &&
           reading->time >= filter->since && reading->time < filter->until;
}

/* Of those before `end`. */
static int list_points(struct memory_place *place, const struct reading_filter *filter, int64_t end,
                       reading_visitor *visit, void *context)
{
    struct list found = {0};
    size_t first = 0;

    EACH (struct point *, point, &place->points)
        if ((*point)->n < end && is_selected(*point, filter))
            put(&found, point, sizeof(*point));
    if (found.count > 0)
        qsort(found.at, found.count, sizeof(struct point *), compare_times);
    if (filter->limit >= 0 && found.count > (size_t)filter->limit)
        first = found.count - (size_t)filter->limit;
    for (size_t i = first; i < found.count; i++)
        if (visit(context, &((struct point **)(void *)found.at)[i]->row) != 0)
            break;
    free(found.at);
    return 0;
}

static int readings_each(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                         void *context, struct failure *failure)
{
    (void)failure;
    return list_points(place_of(store), filter, INT64_MAX, visit, context);
}

struct follower {
    struct reading_filter filter;
    int64_t seen; /* all before that */
};

static int follow_open(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                       void *context, struct follower **follower, struct failure *failure)
{
    (void)failure;
    *follower = calloc(1, sizeof(**follower));
    assert_non_null(*follower);
    (*follower)->filter = *filter;
    (*follower)->filter.since = INT64_MIN;
    (*follower)->filter.until = INT64_MAX;
    (*follower)->seen = place_of(store)->next;
    return list_points(place_of(store), &(*follower)->filter, (*follower)->seen, visit, context);
}

static int follow_next(struct store *store, struct follower *follower, reading_visitor *visit, void *context,
                       struct failure *failure)
{
    struct list found = {0};

    (void)failure;
    EACH (struct point *, point, &place_of(store)->points)
        if ((*point)->n >= follower->seen && is_selected(*point, &follower->filter) && found.count < PIECE)
            put(&found, point, sizeof(*point));
    if (found.count > 0)
        follower->seen = ((struct point **)(void *)found.at)[found.count - 1]->n + 1;
    if (found.count > 0)
        qsort(found.at, found.count, sizeof(struct point *), compare_receptions);
    EACH (struct point *, point, &found)
        (void)visit(context, &(*point)->row);
    free(found.at);
    return (int)found.count;
}

static void follow_close(struct follower *follower)
{
    free(follower);
}

/* ---- expiry ---- */

static void free_point(struct point *point)
{
    free((void *)point->row.reading.name);
    free((void *)point->row.reading.unit);
    if (point->row.reading.type >= READING_TEXT && point->row.reading.type != READING_SUM)
        free((void *)point->row.reading.value.bytes.at);
    free(point);
}

static int readings_expire(struct store *store, int64_t before, size_t most, struct failure *failure)
{
    struct memory_place *place = place_of(store);
    size_t gone = 0;

    (void)failure;
    if (place->points.count > 0)
        qsort(place->points.at, place->points.count, sizeof(struct point *), compare_times);
    while (gone < most && place->points.count > 0 &&
           (*(struct point **)(void *)place->points.at)->row.reading.time < before) {
        free_point(*(struct point **)(void *)place->points.at);
        take_out(&place->points, place->points.at);
        gone++;
    }
    for (size_t i = place->series.count; gone == 0 && most > 0 && i-- > 0;) {
        struct series *series = (struct series *)(void *)place->series.at + i;
        if (series->last > before)
            continue;
        free((void *)series->key.name);
        free((void *)series->key.unit);
        take_out(&place->series, series);
        return 1;
    }
    return (int)gone;
}

/* ---- events ---- */

static int events_add(struct store *store, const struct event_row *events, size_t count,
                      struct failure *failure)
{
    struct memory_place *place = place_of(store);
    size_t of_sort[2] = {0};

    (void)failure;
    for (size_t i = 0; i < count; i++) {
        struct event event = {.row = events[i], .n = place->next++};
        const struct device_row *device = device_of(place, events[i].device);
        const char *texts[] = {events[i].kind, device == NULL ? "" : device->name, events[i].source,
                               events[i].detail};
        const char **places[] = {&event.row.kind, &event.row.device_name, &event.row.source,
                                 &event.row.detail};
        for (size_t t = 0; t < 4; t++)
            *places[t] = copy_of(texts[t] == NULL ? "" : texts[t], texts[t] == NULL ? 0 : strlen(texts[t]));
        put(&place->events, &event, sizeof(event));
    }
    for (size_t i = place->events.count; i-- > 0;) { /* the newest first */
        struct event *event = (struct event *)(void *)place->events.at + i;
        if (++of_sort[event->row.authentic] <= EVENTS_MAX)
            continue;
        free((void *)event->row.kind);
        free((void *)event->row.device_name);
        free((void *)event->row.source);
        free((void *)event->row.detail);
        take_out(&place->events, event);
    }
    return 0;
}

static int compare_events(const void *a, const void *b)
{
    const struct event *x = a, *y = b;

    if (x->row.time != y->row.time)
        return x->row.time < y->row.time ? -1 : 1;
    if (x->row.authentic != y->row.authentic)
        return x->row.authentic ? 1 : -1;
    return x->n < y->n ? -1 : x->n > y->n;
}

static int events_each(struct store *store, const struct event_filter *filter, event_visitor *visit,
                       void *context, struct failure *failure)
{
    struct list found = {0};
    size_t first = 0;

    (void)failure;
    EACH (struct event, event, &place_of(store)->events)
        if ((filter->kind == NULL || strcmp(filter->kind, event->row.kind) == 0) &&
            (filter->device == NULL || strcmp(filter->device, event->row.device_name) == 0))
            put(&found, event, sizeof(*event));
    if (found.count > 0)
        qsort(found.at, found.count, sizeof(struct event), compare_events);
    if (filter->limit >= 0 && found.count > (size_t)filter->limit)
        first = found.count - (size_t)filter->limit;
    for (size_t i = first; i < found.count; i++)
        if (visit(context, &((struct event *)(void *)found.at)[i].row) != 0)
            break;
    free(found.at);
    return 0;
}

/* ---- the kind ---- */

static void close_memory(struct store *store)
{
    commit_notes_wipe(&((struct memory *)store)->notes);
    free(store);
}

static const struct store_ops memory_ops = {
    .scheme = "memory",
    .close = close_memory,
    .restored = restored,
    .meta_get = meta_get,
    .meta_put = meta_put,
    .device_add = device_add,
    .device_by_kid = device_by_kid,
    .kid_is_taken = kid_is_taken,
    .device_by_name = device_by_name,
    .devices_add = devices_add,
    .device_each = device_each,
    .device_label = device_label,
    .labels_each = labels_each,
    .device_count = device_count,
    .device_revoke = device_revoke,
    .device_remove = device_remove,
    .device_exported = device_exported,
    .device_trust = device_trust,
    .generation = generation,
    .issued_t = issued_t,
    .probe = probe,
    .context_find = context_find,
    .context_newest = context_newest,
    .context_each = context_each,
    .contexts_close = contexts_close,
    .gateway_id_add = gateway_id_add,
    .commit = commit,
    .events_add = events_add,
    .readings_each = readings_each,
    .events_each = events_each,
    .follow_open = follow_open,
    .follow_next = follow_next,
    .follow_close = follow_close,
    .readings_expire = readings_expire,
};

static void make(struct fixture *f)
{
    struct memory_place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    place->generation = 1;
    f->place = place;
}

static int open_memory(struct fixture *f, enum store_open_mode mode, struct store **store)
{
    struct memory *memory = calloc(1, sizeof(*memory));

    (void)mode;
    assert_non_null(memory);
    memory->store.ops = &memory_ops;
    memory->place = f->place;
    *store = &memory->store;
    return 0;
}

static void clear(struct fixture *f)
{
    struct memory_place *place = f->place;
    struct list *lists[] = {&place->values,   &place->ids,    &place->devices, &place->labels, &place->buried,
                            &place->contexts, &place->series, &place->points,  &place->events};

    EACH (struct point *, point, &place->points)
        free_point(*point);
    EACH (struct series, series, &place->series) {
        free((void *)series->key.name);
        free((void *)series->key.unit);
    }
    EACH (struct event, event, &place->events) {
        free((void *)event->row.kind);
        free((void *)event->row.device_name);
        free((void *)event->row.source);
        free((void *)event->row.detail);
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        free(lists[i]->at);
    free(place);
}

const struct store_kind store_kind_memory = {
    .name = "memory",
    .make = make,
    .open = open_memory,
    .clear = clear,
};
