/* bulla sinks list: how far each sink is. */
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/database.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/when.h"

enum sinks_format { SINKS_TABLE, SINKS_CSV, SINKS_JSONL };

struct sinks_list_options {
    struct database_options database;
    unsigned format;
};

static const char *const formats[] = {
    [SINKS_TABLE] = "table", [SINKS_CSV] = "csv", [SINKS_JSONL] = "jsonl", NULL};

static const struct option options_table[] = {
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "table, csv or jsonl",
     .fallback = "table",
     .parse = option_choice,
     .words = formats,
     .offset = offsetof(struct sinks_list_options, format)},
    DATABASE_OPTIONS(struct sinks_list_options),
    {0},
};

/* "" for a time that has not come about. */
static const char *time_text(char out[WHEN_TEXT_SIZE], int64_t micros)
{
    out[0] = '\0';
    if (micros != 0)
        when_format(out, micros);
    return out;
}

static int64_t readings_behind(const struct sink_row *row)
{
    return row->end.points - row->cursor.points;
}

static int64_t bytes_behind(const struct sink_row *row)
{
    return row->end.bytes - row->cursor.bytes;
}

/* Who holds it now, or "". */
static const char *holder_of(const struct sink_row *row)
{
    return sink_is_held(row, when_now() / 1000000) ? row->holder : "";
}

/* ---- as a table ---- */

static const struct table_column columns[] = {
    {"SINK", 80, 0},      {"BEHIND", 20, 1}, {"BYTES", 20, 1},   {"OLDEST", 40, 0},
    {"CONFIRMED", 40, 0}, {"LOST", 20, 1},   {"REFUSED", 20, 1}, {"GATEWAY", 32, 0},
};

static void number_cell(struct table *table, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    table_text(table, text);
}

static int to_table(void *context, const struct sink_row *row)
{
    struct table *table = context;
    char time[WHEN_TEXT_SIZE];

    table_text(table, row->name);
    number_cell(table, (uint64_t)readings_behind(row));
    number_cell(table, (uint64_t)bytes_behind(row));
    table_text(table, row->oldest == 0 ? "-" : time_text(time, row->oldest));
    table_text(table, row->confirmed == 0 ? "-" : time_text(time, row->confirmed * 1000000));
    number_cell(table, row->lost);
    number_cell(table, row->refused);
    table_text(table, holder_of(row)[0] == '\0' ? "-" : row->holder);
    return 0;
}

static int print_table(struct store *store, struct failure *failure)
{
    struct table table;

    if (table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]), failure) < 0)
        return -1;
    if (store->ops->sinks_each(store, to_table, &table, failure) < 0) {
        table_drop(&table);
        return -1;
    }
    return table_end(&table, stdout, failure);
}

/* ---- for programs ---- */

static void json_time(const char *key, int64_t micros)
{
    char time[WHEN_TEXT_SIZE];

    if (micros == 0)
        printf(",\"%s\":null", key);
    else
        printf(",\"%s\":\"%s\"", key, time_text(time, micros));
}

static int to_jsonl(void *context, const struct sink_row *row)
{
    const char *holder = holder_of(row);

    (void)context;
    fputs("{\"sink\":", stdout);
    text_json(stdout, row->name, strlen(row->name));
    printf(",\"behind\":%" PRId64 ",\"bytes\":%" PRId64, readings_behind(row), bytes_behind(row));
    json_time("oldest", row->oldest);
    json_time("added", row->added * 1000000);
    json_time("confirmed", row->confirmed * 1000000);
    printf(",\"lost\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"gateway\":", row->lost, row->refused);
    if (holder[0] == '\0')
        fputs("null", stdout);
    else
        text_json(stdout, holder, strlen(holder));
    puts("}");
    return !output_works();
}

static int to_csv(void *context, const struct sink_row *row)
{
    char time[WHEN_TEXT_SIZE];

    (void)context;
    text_csv(stdout, row->name, strlen(row->name), true);
    printf(",%" PRId64 ",%" PRId64, readings_behind(row), bytes_behind(row));
    printf(",%s", time_text(time, row->oldest));
    printf(",%s", time_text(time, row->added * 1000000));
    printf(",%s,%" PRIu64 ",%" PRIu64 ",", time_text(time, row->confirmed * 1000000), row->lost,
           row->refused);
    text_csv(stdout, holder_of(row), strlen(holder_of(row)), true);
    fputs("\r\n", stdout);
    return !output_works();
}

static int print_as(struct store *store, enum sinks_format format, struct failure *failure)
{
    if (store->ops->sinks_each == NULL)
        return fail(failure, "this kind of database keeps readings for no sinks");
    if (format == SINKS_TABLE)
        return print_table(store, failure);
    if (format == SINKS_CSV)
        fputs("sink,behind,bytes,oldest,added,confirmed,lost,refused,gateway\r\n", stdout);
    return store->ops->sinks_each(store, format == SINKS_CSV ? to_csv : to_jsonl, NULL, failure);
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct sinks_list_options *options = values;
    struct store *store;

    (void)argc, (void)argv;
    if (database_open(&store, &options->database, STORE_EXISTING, failure) < 0)
        return COMMAND_FAILED;
    int result = print_as(store, (enum sinks_format)options->format, failure);
    database_close(store);
    return result < 0 ? COMMAND_FAILED : COMMAND_DONE;
}

const struct command command_sinks_list = {
    .name = "list",
    .summary = "how far each sink is, since when, and which gateway writes to it",
    .details =
        "BEHIND and BYTES are what it has not confirmed and the database keeps for it, OLDEST when the first "
        "of that was received.",
    .example = "bulla sinks list --format jsonl",
    .options = options_table,
    .options_size = sizeof(struct sinks_list_options),
    .run = run,
};
