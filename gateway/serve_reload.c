/*
 * Reading the options anew: all of the file holds, or nothing of it.
 */
#include "gateway/serving.h"

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
        serving_keep_for_sinks(gateway);
    sinks_keep(&gateway->sinks, fresh->sink_keep_seconds);
}

void serving_reload(struct gateway *gateway)
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
