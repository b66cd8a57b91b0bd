#include "gateway/metrics.h"

#include <inttypes.h>

static void head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    head(out, name, type, help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void outcomes(FILE *out, const struct pipeline_counters *counters)
{
    head(out, "bulla_messages_total", "counter", "Messages by what became of them.");
    for (int i = 0; i < OUTCOME_COUNT; i++)
        fprintf(out, "bulla_messages_total{outcome=\"%s\"} %" PRIu64 "\n", outcome_word((enum outcome)i),
                counters->outcomes[i]);
}

static void histogram(FILE *out, const char *name, const char *help, const uint64_t *places, size_t count,
                      double unit, double sum)
{
    uint64_t total = 0;

    head(out, name, "histogram", help);
    for (size_t i = 0; i < count; i++) {
        total += places[i];
        if (i + 1 < count)
            fprintf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, unit * (double)((uint64_t)1 << i),
                    total);
    }
    fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, total);
    fprintf(out, "%s_sum %.9g\n%s_count %" PRIu64 "\n", name, sum, name, total);
}

static void batches(FILE *out, const struct pipeline_counters *counters)
{
    histogram(out, "bulla_batch_messages", "Messages that were committed together.", counters->batch_sizes,
              sizeof(counters->batch_sizes) / sizeof(counters->batch_sizes[0]), 1,
              (double)counters->batch_messages);
    histogram(out, "bulla_commit_seconds", "Time to decode and commit a batch, durably.",
              counters->commit_times, sizeof(counters->commit_times) / sizeof(counters->commit_times[0]),
              0.0001, (double)counters->commit_nanoseconds / 1e9);
    one(out, "bulla_commit_failures_total", "counter", "Batches that the store did not take.",
        counters->batch_failures);
}

static void responses(FILE *out, const struct source_http *http)
{
    head(out, "bulla_http_responses_total", "counter", "Responses of the devices' listener by status.");
    for (unsigned status = 0; status < HTTP_STATUSES; status++) {
        if (http->responses[status] > 0)
            fprintf(out, "bulla_http_responses_total{status=\"%u\"} %" PRIu64 "\n", status,
                    http->responses[status]);
    }
    one(out, "bulla_http_connections", "gauge", "Connections that devices hold open.",
        http_connections(&http->http));
}

void metrics_write(FILE *out, const struct pipeline *pipeline, const struct source_http *http)
{
    const struct pipeline_counters *counters = &pipeline->counters;

    head(out, "bulla_build_info", "gauge", "The version that runs.");
    fprintf(out, "bulla_build_info{version=\"%s\"} 1\n", BULLA_VERSION);
    outcomes(out, counters);
    one(out, "bulla_readings_total", "counter", "Readings stored.", counters->readings);
    one(out, "bulla_undecoded_total", "counter", "Messages stored as they came because they did not decode.",
        counters->undecoded);
    one(out, "bulla_queue_messages", "gauge", "Messages that wait for the store.", pipeline->waiting);
    one(out, "bulla_queue_limit", "gauge", "Messages that may wait; beyond it the answer is: try again.",
        pipeline->config.queue);
    batches(out, counters);
    one(out, "bulla_store_up", "gauge", "1 while the last batch went well.", pipeline->failing_since == 0);
    if (counters->devices >= 0)
        one(out, "bulla_devices", "gauge", "Devices in the registry.", (uint64_t)counters->devices);
    one(out, "bulla_devices_in_memory", "gauge", "Devices whose keys and windows are in memory.",
        pipeline->devices.count);
    one(out, "bulla_events_withheld_total", "counter", "Events counted but not written to the journal.",
        counters->events_withheld);
    one(out, "bulla_events_lost_total", "counter", "Events that the store did not take.",
        counters->events_lost);
    responses(out, http);
}
