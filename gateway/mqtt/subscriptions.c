#include "gateway/mqtt/subscriptions.h"

#include <stdlib.h>
#include <string.h>

static void drop(struct subscriptions *list, size_t at)
{
    free((char *)list->items[at].wanted.filter);
    list->count--;
    memmove(&list->items[at], &list->items[at + 1], (list->count - at) * sizeof(*list->items));
}

void subscriptions_wipe(struct subscriptions *list)
{
    while (list->count > 0)
        drop(list, list->count - 1);
    free(list->items);
    memset(list, 0, sizeof(*list));
}

static struct subscription *find(const struct subscriptions *list, const char *filter)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!list->items[i].gone && strcmp(list->items[i].wanted.filter, filter) == 0)
            return &list->items[i];
    }
    return NULL;
}

static int grow(struct subscriptions *list, struct failure *failure)
{
    size_t capacity = list->capacity * 2 + 4;
    struct subscription *items;

    if (list->count == SUBSCRIPTIONS_MAX)
        return fail(failure, "there are %d subscriptions to a broker, and more are not taken",
                    SUBSCRIPTIONS_MAX);
    if (list->count < list->capacity)
        return 0;
    items = reallocarray(list->items, capacity, sizeof(*items));
    if (items == NULL)
        return fail(failure, "out of memory");
    list->items = items;
    list->capacity = capacity;
    return 0;
}

int subscriptions_add(struct subscriptions *list, const struct mqtt_subscription *subscription,
                      struct failure *failure)
{
    struct subscription *known = find(list, subscription->filter);
    struct subscription added = {.wanted = *subscription};

    if (known != NULL) { /* it keeps its filter's copy */
        added.wanted.filter = known->wanted.filter;
        added.asked = known->asked;
        *known = added;
        return 0;
    }
    if (grow(list, failure) < 0)
        return -1;
    added.wanted.filter = strdup(subscription->filter);
    if (added.wanted.filter == NULL)
        return fail(failure, "out of memory");
    list->items[list->count++] = added;
    return 0;
}

bool subscriptions_remove(struct subscriptions *list, const char *filter)
{
    struct subscription *known = find(list, filter);

    if (known == NULL)
        return false;
    if (known->asked != 0)
        known->gone = true; /* its place in the SUBACK counts */
    else
        drop(list, (size_t)(known - list->items));
    return true;
}

void subscriptions_restart(struct subscriptions *list)
{
    for (size_t i = list->count; i > 0; i--) {
        struct subscription *item = &list->items[i - 1];
        item->asked = 0;
        item->done = false;
        if (item->gone)
            drop(list, i - 1);
    }
}

size_t subscriptions_ask(struct subscriptions *list, uint16_t id, struct mqtt_subscription *out, size_t most)
{
    size_t count = 0;

    for (size_t i = 0; i < list->count && count < most; i++) {
        struct subscription *item = &list->items[i];
        if (item->done || item->asked != 0)
            continue;
        item->asked = id;
        out[count++] = item->wanted;
    }
    return count;
}

bool subscriptions_want(const struct subscriptions *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!list->items[i].done && list->items[i].asked == 0)
            return true;
    }
    return false;
}

bool subscriptions_share(const struct subscriptions *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strncmp(list->items[i].wanted.filter, "$share/", 7) == 0)
            return true;
    }
    return false;
}

int subscriptions_answer(struct subscriptions *list, const struct mqtt_packet *suback,
                         const struct subscription **refused, uint8_t *code)
{
    size_t answered = 0;

    *refused = NULL;
    for (size_t i = 0; i < list->count && answered < suback->code_count; i++) {
        struct subscription *item = &list->items[i];
        if (item->asked != suback->id)
            continue;
        item->asked = 0;
        item->done = true;
        if (suback->codes[answered] >= 128 && !item->gone &&
            (*refused == NULL || ((*refused)->wanted.is_optional && !item->wanted.is_optional))) {
            *refused = item;
            *code = suback->codes[answered];
        }
        answered++;
    }
    if (answered == 0 || answered != suback->code_count)
        return -1;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].asked == suback->id)
            return -1;
    }
    if (*refused != NULL)
        return 1;
    for (size_t i = list->count; i > 0; i--) {
        if (list->items[i - 1].gone && list->items[i - 1].asked == 0)
            drop(list, i - 1);
    }
    return 0;
}

bool subscriptions_wait(const struct subscriptions *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].asked != 0)
            return true;
    }
    return false;
}
