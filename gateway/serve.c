#include "gateway/serve.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include <sys/resource.h>

#include "device/crypto_openssl.h"
#include "gateway/admin.h"
#include "gateway/hardening.h"
#include "gateway/secret.h"
#include "gateway/service.h"
#include "gateway/status.h"
#include "gateway/storer.h"

#define DEVICES_IN_MEMORY 65536
#define STORE_RETRY       500 /* milliseconds, about, between looks for a server that is away at the start */
#define STORE_TELL_TRIES  20  /* of which the log tells every so many */
#define TICK              200 /* milliseconds between looks at the registry when nothing else goes on */

struct gateway {
    struct log log;
    struct service service;
    struct status status;
    struct store_watch watch;
    bool locked; /* this struct, in which keys are, cannot be written to swap */
    bool told_unlocked;
    struct store *store;
    struct vault vault;
    uint8_t identity[32]; /* of the registry, for sources that call somebody */
    struct bulla_crypto crypto;
    struct pipeline pipeline;
    uv_loop_t loop;
    struct storer storer;
    struct source_list sources;
    struct admin admin;
    bool has_admin;
    uv_prepare_t prepare;
    uv_timer_t tick;
    uv_timer_t watchdog;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_signal_t hangup;
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
    struct cycle *cycle = pipeline_take(&gateway->pipeline, idle_work);

