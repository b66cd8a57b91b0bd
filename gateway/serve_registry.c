/*
 * Opening the registry: at once, or, where its server is away, again and again on the store's thread.
 */
#include "gateway/serving.h"

#include <string.h>

#include <sys/random.h>

#define RETRY_LEAST                                                                                          \
    250 /* milliseconds, about, between attempts to reach a server that is away at the start */
#define RETRY_MOST  3000 /* growing up to */
#define RETRY_TELLS 20   /* of which the log tells every so many, and where the reason is another */

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

/* It can serve from now on. */
static void begin(struct gateway *gateway)
{
    struct registry *registry = &gateway->registry;

    pipeline_open(&gateway->pipeline, registry->challenge_key, registry->gateway_id, registry->roster);
    registry->roster = NULL;
    serving_keep_for_sinks(gateway);
    bulla_wipe(registry->challenge_key, sizeof(registry->challenge_key));
    tell_caution(gateway);
    tell_unused_sinks(gateway);
    sinks_grant(&gateway->sinks, &gateway->pipeline.outbox, true);
    sources_begin(&gateway->sources, registry->identity);
    serving_announce(gateway);
}

int serving_open_registry(struct gateway *gateway, struct failure *failure)
{
    return registry_open(&gateway->registry, gateway->options->db, gateway->options->key,
                         serving_clock(NULL) / 1000000, &gateway->pipeline.outbox, failure);
}

/* On the store's thread. */
static void on_attempt(void *context)
{
    struct gateway *gateway = context;

    gateway->attempt.result = serving_open_registry(gateway, &gateway->attempt.failure);
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

void serving_attempted(struct gateway *gateway)
{
    struct attempt *attempt = &gateway->attempt;

    if (gateway->pipeline.draining)
        return;
    if (attempt->result == STORE_AWAY) {
        tell_away(gateway);
        plan_retry(gateway);
        serving_announce(gateway);
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
void serving_begin(struct gateway *gateway)
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
