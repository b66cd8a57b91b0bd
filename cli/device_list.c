/* bulla device list: what the registry holds. */
#include "cli/command.h"

#include <stdio.h>

#include "cli/database.h"
#include "cli/device_print.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/when.h"

struct list_options {
    struct database_options database;
    unsigned format;
};

/* As those of the other commands, and one more. */
enum { LIST_NAMES = DEVICE_FORMAT_JSON + 1 };

static const char *const formats[] = {
    [DEVICE_FORMAT_TABLE] = "table",
    [DEVICE_FORMAT_JSON] = "json",
    [LIST_NAMES] = "names",
    NULL,
};

static const struct option options_table[] = {
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "table, json, or names: one a line",
     .fallback = "table",
     .parse = option_choice,
     .words = formats,
     .offset = offsetof(struct list_options, format)},
    DATABASE_OPTIONS(struct list_options),
    {0},
};

static const struct table_column columns[] = {
    {"NAME", 64, 0}, {"KID", 10, 0},     {"ALG", 3, 1},        {"KIND", 7, 0},
    {"STATE", 7, 0}, {"CREATED", 40, 0}, {"LAST SEEN", 40, 0},
};

static int to_table(void *context, const struct device_row *row)
{
    struct table *table = context;
    char text[WHEN_TEXT_SIZE] = "";
    char alg[4];

    table_text(table, row->name);
    device_kid_text(row, text);
    table_text(table, text);
    snprintf(alg, sizeof(alg), "%u", row->alg);
    table_text(table, alg);
    table_text(table, device_kind_text(row->kind));
    table_text(table, row->revoked ? "revoked" : "active");
    when_format(text, row->created * 1000000);
    table_text(table, text);
    if (row->last_seen)
        when_format(text, row->last_seen);
    table_text(table, row->last_seen ? text : "never");
    return 0;
}

static int list_table(struct store *store, struct failure *failure)
{
    struct table table;
    int result;

    if (table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]), failure) < 0)
        return -1;
    result = store->ops->device_each(store, NULL, to_table, &table, failure);
    if (result < 0) {
        table_drop(&table);
        return -1;
    }
    return table_end(&table, stdout, failure);
}

static int to_json(void *context, const struct device_row *row)
{
    bool *first = context;

    fputs(*first ? "\n  {" : ",\n  {", stdout);
    *first = false;
    device_json_members(stdout, row);
    putchar('}');
    return !output_works();
}

static int to_name(void *context, const struct device_row *row)
{
    (void)context;
    puts(row->name); /* it has no control characters */
    return !output_works();
}

static int list_names(struct store *store, struct failure *failure)
{
    return store->ops->device_each(store, NULL, to_name, NULL, failure) < 0 ? -1 : 0;
}

static int list_json(struct store *store, struct failure *failure)
{
    bool first = true;

    putchar('[');
    if (store->ops->device_each(store, NULL, to_json, &first, failure) < 0)
        return -1;
    puts(first ? "]" : "\n]");
    return 0;
}

static int (*const lists[])(struct store *store, struct failure *failure) = {
    [DEVICE_FORMAT_TABLE] = list_table,
    [DEVICE_FORMAT_JSON] = list_json,
    [LIST_NAMES] = list_names,
};

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct list_options *options = values;
    struct store *store;
    int result;

    (void)argc, (void)argv;
    if (database_open(&store, &options->database, STORE_EXISTING, failure) < 0)
        return COMMAND_FAILED;
    result = lists[options->format](store, failure);
    database_close(store);
    return result;
}

const struct command command_device_list = {
    .name = "list",
    .summary = "lists the devices",
    .example = "bulla device list --format json",
    .options = options_table,
    .options_size = sizeof(struct list_options),
    .run = run,
};
