/*
 * The gateway: everything that `bulla serve` opens, in order, until SIGTERM or SIGINT; SIGHUP reads its
 * options anew.
 */
#ifndef SERVE_H
#define SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"
#include "gateway/log.h"

/* An option that says something else than before, by its name. */
struct serve_change {
    const char *name;
    bool live; /* takes effect in the gateway that runs; otherwise at its next start */
};

#define SERVE_CHANGES_MAX 64

struct serve_changes {
    struct serve_change items[SERVE_CHANGES_MAX];
    size_t count;
};

#define SERVE_BROKERS_MAX 16
#define SERVE_SINKS_MAX   16

struct serve_options {
    const char *db;                         /* store's URL or path */
    const char *key;                        /* master key's file, or NULL: beside the database */
    const char *listen;                     /* devices: HOST:PORT, [HOST]:PORT; port 0 picks one */
    const char *admin;                      /* administrator's: likewise; "off": none */
    const char *brokers[SERVE_BROKERS_MAX]; /* MQTT: URLs, or @FILE (gateway/mqtt/url.h) */
    size_t broker_count;
    const char *topic;                  /* that is subscribed there: a filter that ends in +/up */
    const char *share;                  /* as a member of this group (MQTT 5), or NULL */
    const char *sinks[SERVE_SINKS_MAX]; /* other databases that get the readings: URLs, or @FILE */
    size_t sink_count;
    int64_t sink_keep_bytes;   /* that may wait for a sink; then devices are told to try again */
    int64_t sink_keep_seconds; /* that a reading waits for a sink; 0: for ever */
    bool keep_here;            /* readings are stored in `db` as well */
    enum log_level log_level;
    unsigned max_connections; /* of the devices' listener */
    unsigned idle_seconds;    /* an idle connection is closed after that */
    int64_t keep_seconds;     /* readings that are older are deleted; 0: none */
    const char *user;         /* whom root becomes, or NULL */
    bool sandbox;             /* only the system calls that it needs */
    unsigned queue;           /* messages that may wait for the store before sources answer "try again" */
    /*
     * Reads the options anew at SIGHUP: 0 with all of them (their strings last until the next call) and what
     * changed, or -1 with what is wrong, and then nothing changes. NULL: they cannot be read anew.
     */
    int (*reload)(void *context, struct serve_options *fresh, struct serve_changes *changes,
                  struct failure *failure);
    void *reload_context;
};

#define SERVE_DEFAULT_LISTEN      "[::]:8620"
#define SERVE_DEFAULT_ADMIN       "127.0.0.1:8621"
#define SERVE_DEFAULT_CONNECTIONS 10000
#define SERVE_DEFAULT_IDLE        30
#define SERVE_DEFAULT_QUEUE       4096

#define SERVE_OWN_DESCRIPTORS 128 /* of files, the administrator's connections and what else is open */

/* Serves until told to stop, and finishes what is queued. Returns 0, or -1 with the failure. */
MUST_CHECK int serve(const struct serve_options *options, struct failure *failure);

#endif
