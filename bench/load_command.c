/* bulla-load load: throughput, latency and processor time over a number of connections. */
#include "bench/load.h"

#include <stdlib.h>

#include "bench/bare.h"
#include "bench/fleet.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/traffic.h"

struct load_options {
    struct database_options database;
    const char *to;
    const char *prefix;
    int64_t pid;
    int64_t connections;
    int64_t count;
    int64_t seconds;
    unsigned format;
    bool bare;
    bool kid_context;
};

static const struct option options_table[] = {
    {.name = "to",
     .argument = "HOST:PORT",
     .help = "the gateway's listener for devices",
     .fallback = "127.0.0.1:8620",
     .parse = option_string,
     .offset = offsetof(struct load_options, to)},
    {.name = "prefix",
     .argument = "TEXT",
     .help = "of the devices' names",
     .fallback = "load-",
     .parse = option_string,
     .offset = offsetof(struct load_options, prefix)},
    {.name = "pid",
     .argument = "N",
     .help = "the gateway's process, whose time and memory are measured too",
     .parse = option_number,
     .least = 1,
     .most = INT32_MAX,
     .offset = offsetof(struct load_options, pid)},
    {.name = "connections",
     .argument = "N",
     .help = "at a time",
     .fallback = "128",
     .parse = option_number,
     .least = 1,
     .most = TRAFFIC_CONNECTIONS_MAX,
     .offset = offsetof(struct load_options, connections)},
    {.name = "count",
     .argument = "N",
     .help = "messages, sealed beforehand (about 400 bytes of memory each)",
     .fallback = "200000",
     .parse = option_number,
     .least = 1,
     .most = 5000000,
     .offset = offsetof(struct load_options, count)},
    {.name = "seconds",
     .argument = "S",
     .help = "ends sooner, after so many seconds; 0: when all are sent",
     .fallback = "30",
     .parse = option_number,
     .least = 0,
     .most = 3600,
     .offset = offsetof(struct load_options, seconds)},
    {.name = "bare",
     .help = "then sends the same requests to libmicrohttpd alone, which answers 204",
     .parse = option_flag,
     .offset = offsetof(struct load_options, bare)},
    {.name = "kid-context",
     .help = "sessions never leave the kid context out",
     .parse = option_flag,
     .offset = offsetof(struct load_options, kid_context)},
    REPORT_OPTION(struct load_options),
    DATABASE_OPTIONS(struct load_options),
    {0},
};

/* A server under load, and its processor time meanwhile. */
struct measurement {
    const char *what;
    const struct sockaddr_in *address;
    int64_t pid; /* 0: not known */
    struct process_usage before;
    struct process_usage after;
};

/* ---- telling ---- */

static double micros(double nanoseconds, size_t count)
{
    return count > 0 ? nanoseconds / 1e3 / (double)count : 0;
}

static void report_latencies(unsigned format, const struct exchange *exchanges, size_t done)
{
    uint32_t *latencies = exchange_latencies(exchanges, done);

    if (latencies != NULL && done > 0) {
        report_number(format, "p50_us", latencies[done / 2] / 1e3);
        report_number(format, "p99_us", latencies[done * 99 / 100] / 1e3);
        report_number(format, "p999_us", latencies[done * 999 / 1000] / 1e3);
        report_number(format, "max_us", latencies[done - 1] / 1e3);
    }
    free(latencies);
}

static void report_usage(unsigned format, const struct measurement *measurement, size_t done)
{
    double loop = measurement->after.main_seconds - measurement->before.main_seconds;
    double others = measurement->after.others_seconds - measurement->before.others_seconds;

    if (measurement->pid == 0)
        return;
    report_number(format, "cpu_us", micros((loop + others) * 1e9, done));
    report_number(format, "cpu_loop_us", micros(loop * 1e9, done));
    report_number(format, "cpu_others_us", micros(others * 1e9, done));
    report_number(format, "peak_bytes", (double)measurement->after.peak);
}

static void report_traffic(const struct load_options *options, const struct measurement *measurement,
                           const struct traffic *traffic, const struct load *load)
{
    unsigned format = options->format;

    report_begin(format, measurement->what);
    report_number(format, "connections", (double)options->connections);
    report_number(format, "done", (double)traffic->done);
    report_seconds(format, "begun", (double)traffic->begun / 1e9);
    report_number(format, "seconds", (double)traffic->span / 1e9);
    report_number(format, "per_second", (double)traffic->done * 1e9 / (double)traffic->span);
    report_latencies(format, load->exchanges, traffic->done);
    report_usage(format, measurement, traffic->done);
    report_number(format, "generator_us", micros((double)traffic->processor, traffic->done));
}

