/* bulla readings: what devices sent. */
#include "cli/command.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/database.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/when.h"

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

/* ---- JSON lines ---- */

static void json_number(FILE *out, double number)
{
    char text[TEXT_DOUBLE_SIZE];

    if (isfinite(number))
        fwrite_unlocked(text, 1, text_double(text, number), out);
    else
        fputs_unlocked("null", out); /* JSON has no other word; stores hold none */
}

static void json_data(FILE *out, const struct reading *reading)
{
    fputs_unlocked(",\"data\":\"", out);
    text_base64url(out, reading->value.bytes.at, reading->value.bytes.len);
    putc_unlocked('"', out);
}

static void json_value(FILE *out, const struct reading *reading)
{
    switch (reading->type) {
    case READING_REAL:
        fputs_unlocked(",\"value\":", out);
        json_number(out, reading->value.real);
        break;
    case READING_INTEGER:
        fprintf(out, ",\"value\":%" PRId64, reading->value.integer);
        break;
    case READING_BOOLEAN:
        fputs_unlocked(reading->value.integer ? ",\"value\":true" : ",\"value\":false", out);
        break;
    case READING_TEXT:
        fputs_unlocked(",\"text\":", out);
        text_json(out, (const char *)reading->value.bytes.at, reading->value.bytes.len);
        break;
    case READING_SUM:
        fputs_unlocked(",\"sum\":", out);
        json_number(out, reading->value.real);
        break;
    case READING_UNDECODED:
    case READING_PAYLOAD:
        json_data(out, reading);
        fprintf(out, ",\"format\":%u", reading->format);
        fputs_unlocked(reading->type == READING_UNDECODED ? ",\"undecoded\":true" : "", out);
        break;
    case READING_DATA:
    case READING_TYPE_COUNT:
        json_data(out, reading);
        break;
    }
}

static int to_jsonl(void *context, const struct reading_row *row)
{
    FILE *out = context;
    char time[WHEN_TEXT_SIZE];

    fputs_unlocked("{\"device\":", out);
    text_json(out, row->device, strlen(row->device));
    fputs_unlocked(",\"time\":\"", out);
    fwrite_unlocked(time, 1, when_format(time, row->reading.time), out);
    fputs_unlocked("\",\"received\":\"", out);
    fwrite_unlocked(time, 1, when_format(time, row->received), out);
    fputs_unlocked("\",\"name\":", out);
    text_json(out, row->reading.name, row->reading.name_len);
    json_value(out, &row->reading);
    fputs_unlocked(",\"unit\":", out);
    if (row->reading.unit_len)
        text_json(out, row->reading.unit, row->reading.unit_len);
    else
        fputs_unlocked("null", out);
    fprintf(out, ",\"seq\":%" PRIu64 "}\n", row->seq);
    return !output_works();
}

/* ---- CSV and table: every value is a text ---- */

/*
 * Points `*text` to the value as text, which may lie in `number` or in `*made` (to be freed). Returns its
 * length.
 */
static size_t value_text(const struct reading *reading, char number[TEXT_DOUBLE_SIZE], char **made,
                         const char **text)
{
    size_t len = 0;
    FILE *out;

    *made = NULL;
    *text = number;
    switch (reading->type) {
    case READING_REAL:
    case READING_SUM:
        return text_double(number, reading->value.real);
    case READING_INTEGER:
        return (size_t)snprintf(number, TEXT_DOUBLE_SIZE, "%" PRId64, reading->value.integer);
    case READING_BOOLEAN:
        *text = reading->value.integer ? "true" : "false";
        return strlen(*text);
    case READING_TEXT:
        *text = (const char *)reading->value.bytes.at;
        return reading->value.bytes.len;
    case READING_DATA:
    case READING_PAYLOAD:
    case READING_UNDECODED:
    case READING_TYPE_COUNT:
        break;
    }
    out = open_memstream(made, &len);
    if (!out)
        return 0;
    text_base64url(out, reading->value.bytes.at, reading->value.bytes.len);
    fclose(out);
    *text = *made;
    return *made ? len : 0;
}

struct csv {
    FILE *out;
    bool safe; /* the output is a terminal */
};

