#include "gateway/serve.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/random.h>
#include <sys/resource.h>

#include "device/crypto_openssl.h"
#include "gateway/admin.h"
#include "gateway/hardening.h"
#include "gateway/registry.h"
#include "gateway/secret.h"
#include "gateway/service.h"
#include "gateway/sink/sinks.h"
#include "gateway/status.h"
#include "gateway/storer.h"

#define DEVICES_IN_MEMORY 65536
#define RETRY_LEAST                                                                                          \
    250 /* milliseconds, about, between attempts to reach a server that is away at the start */
#define RETRY_MOST      3000 /* growing up to */
#define RETRY_TELLS     20   /* of which the log tells every so many, and where the reason is another */
#define ANNOUNCE_WITHIN 1000 /* milliseconds: it says that it listens, whatever the database does */
#define STOP_PATIENCE   2000 /* milliseconds for an attempt to come back, at the end */
#define TICK            200  /* milliseconds between looks at the registry when nothing else goes on */

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

static int64_t clock_now(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- what happens on the loop ---- */

static void submit(struct gateway *gateway, bool idle_work)
{
    struct cycle *cycle;

    if (gateway->pipeline.open && gateway->pipeline.running == NULL)
        sinks_collect(&gateway->sinks, &gateway->pipeline);
    cycle = pipeline_take(&gateway->pipeline, idle_work);
    if (cycle == NULL)
        return;
    store_watch_submit(&gateway->watch, uv_now(&gateway->loop));
    storer_submit(&gateway->storer, cycle, gateway->registry.store);
}

/* Before the loop sleeps: what came in together goes to the store together. */
static void on_prepare(uv_prepare_t *prepare)
{
    submit(prepare->data, false);
}

/* Memory for keys is had even where it cannot be locked; that is told once. */
static void tell_unlocked(struct gateway *gateway)
{
    const struct devices *devices = &gateway->pipeline.devices;

    if (gateway->told_unlocked ||
        (gateway->locked && devices->device_memory.locked && devices->context_memory.locked))
        return;
    gateway->told_unlocked = true;
    log_line(&gateway->log, LOG_LEVEL_WARN, "hardening",
             "step=locked-memory detail=\"keys may be written to swap: raise the limit of locked memory "
             "(LimitMEMLOCK=, ulimit -l)\"");
}

static void watch_store(struct gateway *gateway)
{
    uint64_t now = uv_now(&gateway->loop);
    bool changed;
    bool hangs = store_watch_look(&gateway->watch, gateway->pipeline.running != NULL, now, &changed);

    if (changed)
        log_line(&gateway->log, hangs ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
                 hangs ? "store-hanging" : "store-moving", "after_seconds=%llu",
                 (unsigned long long)(now - gateway->watch.since) / 1000);
}

static void announce(struct gateway *gateway)
{
    if (gateway->announced)
        return;
    gateway->announced = true;
    sources_announce(&gateway->sources, stderr);
    if (gateway->has_admin)
        fprintf(stderr, "bulla: admin on http://%s/\n", gateway->admin.http.address);
    service_tell(&gateway->service, "READY=1");
}

static void on_tick(uv_timer_t *tick)
{
    struct gateway *gateway = tick->data;

    if (uv_now(&gateway->loop) - gateway->begun >= ANNOUNCE_WITHIN)
        announce(gateway);
    watch_store(gateway);
    submit(gateway, true);
    tell_unlocked(gateway);
    if (status_update(&gateway->status, &gateway->pipeline, uv_now(&gateway->loop)))
        service_tell(&gateway->service, gateway->status.words);
}

/*
 * A loop that stands still is one that the service manager starts anew, and so is one whose store does not
 * come back. A store that fails (full disk) comes back, and is left to recover.
 */
static void on_watchdog(uv_timer_t *watchdog)
{
    struct gateway *gateway = watchdog->data;

    watch_store(gateway);
    if (!gateway->watch.hangs)
        service_tell(&gateway->service, "WATCHDOG=1");
}

static void close_if_drained(struct gateway *gateway)
{
    const struct pipeline *pipeline = &gateway->pipeline;

    if (pipeline->draining && pipeline->waiting == 0 && pipeline->journal.count == 0 &&
        pipeline->running == NULL)
        uv_stop(&gateway->loop);
}

static void on_stored(struct gateway *gateway)
{
    uint64_t readings = gateway->pipeline.counters.readings;

    pipeline_finish(&gateway->pipeline);
    sinks_grant(&gateway->sinks, &gateway->pipeline.outbox, gateway->pipeline.counters.readings != readings);
    submit(gateway, false); /* the next batch commits while the replies go out */
    sources_flush(&gateway->sources);
    close_if_drained(gateway);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct gateway *gateway = handle->data;

    log_line(&gateway->log, LOG_LEVEL_INFO, "stopping", "signal=%s waiting=%zu", strsignal(number),
             gateway->pipeline.waiting);
    service_tell(&gateway->service, "STOPPING=1");
    if (!gateway->pipeline.draining)
        sources_quiesce(&gateway->sources);
    gateway->pipeline.draining = true;
    if (!gateway->pipeline.open) /* nothing was taken */
        uv_stop(&gateway->loop);
    submit(gateway, true); /* so that on_stored() looks whether all is done */
}

/* ---- opening the registry ---- */

/* How the store keeps things is nothing to refuse, but to be told. */
static void tell_caution(struct gateway *gateway)
{
    struct store *store = gateway->registry.store;
    const char *caution = store->ops->caution == NULL ? NULL : store->ops->caution(store);
    char quoted[512];

    if (caution != NULL)
        log_line(&gateway->log, LOG_LEVEL_WARN, "store", "detail=%s",
                 log_quote(quoted, sizeof(quoted), caution));
}

/* It holds what it has not confirmed, for ever. */
static void tell_unused_sinks(struct gateway *gateway)
{
    const struct outbox *outbox = &gateway->pipeline.outbox;

    for (size_t i = 0; i < outbox->row_count; i++)
        if (!outbox_has(outbox, outbox->rows[i].name))
            log_line(
                &gateway->log, LOG_LEVEL_WARN, "sink-unused",
                "sink=%s detail=\"this gateway is not given that sink, for which readings are kept: if no "
                "other is either, let it go: bulla sinks forget\"",
                outbox->rows[i].name);
}

static void keep_for_sinks(struct gateway *gateway)
{
    gateway->pipeline.outbox.keep_bytes = gateway->sink_keep_bytes;
    gateway->pipeline.outbox.keep_seconds = gateway->sink_keep_seconds;
}

/* It can serve from now on. */
static void begin(struct gateway *gateway)
{
    struct registry *registry = &gateway->registry;

    pipeline_open(&gateway->pipeline, registry->challenge_key, registry->gateway_id, registry->roster);
    registry->roster = NULL;
    keep_for_sinks(gateway);
    bulla_wipe(registry->challenge_key, sizeof(registry->challenge_key));
    tell_caution(gateway);
    tell_unused_sinks(gateway);
    sinks_grant(&gateway->sinks, &gateway->pipeline.outbox, true);
    sources_begin(&gateway->sources, registry->identity);
    announce(gateway);
}

static int open_registry(struct gateway *gateway, struct failure *failure)
{
    return registry_open(&gateway->registry, gateway->options->db, gateway->options->key,
                         clock_now(NULL) / 1000000, &gateway->pipeline.outbox, failure);
}

/* On the store's thread. */
static void on_attempt(void *context)
{
    struct gateway *gateway = context;

    gateway->attempt.result = open_registry(gateway, &gateway->attempt.failure);
}

static void on_retry(uv_timer_t *retry)
{
    struct gateway *gateway = retry->data;

    storer_call(&gateway->storer, on_attempt, gateway);
}

/* Longer and longer, and not when everybody else tries. */
static void plan_retry(struct gateway *gateway)
{
    struct attempt *attempt = &gateway->attempt;
    unsigned chance = 0;

    if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) != sizeof(chance))
        chance = (unsigned)uv_hrtime();
    attempt->pause = attempt->pause == 0 ? RETRY_LEAST : 2 * attempt->pause;
    if (attempt->pause > RETRY_MOST)
        attempt->pause = RETRY_MOST;
    uv_timer_start(&gateway->retry, on_retry, attempt->pause / 2 + chance % attempt->pause, 0);
}

