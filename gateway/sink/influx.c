/*
 * InfluxDB as a sink: a batch becomes lines, which are posted in pieces of a megabyte at most. Writing a
 * piece twice changes nothing, so a batch that failed in the middle comes again whole.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/sink/influx_answer.h"
#include "gateway/sink/influx_http.h"
#include "gateway/sink/influx_line.h"

#define PIECE     1048576 /* bytes of lines in a request */
#define WAIT_MOST 300     /* seconds that a server may ask for */

_Static_assert(INFLUX_LINE_MAX <= PIECE, "every line fits into a piece");

struct influx {
    struct sink sink; /* first */
    struct influx_url url;
    struct influx_http *http;
    int64_t not_before; /* milliseconds of the monotonic clock: the server asked for that (Retry-After) */
    struct failure reason;
    size_t used; /* of lines */
    char lines[PIECE];
};

static int64_t milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- opening ---- */

static void influx_close(struct sink *sink)
{
    struct influx *influx = (struct influx *)sink;

    if (influx->http != NULL)
        influx_http_close(influx->http);
    explicit_bzero(&influx->url, sizeof(influx->url));
    free(influx);
}

static int influx_open(struct sink **sink, const struct sink_address *address, struct failure *failure)
{
    struct influx *influx = malloc(sizeof(*influx));

    if (influx == NULL)
        return fail(failure, "memory is out");
    memset(influx, 0, offsetof(struct influx, lines));
    if (influx_url_load(&influx->url, address, failure) == 0 &&
        influx_url_show(&influx->url, influx->sink.name, failure) == 0)
        influx->http = influx_http_open(&influx->url, failure);
    if (influx->http == NULL) {
        influx_close(&influx->sink);
        return -1;
    }
    *sink = &influx->sink;
    return 0;
}

/* ---- writing ---- */

/* A server that has too much to do says for how long it is not to be asked. */
static void heed(struct influx *influx, const struct influx_answer *answer, const struct failure *failure)
{
    int64_t seconds = answer->retry_after < WAIT_MOST ? answer->retry_after : WAIT_MOST;

    if (seconds <= 0 || (answer->status != 429 && answer->status != 503))
        return;
    influx->not_before = milliseconds() + seconds * 1000;
    influx->reason = *failure;
}

/* Posts the lines that are there: enum sink_result. */
static int post(struct influx *influx, int64_t until, struct failure *failure)
{
    struct influx_answer answer;
    int64_t left = until - milliseconds();
    int result;

    if (left <= 0) {
        fail(failure, "InfluxDB takes more than %d s for it", SINK_WRITE_SECONDS);
        return SINK_AWAY;
    }
    if (influx_http_post(influx->http, influx->lines, influx->used, left, &answer, failure) < 0)
        return SINK_AWAY;
    result = influx_judge(&influx->url, influx_http_credential(influx->http), answer.status, answer.body,
                          answer.len, failure);
    if (result == SINK_AWAY)
        heed(influx, &answer, failure);
    return result;
}

/* Adds a point's line, and posts those before it where there is no more room. */
static int add(struct influx *influx, const struct sink_point *point, int64_t until, size_t *posted,
               struct failure *failure)
{
    ptrdiff_t len = influx_line_encode(influx->lines + influx->used, PIECE - influx->used,
                                       influx->url.measurement, point, failure);
    int result;

    if (len == 0) {
        result = post(influx, until, failure);
        if (result != SINK_WRITTEN)
            return result;
        (*posted)++;
        influx->used = 0;
        len = influx_line_encode(influx->lines, PIECE, influx->url.measurement, point, failure);
    }
    if (len < 0)
        return SINK_REFUSED;
    influx->used += (size_t)len;
    return SINK_WRITTEN;
}

static int write_points(struct influx *influx, const struct sink_batch *batch, int64_t until, size_t *posted,
                        struct failure *failure)
{
    influx->used = 0;
    for (size_t i = 0; i < batch->count; i++) {
        int result = add(influx, &batch->points[i], until, posted, failure);
        if (result != SINK_WRITTEN)
            return result;
    }
    return post(influx, until, failure);
}

static int influx_write(struct sink *sink, const struct sink_batch *batch, struct failure *failure)
{
    struct influx *influx = (struct influx *)sink;
    int64_t until = milliseconds() + SINK_WRITE_SECONDS * 1000;
    size_t posted = 0;
    int result;

    if (influx->not_before > milliseconds()) {
        *failure = influx->reason;
        return SINK_AWAY;
    }
    result = write_points(influx, batch, until, &posted, failure);
    /* A server that is so slow gets less at a time, or it would never have all. */
    return result == SINK_AWAY && posted > 0 && milliseconds() >= until ? SINK_REFUSED : result;
}

static void influx_interrupt(struct sink *sink)
{
    influx_http_interrupt(((struct influx *)sink)->http);
}

const struct sink_ops sink_influx = {
    .scheme = "influx",
    .alias = "influxs",
    .is_server = true,
    .open = influx_open,
    .write = influx_write,
    .interrupt = influx_interrupt,
    .close = influx_close,
};
