/*
 * The way of a message through the gateway (PROTOCOL 4): parse, find, open, prove, replay, store, reply. Runs
 * on one thread and does no I/O: what the store is to do leaves as a cycle, and comes back.
 *
 *     source ──pipeline_receive()──► gathered cycle ──pipeline_take()──► cycle_run() on the store's thread
 *     source ◄──answer()──────────── pipeline_finish() ◄─────────────────┘
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "gateway/core/challenge.h"
#include "gateway/core/cycle.h"
#include "gateway/core/expiry.h"
#include "gateway/log.h"
#include "gateway/vault.h"

/* What the pipeline counts, for /metrics. */
struct pipeline_counters {
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t batches;
    uint64_t batch_failures;
    uint64_t batch_messages;
    uint64_t batch_sizes[14];  /* batches of at most 2^i messages; the last: of more */
    uint64_t commit_times[14]; /* commits within 2^i * 100 microseconds; the last: longer */
    uint64_t commit_nanoseconds;
    uint64_t readings;
    uint64_t undecoded;
    uint64_t expired;
    uint64_t events_withheld;
    uint64_t events_lost;
    int64_t devices; /* in the registry; -1 not known yet */
};

struct pipeline_config {
    struct bulla_crypto *crypto;
    const struct vault *vault;
    struct log *log;
    const uint8_t *challenge_key; /* K: CHALLENGE_KEY_SIZE bytes, copied; NULL: see pipeline_open() */
    const uint8_t *gateway_id;    /* entered in the registry already; NULL with it */
    size_t queue;                 /* messages that may wait */
    size_t devices;               /* that are kept in memory */
    int64_t keep_seconds;     /* readings that are older are deleted; 0: none. pipeline_keep() changes it */
    int64_t (*clock)(void *); /* microseconds since 1970 */
    void *clock_context;
};

struct pipeline {
    struct pipeline_config config;
    struct devices devices;
    struct answerer answerer;
    struct journal journal;
    struct expiry expiry;
    struct outbox outbox;      /* outbox_init(); all zeros: there are no sinks */
    struct inbound_list crowd; /* messages that wait for room in a batch, oldest first */
    struct inbound_list older; /* messages of older wires that wait for a cycle */
    struct roster *roster;     /* NULL: there was no older wire so far */
    struct cycle cycles[2];
    struct cycle *gathered;
    struct cycle *running; /* NULL: none is at the store */
    uint8_t challenge_key[CHALLENGE_KEY_SIZE];
    uint64_t
        kept_t;     /* the highest T in the registry: challenges are made of it, and T never falls below it */
    uint64_t floor; /* F, the highest that was read */
    int64_t clock_offset; /* the store's clock less ours, in seconds */
    int64_t taken;        /* when the running cycle was, by our clock, Unix seconds */
    int64_t generation;
    int64_t damage_logged; /* when last, Unix seconds */
    int64_t housekept;     /* when last, Unix seconds */
    int64_t events_taken;  /* when last, microseconds since 1970 */
    size_t waiting;        /* messages not answered yet */
    bool recount;          /* the number of devices may have changed */
    bool open;             /* what has to be known of the registry is; until then nothing is taken */
    bool draining;         /* nothing new is taken */
    int64_t batch_failed;  /* when one did last, Unix seconds */
    int64_t failing_since; /* Unix seconds; 0: the last batch went well */
    struct failure failure;
    struct pipeline_counters counters;
};

MUST_CHECK int pipeline_init(struct pipeline *pipeline, const struct pipeline_config *config);

/*
 * Tells one that was begun without K what it was waiting for: K and the gateway's id, as in the config (which
 * are copied), the vault as config->vault points to it, and the roster (the pipeline's from then on; may be
 * NULL). Until then every message is answered "try again".
 */
void pipeline_open(struct pipeline *pipeline, const uint8_t challenge_key[CHALLENGE_KEY_SIZE],
                   const uint8_t gateway_id[GATEWAY_ID_SIZE], struct roster *roster);

/* Why it is not open yet: for /healthz. */
void pipeline_note_closed(struct pipeline *pipeline, const struct failure *failure);

/* Every message must have been answered. */
void pipeline_wipe(struct pipeline *pipeline);

/* From now on readings that are older are deleted; 0: none. */
void pipeline_keep(struct pipeline *pipeline, int64_t seconds);

/* Takes a message. Answers it now or later. */
void pipeline_receive(struct pipeline *pipeline, struct inbound *inbound);

/*
 * What the store is to do next, or NULL: nothing, or a cycle is running. `idle_work`: also take what can wait
 * (events, housekeeping, the registry's generation).
 */
struct cycle *pipeline_take(struct pipeline *pipeline, bool idle_work);

/* Has it written to the journal that a sink (its name) never takes a reading of that device. */
void pipeline_note_sink(struct pipeline *pipeline, int64_t device, const char *sink, const char *detail);

/* The store is through with the cycle taken last: answers its messages. */
void pipeline_finish(struct pipeline *pipeline);

#endif
