/*
 * A reading as a line of InfluxDB's line protocol. Pure: a point in, bytes out.
 *
 *     readings,device=kitchen,name=temperature,unit=Cel value=23.4,seq=17i 1700000000000000512
 *
 * Tags are device, name and unit (an empty one is left out). The field says the type, so that no two types
 * meet in one field, which InfluxDB would refuse:
 *
 *     value    a number; an integer stands there rounded to a double, for whoever averages all numbers
 *     integer  and exactly, of 64 bits, here
 *     boolean, text, sum (SenML's)
 *     data, payload, undecoded (reading.h) in base64url; the latter two with format, the content-format
 *     seq      the message's number
 */
#ifndef SINK_INFLUX_LINE_H
#define SINK_INFLUX_LINE_H

#include "gateway/sink/sink.h"

/* A text of more bytes is refused: the documented limit of InfluxDB's. Data count as they stand there. */
#define INFLUX_TEXT_MAX 65536

/* And so are names that make more bytes than this of measurement and tags: they and a field's name are at
 * most 65,535. */
#define INFLUX_SERIES_MAX 65000

/* Room that every line finds its place in: escaping makes three bytes of one in a name, and two in a text. */
#define INFLUX_LINE_MAX (3 * INFLUX_SERIES_MAX + 2 * INFLUX_TEXT_MAX + 1024)

/* Microseconds since 1970 that InfluxDB's nanoseconds in 64 bits hold, with any part of a microsecond. */
#define INFLUX_EARLIEST (-INT64_C(9223372036854775)) /* 1677-09-21 */
#define INFLUX_LATEST   INT64_C(9223372036854774)    /* 2262-04-11 */

/*
 * Writes a line and its end. Returns its bytes; 0 if they do not fit into `room`; SINK_REFUSED if InfluxDB
 * can never take such a point, and why. `measurement` needs no escaping.
 */
MUST_CHECK ptrdiff_t influx_line_encode(char *out, size_t room, const char *measurement,
                                        const struct sink_point *point, struct failure *failure);

/*
 * Nanoseconds since 1970: the reading's time, and a part of a microsecond (0 to 999) from what else tells it
 * apart, so that it is always the same point that a reading becomes, and readings of one time are several. Of
 * one device, name, unit and microsecond, and in one context, two readings differ if they have one index and
 * lie in 1,000 messages in a row; with different indexes below 27, in 37 in a row. All others meet with a
 * chance of one in a thousand, and then the later one stands there.
 */
int64_t influx_line_time(const struct sink_point *point);

#endif
