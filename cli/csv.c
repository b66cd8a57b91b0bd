#include "cli/csv.h"

#include <string.h>

void csv_open(struct csv *csv, char *bytes, size_t len)
{
    *csv = (struct csv){.at = bytes, .end = bytes + len, .line = 1};
    *csv->end = 0;
    if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        csv->at += 3;
}

/* Bytes of the line end at `at`: 0 if there is none. */
static size_t line_end(const struct csv *csv, const char *at)
{
    if (at < csv->end && *at == '\n')
        return 1;
    return csv->end - at >= 2 && at[0] == '\r' && at[1] == '\n' ? 2 : 0;
}

static int refuse(struct csv *csv, const char *why)
{
    csv->why = why;
    return -1;
}

/* A field in quotes, which begins at csv->at; "" inside them is one. Moves the text together. */
static int quoted_field(struct csv *csv, struct csv_field *field)
{
    char *from = csv->at + 1;
    char *to = csv->at;

    field->text = csv->at;
    for (;; from++) {
        if (from == csv->end)
            return refuse(csv, "a field in quotes does not end");
        if (*from == '"') {
            if (from + 1 == csv->end || from[1] != '"')
                break;
            from++;
        }
        csv->line += *from == '\n';
        *to++ = *from;
    }
    field->len = (size_t)(to - field->text);
    csv->at = from + 1;
    if (csv->at < csv->end && *csv->at != ',' && line_end(csv, csv->at) == 0)
        return refuse(csv, "text stands behind the quotes of a field");
    return 0;
}

static int plain_field(struct csv *csv, struct csv_field *field)
{
    field->text = csv->at;
    while (csv->at < csv->end && *csv->at != ',' && line_end(csv, csv->at) == 0) {
        if (*csv->at == '"')
            return refuse(csv, "a quote stands inside a field without quotes; write it twice, in quotes");
        csv->at++;
    }
    field->len = (size_t)(csv->at - field->text);
    return 0;
}

/* The fields up to the line's end. What follows each is overwritten only when it has been looked at. */
static int read_fields(struct csv *csv, struct csv_field *fields, size_t room)
{
    size_t count = 0;

    for (;;) {
        struct csv_field *field = &fields[count];
        size_t end;
        char separator;

        if (count == room)
            return refuse(csv, "it has too many fields");
        if ((csv->at < csv->end && *csv->at == '"' ? quoted_field : plain_field)(csv, field) < 0)
            return -1;
        count++;
        end = line_end(csv, csv->at);
        separator = csv->at < csv->end ? *csv->at : 0;
        field->text[field->len] = 0;
        if (csv->at == csv->end || end > 0) {
            csv->line += end > 0;
            csv->at += end;
            return (int)count;
        }
        csv->at += separator == ',';
    }
}

int csv_next(struct csv *csv, struct csv_field *fields, size_t room)
{
    for (size_t end; (end = line_end(csv, csv->at)) > 0; csv->line++)
        csv->at += end;
    csv->record = csv->line;
    return csv->at == csv->end ? 0 : read_fields(csv, fields, room);
}
