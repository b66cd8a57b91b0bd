#include "gateway/admin.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "gateway/sink/sinks_status.h"

#define CONNECTIONS  64
#define IDLE_SECONDS 30

/* A page: writes its body, returns its status. */
struct page {
    const char *path;
    const char *type;
    unsigned (*write)(const struct admin *admin, FILE *out);
};

static unsigned write_index(const struct admin *admin, FILE *out)
{
    (void)admin;
    fputs("bulla " BULLA_VERSION
          "\n\n/healthz  whether readings can be stored\n/metrics  counters, for Prometheus\n",
          out);
    return MHD_HTTP_OK;
}

/* Adds to "away" what a source cannot reach. That makes nobody ill: other sources' devices are served. */
static void tell_away(void *context, const struct source_away *away)
{
    json_t *health = context;
    json_t *all = json_object_get(health, "away");

    if (all == NULL) {
        json_object_set_new(health, "away", json_array());
        all = json_object_get(health, "away");
    }
    json_array_append_new(all, json_pack("{s:s, s:I, s:s}", "name", away->name, "since",
                                         (json_int_t)away->since, "detail", away->why));
}

static unsigned write_health(const struct admin *admin, FILE *out)
{
    const struct pipeline *pipeline = admin->pipeline;
    bool is_full = pipeline->open && outbox_is_full(&pipeline->outbox);
    json_t *health;

    if (admin->watch->hangs) {
        fputs("{\"status\": \"hanging\", \"detail\": \"the store does not come back from a batch\"}\n", out);
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    if (pipeline->failing_since == 0)
        health = json_pack("{s:s}", "status", is_full ? "full" : "ok");
    else
        health = json_pack("{s:s, s:s, s:I}", "status", "failing", "detail", pipeline->failure.text, "since",
                           (json_int_t)pipeline->failing_since);
    sources_away(admin->sources, tell_away, health);
    if (pipeline->open)
        sinks_health(admin->sinks, &pipeline->outbox, health);
    if (health != NULL)
        json_dumpf(health, out, 0);
    fputc('\n', out);
    json_decref(health);
    return pipeline->failing_since == 0 && !is_full ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned write_metrics(const struct admin *admin, FILE *out)
{
    const struct pipeline *pipeline = admin->pipeline;

    metrics_write(out, pipeline, admin->sources, admin->watch->hangs);
    if (pipeline->open)
        sinks_metrics(admin->sinks, &pipeline->outbox, pipeline->config.clock(pipeline->config.clock_context),
                      out);
    return MHD_HTTP_OK;
}

static const struct page pages[] = {
    {"/", "text/plain; charset=utf-8", write_index},
    {"/healthz", "application/json", write_health},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", write_metrics},
};

static const struct page *find_page(const char *url)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(pages[i].path, url) == 0)
            return &pages[i];
    }
    return NULL;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status, const char *type,
                                 char *text, size_t len)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    enum MHD_Result result;

    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_page(const struct admin *admin, struct MHD_Connection *connection,
                                 const struct page *page)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    unsigned status;

    if (out == NULL)
        return MHD_NO;
    status = page->write(admin, out);
    if (fclose(out) != 0) {
        free(text);
        return MHD_NO;
    }
    return send_text(connection, status, page->type, text, len);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *data_len,
                                  void **state)
{
    static int begun; /* only its address is used: the header was seen */
    const struct page *page = find_page(url);

    (void)version;
    (void)data;
    if (*state == NULL) {
        *state = &begun;
        return MHD_YES;
    }
    if (*data_len > 0) {
        *data_len = 0;
        return MHD_YES;
    }
    if (page == NULL)
        return send_text(connection, MHD_HTTP_NOT_FOUND, "text/plain", strdup("not here\n"), 9);
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", strdup("GET only\n"), 9);
    return send_page(context, connection, page);
}

int admin_open(struct admin *admin, uv_loop_t *loop, const char *listen, const struct pipeline *pipeline,
               const struct source_list *list, const struct sinks *sinks, const struct store_watch *watch,
               struct failure *failure)
{
    struct http_options options = {
        .listen = listen,
        .max_connections = CONNECTIONS,
        .idle_seconds = IDLE_SECONDS,
        .handle = on_request,
        .context = admin,
    };

    admin->pipeline = pipeline;
    admin->sources = list;
    admin->sinks = sinks;
    admin->watch = watch;
    return http_open(&admin->http, loop, &options, failure);
}

void admin_close(struct admin *admin)
{
    http_close(&admin->http);
}