static void tell_away(struct gateway *gateway)
{
    struct attempt *attempt = &gateway->attempt;
    char quoted[2 * sizeof(attempt->failure.text)];

    pipeline_note_closed(&gateway->pipeline, &attempt->failure);
    if (attempt->tries++ % RETRY_TELLS != 0 && strcmp(attempt->failure.text, attempt->told.text) == 0)
        return;
    attempt->told = attempt->failure;
    log_line(&gateway->log, LOG_LEVEL_ERROR, "store-away", "detail=%s",
             log_quote(quoted, sizeof(quoted), attempt->failure.text));
}

/* What is no absence (a wrong password, a newer schema, another master key) ends it, however late. */
static void give_up(struct gateway *gateway)
{
    gateway->result = -1;
    *gateway->failure = gateway->attempt.failure;
    service_tell(&gateway->service, "STOPPING=1");
    uv_stop(&gateway->loop);
}

static void on_attempted(struct gateway *gateway)
{
    struct attempt *attempt = &gateway->attempt;

    if (gateway->pipeline.draining)
        return;
    if (attempt->result == STORE_AWAY) {
        tell_away(gateway);
        plan_retry(gateway);
        announce(gateway);
    } else if (attempt->result < 0) {
        give_up(gateway);
    } else {
        if (attempt->tries > 0)
            log_line(&gateway->log, LOG_LEVEL_WARN, "store-back", "after_seconds=%llu tries=%u",
                     (unsigned long long)(uv_now(&gateway->loop) - gateway->begun) / 1000, attempt->tries);
        begin(gateway);
    }
}

