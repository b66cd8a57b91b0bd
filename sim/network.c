#include "sim/network.h"

#include <stdlib.h>
#include <string.h>

static bool before(const struct event *a, const struct event *b)
{
    if (a->time != b->time)
        return a->time < b->time;
    return a->lane != b->lane ? a->lane < b->lane : a->order < b->order;
}

static int make_room(struct network *network)
{
    size_t room = network->room == 0 ? 256 : network->room * 2;
    struct event *events;

    if (network->count < network->room)
        return 0;
    events = realloc(network->events, room * sizeof(*events));
    if (events == NULL)
        return -1;
    network->events = events;
    network->room = room;
    return 0;
}

int network_put(struct network *network, const struct event *event)
{
    size_t i;

    if (make_room(network) < 0)
        return -1;
    for (i = network->count++; i > 0 && before(event, &network->events[(i - 1) / 2]); i = (i - 1) / 2)
        network->events[i] = network->events[(i - 1) / 2];
    network->events[i] = *event;
    return 0;
}

const struct event *network_next(const struct network *network)
{
    return network->count > 0 ? &network->events[0] : NULL;
}

struct event network_take(struct network *network)
{
    struct event first = network->events[0];
    struct event last = network->events[--network->count];
    size_t i = 0;

    for (size_t child = 1; child < network->count; child = 2 * i + 1) {
        if (child + 1 < network->count && before(&network->events[child + 1], &network->events[child]))
            child++;
        if (!before(&network->events[child], &last))
            break;
        network->events[i] = network->events[child];
        i = child;
    }
    network->events[i] = last;
    return first;
}

struct parcel *network_parcel(struct network *network, uint32_t lane, enum parcel_from from,
                              const uint8_t *bytes, size_t len)
{
    struct parcel *parcel = malloc(sizeof(*parcel));

    if (parcel == NULL)
        return NULL;
    parcel->lane = lane;
    parcel->from = (uint8_t)from;
    parcel->len = (uint16_t)(len < PARCEL_MAX ? len : PARCEL_MAX);
    if (parcel->len > 0)
        memcpy(parcel->bytes, bytes, parcel->len);
    network->parcels++;
    return parcel;
}

void network_free(struct network *network, struct parcel *parcel)
{
    if (parcel == NULL)
        return;
    network->parcels--;
    free(parcel);
}

void network_wipe(struct network *network)
{
    for (size_t i = 0; i < network->count; i++)
        network_free(network, network->events[i].parcel);
    free(network->events);
    memset(network, 0, sizeof(*network));
}
