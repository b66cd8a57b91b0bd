/*
 * A simulated world: a fleet of devices, each the device library on a board of its own, the network between
 * them and a gateway, and an attacker who owns it.
 *
 *     world_init()      devices from their credentials
 *     world_advance()   lets virtual time pass; messages leave by the carrier
 *     world_answer()    the carrier brings an answer
 *     world_finished()  the faults are over, every reading came home, nothing is on the way
 *
 * There are two ways to drive it: `bulla simulate` sends over a real network in real time; the test in
 * tests/sim hands messages to the gateway's pipeline, under a clock of its own. The seed decides all that
 * happens to a device, from a stream of its own. Where `serial` is set a device's messages reach the gateway
 * one after the other, so the same seed sends the same messages even over a network whose timing differs.
 *
 * The faults end after `duration`; then what waits is sent until it is told stored.
 *
 * Files: draw (chance), board (hardware), life (what a device does), attacker, network (time and what is on
 * the way), ledger (what was sealed, told, found), counts.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "sim/attacker.h"
#include "sim/board.h"
#include "sim/counts.h"
#include "sim/ledger.h"
#include "sim/network.h"

#define WORLD_SLOTS   4  /* readings that a device may have on the way */
#define WORLD_PARCELS 48 /* of one device that may be on the way; further ones are lost */
#define WORLD_SECOND  INT64_C(1000000)

/* Chances for each message, or each copy of one. */
struct sim_faults {
    double loss;       /* a copy or a reply is lost */
    double duplicate;  /* there is another copy */
    double reorder;    /* it is held back for seconds, so that later ones overtake it */
    double delay;      /* seconds that it takes on average */
    double reboot;     /* the board restarts before a reading */
    double sleep;      /* it sleeps deeply before a reading, and wakes */
    double brown_out;  /* its power fails while it writes, or right behind a sealing */
    double lost_store; /* what it stored is gone or damaged, and it restarts */
    double attack;     /* the attacker does something when a message or a reply passes */
};

/* A reading that waits for its proof. */
struct sim_reading {
    struct bulla_message message;
    uint32_t number; /* in the ledger */
    uint32_t serial; /* of the lane's readings that waited */
    uint8_t doublings;
    uint8_t buffer[PARCEL_MAX];
};

/*
 * A device with its own chance and its own order of events: 520 bytes, and 48 in the books and the heap of
 * events. A reading that waits takes 264 more, a device that the attacker watches 5,352.
 */
struct sim_lane {
    struct draw draw;
    struct bulla bulla;
    struct sim_board board;
    struct bulla_credential credential;
    struct sim_reading *readings[WORLD_SLOTS];
    struct recordings *recordings; /* of the attacker; NULL: none, or not watched */
    struct held *held;             /* events that wait until the gateway has answered, newest first */
    uint32_t order;
    uint32_t serial;
    uint16_t parcels; /* on the way */
    bool busy;        /* the gateway has a message of it */
    bool armed;       /* a brown-out is due */
    bool owes;        /* its last reading was given up */
    bool active;      /* it took a reading */
    bool out;         /* it was retired, or revoked: nothing is expected of it */
};

/* How messages get to the gateway. */
struct sim_carrier {
    /* Takes the parcel, and calls world_answer() for it once. false: no room now, the parcel stays here. */
    bool (*send)(struct sim_carrier *carrier, struct parcel *parcel);
};

/* Who wants to know. Members may be NULL. `id_context` is NULL in a counter context. */
struct sim_observer {
    void (*sealed)(void *context, uint32_t lane, uint32_t reading, uint64_t piv, const uint8_t *id_context);
    void (*told)(void *context, uint32_t lane, uint32_t reading, uint64_t piv);
    /* A new credential for a board that lost its counter, entered in the registry. 0, or -1: none. */
    int (*renew)(void *context, uint32_t lane, struct bulla_credential *credential);
    void *context;
};

struct world_config {
    uint64_t seed;
    size_t devices;
    double rate;     /* readings a second, of all devices together */
    double duration; /* seconds */
    struct sim_faults faults;
    unsigned slots;    /* readings that a device has on the way: 1 to WORLD_SLOTS */
    bool serial;       /* one message of a device at the gateway at a time */
    bool crypto_fails; /* sealing may end in BULLA_E_CRYPTO, and the reading is lost */
    bool last_words;   /* every device takes one more reading once the faults are over */
    const char *name;  /* of the readings: SenML's "n" */
    const struct sim_entropy *entropy;
    struct bulla_crypto *crypto;
    struct sim_carrier *carrier;
    struct sim_observer observer;
};

struct world {
    struct world_config config;
    struct sim_lane *lanes;
    struct network network;
    struct ledger ledger;
    struct sim_counts counts;
    int64_t now;      /* microseconds of virtual time */
    int64_t duration; /* likewise */
    size_t readers;   /* devices that may still take a reading */
    size_t watched;   /* devices apart: the attacker records every so many-th */
    bool ended;       /* before its time */
    bool out_of_memory;
    char broken[200]; /* what must not happen, and did: "" nothing */
};

/* Makes the devices without starting them. Returns 0, or -1 when memory is out; world_wipe() serves after
 * both. */
MUST_CHECK int world_init(struct world *world, const struct world_config *config);
void world_wipe(struct world *world);

/* Puts a credential on a board and starts it. A counter's is made: the credential must be a fresh one.
 * Returns 0 or an error of the device library. */
MUST_CHECK int world_start(struct world *world, uint32_t lane, const struct bulla_credential *credential);

/*
 * All that happens up to a moment of virtual time. true: the carrier has no room, and time stands still.
 */
bool world_advance(struct world *world, int64_t until);

/* The gateway's answer, or that there is none. Takes the parcel. */
void world_answer(struct world *world, struct parcel *parcel, enum sim_answer answer, const uint8_t *body,
                  size_t len);

/* A reply that came by itself, not as a message's answer: over MQTT. */
void world_reply(struct world *world, uint32_t lane, const uint8_t *body, size_t len);

/* The faults are over now, and nobody takes a reading any more. */
void world_end(struct world *world);

bool world_finished(const struct world *world);

/* Nothing is expected of this device any more; what it waits for is given up. */
void world_dismiss(struct world *world, uint32_t lane);

/* ---- for the parts of the world ---- */

bool world_calm(const struct world *world);
/* Never in a calm world. */
bool world_chance(struct world *world, struct sim_lane *lane, double probability);
/* Something that must not happen did. Only the first is kept. */
__attribute__((format(printf, 2, 3))) void world_break(struct world *world, const char *format, ...);
uint32_t world_lane(const struct world *world, const struct sim_lane *lane);

/* Puts an event at `after` microseconds from now. */
void world_put(struct world *world, struct sim_lane *lane, int64_t after, struct event event);
/* A parcel sets out, and arrives after so many microseconds. */
void world_ship(struct world *world, struct sim_lane *lane, enum event_kind kind, enum parcel_from from,
                const uint8_t *bytes, size_t len, int64_t after);
/* It passes the network: may be lost, copied, held back. */
void world_pass(struct world *world, struct sim_lane *lane, enum event_kind kind, const uint8_t *bytes,
                size_t len);

/* life.c: the device's side. */
int life_boot(struct world *world, struct sim_lane *lane);
void life_forget(struct world *world, struct sim_lane *lane);
void life_reading(struct world *world, struct sim_lane *lane);
void life_look(struct world *world, struct sim_lane *lane, const struct event *event);
void life_reply(struct world *world, struct sim_lane *lane, const struct parcel *parcel);

#endif
