/* bulla-load mqtt: the gateway behind a broker, and a bare subscriber in its place. */
#include "bench/load.h"

#include <stdlib.h>

#include "bench/fleet.h"
#include "bench/mqtt_bare.h"
#include "bench/mqtt_traffic.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/traffic.h"

#define BARE_PREFIX "plain" /* as long as the gateway's */

struct mqtt_options {
    struct database_options database;
    const char *to;
    const char *prefix;
    int64_t pid;
    int64_t broker_pid;
    int64_t connections;
    int64_t count;
    int64_t receive_maximum;
    unsigned format;
};

static const struct option options_table[] = {
    {.name = "to",
     .argument = "HOST:PORT",
     .help = "the broker",
     .fallback = "127.0.0.1:1883",
     .parse = option_string,
     .offset = offsetof(struct mqtt_options, to)},
    {.name = "prefix",
     .argument = "TEXT",
     .help = "of the devices' names",
     .fallback = "load-",
     .parse = option_string,
     .offset = offsetof(struct mqtt_options, prefix)},
    {.name = "pid",
     .argument = "N",
     .help = "the gateway's process",
     .parse = option_number,
     .least = 1,
     .most = INT32_MAX,
     .offset = offsetof(struct mqtt_options, pid)},
    {.name = "broker-pid",
     .argument = "N",
     .help = "the broker's process",
     .parse = option_number,
     .least = 1,
     .most = INT32_MAX,
     .offset = offsetof(struct mqtt_options, broker_pid)},
    {.name = "connections",
     .argument = "N",
     .help = "that the devices share",
     .fallback = "1000",
     .parse = option_number,
     .least = 1,
     .most = TRAFFIC_CONNECTIONS_MAX,
     .offset = offsetof(struct mqtt_options, connections)},
    {.name = "count",
     .argument = "N",
     .help = "messages, sealed beforehand",
     .fallback = "200000",
     .parse = option_number,
     .least = 1,
     .most = 5000000,
     .offset = offsetof(struct mqtt_options, count)},
    {.name = "receive-maximum",
     .argument = "N",
     .help = "messages that the bare subscriber lets wait for their acknowledgement: the gateway's",
     .fallback = "1024",
     .parse = option_number,
     .least = 1,
     .most = 65535,
     .offset = offsetof(struct mqtt_options, receive_maximum)},
    REPORT_OPTION(struct mqtt_options),
    DATABASE_OPTIONS(struct mqtt_options),
    {0},
};

/* A subscriber under load, and processor time meanwhile: its own and the broker's. */
struct run {
    const struct mqtt_options *options;
    const struct sockaddr_in *broker;
    const char *what;
    const char *prefix;
    int64_t pid;
    struct process_usage before[2];
    struct process_usage after[2];
};

/* ---- telling ---- */

static double micros(double nanoseconds, size_t count)
{
    return nanoseconds / 1e3 / (double)count;
}

static double spent(const struct run *run, unsigned process, bool others)
{
    const struct process_usage *before = &run->before[process];
    const struct process_usage *after = &run->after[process];

    return others ? after->others_seconds - before->others_seconds
                  : after->main_seconds - before->main_seconds;
}

static void report_latencies(unsigned format, const struct load *load)
{
    uint32_t *latencies = exchange_latencies(load->exchanges, load->count);

    if (latencies != NULL) {
        report_number(format, "p50_us", latencies[load->count / 2] / 1e3);
        report_number(format, "p99_us", latencies[load->count * 99 / 100] / 1e3);
    }
    free(latencies);
}

static void report(const struct run *run, const struct mqtt_traffic *traffic, const struct load *load)
{
    unsigned format = run->options->format;
    size_t count = load->count;

    report_begin(format, run->what);
    report_number(format, "connections", (double)traffic->count);
    report_number(format, "devices", (double)traffic->device_count);
    report_number(format, "done", (double)count);
    report_number(format, "seconds", (double)traffic->span / 1e9);
    report_number(format, "per_second", (double)count * 1e9 / (double)traffic->span);
    report_latencies(format, load);
    report_number(format, "cpu_us", micros((spent(run, 0, false) + spent(run, 0, true)) * 1e9, count));
    report_number(format, "cpu_loop_us", micros(spent(run, 0, false) * 1e9, count));
    report_number(format, "cpu_others_us", micros(spent(run, 0, true) * 1e9, count));
    report_number(format, "broker_us", micros((spent(run, 1, false) + spent(run, 1, true)) * 1e9, count));
    report_number(format, "generator_us", micros((double)traffic->processor, count));
    report_number(format, "reply_bytes", (double)traffic->reply_bytes / (double)count);
}

