/* bulla events: the journal of what was refused, and why. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "cli/database.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/when.h"

#define TABLE_LIMIT 100 /* rows for people, where --limit does not say */

enum events_format { EVENTS_TABLE, EVENTS_JSONL };

struct events_options {
    struct database_options database;
    const char *kind;
    const char *device;
    int64_t limit; /* 0: not given */
    unsigned format;
};

static const char *const formats[] = {[EVENTS_TABLE] = "table", [EVENTS_JSONL] = "jsonl", NULL};

/* The outcomes of PROTOCOL 4 but for "stored", which is no event; and what sinks never take. */
static const char *const kinds[] = {
    "malformed", "unknown", "revoked", "forged",       "challenged",
    "duplicate", "stale",   "reset",   "sink-refused", NULL,
};

static const struct option options_table[] = {
    {.name = "kind",
     .letter = 'k',
     .argument = "KIND",
     .help =
         "only malformed, unknown, revoked, forged, challenged, duplicate, stale, reset or sink-refused ones",
     .parse = option_word,
     .words = kinds,
     .offset = offsetof(struct events_options, kind)},
    {.name = "device",
     .letter = 'd',
     .argument = "NAME",
     .help = "only of this device",
     .words = device_names,
     .parse = option_string,
     .offset = offsetof(struct events_options, device)},
    {.name = "limit",
     .letter = 'n',
     .argument = "N",
     .help = "only the newest N, or all (default: 100 as a table, else all)",
     .parse = option_limit,
     .offset = offsetof(struct events_options, limit)},
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "table or jsonl",
     .fallback = "table",
     .parse = option_choice,
     .words = formats,
     .offset = offsetof(struct events_options, format)},
    DATABASE_OPTIONS(struct events_options),
    {0},
};

static void json_member(const char *key, const char *text)
{
    printf(",\"%s\":", key);
    if (text && *text)
        text_json(stdout, text, strlen(text));
    else
        fputs("null", stdout);
}

static int to_jsonl(void *context, const struct event_row *row)
{
    char time[WHEN_TEXT_SIZE];

    (void)context;
    when_format(time, row->time);
    printf("{\"time\":\"%s\"", time);
    json_member("kind", row->kind);
    json_member("device", row->device_name);
    json_member("source", row->source);
    json_member("detail", row->detail);
    puts("}");
    return !output_works();
}

static const struct table_column columns[] = {
    {"TIME", 40, 0}, {"KIND", 12, 0}, {"DEVICE", 32, 0}, {"SOURCE", 48, 0}, {"DETAIL", 120, 0},
};

static int to_table(void *context, const struct event_row *row)
{
    struct table *table = context;
    char time[WHEN_TEXT_SIZE];

    table_cell(table, time, when_format(time, row->time));
    table_text(table, row->kind);
    table_text(table, row->device_name && *row->device_name ? row->device_name : "-");
    table_text(table, row->source ? row->source : "");
    table_text(table, row->detail ? row->detail : "");
    return 0;
}

static int print_table(struct store *store, const struct event_filter *filter, struct failure *failure)
{
    struct table table;

    if (table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]), failure) < 0)
        return -1;
    if (store->ops->events_each(store, filter, to_table, &table, failure) < 0) {
        table_drop(&table);
        return -1;
    }
    return table_end(&table, stdout, failure);
}

static int note(void *context, const struct event_row *row)
{
    (void)row;
    *(bool *)context = true;
    return 1;
}

/* Whether there is an event of that selection; also true where that cannot be told. */
static bool has_any(struct store *store, const struct event_filter *filter)
{
    struct event_filter newest = *filter;
    struct failure unsaid;
    bool any = false;

    newest.limit = 1;
    return store->ops->events_each(store, &newest, note, &any, &unsaid) < 0 || any;
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct events_options *options = values;
    struct event_filter filter = {
        .kind = options->kind,
        .device = options->device,
        .limit = options->limit                    ? options->limit
                 : options->format == EVENTS_TABLE ? TABLE_LIMIT
                                                   : -1,
    };
    struct store *store;
    int result;

    (void)argc, (void)argv;
    if (database_open(&store, &options->database, STORE_EXISTING, failure) < 0)
        return COMMAND_FAILED;
    if (!has_any(store, &filter))
        database_hint_device(store, options->device);
    if (options->format == EVENTS_JSONL)
        result = store->ops->events_each(store, &filter, to_jsonl, NULL, failure);
    else
        result = print_table(store, &filter, failure);
    database_close(store);
    return result < 0 ? COMMAND_FAILED : COMMAND_DONE;
}

const struct command command_events = {
    .name = "events",
    .summary = "prints the journal: what was refused or challenged, and why",
    .details =
        "The journal is bounded: at most 10 a second of each kind and device are written, and the oldest go "
        "after 100,000. In jsonl, device is null where the message named none that is known.",
    .example = "bulla events --kind forged --limit 20",
    .options = options_table,
    .options_size = sizeof(struct events_options),
    .run = run,
};
