/* bulla device list: what the registry holds. */
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/database.h"
#include "cli/device_print.h"
#include "cli/label_text.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/when.h"

struct list_options {
    struct database_options database;
    unsigned format;
    struct option_strings labels;
    struct option_time silent; /* not heard since */
};

/* As those of the other commands, and two more. */
enum { LIST_NAMES = DEVICE_FORMAT_JSON + 1, LIST_CSV };

static const char *const formats[] = {
    [DEVICE_FORMAT_TABLE] = "table",
    [DEVICE_FORMAT_JSON] = "json",
    [LIST_NAMES] = "names",
    [LIST_CSV] = "csv",
    NULL,
};

static const struct option options_table[] = {
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "table, json, csv, or names: one a line",
     .fallback = "table",
     .parse = option_choice,
     .words = formats,
     .offset = offsetof(struct list_options, format)},
    {.name = "label",
     .argument = "KEY=VALUE|KEY",
     .help =
         "only devices with this label, or with any of that key; with all of them, if given several times",
     .parse = option_strings,
     .repeatable = true,
     .offset = offsetof(struct list_options, labels)},
    {.name = "silent-for",
     .argument = "TIME",
     .help = "only devices of which nothing was stored for so long (30s, 10m, 1h, 7d, 4w) or since then; not "
             "revoked ones",
     .parse = option_time,
     .offset = offsetof(struct list_options, silent)},
    DATABASE_OPTIONS(struct list_options),
    {0},
};

/* One listing under way. */
struct listing {
    struct store *store;
    const struct device_filter *filter;
    struct table table;
    struct failure *failure;
    bool first;
    bool failed;
};

static int each(struct listing *listing, device_visitor *visit)
{
    struct store *store = listing->store;

    if (store->ops->device_each(store, listing->filter, visit, listing, listing->failure) < 0)
        return -1;
    return listing->failed ? -1 : 0;
}

/* ---- table ---- */

static const struct table_column columns[] = {
    {"NAME", 64, 0}, {"KID", 10, 0},     {"ALG", 3, 1},        {"KIND", 7, 0}, {"WIRE", 8, 0},
    {"STATE", 7, 0}, {"CREATED", 40, 0}, {"LAST SEEN", 40, 0}, {"LOST", 8, 1}, {"LABELS", 60, 0},
};

/* The labels as one text; "" where memory is out. */
static void add_labels(struct listing *listing, const struct device_row *row)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out != NULL) {
        listing->failed = labels_print(out, listing->store, row->id, listing->failure) != 0;
        fclose(out);
    }
    table_text(&listing->table, text == NULL ? "" : text);
    free(text);
}

static int to_table(void *context, const struct device_row *row)
{
    struct listing *listing = context;
    struct table *table = &listing->table;
    char text[WHEN_TEXT_SIZE] = "";

    table_text(table, row->name);
    device_kid_text(row, text);
    table_text(table, text);
    snprintf(text, sizeof(text), "%u", row->alg);
    table_text(table, row->kid_len > 0 ? text : "");
    table_text(table, row->kid_len > 0 ? device_kind_text(row->kind) : "");
    table_text(table, device_wire_text(row));
    table_text(table, row->revoked ? "revoked" : "active");
    when_format(text, row->created * 1000000);
    table_text(table, text);
    if (row->last_seen)
        when_format(text, row->last_seen);
    table_text(table, row->last_seen ? text : "never");
    snprintf(text, sizeof(text), "%" PRIu64, row->lost);
    table_text(table, text);
    add_labels(listing, row);
    return listing->failed;
}

static int list_table(struct listing *listing)
{
    if (table_begin(&listing->table, columns, sizeof(columns) / sizeof(columns[0]), listing->failure) < 0)
        return -1;
    if (each(listing, to_table) < 0) {
        table_drop(&listing->table);
        return -1;
    }
    return table_end(&listing->table, stdout, listing->failure);
}

/* ---- JSON ---- */

static int to_json(void *context, const struct device_row *row)
{
    struct listing *listing = context;

    fputs(listing->first ? "\n  {" : ",\n  {", stdout);
    listing->first = false;
    device_json_members(stdout, row);
    fputs(",\"labels\":", stdout);
    listing->failed = labels_json(stdout, listing->store, row->id, listing->failure) != 0;
    putchar('}');
    return listing->failed || !output_works();
}

static int list_json(struct listing *listing)
{
    putchar('[');
    if (each(listing, to_json) < 0)
        return -1;
    puts(listing->first ? "]" : "\n]");
    return 0;
}

/* ---- CSV ---- */

static int to_csv(void *context, const struct device_row *row)
{
    struct listing *listing = context;
    bool safe = isatty(STDOUT_FILENO) == 1;
    char kid[2 * BULLA_KID_MAX + 1] = "";
    char alg[8];
    char time[WHEN_TEXT_SIZE];
    char *labels = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&labels, &size);

    text_csv(stdout, row->name, strlen(row->name), safe);
    device_kid_text(row, kid);
    when_format(time, row->created * 1000000);
    snprintf(alg, sizeof(alg), "%u", row->alg);
    printf(",%s,%s,%s,%s,%s,", kid, row->kid_len > 0 ? alg : "",
           row->kid_len > 0 ? device_kind_text(row->kind) : "", row->revoked ? "revoked" : "active", time);
    if (row->last_seen) {
        when_format(time, row->last_seen);
        fputs(time, stdout);
    }
    printf(",%" PRIu64 ",", row->lost);
    if (out != NULL) {
        listing->failed = labels_json(out, listing->store, row->id, listing->failure) != 0;
        fclose(out);
    }
    text_csv(stdout, labels == NULL ? "" : labels, labels == NULL ? 0 : size, safe);
    printf(",%s\r\n", device_wire_text(row));
    free(labels);
    return listing->failed || !output_works();
}

static int list_csv(struct listing *listing)
{
    fputs("name,kid,alg,kind,state,created,last_seen,lost,labels,wire\r\n", stdout);
    return each(listing, to_csv);
}

/* ---- names ---- */

static int to_name(void *context, const struct device_row *row)
{
    (void)context;
    puts(row->name); /* it has no control characters */
    return !output_works();
}

static int list_names(struct listing *listing)
{
    return each(listing, to_name);
}

static int (*const lists[])(struct listing *listing) = {
    [DEVICE_FORMAT_TABLE] = list_table,
    [DEVICE_FORMAT_JSON] = list_json,
    [LIST_NAMES] = list_names,
    [LIST_CSV] = list_csv,
};

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct list_options *options = values;
    struct label_list labels;
    struct device_filter filter = {.silent_since = options->silent.given ? options->silent.micros : 0};
    struct listing listing = {.filter = &filter, .failure = failure, .first = true};
    int result = label_list_parse(&labels, options->labels.texts, options->labels.count, LABEL_ANY, failure);

    (void)argc, (void)argv;
    if (result < 0)
        return result;
    filter.labels = labels.labels;
    filter.label_count = labels.count;
    if (database_open(&listing.store, &options->database, STORE_EXISTING, failure) < 0)
        return COMMAND_FAILED;
    result = lists[options->format](&listing);
    database_close(listing.store);
    return result;
}

const struct command command_device_list = {
    .name = "list",
    .summary = "lists the devices",
    .details =
        "LOST counts messages that the device sealed and that can not be stored any more: numbers that left "
        "the replay window unset. A counter device skips numbers when it boots: those are not counted.",
    .example = "bulla device list --format json\n"
               "bulla device list --label site=home --silent-for 1h",
    .options = options_table,
    .options_size = sizeof(struct list_options),
    .run = run,
};
