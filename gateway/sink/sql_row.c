#include "gateway/sink/sql_row.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/decode/utf8.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Copies a name without what databases do not take as text: a zero, and what is no UTF-8. */
static size_t make_text(char *out, const char *at, size_t len)
{
    size_t used = 0;

    while (len > 0) {
        size_t size = 1;
        while (size < 4 && size < len && !utf8_is_text(at, size))
            size++;
        if (utf8_is_text(at, size)) {
            memcpy(out + used, at, size);
            used += size;
        } else {
            size = 1;
            memcpy(out + used, replacement, 3);
            used += 3;
        }
        at += size;
        len -= size;
    }
    return used;
}

static bool is_text(const char *at, size_t len)
{
    return len == 0 || utf8_is_text(at, len);
}

/* 0, or -1 without memory. */
static int take_names(struct sql_row *row, const struct reading *reading)
{
    row->name = (struct sql_bytes){reading->name_len == 0 ? "" : reading->name, reading->name_len};
    if (reading->unit_len > 0)
        row->unit = (struct sql_bytes){reading->unit, reading->unit_len};
    if (is_text(row->name.at, row->name.len) && is_text(row->unit.at, row->unit.len))
        return 0;
    row->made = malloc(3 * (row->name.len + row->unit.len));
    if (row->made == NULL)
        return -1;
    row->name = (struct sql_bytes){row->made, make_text(row->made, row->name.at, row->name.len)};
    if (reading->unit_len > 0)
        row->unit =
            (struct sql_bytes){row->made + row->name.len,
                               make_text(row->made + row->name.len, reading->unit, reading->unit_len)};
    return 0;
}

static void take_number(struct sql_row *row, double value)
{
    row->has_value = true;
    row->value = value;
}

static void take_bytes(struct sql_row *row, const struct reading *reading)
{
    struct sql_bytes bytes = {(const char *)reading->value.bytes.at, reading->value.bytes.len};

    if (bytes.len == 0)
        bytes.at = "";
    if (reading->type == READING_TEXT && is_text(bytes.at, bytes.len))
        row->text = bytes;
    else
        row->data = bytes;
}

static void take_value(struct sql_row *row, const struct reading *reading)
{
    switch (reading->type) {
    case READING_REAL:
    case READING_SUM:
        take_number(row, reading->value.real);
        break;
    case READING_INTEGER:
        row->has_integer = true;
        row->integer = reading->value.integer;
        take_number(row, (double)reading->value.integer);
        break;
    case READING_BOOLEAN:
        take_number(row, reading->value.integer != 0);
        break;
    default:
        row->has_format = reading->type == READING_PAYLOAD || reading->type == READING_UNDECODED;
        take_bytes(row, reading);
        break;
    }
}

int sql_row_of(struct sql_row *row, const struct sink_point *point)
{
    *row = (struct sql_row){.point = point, .type = reading_type_text(point->reading.type)};
    take_value(row, &point->reading);
    return take_names(row, &point->reading);
}

void sql_row_wipe(struct sql_row *row)
{
    free(row->made);
    row->made = NULL;
}
