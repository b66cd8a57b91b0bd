/* Lists, and the registry's own values. */
#include "store_memory.h"

#include <stdlib.h>
#include <string.h>

/* A new element, as that one is. */
void *memory_put(struct list *list, const void *element, size_t size)
{
    if (list->count == list->room) {
        list->room = list->room * 2 + 16;
        list->at = realloc(list->at, list->room * size);
        assert_non_null(list->at);
    }
    list->size = size;
    return memcpy(list->at + list->count++ * size, element, size);
}

void memory_take_out(struct list *list, const void *element)
{
    size_t i = (size_t)((const char *)element - list->at) / list->size;

    memmove(list->at + i * list->size, list->at + (i + 1) * list->size, (list->count - i - 1) * list->size);
    list->count--;
}
void *memory_copy(const void *bytes, size_t len)
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

int memory_meta_get(struct store *store, const char *name, void *out, size_t *len, struct failure *failure)
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

void memory_set_value(struct memory_place *place, const char *name, const void *bytes, size_t len)
{
    struct value value = {.len = len};
    struct value *old = value_of(place, name);

    assert_true(len <= sizeof(value.bytes));
    strcpy(value.name, name);
    memcpy(value.bytes, bytes, len);
    if (old != NULL)
        *old = value;
    else
        memory_put(&place->values, &value, sizeof(value));
}

int memory_meta_put(struct store *store, const char *name, const void *bytes, size_t len,
                    struct failure *failure)
{
    (void)failure;
    if (value_of(place_of(store), name) != NULL)
        return 0;
    memory_set_value(place_of(store), name, bytes, len);
    return 1;
}

int memory_gateway_id_add(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                          struct failure *failure)
{
    struct memory_place *place = place_of(store);
    struct value value = {.len = GATEWAY_ID_SIZE};

    (void)now, (void)failure;
    EACH (struct value, taken, &place->ids)
        if (memcmp(taken->bytes, id, GATEWAY_ID_SIZE) == 0)
            return 0;
    memcpy(value.bytes, id, GATEWAY_ID_SIZE);
    memory_put(&place->ids, &value, sizeof(value));
    return 1;
}

int memory_generation(struct store *store, int64_t *number, struct failure *failure)
{
    (void)failure;
    *number = place_of(store)->generation;
    return 0;
}

int memory_issued_t(struct store *store, uint64_t t, uint64_t *kept, struct failure *failure)
{
    struct memory_place *place = place_of(store);

    (void)failure;
    if (t > place->issued_t)
        place->issued_t = t;
    *kept = place->issued_t;
    return 0;
}

int memory_probe(struct store *store, struct failure *failure)
{
    (void)store, (void)failure;
    return 0;
}

int memory_restored(struct store *store, const void *challenge, size_t len, int64_t *marked,
                    struct failure *failure)
{
    struct memory_place *place = place_of(store);

    (void)failure;
    *marked = 0;
    EACH (struct context, context, &place->contexts) {
        *marked += context->row.proven;
        context->row.proven = false;
    }
    memory_void_sessions(place);
    place->wires_version++;
    memory_set_value(place, "challenge", challenge, len);
    place->generation++;
    return 0;
}
