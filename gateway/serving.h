/*
 * What serve.c and its files share: the gateway that is served, and its steps.
 */
#ifndef BULLA_GATEWAY_SERVING_H
#define BULLA_GATEWAY_SERVING_H

#include "gateway/serve.h"

#include "device/crypto_openssl.h"
#include "gateway/admin.h"
#include "gateway/registry.h"
#include "gateway/service.h"
#include "gateway/sink/sinks.h"
#include "gateway/status.h"
#include "gateway/storer.h"

/* An attempt to open a registry on a server: the store's thread's while it is under way. */
struct attempt {
    int result;
    struct failure failure;
    struct failure told; /* the reason that the log was told last */
    unsigned tries;
    unsigned pause; /* milliseconds before the next one, about */
};

struct gateway {
    struct log log;
    struct service service;
    struct status status;
    struct store_watch watch;
    bool locked; /* this struct, in which keys are, cannot be written to swap */
    bool told_unlocked;
    struct registry registry;
    struct attempt attempt;
    struct bulla_crypto crypto;
    struct pipeline pipeline;
    uv_loop_t loop;
    struct storer storer;
    struct source_list sources;
    struct sinks sinks;
    struct admin admin;
    bool has_admin;
    bool announced;
    int result; /* -1: it cannot serve, and `failure` says why */
    struct failure *failure;
    uint64_t begun; /* milliseconds of the loop's clock */
    uv_prepare_t prepare;
    uv_timer_t tick;
    uv_timer_t retry;
    uv_timer_t watchdog;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_signal_t hangup;
    int64_t sink_keep_bytes; /* of what sinks have not confirmed, as the options said last */
    int64_t sink_keep_seconds;
    const struct serve_options *options;
};

/* Microseconds since 1970, for whatever takes a clock. */
int64_t serving_clock(void *context);

/* What sinks have not confirmed is kept so long as the options say. */
void serving_keep_for_sinks(struct gateway *gateway);

/* ---- serve_registry.c: opening the registry ---- */

/* Opens it now. Returns 0, STORE_AWAY (on a server that is not there) or -1, and says why. */
int serving_open_registry(struct gateway *gateway, struct failure *failure);

/* With the registry open it serves. Else the store's thread opens it, until it is there or something is wrong
 * with it that waiting does not mend. */
void serving_begin(struct gateway *gateway);
void serving_attempted(struct gateway *gateway); /* the store's thread comes back from opening it */

/* ---- serve_loop.c: what happens on the loop ---- */

/* Says once that it listens. */
void serving_announce(struct gateway *gateway);

/* The store's thread is through (storer.h). */
void serving_done(void *context);

/* Timers and signals. */
void serving_open_handles(struct gateway *gateway);
void serving_close_handles(struct gateway *gateway);

/* ---- serve_reload.c: SIGHUP ---- */

/* Reads the options anew: what can change at once does, what cannot is told. */
void serving_reload(struct gateway *gateway);

#endif