    if (cycle == NULL)
        return;
    store_watch_submit(&gateway->watch, uv_now(&gateway->loop));
    storer_submit(&gateway->storer, cycle);
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

static void on_tick(uv_timer_t *tick)
{
    struct gateway *gateway = tick->data;

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

static void on_stored(void *context)
{
    struct gateway *gateway = context;

    pipeline_finish(&gateway->pipeline);
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
    submit(gateway, true); /* so that on_stored() looks whether all is done */
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

/* ---- opening, in order ---- */

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

/* A server that is away is waited for: nothing is listened on yet, so nobody is told anything. */
static int open_store(struct gateway *gateway, const struct serve_options *options, struct failure *failure)
{
    char quoted[2 * sizeof(failure->text)];
    unsigned tries = 0;
    int result;

    while ((result = store_open(&gateway->store, options->db, STORE_CREATE, failure)) == STORE_AWAY) {
        if (tries++ % STORE_TELL_TRIES == 0)
            log_line(&gateway->log, LOG_LEVEL_ERROR, "store-away", "detail=%s",
                     log_quote(quoted, sizeof(quoted), failure->text));
        uv_sleep(STORE_RETRY / 2 + (unsigned)(uv_hrtime() / 1000 % STORE_RETRY)); /* not with all others */
    }
    if (result < 0)
        return -1;
    if (tries > 0)
        log_line(&gateway->log, LOG_LEVEL_WARN, "store-back", "tries=%u", tries);
    return 0;
}

/* How the store keeps things is nothing to refuse, but to be told. */
static void tell_caution(struct gateway *gateway)
{
    const struct store_ops *ops = gateway->store->ops;
    const char *caution = ops->caution == NULL ? NULL : ops->caution(gateway->store);
    char quoted[512];

    if (caution != NULL)
        log_line(&gateway->log, LOG_LEVEL_WARN, "store", "detail=%s",
                 log_quote(quoted, sizeof(quoted), caution));
}

static int open_registry(struct gateway *gateway, const struct serve_options *options,
                         struct failure *failure)
{
    char path[4096];

    if (options->key == NULL && vault_key_path(options->db, path, sizeof(path), failure) < 0)
        return -1;
    if (open_store(gateway, options, failure) < 0)
        return -1;
    tell_caution(gateway);
    if (vault_open(&gateway->vault, gateway->store, options->key != NULL ? options->key : path, failure) == 0)
        return 0;
    gateway->store->ops->close(gateway->store);
    return -1;
}

static int open_pipeline(struct gateway *gateway, const struct serve_options *options,
                         struct failure *failure)
{
    uint8_t challenge_key[CHALLENGE_KEY_SIZE];
    uint8_t gateway_id[GATEWAY_ID_SIZE];
    struct pipeline_config config = {
        .crypto = &gateway->crypto,
        .vault = &gateway->vault,
        .log = &gateway->log,
        .challenge_key = challenge_key,
        .gateway_id = gateway_id,
        .queue = options->queue,
        .devices = DEVICES_IN_MEMORY,
        .keep_seconds = options->keep_seconds,
        .clock = clock_now,
    };
    int result = -1;

    if ((options->broker_count > 0 && vault_registry_secret(&gateway->vault, gateway->store, "identity",
                                                            gateway->identity, failure) < 0) ||
        vault_registry_secret(&gateway->vault, gateway->store, "challenge", challenge_key, failure) < 0 ||
        gateway_id_draw(gateway->store, clock_now(NULL) / 1000000, gateway_id, failure) < 0)
        goto out;
    if (pipeline_init(&gateway->pipeline, &config) < 0) {
        pipeline_wipe(&gateway->pipeline);
        fail(failure, "out of memory: choose a smaller --queue");
        goto out;
    }
    result = pipeline_read_roster(&gateway->pipeline, gateway->store, failure);
    if (result < 0)
        pipeline_wipe(&gateway->pipeline);
out:
    bulla_wipe(challenge_key, sizeof(challenge_key));
    return result;
}

static int open_listeners(struct gateway *gateway, const struct serve_options *options,
                          struct failure *failure)
{
    const struct source_settings settings = {
        .options = options,
        .identity = gateway->identity,
        .loop = &gateway->loop,
        .pipeline = &gateway->pipeline,
        .log = &gateway->log,
    };

    if (sources_open(&gateway->sources, &settings, failure) < 0)
        return -1;
    gateway->has_admin = strcmp(options->admin, "off") != 0;
    if (!gateway->has_admin || admin_open(&gateway->admin, &gateway->loop, options->admin, &gateway->pipeline,
                                          &gateway->sources, &gateway->watch, failure) == 0)
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
    status_init(&gateway->status, &gateway->pipeline, uv_now(&gateway->loop));
    open_watchdog(gateway);
    open_signal(gateway, &gateway->terminate, on_signal, SIGTERM);
    open_signal(gateway, &gateway->interrupt, on_signal, SIGINT);
    open_signal(gateway, &gateway->hangup, on_hangup, SIGHUP);
}

static void announce(const struct gateway *gateway)
{
    sources_announce(&gateway->sources, stderr);
    if (gateway->has_admin)
        fprintf(stderr, "bulla: admin on http://%s/\n", gateway->admin.http.address);
    service_tell(&gateway->service, "READY=1");
}

static void close_handles(struct gateway *gateway)
{
    uv_close((uv_handle_t *)&gateway->prepare, NULL);
    uv_close((uv_handle_t *)&gateway->tick, NULL);
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

/* Serves until the pipeline is drained after a signal. */
static int run(struct gateway *gateway, const struct hardening *hardening,
               const struct serve_options *options, struct failure *failure)
{
    if (open_listeners(gateway, options, failure) < 0)
        return -1;
    if (hardening_take(hardening, HARDENING_BOUND, failure) < 0 ||
        storer_start(&gateway->storer, &gateway->loop, gateway->store, on_stored, gateway, failure) < 0) {
        close_listeners(gateway);
        return -1;
    }
    open_handles(gateway);
    service_open(&gateway->service);
    announce(gateway);
    uv_run(&gateway->loop, UV_RUN_DEFAULT);
    service_close(&gateway->service);
    close_handles(gateway);
    close_listeners(gateway);
    storer_stop(&gateway->storer);
    return 0;
}

/* With the registry open. */
static int serve_store(struct gateway *gateway, const struct hardening *hardening,
                       const struct serve_options *options, struct failure *failure)
{
    int result = -1;

    uv_loop_init(&gateway->loop);
    if (bulla_crypto_open(&gateway->crypto) < 0) {
        fail(failure, "cannot set up OpenSSL: AES-128-CCM, ChaCha20-Poly1305 or HKDF is not to be had");
    } else if (open_pipeline(gateway, options, failure) == 0) {
        result = run(gateway, hardening, options, failure);
        uv_run(&gateway->loop, UV_RUN_DEFAULT); /* handles finish closing */
        sources_release(&gateway->sources);
        pipeline_wipe(&gateway->pipeline);
    }
    bulla_crypto_close(&gateway->crypto);
    uv_loop_close(&gateway->loop);
    vault_wipe(&gateway->vault);
    gateway->store->ops->close(gateway->store);
    return result;
}

static int serve_hardened(struct gateway *gateway, const struct serve_options *asked, struct failure *failure)
{
    struct serve_options options = *asked;
    const struct hardening hardening = {.user = options.user,
                                        .sandbox = options.sandbox,
                                        .calls = options.broker_count > 0 || store_is_server(options.db),
                                        .log = &gateway->log};

    gateway->options = &options;
    gateway->log.level = options.log_level;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* until on_hangup() can take it */
    if (hardening_take(&hardening, HARDENING_FIRST, failure) < 0)
        return -1;
    fit_descriptors(gateway, &options);
    if (open_registry(gateway, &options, failure) < 0)
        return -1;
    return serve_store(gateway, &hardening, &options, failure);
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
