/*
 * Looks over the store's shoulder: knows what every device sealed, sees every batch that is committed, and
 * holds it against the protocol without asking the gateway's own windows, rows or caches.
 *
 * - What is stored was sealed: that reading, by that device, in that context, under that number.
 * - Each number is stored once.
 * - Nothing is stored below the window of 64 of its context, nor below the number that proved it.
 * - A context is proven only by a message that was sealed when its challenge was fresh: T at the gateway is
 * at most one more than it was when the message was sealed, however the clock was set in between.
 * - After a restore nothing that was sealed before it proves a context: its challenges are of another key.
 * - An older session is closed an hour after a newer one was proven, and has to be proven anew. (Where the
 * clock never goes back: how long its hour is otherwise, is the clock's affair.)
 * - Nothing of a revoked device is stored.
 * - A device is told that a number is stored only when it is.
 */
#ifndef BULLA_TEST_AUDIT_H
#define BULLA_TEST_AUDIT_H

#include "lab.h"
#include "sim/world.h"

#define AUDIT_LANES    8
#define AUDIT_READINGS 256 /* of one device */
#define AUDIT_CONTEXTS 512 /* of all */
#define AUDIT_ARRIVALS 1024

/* One sealing. */
struct sealing {
    uint32_t lane;
    uint32_t reading;
    uint64_t piv;
    uint64_t t; /* when it was sealed */
    unsigned context;
    unsigned stored;
    bool told;
    size_t next; /* 1 + the index of the reading's sealing before; 0: none */
};

/* A context as the commits show it. */
struct audited {
    uint32_t lane;
    int64_t device; /* in the registry: a new credential is another one */
    bool revoked;
    bool counter;
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];
    bool proven;
    bool any; /* something was stored */
    uint64_t top;
    uint64_t lower;
    int64_t closes; /* Unix seconds; 0: not superseded */
};

/* T when a message reached a gateway. */
struct arrival {
    int64_t received; /* by the gateway's clock */
    uint64_t t;
};

struct audited_lane {
    int64_t device;
    bool proven;                     /* a counter is, from its provisioning on */
    size_t readings[AUDIT_READINGS]; /* 1 + index of the reading's last sealing */
};

struct audit {
    struct lab *lab;
    bool clock_goes_back;
    struct sealing *sealings;
    size_t sealing_count;
    size_t sealing_room;
    size_t restored; /* so many were made before the last restore */
    struct audited contexts[AUDIT_CONTEXTS];
    unsigned context_count;
    struct audited_lane lanes[AUDIT_LANES];
    struct arrival arrivals[AUDIT_ARRIVALS]; /* the newest ones */
    unsigned arrival_count;
    uint64_t stored; /* messages */
};

void audit_open(struct audit *audit, struct lab *lab, bool clock_goes_back);
void audit_close(struct audit *audit);

/* A device was entered in the registry, first or anew. */
void audit_device(struct audit *audit, uint32_t lane, int64_t device, bool proven);
/* It was revoked: nothing of it is stored from now on. */
void audit_revoked(struct audit *audit, uint32_t lane);
void audit_sealed(struct audit *audit, uint32_t lane, uint32_t reading, uint64_t piv,
                  const uint8_t *id_context);
void audit_told(struct audit *audit, uint32_t lane, uint32_t reading, uint64_t piv);
/* A message reaches a gateway. */
void audit_arrival(struct audit *audit);
/* For lab_store's after_commit. */
void audit_commit(void *audit, const struct commit *commit, int64_t now);
/* Every context is unproven from now on, as after a restore. */
void audit_restored(struct audit *audit);

/* In the end: the database holds what was committed, each once; and the books say the same. */
void audit_database(struct audit *audit, struct ledger *ledger);

#endif
