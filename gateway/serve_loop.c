/*
 * What happens on the loop while it serves: batches go to the store, their answers go out, and signals end
 * it.
 */
#include "gateway/serving.h"

#include <signal.h>
#include <string.h>

#define ANNOUNCE_WITHIN 1000 /* milliseconds: it says that it listens, whatever the database does */
#define TICK            200  /* milliseconds between looks at the registry when nothing else goes on */

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

void serving_announce(struct gateway *gateway)
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
        serving_announce(gateway);
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

static void on_hangup(uv_signal_t *handle, int number)
{
    struct gateway *gateway = handle->data;
    char words[64];

    (void)number;
    snprintf(words, sizeof(words), "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)(uv_hrtime() / 1000));
    service_tell(&gateway->service, words);
    serving_reload(gateway);
    service_tell(&gateway->service, "READY=1");
}

void serving_done(void *context)
{
    struct gateway *gateway = context;

    if (gateway->pipeline.open)
        on_stored(gateway);
    else
        serving_attempted(gateway);
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

void serving_open_handles(struct gateway *gateway)
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

void serving_close_handles(struct gateway *gateway)
{
    uv_close((uv_handle_t *)&gateway->prepare, NULL);
    uv_close((uv_handle_t *)&gateway->tick, NULL);
    uv_close((uv_handle_t *)&gateway->retry, NULL);
    uv_close((uv_handle_t *)&gateway->watchdog, NULL);
    uv_close((uv_handle_t *)&gateway->terminate, NULL);
    uv_close((uv_handle_t *)&gateway->interrupt, NULL);
    uv_close((uv_handle_t *)&gateway->hangup, NULL);
}