static int to_csv(void *context, const struct reading_row *row)
{
    const struct csv *csv = context;
    const struct reading *reading = &row->reading;
    char buffer[TEXT_DOUBLE_SIZE];
    char time[WHEN_TEXT_SIZE];
    const char *value;
    char *made;
    size_t len = value_text(reading, buffer, &made, &value);

    text_csv(csv->out, row->device, strlen(row->device), csv->safe);
    putc_unlocked(',', csv->out);
    fwrite_unlocked(time, 1, when_format(time, reading->time), csv->out);
    putc_unlocked(',', csv->out);
    fwrite_unlocked(time, 1, when_format(time, row->received), csv->out);
    putc_unlocked(',', csv->out);
    text_csv(csv->out, reading->name, reading->name_len, csv->safe);
    putc_unlocked(',', csv->out);
    text_csv(csv->out, value, len, csv->safe);
    putc_unlocked(',', csv->out);
    text_csv(csv->out, reading->unit, reading->unit_len, csv->safe);
    fprintf(csv->out, ",%" PRIu64 ",%s\r\n", row->seq, reading_type_text(reading->type));
    free(made);
    return !output_works();
}

static const struct table_column columns[] = {
    {"DEVICE", 32, 0}, {"TIME", 40, 0}, {"NAME", 48, 0}, {"VALUE", 60, 1}, {"UNIT", 16, 0}, {"SEQ", 13, 1},
};

static int to_table(void *context, const struct reading_row *row)
{
    struct table *table = context;
    const struct reading *reading = &row->reading;
    char buffer[TEXT_DOUBLE_SIZE];
    char time[WHEN_TEXT_SIZE];
    const char *value;
    char *made;
    size_t len;

    table_text(table, row->device);
    table_cell(table, time, when_format(time, reading->time));
    if (reading->type == READING_PAYLOAD || reading->type == READING_UNDECODED)
        table_text(table, reading_type_text(reading->type));
    else
        table_cell(table, reading->name, reading->name_len);
    len = value_text(reading, buffer, &made, &value);
    table_cell(table, value, len);
    free(made);
    table_cell(table, reading->unit, reading->unit_len);
    table_cell(table, buffer, (size_t)snprintf(buffer, sizeof(buffer), "%" PRIu64, row->seq));
    return 0;
}

static int print_table(struct store *store, const struct reading_filter *filter, struct failure *failure)
{
    struct table table;

    if (table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]), failure) < 0)
        return -1;
    if (store->ops->readings_each(store, filter, to_table, &table, failure) < 0) {
        table_drop(&table);
        return -1;
    }
    return table_end(&table, stdout, failure);
}

/* ---- the command ---- */

static int print(struct store *store, const struct readings_options *options, struct failure *failure)
{
    struct csv csv = {.out = stdout, .safe = isatty(STDOUT_FILENO) == 1};
    struct reading_filter filter = {
        .device = options->device,
        .name = options->name,
        .since = options->since.given ? options->since.micros : INT64_MIN,
        .until = options->until.given ? options->until.micros : INT64_MAX,
        .limit = options->limit                      ? options->limit
                 : options->format == READINGS_TABLE ? TABLE_LIMIT
                                                     : -1,
    };

    switch ((enum readings_format)options->format) {
    case READINGS_CSV:
        fputs("device,time,received,name,value,unit,seq,type\r\n", stdout);
        return store->ops->readings_each(store, &filter, to_csv, &csv, failure);
    case READINGS_JSONL:
        return store->ops->readings_each(store, &filter, to_jsonl, stdout, failure);
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
    .details = "jsonl has one object a line, with device, time, received, name, value, unit and seq (the "
               "message's number). In place of value stands text, sum, or data (base64url) where it is not a "
               "number or a boolean; a whole content that is not decoded has its content-format in format, "
               "and undecoded where it should have been decoded. Times are UTC.",
    .example = "bulla readings --device kitchen --since 2h\n"
               "bulla readings --since 2026-11-01 --format csv > november.csv",
    .options = options_table,
    .options_size = sizeof(struct readings_options),
    .run = run,
};
