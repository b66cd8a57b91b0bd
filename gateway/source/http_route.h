/*
 * Routes of the HTTP source: a table of them for each wire, in a file of its own. Private to source/http*.c.
 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include "gateway/http.h"
#include "gateway/source/source.h"

#define HTTP_STATUSES 600
#define HTTP_ID_MAX   64 /* bytes of an id in a path */

struct request;

struct source_http {
    struct source source;
    struct http http;
    struct pipeline *pipeline;
    bool resumed;                      /* connections wait for http_run() */
    uint64_t responses[HTTP_STATUSES]; /* by status */
    struct MHD_Response *empty;
    struct MHD_Response *try_again; /* empty, with Retry-After */
};

/* Something that can be asked for. Routes of one path stand together, one for each method. */
struct http_route {
    const char *path; /* NULL: the table ends. With an id, what stands before it */
    bool has_id;      /* the rest of the path is one: a segment, percent-encoded */
    const char *method;
    size_t body_max;                                  /* bytes; a longer body is refused by 413 */
    bool (*exists)(const struct source_http *source); /* as of now; NULL: always */
    bool (*takes_type)(const char *type);             /* whether a content type may be; NULL: any */
    enum wire_request asks;                           /* of an older wire */
    void (*submit)(
        struct request *request); /* hands the whole request over: http_answer() follows, now or later */
};

/* One request, from its header to its response. */
struct request {
    struct inbound inbound; /* first: the pipeline hands this back */
    struct source_http *source;
    struct MHD_Connection *connection;
    const struct http_route *route; /* NULL: refused */
    unsigned refused;               /* status decided before the body was read; 0: none */
    unsigned status;                /* once answered */
    bool suspended;
    size_t discarded;         /* bytes of a refused body */
    char id[HTTP_ID_MAX + 1]; /* in its path, decoded; "": what cannot be an id */
    const char *reply_type;
    size_t reply_len;
    uint8_t reply[REPLY_MAX];
    size_t capacity;
    uint8_t body[]; /* capacity + 1 bytes: the one more tells a body that is too long */
};

/* Answers: a reply of `len` bytes, at most REPLY_MAX, which are copied, and their content type; or none. */
void http_answer(struct request *request, unsigned status, const char *type, const void *reply, size_t len);

/* inbound_ops.describe of every route. */
void http_describe(const struct inbound *inbound, char *out, size_t size);

extern const struct http_route http_native_routes[];
extern const struct http_route http_older_routes[];

#endif
