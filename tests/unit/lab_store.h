/*
 * A store between the gateway and the real one: it forwards what a cycle calls, and fails when it is told to.
 */
#ifndef BULLA_TEST_LAB_STORE_H
#define BULLA_TEST_LAB_STORE_H

#include "gateway/store/store.h"

enum lab_call {
    CALL_GENERATION,
    CALL_DEVICE_BY_KID,
    CALL_DEVICE_COUNT,
    CALL_CONTEXT_FIND,
    CALL_CONTEXT_NEWEST,
    CALL_CONTEXTS_CLOSE,
    CALL_GATEWAY_ID_ADD,
    CALL_COMMIT,
    CALL_EVENTS_ADD,
    CALL_ISSUED_T,
    CALL_READINGS_EXPIRE,
    CALL_WIRES_BEGIN,
    CALL_WIRES_END,
    CALL_WIRE_CHANGE,
    CALL_SESSION_SPEND,
    CALL_KINDS,
};

enum lab_fault {
    FAULT_BEFORE, /* nothing was done */
    FAULT_AFTER,  /* it was done, and is said to have failed */
};

/* Calls number fail_in (1 is the next) up to fail_in + fail_count - 1 fail. */
struct lab_faults {
    unsigned calls; /* in all */
    unsigned fail_in;
    unsigned fail_count;
    enum lab_fault fault;
};

struct lab_store {
    struct store store;
    struct store *inner;
    struct lab_faults faults[CALL_KINDS];
    /* Runs once, right before the next commit: what somebody else does to the database meanwhile. */
    void (*before_commit)(void *context);
    void *context;
    /* Runs behind every commit that went through, whatever the gateway is told of it: the verdicts are in. */
    void (*after_commit)(void *auditor, const struct commit *commit, int64_t now);
    void *auditor;
};

/* Stands before `inner`, which it does not own. */
void lab_store_init(struct lab_store *store, struct store *inner);

/* The next `count` calls of that kind fail. */
void lab_store_fail(struct lab_store *store, enum lab_call call, enum lab_fault fault, unsigned count);

#endif
