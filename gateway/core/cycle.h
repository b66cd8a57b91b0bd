/*
 * A cycle: all that the store is to do in one go, and what came of it. The event loop gathers one while the
 * store's thread runs the other, so a batch grows with the load by itself. Everything in it is bounded.
 */
#ifndef CYCLE_H
#define CYCLE_H

#include "gateway/core/answer.h"
#include "gateway/core/inbound.h"
#include "gateway/core/journal.h"
#include "gateway/core/older.h"
#include "gateway/core/outbox.h"
#include "gateway/decode/decode.h"

#define CYCLE_LOOKUPS 512
#define CYCLE_BYTES   262144 /* bytes of plaintext in a batch, but for one message */

/* A question to the registry: the device of a kid, and one of its contexts. */
struct lookup {
    struct inbound *inbound; /* who asks */
    uint8_t kid[BULLA_KID_MAX];
    uint8_t kid_len;
    bool named; /* by id_context; otherwise the counter's, or the newest proven session */
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];

    /* the answer */
    bool failed;
    bool device_found;
    bool context_found;
    struct device_row device;
    struct context_row context;
};

struct inbound_list {
    struct inbound *first;
    struct inbound *last;
    size_t count;
};

/* What a cycle showed of the store. */
enum store_health {
    STORE_UNTRIED,
    STORE_WELL,
    STORE_BAD,
};

struct cycle {
    int64_t now; /* Unix seconds */

    struct lookup *lookups; /* CYCLE_LOOKUPS */
    size_t lookup_count;

    struct inbound **inbounds; /* messages to store, `capacity` places; parallel to `messages` */
    struct commit_message *messages;
    struct context **touched; /* contexts whose windows they move; parallel to `contexts` */
    struct commit_context *contexts;
    size_t capacity;
    size_t message_count;
    size_t message_bytes; /* of their plaintexts */
    size_t context_count;
    struct readings readings; /* what the messages decode to */
    enum readings_way way;    /* where they go */

    struct older older; /* messages of older wires */

    struct inbound_list parked; /* to begin anew once this cycle is through */

    struct journal_entry *events; /* JOURNAL_GATHERED */
    size_t event_count;

    bool wants_id; /* draw a gateway id */
    bool housekeeping;
    bool count_devices;
    /* T that challenges are to be made of: the registry keeps it and says which is the highest; 0: not asked
     */
    uint64_t keep_t;
    int64_t expire_before; /* microseconds since 1970: delete readings older than that; 0: not now */
    size_t expire_most;    /* so many rows at most */
    bool probe;            /* the store was failing: see whether it still does */
    struct outbox_work outbox;

    /* what came of it */
    enum store_health health;
    struct failure trouble; /* if health is bad */
    bool failed;            /* nothing of the batch was stored */
    bool events_lost;
    bool id_drawn;
    uint8_t id[GATEWAY_ID_SIZE];
    uint64_t kept_t; /* what the registry keeps; 0: not asked, or it failed */
    bool clock_read;
    struct store_clock clock;
    int64_t generation;   /* -1: could not be read */
    int64_t device_count; /* -1: not counted this time */
    int64_t expired;      /* rows that were deleted; -1: the store did not take it */
    uint64_t commit_nanoseconds;
    size_t undecoded;
    struct failure failure;
};

/* `capacity`: messages in a batch. Returns 0, or -1 when memory is out. */
MUST_CHECK int cycle_init(struct cycle *cycle, size_t capacity);
void cycle_wipe(struct cycle *cycle);
void cycle_reset(struct cycle *cycle);

void inbound_push(struct inbound_list *list, struct inbound *inbound);
struct inbound *inbound_pop(struct inbound_list *list);
/* All of `tail`, which is empty then, behind the list. */
void inbound_append(struct inbound_list *list, struct inbound_list *tail);

/* Does all of it: lookups, decoding, the batch, events. On the store's thread. */
void cycle_run(struct cycle *cycle, struct store *store);

#endif
