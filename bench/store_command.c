/* bulla-load store: what a database takes of the store's own batches, without HTTP and cryptography. */
#include "bench/load.h"

#include "bench/limits.h"
#include "bench/report.h"

struct store_options {
    const char *db;
    int64_t batch;
    int64_t milliseconds;
    unsigned format;
};

static const struct option options_table[] = {
    {.name = "db",
     .argument = "URL",
     .help = "the database; devices of its own and their readings stay in it",
     .parse = option_string,
     .offset = offsetof(struct store_options, db)},
    {.name = "batch",
     .argument = "N",
     .help = "messages in a batch, each of another device",
     .fallback = "128",
     .parse = option_number,
     .least = 1,
     .most = 1000,
     .offset = offsetof(struct store_options, batch)},
    {.name = "milliseconds",
     .argument = "N",
     .help = "how long it is measured",
     .fallback = "1000",
     .parse = option_number,
     .least = 10,
     .most = 60000,
     .offset = offsetof(struct store_options, milliseconds)},
    REPORT_OPTION(struct store_options),
    {0},
};

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct store_options *options = values;
    double rate;

    (void)argc, (void)argv;
    if (options->db == NULL)
        return fail(failure, "which database? --db URL");
    if (limit_store_at(options->db, (size_t)options->batch, (double)options->milliseconds / 1000, &rate,
                       failure) < 0)
        return -1;
    report_begin(options->format, "store");
    report_number(options->format, "batch", (double)options->batch);
    report_number(options->format, "per_second", rate);
    report_end(options->format);
    return 0;
}

const struct command command_store = {
    .name = "store",
    .summary = "measures the store alone, on any database",
    .options = options_table,
    .options_size = sizeof(struct store_options),
    .run = run,
};
