/*
 * A reading as a row of the flat table that SQL databases have as sinks. All of them have the same columns:
 *
 *     device, time, name, unit, type    as they are; unit is NULL where there is none
 *     value                             a number, for whoever wants numbers: a boolean is 0 or 1, an integer
 *                                       is rounded to a double
 *     integer                           and stands exactly here
 *     text, data, format                the other types' (decode/reading.h); a text that is none is data
 *     seq, received                     the message's number, and when it came
 *     device_id, context, place         with device, seq and time the identity: the row's primary key
 *
 * Pure.
 */
#ifndef SINK_SQL_ROW_H
#define SINK_SQL_ROW_H

#include "gateway/sink/sink.h"

struct sql_bytes {
    const char *at; /* NULL: SQL's NULL */
    size_t len;
};

struct sql_row {
    const struct sink_point *point;
    const char *type;
    struct sql_bytes name; /* text; what is none is shown as well as it can be */
    struct sql_bytes unit;
    struct sql_bytes text;
    struct sql_bytes data;
    bool has_value, has_integer, has_format;
    double value;
    int64_t integer;
    char *made; /* memory of a name that had to be made */
};

/* Fills in a row, which points into the point. 0, or -1 without memory. To be wiped, whatever is returned. */
MUST_CHECK int sql_row_of(struct sql_row *row, const struct sink_point *point);
void sql_row_wipe(struct sql_row *row);

#endif
