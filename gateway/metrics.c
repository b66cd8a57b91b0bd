#include "gateway/metrics.h"

#include <inttypes.h>

#include "gateway/prometheus.h"

static void outcomes(FILE *out, const struct pipeline_counters *counters)
{
    prometheus_head(out, "bulla_messages_total", "counter", "Messages by what became of them.");
    for (int i = 0; i < OUTCOME_COUNT; i++)
        fprintf(out, "bulla_messages_total{outcome=\"%s\"} %" PRIu64 "\n", outcome_word((enum outcome)i),
                counters->outcomes[i]);
}

static void batches(FILE *out, const struct pipeline_counters *counters)
{
    prometheus_histogram(out, "bulla_batch_messages", "Messages that were committed together.",
                         counters->batch_sizes,
                         sizeof(counters->batch_sizes) / sizeof(counters->batch_sizes[0]), 1,
                         (double)counters->batch_messages);
    prometheus_histogram(out, "bulla_commit_seconds", "Time to decode and commit a batch, durably.",
                         counters->commit_times,
                         sizeof(counters->commit_times) / sizeof(counters->commit_times[0]), 0.0001,
                         (double)counters->commit_nanoseconds / 1e9);
    prometheus_one(out, "bulla_commit_failures_total", "counter", "Batches that the store did not take.",
                   counters->batch_failures);
}

void metrics_write(FILE *out, const struct pipeline *pipeline, const struct source_list *list, bool hangs)
{
    const struct pipeline_counters *counters = &pipeline->counters;

    prometheus_head(out, "bulla_build_info", "gauge", "The version that runs.");
    fprintf(out, "bulla_build_info{version=\"%s\"} 1\n", BULLA_VERSION);
    outcomes(out, counters);
    prometheus_one(out, "bulla_readings_total", "counter", "Readings stored.", counters->readings);
    prometheus_one(out, "bulla_undecoded_total", "counter",
                   "Messages stored as they came because they did not decode.", counters->undecoded);
    prometheus_one(out, "bulla_expired_total", "counter",
                   "Rows deleted for being older than --keep: readings, and series without any.",
                   counters->expired);
    prometheus_one(out, "bulla_queue_messages", "gauge", "Messages that wait for the store.",
                   pipeline->waiting);
    prometheus_one(out, "bulla_queue_limit", "gauge",
                   "Messages that may wait; beyond it the answer is: try again.", pipeline->config.queue);
    batches(out, counters);
    prometheus_one(out, "bulla_store_up", "gauge", "1 while the last batch went well.",
                   pipeline->failing_since == 0 && !hangs);
    if (counters->devices >= 0)
        prometheus_one(out, "bulla_devices", "gauge", "Devices in the registry.",
                       (uint64_t)counters->devices);
    prometheus_one(out, "bulla_devices_in_memory", "gauge", "Devices whose keys and windows are in memory.",
                   pipeline->devices.count);
    prometheus_one(out, "bulla_events_withheld_total", "counter",
                   "Events counted but not written to the journal.", counters->events_withheld);
    prometheus_one(out, "bulla_events_lost_total", "counter", "Events that the store did not take.",
                   counters->events_lost);
    sources_metrics(list, out);
}
