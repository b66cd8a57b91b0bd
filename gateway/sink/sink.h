/*
 * A sink takes readings to another database than the registry's. One file family per kind, behind the vtable
 * below, listed in sink_kinds[] (sink.c): that line is all that the rest of the program knows of it.
 *
 * What is to be written comes from the registry's outbox (gateway/store/store.h), where it lies durably until
 * the sink has confirmed it; so the same batch may come again, whole or with others, after a failure, a crash
 * or from another gateway. Writing is idempotent therefore: a point's identity is (device_id, context, piv,
 * index, time), and a point that is there already is left as it is.
 *
 * A struct sink belongs to one thread at a time, but for interrupt().
 */
#ifndef SINK_H
#define SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/decode/reading.h"
#include "gateway/failure.h"

#define SINK_NAME_SIZE     256  /* bytes of a sink's name, with the terminating zero */
#define SINK_SETTINGS_MAX  32   /* lines of a file behind its URL */
#define SINK_POINTS_MAX    8192 /* in a batch */
#define SINK_WRITE_SECONDS 30   /* that a write may take at most, whatever the other side does */

/*
 * The context of a message that came over an older wire: this byte, and the number of the wire's row (8
 * bytes, big-endian). A session's has BULLA_ID_CONTEXT_SIZE bytes, the counter's none.
 */
#define SINK_CONTEXT_OLDER 'w'
#define SINK_CONTEXT_MAX   9 /* bytes */

/* A reading as sinks take it, with what tells it apart from every other. Pointers last as long as the batch.
 */
struct sink_point {
    const char *device;     /* name as of the reading, zero-terminated, UTF-8, 1 to BULLA_NAME_MAX bytes */
    const uint8_t *context; /* id_context (PROTOCOL 2); see above for the counter and older wires */
    size_t context_len;     /* 0, 8, or SINK_CONTEXT_MAX */
    int64_t device_id;      /* of the registry: a name may be given again */
    uint64_t piv;           /* the message's number; of an older wire: its own, or how many were stored */
    uint32_t index;         /* of the reading in its message, from 0 */
    int64_t received;       /* microseconds since 1970 */
    struct reading reading;
};

/* Points in the order in which they were stored. */
struct sink_batch {
    const struct sink_point *points;
    size_t count; /* 1 to SINK_POINTS_MAX */
};

enum sink_result {
    SINK_WRITTEN = 0,  /* all of it is there, durably as that database has it */
    SINK_AWAY = -1,    /* it may be later: the whole batch comes again. The failure says why */
    SINK_REFUSED = -2, /* never, as it is: the caller halves it, until one point is left, which it skips */
};

/* What a URL's file says besides: KEY = VALUE. */
struct sink_setting {
    const char *key;
    const char *value;
};

/* Where a sink is. The strings last until open() returns, and are wiped then. */
struct sink_address {
    const char *url; /* with its scheme */
    bool in_file;    /* it stood in a file, which nobody else may read: it may hold a password */
    const struct sink_setting *settings;
    size_t setting_count;
};

/* First member of every kind's own struct. open() fills in the name: the URL as it may be shown, without
 * passwords and tokens, and without what does not tell where the readings go (time-outs, files). */
struct sink {
    const struct sink_ops *ops;
    char name[SINK_NAME_SIZE];
};

struct sink_ops {
    const char *scheme; /* of the URL: "influx" */
    const char *alias;  /* another word for it, or NULL */
    bool is_server;     /* reached over sockets */

    /*
     * Checks the address, reads files that it names, and allocates; reaches nothing yet, for a sink that is
     * away does not hold up the start. 0, and *sink is the caller's to close; or -1 with what is wrong, which
     * never quotes a secret.
     */
    int (*open)(struct sink **sink, const struct sink_address *address, struct failure *failure);

    /*
     * Writes a batch: enum sink_result. Connects where it is not connected. On a thread of its own; may wait,
     * up to SINK_WRITE_SECONDS. A secret never stands in the failure.
     */
    int (*write)(struct sink *sink, const struct sink_batch *batch, struct failure *failure);

    /* From another thread: a write() that waits ends soon, and so does each later one (SINK_AWAY). NULL: none
     * waits for long. */
    void (*interrupt)(struct sink *sink);

    void (*close)(struct sink *sink);
};

extern const struct sink_ops *const sink_kinds[]; /* NULL at the end */

/*
 * Opens the sink that a URL names; "@FILE": the URL is the first line of that file, and the others are KEY =
 * VALUE (blank ones and those that begin with # are skipped). A URL that was typed may not hold a password.
 * The caller closes it with sink->ops->close(). Returns 0, or -1 with the failure.
 */
MUST_CHECK int sink_open(struct sink **sink, const char *url, struct failure *failure);

#endif
