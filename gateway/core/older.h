/*
 * Messages of older wires (gateway/wire/wire.h) on their way through the gateway: received and answered on
 * the event loop, judged on the store's thread, in one transaction for all of a cycle, right behind the
 * native batch's. There are few of them, and a flood is bounded: so many wait, so many go with a cycle, and a
 * cycle spends only so long on them.
 */
#ifndef OLDER_H
#define OLDER_H

#include "gateway/core/roster.h"
#include "gateway/vault.h"

#define CYCLE_OLDER   32  /* messages in a cycle */
#define OLDER_WAITING 256 /* messages that may wait; more are answered busy */
#define OLDER_BUDGET                                                                                         \
    UINT64_C(50000000) /* nanoseconds that a cycle judges: what is left goes with the next one */

struct inbound;
struct pipeline;
struct cycle;

/* A message, and what came of it. */
struct older_message {
    struct inbound *inbound;
    enum outcome outcome;
    int64_t device;                /* 0: not known */
    char name[BULLA_NAME_MAX + 1]; /* the device's, for the log */
    char detail[WIRE_DETAIL_MAX];
    size_t readings; /* that were stored */
    size_t reply_len;
    uint8_t reply[WIRE_REPLY_MAX];
};

/* An older wire's part of a cycle. */
struct older {
    /* what the store is to do */
    struct older_message messages[CYCLE_OLDER];
    size_t count;
    const struct vault *vault;
    enum readings_way way; /* where readings go */
    int64_t
        version; /* of the roster that the pipeline has; 0: none, and none is needed as long as it stays so */
    int64_t since; /* of that */
    int64_t due;   /* likewise */

    /* what came of it */
    size_t judged; /* so many messages: the others begin anew */
    bool failed;   /* nothing was changed */
    struct failure failure;
    struct roster *roster; /* a new one, or NULL */
    struct readings readings;
};

/*
 * Takes a message of an older wire: inbound->wire, route and request are set besides what pipeline_receive()
 * needs, and stay as they are until it is answered. Answers it now (busy) or after a cycle, whatever becomes
 * of it; to answer() the outcome says all but these: OUTCOME_RESET is a number that was set, OUTCOME_ANSWERED
 * a question with its reply.
 */
void pipeline_receive_older(struct pipeline *pipeline, struct inbound *inbound);

/* What sources have to know of older wires, as of now; NULL: no roster was read yet. Look at it in flush():
 * where its version is not the one seen last, something has changed. It lasts until the loop turns. */
const struct roster *pipeline_roster(const struct pipeline *pipeline);

/* ---- for the pipeline ---- */

/* Puts the messages that wait into the cycle. */
void older_gather(struct pipeline *pipeline, struct cycle *cycle);
/* Answers them, and takes the new roster. */
void older_finish(struct pipeline *pipeline, struct cycle *cycle);

/* ---- on the store's thread ---- */

/*
 * Reads the roster for pipeline_open(), so that what is asked right after the start finds its route.
 * `*roster` is the caller's, NULL if there was no older wire so far. Returns 0, or -1 with the failure.
 */
MUST_CHECK int older_read_roster(struct store *store, int64_t now, struct roster **roster,
                                 struct failure *failure);

/* Judges the messages and reads the roster, if there is cause. 1 something was done, 0 nothing was to do; -1
 * nothing was changed, with older->failure. */
int older_run(struct older *older, struct store *store, int64_t now, bool housekeeping);

#endif
