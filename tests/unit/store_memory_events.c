/* Events. */
#include "store_memory.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 50000

int memory_events_add(struct store *store, const struct event_row *events, size_t count,
                      struct failure *failure)
{
    struct memory_place *place = place_of(store);
    size_t of_sort[2] = {0};

    (void)failure;
    for (size_t i = 0; i < count; i++) {
        struct event event = {.row = events[i], .n = place->next++};
        const struct device_row *device = memory_device(place, events[i].device);
        const char *texts[] = {events[i].kind, device == NULL ? "" : device->name, events[i].source,
                               events[i].detail};
        const char **places[] = {&event.row.kind, &event.row.device_name, &event.row.source,
                                 &event.row.detail};
        for (size_t t = 0; t < 4; t++)
            *places[t] =
                memory_copy(texts[t] == NULL ? "" : texts[t], texts[t] == NULL ? 0 : strlen(texts[t]));
        memory_put(&place->events, &event, sizeof(event));
    }
    for (size_t i = place->events.count; i-- > 0;) { /* the newest first */
        struct event *event = (struct event *)(void *)place->events.at + i;
        if (++of_sort[event->row.authentic] <= EVENTS_MAX)
            continue;
        free((void *)event->row.kind);
        free((void *)event->row.device_name);
        free((void *)event->row.source);
        free((void *)event->row.detail);
        memory_take_out(&place->events, event);
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

int memory_events_each(struct store *store, const struct event_filter *filter, event_visitor *visit,
                       void *context, struct failure *failure)
{
    struct list found = {0};
    size_t first = 0;

    (void)failure;
    EACH (struct event, event, &place_of(store)->events)
        if ((filter->kind == NULL || strcmp(filter->kind, event->row.kind) == 0) &&
            (filter->device == NULL || strcmp(filter->device, event->row.device_name) == 0))
            memory_put(&found, event, sizeof(*event));
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
