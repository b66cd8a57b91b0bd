/*
 * The HTTP source (PROTOCOL 8): POST /d, one message in the body, the answer in the response.
 */
#include "gateway/source/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/http.h"
#include "gateway/prometheus.h"

#define RETRY_AFTER "1" /* seconds */
#define DISCARD_MAX 65536
#define REPLY_TYPE  "application/cose; cose-type=\"cose-encrypt0\""

#define STATUSES 600

extern const struct source_ops source_http;

struct source_http {
    struct source source;
    struct http http;
    struct pipeline *pipeline;
    bool resumed;                 /* connections wait for http_run() */
    uint64_t responses[STATUSES]; /* by status */
    struct MHD_Response *empty;
    struct MHD_Response *try_again; /* empty, with Retry-After */
    struct MHD_Response *post_only; /* empty, with Allow */
};

/* One request, from its header to its response. */
struct request {
    struct inbound inbound; /* first: the pipeline hands this back */
    struct source_http *source;
    struct MHD_Connection *connection;
    unsigned refused; /* status decided before the body was read; 0: none */
    unsigned status;  /* once answered */
    bool suspended;
    size_t discarded; /* bytes of a refused body */
    size_t reply_len;
    uint8_t reply[REPLY_MAX];
    size_t capacity;
    uint8_t body[]; /* capacity + 1 bytes: the one more tells a body that is too long */
};

/* PROTOCOL 8. Refusals that did not authenticate all look the same. */
static const unsigned statuses[OUTCOME_COUNT] = {
    [OUTCOME_STORED] = MHD_HTTP_OK,
    [OUTCOME_DUPLICATE] = MHD_HTTP_OK,
    [OUTCOME_CHALLENGED] = MHD_HTTP_UNAUTHORIZED,
    [OUTCOME_STALE] = MHD_HTTP_CONFLICT,
    [OUTCOME_MALFORMED] = MHD_HTTP_BAD_REQUEST,
    [OUTCOME_UNKNOWN] = MHD_HTTP_UNAUTHORIZED,
    [OUTCOME_REVOKED] = MHD_HTTP_UNAUTHORIZED,
    [OUTCOME_FORGED] = MHD_HTTP_UNAUTHORIZED,
    [OUTCOME_BUSY] = MHD_HTTP_SERVICE_UNAVAILABLE,
};

/* ---- the response ---- */

static enum MHD_Result respond_empty(struct request *request, unsigned status)
{
    struct source_http *source = request->source;
    struct MHD_Response *response = source->empty;

    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        response = source->try_again;
    else if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        response = source->post_only;
    source->responses[status]++;
    return MHD_queue_response(request->connection, status, response);
}

static enum MHD_Result respond(struct request *request)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    if (request->reply_len == 0)
        return respond_empty(request, request->status);
    response = MHD_create_response_from_buffer(request->reply_len, request->reply, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, REPLY_TYPE);
    request->source->responses[request->status]++;
    result = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- what the pipeline calls ---- */

static void on_answer(struct inbound *inbound, enum outcome outcome, const uint8_t *reply, size_t reply_len)
{
    struct request *request = (struct request *)inbound;

    request->status = statuses[outcome];
    request->reply_len = reply_len;
    if (reply_len > 0)
        memcpy(request->reply, reply, reply_len);
    if (request->suspended) {
        request->suspended = false;
        request->source->resumed = true;
        MHD_resume_connection(request->connection);
    }
}

static void on_describe(const struct inbound *inbound, char *out, size_t size)
{
    const struct request *request = (const struct request *)inbound;
    char peer[64];

    http_peer(request->connection, peer, sizeof(peer));
    snprintf(out, size, "http %s", peer);
}

static const struct inbound_ops inbound_ops = {on_answer, on_describe};

/* ---- the request ---- */

/* application/cose, application/octet-stream or none; parameters do not matter. */
static bool is_our_type(const char *type)
{
    static const char *const types[] = {"application/cose", "application/octet-stream"};
    size_t len;

    if (type == NULL)
        return true;
    len = strcspn(type, "; \t");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (len == strlen(types[i]) && strncasecmp(type, types[i], len) == 0)
            return true;
    }
    return false;
}

/* What the header alone decides: a status, or 0 to go on with a body of at most `*capacity` bytes. */
static unsigned judge_header(struct MHD_Connection *connection, const char *url, const char *method,
                             size_t *capacity)
{
    const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

    *capacity = 0;
    if (strcmp(url, "/d") != 0)
        return MHD_HTTP_NOT_FOUND;
    if (strcmp(method, MHD_HTTP_METHOD_POST) != 0)
        return MHD_HTTP_METHOD_NOT_ALLOWED;
    if (!is_our_type(type))
        return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
    *capacity = BULLA_MESSAGE_MAX;
    if (length != NULL) {
        unsigned long long announced = strtoull(length, NULL, 10); /* libmicrohttpd has checked its form */
        if (announced > BULLA_MESSAGE_MAX)
            return MHD_HTTP_CONTENT_TOO_LARGE;
        *capacity = (size_t)announced;
    }
    return 0;
}