/* Says what the replies say. -1 if not every one says that its message is stored. */
static int report_verdict(unsigned format, const struct load_verdict *verdict, struct failure *failure)
{
    report_number(format, "stored", (double)verdict->stored);
    report_number(format, "unverified", (double)verdict->unverified);
    report_number(format, "refused", (double)verdict->refused);
    if (verdict->refused + verdict->unverified == 0)
        return 0;
    return fail(failure, "%zu replies do not prove that the message is stored, %zu are refusals (first: %u)",
                verdict->unverified, verdict->refused, verdict->status);
}

/* ---- measuring ---- */

/* Sends the load. The connections stand before the clock runs. */
static int measure(const struct load_options *options, struct measurement *measurement,
                   struct traffic *traffic, struct load *load, struct failure *failure)
{
    bool known = measurement->pid > 0;
    int result = traffic_open(traffic, measurement->address, (unsigned)options->connections, failure);

    if (result == 0 && known)
        result = process_usage(&measurement->before, measurement->pid, failure);
    if (result == 0)
        result = traffic_run(traffic, load->exchanges, load->count, (double)options->seconds, failure);
    if (result == 0 && known)
        result = process_usage(&measurement->after, measurement->pid, failure);
    return result;
}

static int measure_gateway(const struct load_options *options, const struct sockaddr_in *address,
                           struct fleet *fleet, struct load *load, struct failure *failure)
{
    struct measurement measurement = {.what = "load", .address = address, .pid = options->pid};
    struct load_verdict verdict;
    struct traffic traffic;
    int result = measure(options, &measurement, &traffic, load, failure);

    if (result == 0) {
        report_traffic(options, &measurement, &traffic, load);
        fleet_verify(fleet, load, traffic.done, &verdict);
        result = report_verdict(options->format, &verdict, failure);
        report_end(options->format);
    }
    traffic_close(&traffic);
    return result;
}

static int measure_bare(const struct load_options *options, struct bare *bare, struct load *load,
                        struct failure *failure)
{
    struct measurement measurement = {.what = "bare", .address = &bare->address, .pid = bare->pid};
    struct traffic traffic;
    int result = measure(options, &measurement, &traffic, load, failure);

    if (result == 0) {
        report_traffic(options, &measurement, &traffic, load);
        report_end(options->format);
    }
    traffic_close(&traffic);
    return result;
}

static int introduce(struct fleet *fleet, const struct sockaddr_in *address, struct failure *failure)
{
    struct traffic traffic;
    struct way way = traffic_way(&traffic);
    int result = traffic_open(&traffic, address, 64, failure);

    if (result == 0)
        result = fleet_introduce(fleet, &way, failure);
    traffic_close(&traffic);
    return result;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct load_options *options = values;
    struct bare bare = {.pid = 0};
    struct sockaddr_in address;
    struct fleet fleet = {.count = 0};
    struct load load = {.count = 0};
    struct way way = traffic_way(NULL); /* it seals, and does not send yet */
    int result;

    (void)argc, (void)argv;
    if (traffic_address(&address, options->to, failure) < 0)
        return -1;
    if (options->bare && bare_start(&bare, failure) < 0)
        return -1;
    result = fleet_load(&fleet, &options->database, options->prefix, failure);
    if (result == 0)
        result = introduce(&fleet, &address, failure);
    if (result == 0)
        result = fleet_seal(&fleet, &way, &load, (size_t)options->count, !options->kid_context, failure);
    if (result == 0)
        result = measure_gateway(options, &address, &fleet, &load, failure);
    if (result == 0 && options->bare)
        result = measure_bare(options, &bare, &load, failure);
    load_free(&load);
    fleet_wipe(&fleet);
    bare_stop(&bare);
    return result;
}

const struct command command_load = {
    .name = "load",
    .summary = "sends sealed readings as fast as they are answered",
    .details =
        "Every device is proven first, every message is sealed before the clock runs, and every reply is "
        "opened after it stopped.",
    .options = options_table,
    .options_size = sizeof(struct load_options),
    .run = run,
};