/* A database in a file is open before anything listens. One on a server may be away, or slow: then whoever
 * calls is told to try again. */
static void begin_or_attempt(struct gateway *gateway)
{
    struct failure why;

    if (gateway->registry.store != NULL) {
        begin(gateway);
        return;
    }
    fail(&why, "the database is being opened");
    pipeline_note_closed(&gateway->pipeline, &why);
    storer_call(&gateway->storer, on_attempt, gateway);
}

/* The store's thread is through. */
static void on_done(void *context)
{
    struct gateway *gateway = context;

    if (gateway->pipeline.open)
        on_stored(gateway);
    else
        on_attempted(gateway);
}

/* ---- reading the options anew ---- */

/* What says something else now, and whether it takes effect. */
static void tell_changes(struct gateway *gateway, const struct serve_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct serve_change *change = &changes->items[i];
        if (change->live)
            log_line(&gateway->log, LOG_LEVEL_INFO, "reload", "option=%s detail=changed", change->name);
        else
            log_line(&gateway->log, LOG_LEVEL_WARN, "reload", "option=%s detail=\"needs a restart\"",
                     change->name);
    }
}

/* The options that the table calls live. */
static void apply(struct gateway *gateway, const struct serve_options *fresh)
{
    gateway->log.level = fresh->log_level;
    if (fresh->keep_seconds != gateway->pipeline.config.keep_seconds)
        pipeline_keep(&gateway->pipeline, fresh->keep_seconds);
    gateway->sink_keep_bytes = fresh->sink_keep_bytes;
    gateway->sink_keep_seconds = fresh->sink_keep_seconds;
    if (gateway->pipeline.open) /* before that, the store's thread may be about to use it */
        keep_for_sinks(gateway);
    sinks_keep(&gateway->sinks, fresh->sink_keep_seconds);
}

