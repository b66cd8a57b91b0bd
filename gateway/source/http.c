/*
 * The HTTP source: requests of the routes that http_route.h lists, each answered at once or after the commit.
 */
#include "gateway/source/http_route.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/prometheus.h"
#include "gateway/source/percent.h"

#define RETRY_AFTER "1" /* seconds */
#define DISCARD_MAX 65536
#define ALLOW_MAX   64 /* bytes of a path's methods */

extern const struct source_ops source_http;

static const struct http_route *const tables[] = {http_native_routes, http_older_routes, NULL};

/* ---- the response ---- */

static enum MHD_Result queue(struct request *request, unsigned status, struct MHD_Response *response)
{
    request->source->responses[status]++;
    return MHD_queue_response(request->connection, status, response);
}

/* A response of this request alone: with a header, and the request's reply in its body. */
static enum MHD_Result respond_with(struct request *request, unsigned status, const char *header,
                                    const char *value)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(request->reply_len, request->reply, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result;

    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, header, value);
    result = queue(request, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result respond(struct request *request)
{
    struct source_http *source = request->source;

    if (request->reply_len > 0)
        return respond_with(request, request->status, MHD_HTTP_HEADER_CONTENT_TYPE, request->reply_type);
    return queue(request, request->status,
                 request->status == MHD_HTTP_SERVICE_UNAVAILABLE ? source->try_again : source->empty);
}

/* Says which methods the path has (RFC 9110 15.5.6). */
static enum MHD_Result respond_not_allowed(struct request *request, const struct http_route *route)
{
    char allow[ALLOW_MAX];
    const char *path = route->path;
    size_t used = 0;

    for (; route->path != NULL && strcmp(route->path, path) == 0; route++)
        used +=
            (size_t)snprintf(allow + used, sizeof(allow) - used, "%s%s", used > 0 ? ", " : "", route->method);
    return respond_with(request, MHD_HTTP_METHOD_NOT_ALLOWED, MHD_HTTP_HEADER_ALLOW, allow);
}

static enum MHD_Result respond_refused(struct request *request)
{
    if (request->refused == MHD_HTTP_METHOD_NOT_ALLOWED)
        return respond_not_allowed(request, request->route);
    return queue(request, request->refused, request->source->empty);
}

/* ---- what routes call ---- */

void http_answer(struct request *request, unsigned status, const char *type, const void *reply, size_t len)
{
    request->status = status;
    request->reply_type = type;
    request->reply_len = len;
    if (len > 0)
        memcpy(request->reply, reply, len);
    if (request->suspended) {
        request->suspended = false;
        request->source->resumed = true;
        MHD_resume_connection(request->connection);
    }
}

void http_describe(const struct inbound *inbound, char *out, size_t size)
{
    const struct request *request = (const struct request *)inbound;
    char peer[64];

    http_peer(request->connection, peer, sizeof(peer));
    snprintf(out, size, "http %s", peer);
}

/* ---- the request ---- */

/* Whether a path is the route's; `*id` receives the segment that is the id. */
static bool is_path_of(const struct http_route *route, const char *url, const char **id)
{
    const size_t len = strlen(route->path);

    if (!route->has_id)
        return strcmp(route->path, url) == 0;
    if (strncmp(route->path, url, len) != 0 || url[len] == '\0' || strchr(url + len, '/') != NULL)
        return false;
    *id = url + len;
    return true;
}

/*
 * The route of a path and a method, and the id in it: 0; or the status that says that there is none. With 405
 * the first one of the path.
 */
static unsigned find_route(const struct source_http *source, const char *url, const char *method,
                           const struct http_route **found, const char **id)
{
    *found = NULL;
    for (size_t i = 0; tables[i] != NULL; i++) {
        for (const struct http_route *route = tables[i]; route->path != NULL; route++) {
            if (!is_path_of(route, url, id) || (route->exists != NULL && !route->exists(source)))
                continue;
            if (*found == NULL)
                *found = route;
            if (strcmp(route->method, method) == 0) {
                *found = route;
                return 0;
            }
        }
    }
    return *found == NULL ? MHD_HTTP_NOT_FOUND : MHD_HTTP_METHOD_NOT_ALLOWED;
}

/* What the header alone decides: a status, or 0 to go on with a body of at most `*capacity` bytes. */
static unsigned judge_header(struct MHD_Connection *connection, const struct http_route *route,
                             size_t *capacity)
{
    const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

    if (route->takes_type != NULL && !route->takes_type(type))
        return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
    *capacity = route->body_max;
    if (length != NULL) {
        unsigned long long announced = strtoull(length, NULL, 10); /* libmicrohttpd has checked its form */
        if (announced > route->body_max)
            return MHD_HTTP_CONTENT_TOO_LARGE;
        *capacity = (size_t)announced;
    }
    return 0;
}

static enum MHD_Result begin(struct source_http *source, struct MHD_Connection *connection, const char *url,
                             const char *method, void **state)
{
    const struct http_route *route;
    const char *id = NULL;
    size_t capacity = 0;
    unsigned refused = find_route(source, url, method, &route, &id);
    struct request *request;

    if (refused == 0)
        refused = judge_header(connection, route, &capacity);
    request = malloc(sizeof(*request) + capacity + 1);
    if (request == NULL)
        return MHD_NO;
    memset(request, 0, sizeof(*request));
    request->inbound.bytes = request->body;
    request->source = source;
    request->connection = connection;
    request->route = route;
    request->capacity = capacity;
    request->refused = refused;
    if (refused == 0 && id != NULL && percent_decode(id, request->id, sizeof(request->id)) < 0)
        request->id[0] = '\0';
    *state = request;
    if (refused == MHD_HTTP_CONTENT_TOO_LARGE) /* its body is not waited for */
        return respond_refused(request);
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
    request->route->submit(request);
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
        return respond_refused(request);
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
}

static int open_responses(struct source_http *source, struct failure *failure)
{
    source->empty = make_empty(NULL, NULL);
    source->try_again = make_empty(MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER);
    if (source->empty == NULL || source->try_again == NULL)
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

static const char *source_address(const struct source *source)
{
    return ((const struct source_http *)source)->http.address;
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
    for (unsigned status = 0; status < HTTP_STATUSES; status++) {
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
    .address = source_address,
    .announce = source_announce,
    .flush = source_flush,
    .quiesce = source_quiesce,
    .metrics = source_metrics,
    .close = source_close,
    .release = source_release,
};
