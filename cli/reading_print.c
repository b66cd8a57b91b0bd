#include "cli/reading_print.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "cli/text.h"
#include "cli/when.h"

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

int reading_print_json(FILE *out, const struct reading_row *row)
{
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
    fprintf(out, ",\"seq\":%" PRIu64 "}", row->seq);
    return !output_works();
}

int reading_print_jsonl(void *context, const struct reading_row *row)
{
    int stop = reading_print_json(context, row);

    putc_unlocked('\n', (FILE *)context);
    return stop;
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

int reading_print_csv(void *context, const struct reading_row *row)
{
    const struct reading_csv *csv = context;
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

const struct table_column reading_columns[READING_COLUMNS] = {
    {"DEVICE", 32, 0}, {"TIME", 40, 0}, {"NAME", 48, 0}, {"VALUE", 60, 1}, {"UNIT", 16, 0}, {"SEQ", 13, 1},
};

int reading_print_table(void *context, const struct reading_row *row)
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

/* ---- lines for people: nothing is known yet of the rows to come, so columns have a usual width ---- */

static void pad(FILE *out, size_t taken, size_t width)
{
    fprintf(out, "%*s", taken < width ? (int)(width - taken) + 2 : 2, "");
}

int reading_print_text(void *context, const struct reading_row *row)
{
    FILE *out = context;
    const struct reading *reading = &row->reading;
    bool whole = reading->type == READING_PAYLOAD || reading->type == READING_UNDECODED;
    const char *name = whole ? reading_type_text(reading->type) : reading->name;
    char buffer[TEXT_DOUBLE_SIZE];
    char time[WHEN_TEXT_SIZE];
    const char *value;
    char *made;
    size_t len = value_text(reading, buffer, &made, &value);

    pad(out, fwrite(time, 1, when_format(time, reading->time), out), 27);
    pad(out, text_print(out, row->device, strlen(row->device), 32), 12);
    pad(out, text_print(out, name, whole ? strlen(name) : reading->name_len, 48), 16);
    text_print(out, value, len, 120);
    if (reading->unit_len > 0)
        fputc(' ', out);
    text_print(out, reading->unit, reading->unit_len, 16);
    fputc('\n', out);
    free(made);
    return !output_works();
}
