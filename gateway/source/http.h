/*
 * The HTTP source (PROTOCOL 8): POST /d, one message in the body, the answer in the response.
 */
#ifndef SOURCE_HTTP_H
#define SOURCE_HTTP_H

#include "gateway/core/pipeline.h"
#include "gateway/http.h"

#define HTTP_STATUSES 600

struct source_http {
    struct http http;
    struct pipeline *pipeline;
    bool resumed;                      /* connections wait for http_run() */
    uint64_t responses[HTTP_STATUSES]; /* by status */
    struct MHD_Response *empty;
    struct MHD_Response *try_again; /* empty, with Retry-After */
    struct MHD_Response *post_only; /* empty, with Allow */
};

/* `options` as for http_open(); handle, completed and context are filled in. */
MUST_CHECK int source_http_open(struct source_http *source, uv_loop_t *loop, struct http_options *options,
                                struct pipeline *pipeline, struct failure *failure);

/* Sends what was answered since. */
void source_http_flush(struct source_http *source);

/* Every message must have been answered. */
void source_http_close(struct source_http *source);

#endif
