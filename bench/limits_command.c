/* bulla-load limits: what the machine can do at most, part by part. */
#include "bench/load.h"

#include "bench/limits.h"
#include "bench/report.h"

struct limits_options {
    const char *folder;
    int64_t milliseconds;
    unsigned format;
};

static const struct option options_table[] = {
    {.name = "folder",
     .argument = "FOLDER",
     .help = "where the store and the disk are measured: on the database's file system",
     .fallback = ".",
     .parse = option_string,
     .offset = offsetof(struct limits_options, folder)},
    {.name = "milliseconds",
     .argument = "N",
     .help = "how long each is measured",
     .fallback = "1000",
     .parse = option_number,
     .least = 10,
     .most = 60000,
     .offset = offsetof(struct limits_options, milliseconds)},
    REPORT_OPTION(struct limits_options),
    {0},
};

static void report(unsigned format, const char *what, size_t batch, double rate)
{
    report_begin(format, what);
    if (batch > 0)
        report_number(format, "batch", (double)batch);
    report_number(format, "per_second", rate);
    report_end(format);
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    static const size_t batches[] = {32, 128, 512};
    const struct limits_options *options = values;
    double seconds = (double)options->milliseconds / 1000;
    double rate;
    double seals;

    (void)argc, (void)argv;
    if (limit_aead(seconds, &seals, &rate, failure) < 0)
        return -1;
    report(options->format, "aead_seals", 0, seals);
    report(options->format, "aead_opens", 0, rate);
    if (limit_sync(options->folder, seconds, &rate, failure) < 0)
        return -1;
    report(options->format, "syncs", 0, rate);
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        if (limit_store(options->folder, batches[i], seconds, &rate, failure) < 0)
            return -1;
        report(options->format, "store", batches[i], rate);
    }
    return 0;
}

const struct command command_limits = {
    .name = "limits",
    .summary = "measures the AEAD, the disk and the store alone",
    .options = options_table,
    .options_size = sizeof(struct limits_options),
    .run = run,
};