/* ---- measuring ---- */

static int measure(struct run *run, struct mqtt_traffic *traffic, struct load *load, struct failure *failure)
{
    const int64_t pids[2] = {run->pid, run->options->broker_pid};
    int result = 0;

    for (unsigned i = 0; i < 2 && result == 0; i++)
        result = process_usage(&run->before[i], pids[i], failure);
    if (result == 0)
        result = mqtt_traffic_run(traffic, load->exchanges, load->count, failure);
    for (unsigned i = 0; i < 2 && result == 0; i++)
        result = process_usage(&run->after[i], pids[i], failure);
    return result;
}

static int measure_gateway(struct run *run, struct fleet *fleet, struct load *load, size_t *reply_size,
                           struct failure *failure)
{
    struct mqtt_traffic traffic;
    struct way way = mqtt_traffic_way(&traffic);
    struct load_verdict verdict;
    int result = mqtt_traffic_open(&traffic, run->broker, run->prefix, fleet,
                                   (unsigned)run->options->connections, failure);

    if (result == 0)
        result = fleet_introduce(fleet, &way, failure);
    if (result == 0)
        result = fleet_seal(fleet, &way, load, (size_t)run->options->count, true, failure);
    if (result == 0)
        result = measure(run, &traffic, load, failure);
    if (result == 0) {
        report(run, &traffic, load);
        *reply_size = (size_t)(traffic.reply_bytes / load->count);
        fleet_verify(fleet, load, load->count, &verdict);
        report_number(run->options->format, "stored", (double)verdict.stored);
        report_end(run->options->format);
        if (verdict.stored != load->count)
            result = fail(failure, "%zu of %zu replies do not prove that the message is stored",
                          load->count - verdict.stored, load->count);
    }
    mqtt_traffic_close(&traffic);
    return result;
}

/* The same messages, to a topic that the gateway does not hear. */
static int measure_bare(struct run *run, struct fleet *fleet, struct load *load, size_t reply_size,
                        struct failure *failure)
{
    struct mqtt_bare_options bare = {.broker = run->broker,
                                     .prefix = run->prefix,
                                     .reply_size = reply_size,
                                     .receive_maximum = (uint16_t)run->options->receive_maximum};
    struct mqtt_traffic traffic;
    int result = mqtt_traffic_open(&traffic, run->broker, run->prefix, fleet,
                                   (unsigned)run->options->connections, failure);
    pid_t pid = result == 0 ? mqtt_bare_start(&bare, failure) : -1;

    run->pid = pid;
    if (pid < 0)
        result = -1;
    if (result == 0)
        result = measure(run, &traffic, load, failure);
    if (result == 0) {
        report(run, &traffic, load);
        report_end(run->options->format);
    }
    mqtt_bare_stop(pid);
    mqtt_traffic_close(&traffic);
    return result;
}

static int run_both(const struct mqtt_options *options, const struct sockaddr_in *broker, struct fleet *fleet,
                    struct load *load, struct failure *failure)
{
    struct run gateway = {
        .options = options, .broker = broker, .what = "mqtt", .prefix = "bulla", .pid = options->pid};
    struct run bare = {.options = options, .broker = broker, .what = "mqtt_bare", .prefix = BARE_PREFIX};
    size_t reply_size = 0;
    int result = measure_gateway(&gateway, fleet, load, &reply_size, failure);

    return result < 0 ? -1 : measure_bare(&bare, fleet, load, reply_size, failure);
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct mqtt_options *options = values;
    struct sockaddr_in broker;
    struct fleet fleet = {.count = 0};
    struct load load = {.count = 0};
    int result;

    (void)argc, (void)argv;
    if (options->pid == 0 || options->broker_pid == 0)
        return usage(failure, "--pid and --broker-pid: give the gateway's process and the broker's");
    if (traffic_address(&broker, options->to, failure) < 0)
        return -1;
    result = fleet_load(&fleet, &options->database, options->prefix, failure);
    if (result == 0)
        result = run_both(options, &broker, &fleet, &load, failure);
    load_free(&load);
    fleet_wipe(&fleet);
    return result;
}

const struct command command_mqtt = {
    .name = "mqtt",
    .summary = "sends sealed readings through a broker, to the gateway and to a bare subscriber",
    .details =
        "Every device has one message under way, at QoS 1. All replies of the gateway are opened after "
        "the clock stopped. Then the same messages go to a subscriber that acknowledges each and answers "
        "it with as many bytes as the gateway did, and neither opens nor stores anything.",
    .options = options_table,
    .options_size = sizeof(struct mqtt_options),
    .run = run,
};
