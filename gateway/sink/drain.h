/*
 * How one sink gets what lies in the outbox for it: what is read, what is too old, what is refused, when it
 * is tried again. One step at a time, on a thread of its own (sinks.c), or without one, in tests.
 */
#ifndef DRAIN_H
#define DRAIN_H

#include <stdatomic.h>

#include "gateway/sink/parcel.h"

#define DRAIN_BYTES        524288 /* of parcels that are written together, but for the last of them */
#define DRAIN_RETRY_LEAST  250    /* milliseconds until it is tried again, about; then twice that, */
#define DRAIN_RETRY_MOST   60000  /* up to this */
#define DRAIN_REFUSALS     4      /* that are told apart, between two looks at the report */
#define DRAIN_PLACES       14     /* of the histogram of times */
#define DRAIN_NOTHING      (-1)   /* what drain_step() returns: there is nothing to do */
#define DRAIN_REFUSAL_NAME 64
#define DRAIN_REFUSAL_WHY  160

/* A reading that the sink can never take. */
struct drain_refusal {
    int64_t device_id;
    uint64_t piv;
    char device[BULLA_NAME_MAX + 1];
    char name[DRAIN_REFUSAL_NAME]; /* the reading's, cut to what fits */
    char why[DRAIN_REFUSAL_WHY];
};

/* What became of all that was tried. */
struct drain_report {
    struct outbox_place cursor; /* all before it is written, refused or lost */
    uint64_t written;           /* readings */
    uint64_t refused;
    uint64_t lost;    /* too old */
    uint64_t damaged; /* of these, in parcels that are none */
    uint64_t batches;
    uint64_t nanoseconds;         /* of writing */
    uint64_t times[DRAIN_PLACES]; /* writes within 2^i milliseconds; the last: longer */
    int64_t away_since;           /* Unix seconds; 0: the last try went well */
    struct failure failure;       /* if it did not */
    struct drain_refusal refusals[DRAIN_REFUSALS];
    size_t refusal_count; /* whoever has looked at them puts this to 0 */
};

struct drain_config {
    struct sink *sink;
    const char *db;           /* the registry: opened at the first step, and anew where that failed */
    int64_t (*clock)(void *); /* microseconds since 1970 */
    void *clock_context;
};

struct drain {
    struct drain_config config;
    struct store *store; /* NULL: it is not open. drain_wipe() closes it */
    struct drain_report report;
    atomic_llong keep; /* seconds that a reading waits for the sink; 0: for ever */
    atomic_bool stop;  /* no further write is begun */
    unsigned tries;    /* that failed, since one went well */
    uint64_t chance;   /* state of the jitter's numbers */
    uint8_t *bytes;    /* parcels of the batch under way */
    size_t used;
    struct sink_point *points; /* what is in them */
    size_t count;
    struct outbox_place end;                       /* behind the last of them */
    struct drain_refusal refusals[DRAIN_REFUSALS]; /* of the batch under way */
    uint64_t refused;
    uint64_t damaged; /* readings in parcels between those of the batch that are none */
};

/* Returns 0, or -1 when memory is out; drain_wipe() in any case. */
MUST_CHECK int drain_init(struct drain *drain, const struct drain_config *config);
void drain_wipe(struct drain *drain);

/* Goes on from there: this gateway holds the sink now. */
void drain_begin(struct drain *drain, const struct outbox_place *cursor);

/*
 * Reads what comes next and writes it. Returns how many milliseconds to wait before the next step: 0 none,
 * DRAIN_NOTHING until there is something to do.
 */
int drain_step(struct drain *drain);

#endif
