#include "gateway/serving.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/random.h>
#include <sys/resource.h>

#include "gateway/hardening.h"
#include "gateway/secret.h"

#define DEVICES_IN_MEMORY 65536
#define STOP_PATIENCE     2000 /* milliseconds for an attempt to come back, at the end */

int64_t serving_clock(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void serving_keep_for_sinks(struct gateway *gateway)
{
    gateway->pipeline.outbox.keep_bytes = gateway->sink_keep_bytes;
    gateway->pipeline.outbox.keep_seconds = gateway->sink_keep_seconds;
}

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
    serving_keep_for_sinks(gateway);
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
        .clock = serving_clock,
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
    outbox_leave(&gateway->pipeline.outbox, gateway->registry.store, serving_clock(NULL) / 1000000);
}

/* Serves until the pipeline is drained after a signal. */
static int run(struct gateway *gateway, const struct hardening *hardening,
               const struct serve_options *options, struct failure *failure)
{
    if (open_listeners(gateway, options, failure) < 0)
        return -1;
    if (hardening_take(hardening, HARDENING_BOUND, failure) < 0 ||
        sinks_start(&gateway->sinks, failure) < 0 ||
        storer_start(&gateway->storer, &gateway->loop, serving_done, gateway, failure) < 0) {
        sinks_stop(&gateway->sinks);
        close_listeners(gateway);
        return -1;
    }
    gateway->begun = uv_now(&gateway->loop);
    gateway->failure = failure;
    serving_open_handles(gateway);
    service_open(&gateway->service);
    serving_begin(gateway);
    uv_run(&gateway->loop, UV_RUN_DEFAULT);
    service_close(&gateway->service);
    serving_close_handles(gateway);
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
        return serving_open_registry(gateway, failure);
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
        .clock = serving_clock,
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
