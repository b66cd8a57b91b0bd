/* bulla-load idle: what a device costs the gateway in memory once it was heard. */
#include "bench/load.h"

#include "bench/fleet.h"
#include "bench/process.h"
#include "bench/report.h"
#include "bench/traffic.h"

struct idle_options {
    struct database_options database;
    const char *to;
    const char *prefix;
    int64_t pid;
    unsigned format;
};

static const struct option options_table[] = {
    {.name = "to",
     .argument = "HOST:PORT",
     .help = "the gateway's listener for devices",
     .fallback = "127.0.0.1:8620",
     .parse = option_string,
     .offset = offsetof(struct idle_options, to)},
    {.name = "prefix",
     .argument = "TEXT",
     .help = "of the devices' names",
     .fallback = "idle-",
     .parse = option_string,
     .offset = offsetof(struct idle_options, prefix)},
    {.name = "pid",
     .argument = "N",
     .help = "the gateway's process",
     .parse = option_number,
     .least = 1,
     .most = INT32_MAX,
     .offset = offsetof(struct idle_options, pid)},
    REPORT_OPTION(struct idle_options),
    DATABASE_OPTIONS(struct idle_options),
    {0},
};

static int measure(const struct idle_options *options, struct fleet *fleet, struct traffic *traffic,
                   struct failure *failure)
{
    struct way way = traffic_way(traffic);
    struct process_usage before;
    struct process_usage after;
    double grown;

    if (process_usage(&before, options->pid, failure) < 0 || fleet_introduce(fleet, &way, failure) < 0 ||
        process_usage(&after, options->pid, failure) < 0)
        return -1;
    grown = (double)after.resident - (double)before.resident;
    report_begin(options->format, "idle");
    report_number(options->format, "devices", (double)fleet->count);
    report_number(options->format, "before_bytes", (double)before.resident);
    report_number(options->format, "after_bytes", (double)after.resident);
    report_number(options->format, "per_device_bytes", grown / (double)fleet->count);
    report_end(options->format);
    return 0;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct idle_options *options = values;
    struct sockaddr_in address;
    struct fleet fleet = {.count = 0};
    struct traffic traffic;
    int result;

    (void)argc, (void)argv;
    if (options->pid == 0)
        return usage(failure, "--pid is missing: whose memory is it?");
    if (traffic_address(&address, options->to, failure) < 0)
        return -1;
    result = fleet_load(&fleet, &options->database, options->prefix, failure);
    if (result == 0) {
        result = traffic_open(&traffic, &address, 32, failure);
        if (result == 0)
            result = measure(options, &fleet, &traffic, failure);
        traffic_close(&traffic);
    }
    fleet_wipe(&fleet);
    return result;
}

const struct command command_idle = {
    .name = "idle",
    .summary = "lets each device send once, and says how the gateway's memory grew",
    .details = "Meaningful once the gateway's other memory is in use: after a load.",
    .options = options_table,
    .options_size = sizeof(struct idle_options),
    .run = run,
};
