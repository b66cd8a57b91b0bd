/*
 * Virtual time: what is going to happen, in order, and the bytes that are on the way. Events of one device
 * come in an order that depends on nothing but that device, so a seed gives the same run however fast a
 * gateway answers.
 */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "gateway/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARCEL_MAX 176 /* bytes of the longest message */

enum parcel_from {
    FROM_DEVICE,
    FROM_ATTACKER,
};

/* A message or a reply on its way. */
struct parcel {
    int64_t time; /* when it reaches the gateway */
    void *owner;  /* for the carrier's use */
    uint32_t lane;
    uint8_t from; /* enum parcel_from */
    uint16_t len;
    uint8_t bytes[PARCEL_MAX];
};

enum event_kind {
    EVENT_READING, /* it is time for the device's next reading */
    EVENT_LOOK,    /* the device looks after a message: slot */
    EVENT_UP,      /* a parcel reaches the gateway */
    EVENT_DOWN,    /* a parcel reaches the device */
};

struct event {
    int64_t time; /* microseconds of virtual time */
    uint32_t lane;
    uint32_t order;  /* the lane's count of events */
    uint32_t serial; /* EVENT_LOOK: of the reading that is meant */
    uint8_t kind;
    uint8_t slot;
    struct parcel *parcel;
};

/* A heap of events. */
struct network {
    struct event *events;
    size_t count;
    size_t room;
    size_t parcels; /* that are on the way */
};

/* Both return -1 when memory is out; a parcel's event owns it. */
MUST_CHECK int network_put(struct network *network, const struct event *event);
struct parcel *network_parcel(struct network *network, uint32_t lane, enum parcel_from from,
                              const uint8_t *bytes, size_t len);
void network_free(struct network *network, struct parcel *parcel);

/* The next event, or NULL; and takes it out. */
const struct event *network_next(const struct network *network);
struct event network_take(struct network *network);

void network_wipe(struct network *network);

#endif
