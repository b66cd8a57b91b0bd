/* bulla readings: what devices sent. */
#include "cli/command.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/database.h"
#include "cli/elsewhere.h"
#include "cli/reading_print.h"

#define TABLE_LIMIT 100 /* rows for people, where --limit does not say */
#define BUFFER_SIZE (1 << 17)

enum readings_format { READINGS_TABLE, READINGS_CSV, READINGS_JSONL };

struct readings_options {
    struct database_options database;
    const char *device;
    const char *name;
    struct option_time since;
    struct option_time until;
    int64_t limit; /* 0: not given */
    unsigned format;
};

static const char *const formats[] = {
    [READINGS_TABLE] = "table", [READINGS_CSV] = "csv", [READINGS_JSONL] = "jsonl", NULL};

static const struct option options_table[] = {
    {.name = "device",
     .letter = 'd',
     .argument = "NAME",
     .help = "only of this device",
     .words = device_names,
     .parse = option_string,
     .offset = offsetof(struct readings_options, device)},
    {.name = "name",
     .argument = "NAME",
     .help = "only readings of this name",
     .parse = option_string,
     .offset = offsetof(struct readings_options, name)},
    {.name = "since",
     .argument = "T",
     .help = "only those taken at T or later: 2026-11-21T22:13:05Z, 2026-11-21 (UTC), Unix seconds, or 10m, "
             "2h, 7d ago",
     .parse = option_time,
     .offset = offsetof(struct readings_options, since)},
    {.name = "until",
     .argument = "T",
     .help = "only those taken before T",
     .parse = option_time,
     .offset = offsetof(struct readings_options, until)},
    {.name = "limit",
     .letter = 'n',
     .argument = "N",
     .help = "only the newest N, or all (default: 100 as a table, else all)",
     .parse = option_limit,
     .offset = offsetof(struct readings_options, limit)},
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "table, csv or jsonl",
     .fallback = "table",
     .parse = option_choice,
     .words = formats,
     .offset = offsetof(struct readings_options, format)},
    DATABASE_OPTIONS(struct readings_options),
    {0},
};

static int print_table(struct store *store, const struct reading_filter *filter, struct failure *failure)
{
    struct table table;

    if (table_begin(&table, reading_columns, READING_COLUMNS, failure) < 0)
        return -1;
    if (store->ops->readings_each(store, filter, reading_print_table, &table, failure) < 0) {
        table_drop(&table);
        return -1;
    }
    return table_end(&table, stdout, failure);
}

/* ---- the command ---- */

static int print(struct store *store, const struct readings_options *options, struct failure *failure)
{
    struct reading_csv csv = {.out = stdout, .safe = isatty(STDOUT_FILENO) == 1};
    struct reading_filter filter = {
        .device = options->device,
        .name = options->name,
        .since = options->since.given ? options->since.micros : INT64_MIN,
        .until = options->until.given ? options->until.micros : INT64_MAX,
        .limit = options->limit                      ? options->limit
                 : options->format == READINGS_TABLE ? TABLE_LIMIT
                                                     : -1,
    };

    (void)elsewhere_tell(store, &filter);
    switch ((enum readings_format)options->format) {
    case READINGS_CSV:
        fputs(READING_CSV_HEADER, stdout);
        return store->ops->readings_each(store, &filter, reading_print_csv, &csv, failure);
    case READINGS_JSONL:
        return store->ops->readings_each(store, &filter, reading_print_jsonl, stdout, failure);
    case READINGS_TABLE:
        break;
    }
    return print_table(store, &filter, failure);
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct readings_options *options = values;
    struct store *store;
    int result;

    (void)argc, (void)argv;
    setvbuf(stdout, NULL, _IOFBF, BUFFER_SIZE);
    if (database_open(&store, &options->database, STORE_EXISTING, failure) < 0)
        return COMMAND_FAILED;
    result = print(store, options, failure);
    database_close(store);
    return result < 0 ? COMMAND_FAILED : COMMAND_DONE;
}

const struct command command_readings = {
    .name = "readings",
    .summary = "prints what devices sent, oldest first",
    .details =
        "jsonl has one object a line, with device, time, received, name, value, unit and seq (the "
        "message's number). In place of value stands text, sum, or data (base64url) where it is not a "
        "number or a boolean; a whole content that is not decoded has its content-format in format, "
        "and undecoded where it should have been decoded. Times are UTC. Where readings go to sinks "
        "alone (bulla serve --sink without --keep-here) there are none here: it says so, and to which, on "
        "standard error.",
    .example = "bulla readings --device kitchen --since 2h\n"
               "bulla readings --since 2026-11-01 --format csv > november.csv",
    .options = options_table,
    .options_size = sizeof(struct readings_options),
    .run = run,
};
