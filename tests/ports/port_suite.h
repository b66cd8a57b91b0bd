/*
 * What every port has to hold, over a model of its chip: a new chip's store refuses; a counter never goes
 * back, wherever the power is cut and whichever one copy rots; a session that slept is good once; a chip
 * without randomness opens no session.
 */
#ifndef BULLA_TEST_PORT_SUITE_H
#define BULLA_TEST_PORT_SUITE_H

#include "device/bulla.h"

#define PORT_EXTRA_MAX 6

/* A test of one port alone. */
struct port_extra {
    const char *name;
    void (*run)(void **state);
};

struct port_model {
    const char *name;
    struct bulla_port *(*boot)(void);  /* initialises the port; what outlives the power is there */
    void (*make_new)(void);            /* a chip that was never used */
    void (*rot)(enum bulla_slot slot); /* changes a bit of one copy; NULL for a port without counters */
    void (*battery_out)(void);         /* what is only retained is lost; NULL where nothing is */
    void (*break_random)(int broken);  /* NULL for a chip that has none */
    void (*set_clock)(uint32_t milliseconds); /* NULL where the port has no timer */
    struct port_extra extra[PORT_EXTRA_MAX];
};

/* Runs the tests of the suite that the model allows. Returns how many failed. */
int port_suite(const struct port_model *model);

#endif
