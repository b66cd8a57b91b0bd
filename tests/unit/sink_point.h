/*
 * Points for tests of sinks.
 */
#ifndef SINK_POINT_H
#define SINK_POINT_H

#include <string.h>

#include "gateway/sink/sink.h"

#define POINT_TIME INT64_C(1700000000000000) /* microseconds since 1970 */

/* A number, in the counter's context. Change what is to be otherwise. */
static inline struct sink_point point_of(const char *name, double value)
{
    return (struct sink_point){
        .device = "kitchen",
        .device_id = 1,
        .received = POINT_TIME,
        .reading = {.name = name,
                    .name_len = strlen(name),
                    .type = READING_REAL,
                    .time = POINT_TIME,
                    .value.real = value},
    };
}

static inline struct sink_point point_of_bytes(enum reading_type type, const void *bytes, size_t len)
{
    struct sink_point point = point_of("n", 0);

    point.reading.type = type;
    point.reading.value.bytes.at = bytes;
    point.reading.value.bytes.len = len;
    return point;
}

static inline struct sink_point point_of_text(const char *text)
{
    return point_of_bytes(READING_TEXT, text, strlen(text));
}

#endif