static enum MHD_Result begin(struct source_http *source, struct MHD_Connection *connection, const char *url,
                             const char *method, void **state)
{
    size_t capacity;
    unsigned refused = judge_header(connection, url, method, &capacity);
    struct request *request = malloc(sizeof(*request) + capacity + 1);

    if (request == NULL)
        return MHD_NO;
    memset(request, 0, sizeof(*request));
    request->inbound.ops = &inbound_ops;
    request->inbound.bytes = request->body;
    request->source = source;
    request->connection = connection;
    request->capacity = capacity;
    request->refused = refused;
    *state = request;
    if (refused == MHD_HTTP_CONTENT_TOO_LARGE) /* its body is not waited for */
        return respond_empty(request, refused);
    return MHD_YES;
}

/* Takes a piece of the body. A refused one is read and dropped, up to a bound: then the connection is cut. */
static enum MHD_Result take_body(struct request *request, const char *data, size_t len)
{
    struct inbound *inbound = &request->inbound;

    if (request->refused == 0 && len > request->capacity - inbound->len)
        request->refused = MHD_HTTP_CONTENT_TOO_LARGE;
    if (request->refused != 0) {
        request->discarded += len;
        return request->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
    }
    memcpy(request->body + inbound->len, data, len);
    inbound->len += len;
    return MHD_YES;
}

/* Hands the message over. It is answered at once, or the connection sleeps until it is. */
static enum MHD_Result submit(struct request *request)
{
    pipeline_receive(request->source->pipeline, &request->inbound);
    if (request->status != 0)
        return respond(request);
    request->suspended = true;
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *data_len,
                                  void **state)
{
    struct request *request = *state;

    (void)version;
    if (request == NULL)
        return begin(context, connection, url, method, state);
    if (*data_len > 0) {
        size_t len = *data_len;
        *data_len = 0;
        return take_body(request, data, len);
    }
    if (request->refused != 0)
        return respond_empty(request, request->refused);
    if (request->status != 0) /* resumed */
        return respond(request);
    return submit(request);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    (void)context;
    (void)connection;
    (void)why;
    free(*state);
    *state = NULL;
}

/* ---- opening and closing ---- */

static struct MHD_Response *make_empty(const char *header, const char *value)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);

    if (response != NULL && header != NULL)
        MHD_add_response_header(response, header, value);
    return response;
}

/* libmicrohttpd does not take NULL here. */
static void destroy(struct MHD_Response *response)
{
    if (response != NULL)
        MHD_destroy_response(response);
}

static void destroy_responses(struct source_http *source)
{
    destroy(source->empty);
    destroy(source->try_again);
    destroy(source->post_only);
}

static int open_responses(struct source_http *source, struct failure *failure)
{
    source->empty = make_empty(NULL, NULL);
    source->try_again = make_empty(MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER);
    source->post_only = make_empty(MHD_HTTP_HEADER_ALLOW, MHD_HTTP_METHOD_POST);
    if (source->empty == NULL || source->try_again == NULL || source->post_only == NULL)
        return fail(failure, "out of memory");
    return 0;
}

static int open_listener(struct source_http *http, const struct source_settings *settings,
                         struct failure *failure)
{
    const struct http_options options = {
        .listen = settings->options->listen,
        .max_connections = settings->options->max_connections,
        .idle_seconds = settings->options->idle_seconds,
        .log = settings->log,
        .suspends = true,
        .handle = on_request,
        .completed = on_completed,
        .context = http,
    };

    return http_open(&http->http, settings->loop, &options, failure);
}

static struct source_http *http_of(struct source *source)
{
    return (struct source_http *)source;
}

static int source_open(struct source **source, const struct source_settings *settings,
                       struct failure *failure)
{
    struct source_http *http = calloc(1, sizeof(*http));

    if (http == NULL)
        return fail(failure, "out of memory");
    http->source.ops = &source_http;
    http->pipeline = settings->pipeline;
    if (open_responses(http, failure) == 0 && open_listener(http, settings, failure) == 0) {
        *source = &http->source;
        return 1;
    }
    destroy_responses(http);
    free(http);
    return -1;
}

static void source_announce(const struct source *source, FILE *out)
{
    fprintf(out, "bulla: devices on http://%s/d\n", ((const struct source_http *)source)->http.address);
}

static void source_flush(struct source *source)
{
    struct source_http *http = http_of(source);

    if (!http->resumed)
        return;
    http->resumed = false;
    http_run(&http->http);
}

static void source_quiesce(struct source *source)
{
    http_quiesce(&http_of(source)->http);
}

static void source_metrics(const struct source *source, FILE *out)
{
    const struct source_http *http = (const struct source_http *)source;

    prometheus_head(out, "bulla_http_responses_total", "counter",
                    "Responses of the devices' listener by status.");
    for (unsigned status = 0; status < STATUSES; status++) {
        if (http->responses[status] > 0)
            fprintf(out, "bulla_http_responses_total{status=\"%u\"} %" PRIu64 "\n", status,
                    http->responses[status]);
    }
    prometheus_one(out, "bulla_http_connections", "gauge", "Connections that devices hold open.",
                   http_connections(&http->http));
}

static void source_close(struct source *source)
{
    http_run(&http_of(source)->http); /* the last replies */
    http_close(&http_of(source)->http);
}

static void source_release(struct source *source)
{
    destroy_responses(http_of(source));
    free(source);
}

const struct source_ops source_http = {
    .name = "http",
    .open = source_open,
    .announce = source_announce,
    .flush = source_flush,
    .quiesce = source_quiesce,
    .metrics = source_metrics,
    .close = source_close,
    .release = source_release,
};
