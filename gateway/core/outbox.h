/*
 * The pipeline's part of the outbox: what is noted in the registry of the sinks, a few times a second on the
 * store's thread, and whether more may come in. What sinks confirm is told by their threads
 * (gateway/sink/sinks.h), on the event loop; nothing here waits or does I/O but outbox_run().
 */
#ifndef OUTBOX_H
#define OUTBOX_H

#include "gateway/log.h"
#include "gateway/store/store.h"

#define OUTBOX_EVERY INT64_C(1000000) /* microseconds between looks at the registry */
#define OUTBOX_HURRY INT64_C(100000)  /* likewise, while something waits for it */
#define OUTBOX_LEASE 3                /* seconds for which a gateway holds a sink; renewed with every look */
#define OUTBOX_TRIM  512              /* rows that a look deletes at most */

/* A cycle's part: what the store is to do, and what came of it. */
struct outbox_work {
    bool due;
    const char *holder;
    struct sink_update updates[SINKS_MAX];
    size_t count;
    int64_t keep_seconds; /* what waits for longer for a sink that nobody holds is let go; 0: nothing is */

    bool failed; /* nothing was noted */
    struct failure failure;
    struct sink_row rows[SINKS_MAX]; /* all that there are in the registry */
    size_t row_count;
    int trimmed; /* rows that were deleted */
};

/* A sink that this gateway writes to. */
struct outbox_sink {
    const char *name;
    bool held;                  /* by this gateway */
    struct outbox_place cursor; /* if it is: where its thread is */
    uint64_t lost;              /* by its thread, and not noted yet */
    uint64_t refused;
    uint64_t lost_sent; /* of these, in the cycle that runs */
    uint64_t refused_sent;
    const struct sink_row *row; /* as the registry has it; NULL: not known yet, or it was forgotten */
    bool missing;               /* it was forgotten: it is entered anew */
};

struct outbox {
    enum readings_way way; /* READINGS_HERE: there are no sinks, and nothing of this is used */
    struct log *log;
    char holder[SINK_HOLDER_MAX + 1];
    int64_t keep_seconds; /* that a reading waits for a sink which no gateway writes to; 0: for ever */
    int64_t keep_bytes;   /* of parcels that some sink has not confirmed; then no more come in */
    struct outbox_sink sinks[SINKS_MAX];
    size_t count;
    struct sink_row rows[SINKS_MAX]; /* all in the registry, by name */
    size_t row_count;
    int64_t looked;     /* when last, microseconds since 1970 */
    bool hurry;         /* the next look is due soon */
    int64_t bytes;      /* that lie in the outbox for some sink, as of then */
    int64_t full_since; /* Unix seconds; 0: there is room */
    const char *behind; /* the sink that is furthest behind, or NULL */
};

/*
 * Begins with sinks of these names (which last), as holder `holder`. All zeros is an outbox without sinks.
 */
void outbox_init(struct outbox *outbox, struct log *log, const char *holder, enum readings_way way,
                 int64_t keep_bytes, const char *const *names, size_t count);

/* Whether sources are to answer "try again". */
static inline bool outbox_is_full(const struct outbox *outbox)
{
    return outbox->full_since != 0;
}

/* Whether this gateway writes to a sink of that name. */
bool outbox_has(const struct outbox *outbox, const char *name);

/* Says in the cycle what is to be noted, if it is time for that. `now`: microseconds since 1970. */
void outbox_plan(struct outbox *outbox, struct outbox_work *work, int64_t now);

/* Learns from a cycle that is through. `now`: Unix seconds. */
void outbox_note(struct outbox *outbox, const struct outbox_work *work, int64_t now);

/*
 * Enters the sinks in the registry where they are not there yet, and has a first look at it, before it is
 * used: 0, or -1 with the failure. On whichever thread; nobody else may use the outbox meanwhile.
 */
MUST_CHECK int outbox_enter(struct outbox *outbox, struct store *store, int64_t now, struct failure *failure);

/* The last note of what sinks have confirmed, when the store's thread is gone: lets the sinks go, too. What
 * cannot be noted is written again by whoever comes next. */
void outbox_leave(struct outbox *outbox, struct store *store, int64_t now);

/* ---- on the store's thread ---- */

/* `now`: Unix seconds. */
void outbox_run(struct outbox_work *work, struct store *store, int64_t now);

#endif
