/*
 * The connection to an InfluxDB, which is kept: one POST at a time, compressed, over libcurl. Nothing that
 * the other side does takes longer or more memory than is said here.
 */
#ifndef SINK_INFLUX_HTTP_H
#define SINK_INFLUX_HTTP_H

#include "gateway/sink/influx_url.h"

#define INFLUX_BODY_KEPT 4096 /* bytes of an answer's body: the beginning, where the server says why */

struct influx_answer {
    long status;
    int64_t retry_after; /* seconds that the server asks for; 0: it does not */
    size_t len;          /* of body */
    char body[INFLUX_BODY_KEPT];
};

struct influx_http;

/* Reads the URL's files; calls nobody. NULL with the failure. `url` has to last. */
MUST_CHECK struct influx_http *influx_http_open(const struct influx_url *url, struct failure *failure);
void influx_http_close(struct influx_http *http);

/* What is sent to be let in, so that it is not logged; "": nothing. */
const char *influx_http_credential(const struct influx_http *http);

/* Posts lines within so many milliseconds. 0 with the answer, or -1 where none came. */
MUST_CHECK int influx_http_post(struct influx_http *http, const char *lines, size_t len, int64_t milliseconds,
                                struct influx_answer *answer, struct failure *failure);

/* From another thread: the post that is under way ends, and so does each later one. */
void influx_http_interrupt(struct influx_http *http);

#endif