/* All of the file holds, or nothing of it. */
static void reload(struct gateway *gateway)
{
    const struct serve_options *options = gateway->options;
    struct serve_options fresh;
    struct serve_changes changes;
    struct failure failure;
    char quoted[2 * sizeof(failure.text)];

    if (options->reload == NULL || options->reload(options->reload_context, &fresh, &changes, &failure) < 0) {
        if (options->reload == NULL)
            fail(&failure, "its options cannot be read anew");
        log_line(&gateway->log, LOG_LEVEL_ERROR, "reload", "detail=%s",
                 log_quote(quoted, sizeof(quoted), failure.text));
        return;
    }
    apply(gateway, &fresh);
    tell_changes(gateway, &changes);
    log_line(&gateway->log, LOG_LEVEL_INFO, "reloaded", "changes=%zu", changes.count);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    struct gateway *gateway = handle->data;
    char words[64];

    (void)number;
    snprintf(words, sizeof(words), "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)(uv_hrtime() / 1000));
    service_tell(&gateway->service, words);
    reload(gateway);
    service_tell(&gateway->service, "READY=1");
}

/* ---- opening what else there is, in order ---- */

/* Every connection is a descriptor: as many as the system allows, but for those that the rest needs. */
static void fit_descriptors(struct gateway *gateway, struct serve_options *options)
{
    struct rlimit limit;
    unsigned long long most;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    most = limit.rlim_cur > 2 * SERVE_OWN_DESCRIPTORS ? limit.rlim_cur - SERVE_OWN_DESCRIPTORS
                                                      : limit.rlim_cur / 2;
    if (options->max_connections <= most)
        return;
    log_line(&gateway->log, LOG_LEVEL_WARN, "descriptors",
             "limit=%llu max_connections=%llu detail=\"raise the limit of open files to have more\"",
             (unsigned long long)limit.rlim_cur, most);
    options->max_connections = (unsigned)most;
}

/* Who holds a sink: for people, and another one at each start. */
static void open_outbox(struct gateway *gateway, const struct serve_options *options)
{
    enum readings_way way = options->keep_here ? READINGS_BOTH : READINGS_OUT;
    char host[HOST_NAME_MAX + 1] = "";
    char holder[SINK_HOLDER_MAX + 1];
    uint16_t chance = 0;

    if (gethostname(host, sizeof(host) - 1) != 0 ||
        getrandom(&chance, sizeof(chance), GRND_NONBLOCK) != sizeof(chance))
        chance = (uint16_t)uv_hrtime();
    snprintf(holder, sizeof(holder), "%.15s:%d:%04x", host, (int)getpid() % 10000000, chance);
    outbox_init(&gateway->pipeline.outbox, &gateway->log, holder,
                gateway->sinks.count > 0 ? way : READINGS_HERE, options->sink_keep_bytes,
                gateway->sinks.names, gateway->sinks.count);
    gateway->sink_keep_bytes = options->sink_keep_bytes;
    gateway->sink_keep_seconds = options->sink_keep_seconds;
    keep_for_sinks(gateway);
}

static int open_pipeline(struct gateway *gateway, const struct serve_options *options,
                         struct failure *failure)
{
    const struct pipeline_config config = {
        .crypto = &gateway->crypto,
        .vault = &gateway->registry.vault,
        .log = &gateway->log,
        .queue = options->queue,
        .devices = DEVICES_IN_MEMORY,
        .keep_seconds = options->keep_seconds,
        .clock = clock_now,
    };

    if (pipeline_init(&gateway->pipeline, &config) == 0) {
        open_outbox(gateway, options);
        return 0;
    }
    pipeline_wipe(&gateway->pipeline);
    return fail(failure, "out of memory: choose a smaller --queue");
}

static int open_listeners(struct gateway *gateway, const struct serve_options *options,
                          struct failure *failure)
{
    const struct source_settings settings = {
        .options = options,
        .loop = &gateway->loop,
        .pipeline = &gateway->pipeline,
        .log = &gateway->log,
    };

    if (sources_open(&gateway->sources, &settings, failure) < 0)
        return -1;
    gateway->has_admin = strcmp(options->admin, "off") != 0;
    if (!gateway->has_admin || admin_open(&gateway->admin, &gateway->loop, options->admin, &gateway->pipeline,
                                          &gateway->sources, &gateway->sinks, &gateway->watch, failure) == 0)
        return 0;
    sources_close(&gateway->sources);
    return -1;
}

static void open_watchdog(struct gateway *gateway)
{
    unsigned period = service_watchdog_period();

    uv_timer_init(&gateway->loop, &gateway->watchdog);
    gateway->watchdog.data = gateway;
    gateway->watch.patience = period > 0 ? 2 * (uint64_t)period : STORE_PATIENCE;
    if (period > 0)
        uv_timer_start(&gateway->watchdog, on_watchdog, period, period);
}

static void open_signal(struct gateway *gateway, uv_signal_t *handle, uv_signal_cb callback, int number)
{
    uv_signal_init(&gateway->loop, handle);
    handle->data = gateway;
    uv_signal_start(handle, callback, number);
}

static void open_handles(struct gateway *gateway)
{
    uv_prepare_init(&gateway->loop, &gateway->prepare);
    gateway->prepare.data = gateway;
    uv_prepare_start(&gateway->prepare, on_prepare);
    uv_timer_init(&gateway->loop, &gateway->tick);
    gateway->tick.data = gateway;
    uv_timer_start(&gateway->tick, on_tick, 0, TICK);
    uv_timer_init(&gateway->loop, &gateway->retry);
    gateway->retry.data = gateway;
    status_init(&gateway->status, &gateway->pipeline, uv_now(&gateway->loop));
    open_watchdog(gateway);
    open_signal(gateway, &gateway->terminate, on_signal, SIGTERM);
    open_signal(gateway, &gateway->interrupt, on_signal, SIGINT);
    open_signal(gateway, &gateway->hangup, on_hangup, SIGHUP);
}

static void close_handles(struct gateway *gateway)
{
    uv_close((uv_handle_t *)&gateway->prepare, NULL);
    uv_close((uv_handle_t *)&gateway->tick, NULL);
    uv_close((uv_handle_t *)&gateway->retry, NULL);
    uv_close((uv_handle_t *)&gateway->watchdog, NULL);
    uv_close((uv_handle_t *)&gateway->terminate, NULL);
    uv_close((uv_handle_t *)&gateway->interrupt, NULL);
    uv_close((uv_handle_t *)&gateway->hangup, NULL);
}

static void close_listeners(struct gateway *gateway)
{
    if (gateway->has_admin)
        admin_close(&gateway->admin);
    sources_close(&gateway->sources);
}

/* The database does not come back from an attempt to open it: nothing was promised to anybody, and what the
 * thread still uses cannot be closed. */
static _Noreturn void leave(struct gateway *gateway)
{
    log_line(&gateway->log, LOG_LEVEL_WARN, "stopped", "detail=\"the database did not answer\"");
    fflush(NULL);
    _exit(EXIT_SUCCESS);
}

/* What they have written is noted; another gateway may go on at once. */
static void leave_sinks(struct gateway *gateway)
{
    if (!gateway->pipeline.open || gateway->sinks.count == 0)
        return;
    sinks_collect(&gateway->sinks, &gateway->pipeline);
    outbox_leave(&gateway->pipeline.outbox, gateway->registry.store, clock_now(NULL) / 1000000);
}

/* Serves until the pipeline is drained after a signal. */
static int run(struct gateway *gateway, const struct hardening *hardening,
               const struct serve_options *options, struct failure *failure)
{
    if (open_listeners(gateway, options, failure) < 0)
        return -1;
    if (hardening_take(hardening, HARDENING_BOUND, failure) < 0 ||
        sinks_start(&gateway->sinks, failure) < 0 ||
        storer_start(&gateway->storer, &gateway->loop, on_done, gateway, failure) < 0) {
        sinks_stop(&gateway->sinks);
        close_listeners(gateway);
        return -1;
    }
    gateway->begun = uv_now(&gateway->loop);
    gateway->failure = failure;
    open_handles(gateway);
    service_open(&gateway->service);
    begin_or_attempt(gateway);
    uv_run(&gateway->loop, UV_RUN_DEFAULT);
    service_close(&gateway->service);
    close_handles(gateway);
    close_listeners(gateway);
    sinks_stop(&gateway->sinks);
    if (!storer_stop(&gateway->storer, STOP_PATIENCE))
        leave(gateway);
    leave_sinks(gateway);
    return gateway->result;
}

/* A database in a file is opened before its listeners, so that what is wrong with it is told by nobody else.
 */
static int prepare_registry(struct gateway *gateway, const struct serve_options *options,
                            struct failure *failure)
{
    if (!store_is_server(options->db))
        return open_registry(gateway, failure);
    store_prepare(options->db);
    return 0;
}

static int serve_pipeline(struct gateway *gateway, const struct hardening *hardening,
                          const struct serve_options *options, struct failure *failure)
{
    int result = -1;

    if (prepare_registry(gateway, options, failure) == 0) {
        result = run(gateway, hardening, options, failure);
        uv_run(&gateway->loop, UV_RUN_DEFAULT); /* handles finish closing */
        sources_release(&gateway->sources);
    }
    pipeline_wipe(&gateway->pipeline);
    registry_close(&gateway->registry);
    return result;
}

static int serve_loop(struct gateway *gateway, const struct hardening *hardening,
                      const struct serve_options *options, struct failure *failure)
{
    int result = -1;

    uv_loop_init(&gateway->loop);
    if (bulla_crypto_open(&gateway->crypto) < 0)
        fail(failure, "cannot set up OpenSSL: AES-128-CCM, ChaCha20-Poly1305 or HKDF is not to be had");
    else if (open_pipeline(gateway, options, failure) == 0)
        result = serve_pipeline(gateway, hardening, options, failure);
    bulla_crypto_close(&gateway->crypto);
    uv_loop_close(&gateway->loop);
    return result;
}

static int open_sinks(struct gateway *gateway, const struct serve_options *options, struct failure *failure)
{
    const struct sinks_config config = {
        .urls = options->sinks,
        .count = options->sink_count,
        .db = options->db,
        .keep_seconds = options->sink_keep_seconds,
        .log = &gateway->log,
        .clock = clock_now,
    };

    return sinks_open(&gateway->sinks, &config, failure);
}

static int serve_hardened(struct gateway *gateway, const struct serve_options *asked, struct failure *failure)
{
    struct serve_options options = *asked;
    struct hardening hardening = {.user = options.user, .sandbox = options.sandbox, .log = &gateway->log};
    int result = -1;

    gateway->options = &options;
    gateway->log.level = options.log_level;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* until on_hangup() can take it */
    if (hardening_take(&hardening, HARDENING_FIRST, failure) < 0)
        return -1;
    fit_descriptors(gateway, &options);
    if (open_sinks(gateway, &options, failure) == 0) {
        hardening.calls =
            options.broker_count > 0 || store_is_server(options.db) || sinks_call(&gateway->sinks);
        result = serve_loop(gateway, &hardening, &options, failure);
    }
    sinks_close(&gateway->sinks);
    return result;
}

int serve(const struct serve_options *options, struct failure *failure)
{
    bool locked = true;
    struct gateway *gateway = secret_alloc(sizeof(*gateway), &locked); /* the keys are in it */
    int result;

    if (gateway == NULL)
        return fail(failure, "out of memory");
    gateway->locked = locked;
    result = serve_hardened(gateway, options, failure);
    secret_free(gateway, sizeof(*gateway));
    return result;
}
