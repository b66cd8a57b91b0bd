#include "gateway/sink/sinks_status.h"

#include <inttypes.h>
#include <string.h>

#include "gateway/prometheus.h"

/* ---- health ---- */

/* "ok", "away", "other": another gateway writes to it; "waiting": nobody holds it yet. */
static const char *state_of(const struct outbox_sink *sink, const struct drain_report *report)
{
    if (!sink->held)
        return sink->row != NULL && sink->row->holder[0] != '\0' ? "other" : "waiting";
    return report->away_since != 0 ? "away" : "ok";
}

static json_t *health_of(const struct outbox_sink *sink, const struct drain_report *report)
{
    json_t *one = json_pack("{s:s, s:s}", "name", sink->name, "status", state_of(sink, report));

    if (one != NULL && sink->held && report->away_since != 0) {
        json_object_set_new(one, "since", json_integer(report->away_since));
        json_object_set_new(one, "detail", json_string(report->failure.text));
    }
    return one;
}

void sinks_health(const struct sinks *sinks, const struct outbox *outbox, json_t *health)
{
    json_t *all = json_array();

    for (size_t i = 0; i < sinks->count; i++)
        json_array_append_new(all, health_of(&outbox->sinks[i], &sinks->entries[i].shown));
    if (sinks->count > 0)
        json_object_set(health, "sinks", all);
    json_decref(all);
    if (outbox_is_full(outbox))
        json_object_set_new(health, "full",
                            json_pack("{s:s, s:I, s:I}", "sink", outbox->behind == NULL ? "" : outbox->behind,
                                      "since", (json_int_t)outbox->full_since, "bytes",
                                      (json_int_t)outbox->bytes));
}

/* ---- metrics ---- */

/* A label's value: backslash, quote and line's end are escaped. */
static void write_label(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            fputc('\\', out);
        if (*text == '\n')
            fputs("\\n", out);
        else
            fputc(*text, out);
    }
}

static void begin_value(FILE *out, const char *metric, const char *name)
{
    fprintf(out, "%s{sink=\"", metric);
    write_label(out, name);
    fputs("\"} ", out);
}

static void write_number(FILE *out, const char *metric, const char *name, uint64_t value)
{
    begin_value(out, metric, name);
    fprintf(out, "%" PRIu64 "\n", value);
}

/* A server that crashed may have forgotten rows that the sink has confirmed: until it confirms the next ones
 * its cursor counts more than there is. */
static uint64_t behind(int64_t end, int64_t cursor)
{
    return end > cursor ? (uint64_t)(end - cursor) : 0;
}

/* Of what the registry has: for every sink that readings are kept for, whoever writes to it. Its own threads'
 * places are newer than the rows. */
static void write_behind(const struct outbox *outbox, int64_t now, FILE *out)
{
    prometheus_head(out, "bulla_sink_behind_readings", "gauge", "Readings that the sink has not confirmed.");
    for (size_t i = 0; i < outbox->row_count; i++)
        write_number(out, "bulla_sink_behind_readings", outbox->rows[i].name,
                     behind(outbox->rows[i].end.points, outbox->rows[i].cursor.points));
    prometheus_head(out, "bulla_sink_behind_bytes", "gauge", "Bytes that are kept for the sink.");
    for (size_t i = 0; i < outbox->row_count; i++)
        write_number(out, "bulla_sink_behind_bytes", outbox->rows[i].name,
                     behind(outbox->rows[i].end.bytes, outbox->rows[i].cursor.bytes));
    prometheus_head(out, "bulla_sink_behind_seconds", "gauge",
                    "How long the oldest reading has waited for the sink.");
    for (size_t i = 0; i < outbox->row_count; i++) {
        int64_t oldest = outbox->rows[i].oldest;
        begin_value(out, "bulla_sink_behind_seconds", outbox->rows[i].name);
        fprintf(out, "%.3f\n", oldest == 0 || oldest > now ? 0.0 : (double)(now - oldest) / 1e6);
    }
}

/* What this gateway has done. */
enum own { UP, HELD, WRITTEN, REFUSED, LOST, BATCHES, OWN };

static uint64_t own_value(const struct sinks *sinks, const struct outbox *outbox, size_t i, enum own which)
{
    const struct drain_report *report = &sinks->entries[i].shown;
    const uint64_t values[OWN] = {
        [UP] = report->away_since == 0, [HELD] = outbox->sinks[i].held, [WRITTEN] = report->written,
        [REFUSED] = report->refused,    [LOST] = report->lost,          [BATCHES] = report->batches};

    return values[which];
}

static void write_own(const struct sinks *sinks, const struct outbox *outbox, FILE *out)
{
    static const struct {
        const char *name, *type, *help;
    } metrics[OWN] = {
        [UP] = {"bulla_sink_up", "gauge", "1 while the sink's last write went well."},
        [HELD] = {"bulla_sink_held", "gauge", "1 while this gateway is the one that writes to the sink."},
        [WRITTEN] = {"bulla_sink_written_readings_total", "counter", "Readings that the sink has confirmed."},
        [REFUSED] = {"bulla_sink_refused_readings_total", "counter",
                     "Readings that the sink can never take."},
        [LOST] = {"bulla_sink_lost_readings_total", "counter",
                  "Readings let go for the sink: older than --sink-keep-age, or damaged."},
        [BATCHES] = {"bulla_sink_batches_total", "counter", "Writes that were tried."},
    };

    for (enum own which = 0; which < OWN; which++) {
        prometheus_head(out, metrics[which].name, metrics[which].type, metrics[which].help);
        for (size_t i = 0; i < sinks->count; i++)
            write_number(out, metrics[which].name, sinks->names[i], own_value(sinks, outbox, i, which));
    }
    prometheus_head(out, "bulla_sink_seconds_total", "counter", "Time that writes have taken.");
    for (size_t i = 0; i < sinks->count; i++) {
        begin_value(out, "bulla_sink_seconds_total", sinks->names[i]);
        fprintf(out, "%.6f\n", (double)sinks->entries[i].shown.nanoseconds / 1e9);
    }
}

void sinks_metrics(const struct sinks *sinks, const struct outbox *outbox, int64_t now, FILE *out)
{
    if (sinks->count == 0)
        return;
    write_behind(outbox, now, out);
    write_own(sinks, outbox, out);
    prometheus_one(out, "bulla_sinks_bytes", "gauge", "Bytes kept for the sink that is furthest behind.",
                   (uint64_t)outbox->bytes);
    prometheus_one(out, "bulla_sinks_bytes_limit", "gauge",
                   "What may be kept (--sink-keep-size); then the answer is: try again.",
                   (uint64_t)outbox->keep_bytes);
    prometheus_one(out, "bulla_sinks_age_limit_seconds", "gauge",
                   "How long a reading may wait for a sink (--sink-keep-age); 0: for ever.",
                   (uint64_t)atomic_load(&sinks->entries[0].drain.keep));
    prometheus_one(out, "bulla_sinks_full", "gauge",
                   "1 while devices are told to try again because of a sink.", outbox_is_full(outbox));
}
