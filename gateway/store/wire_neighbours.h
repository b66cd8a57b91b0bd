/* What a device on an older wire may not do to others of its route and of its session topic. */
#ifndef STORE_WIRE_NEIGHBOURS_H
#define STORE_WIRE_NEIGHBOURS_H

#include "gateway/store/store.h"

/* What a store finds of a row that is to be entered. */
struct wire_neighbours {
    bool full;   /* its route has all the devices that it may have */
    bool differ; /* its session topic's open rows have another lifetime, grace or WIRE_STRICT */
    bool cross;  /* its session topic is somebody's route, or its route is somebody's session topic */
};

/* 0 it may be entered, or -1 with what is wrong. `per_route` is how many devices a route may have. */
MUST_CHECK int wire_neighbours_check(const struct wire_neighbours *neighbours, const struct wire_row *row,
                                     size_t per_route, struct failure *failure);

#endif
