#include "cli/simulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client_http.h"

#define TIMEOUT 10000 /* milliseconds that the gateway may take to answer */

/* A connection's request under way. */
struct exchange {
    struct exchange *next; /* idle ones */
    struct http_carrier *http;
    struct parcel *parcel;
    CURL *curl;
    size_t len;
    bool too_long;
    uint8_t body[PARCEL_MAX];
};

/* Keep-alive connections, a message at a time on each. */
struct http_carrier {
    struct carrier carrier;
    struct client_http *client; /* knows the URL */
    CURLM *multi;
    struct exchange *exchanges;
    struct exchange *idle;
    size_t count;
};

/* ---- opening ---- */

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    size_t len = size * count;

    if (len > sizeof(exchange->body) - exchange->len) {
        exchange->too_long = true; /* no reply is; the rest is read so that the connection stays */
        return len;
    }
    memcpy(exchange->body + exchange->len, bytes, len);
    exchange->len += len;
    return len;
}

static bool set_up(struct http_carrier *http, struct exchange *exchange)
{
    CURL *curl = curl_easy_init();

    exchange->http = http;
    exchange->curl = curl;
    return curl && curl_easy_setopt(curl, CURLOPT_URL, http->client->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, http->client->headers) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "bulla/" BULLA_VERSION) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PRIVATE, exchange) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
}

static size_t discard(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes, (void)context;
    return size * count;
}

/* A GET stores nothing: a device listener refuses it, and says 404 where it is not. */
static int ask(struct http_carrier *http, struct failure *failure)
{
    CURL *curl = http->client->curl;
    long status = 0;
    CURLcode code;

    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT);
    code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        return fail(failure,
                    "%.100s: %s; start the gateway first ('bulla serve'), and give the URL of its device "
                    "listener",
                    http->client->url,
                    http->client->error[0] ? http->client->error : curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 404)
        return fail(failure, "%.100s: there is no device listener under this path (404); its path is /d",
                    http->client->url);
    return 0;
}

static bool on_send(struct sim_carrier *sim, struct parcel *parcel);

static int open_all(struct http_carrier *http, const char *to, size_t connections, struct failure *failure)
{
    struct client *client;

    if (client_http.open(&client, to, failure) < 0)
        return -1;
    http->client = (struct client_http *)client;
    if (ask(http, failure) < 0)
        return -1;
    http->multi = curl_multi_init();
    http->exchanges = calloc(connections, sizeof(*http->exchanges));
    if (!http->multi || !http->exchanges ||
        curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)connections) != CURLM_OK)
        return fail(failure, "memory is out");
    for (; http->count < connections; http->count++) {
        struct exchange *exchange = &http->exchanges[http->count];
        if (!set_up(http, exchange)) {
            curl_easy_cleanup(exchange->curl);
            return fail(failure, "libcurl does not take the request's options: memory is out");
        }
        exchange->next = http->idle;
        http->idle = exchange;
    }
    return 0;
}

static void close_http(struct carrier *carrier)
{
    struct http_carrier *http = (struct http_carrier *)carrier;

    for (size_t i = 0; i < http->count; i++) {
        struct exchange *exchange = &http->exchanges[i];
        if (exchange->parcel) {
            curl_multi_remove_handle(http->multi, exchange->curl);
            world_answer(carrier->world, exchange->parcel, ANSWER_SILENCE, NULL, 0);
        }
        curl_easy_cleanup(exchange->curl);
    }
    if (http->multi)
        curl_multi_cleanup(http->multi);
    free(http->exchanges);
    if (http->client)
        client_close(&http->client->client);
    free(http);
}

static int open_http(struct carrier **carrier, const char *to, size_t connections, struct failure *failure)
{
    struct http_carrier *http = calloc(1, sizeof(*http));

    if (!http)
        return fail(failure, "memory is out");
    http->carrier.ops = &carrier_http;
    http->carrier.carrier.send = on_send;
    if (open_all(http, to, connections, failure) < 0) {
        close_http(&http->carrier);
        return -1;
    }
    *carrier = &http->carrier;
    return 0;
}

/* ---- messages ---- */

static bool on_send(struct sim_carrier *sim, struct parcel *parcel)
{
    struct http_carrier *http = (struct http_carrier *)sim;
    struct exchange *exchange = http->idle;

    if (!exchange)
        return false;
    curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDS, parcel->bytes);
    curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDSIZE, (long)parcel->len);
    exchange->len = 0;
    exchange->too_long = false;
    if (curl_multi_add_handle(http->multi, exchange->curl) != CURLM_OK)
        return false;
    exchange->parcel = parcel;
    http->idle = exchange->next;
    return true;
}

static enum sim_answer answer_of(long status, const struct exchange *exchange)
{
    if (exchange->too_long)
        return ANSWER_OTHER;
    switch (status) {
    case 200:
        return ANSWER_STORED;
    case 400:
    case 413:
    case 415:
        return ANSWER_MALFORMED;
    case 401:
        return exchange->len > 0 ? ANSWER_CHALLENGED : ANSWER_REFUSED;
    case 409:
        return ANSWER_STALE;
    case 503:
        return ANSWER_BUSY;
    default:
        return ANSWER_OTHER;
    }
}

static void finish(struct http_carrier *http, struct exchange *exchange, CURLcode code)
{
    struct parcel *parcel = exchange->parcel;
    enum sim_answer answer = ANSWER_SILENCE;
    long status = 0;

    if (code == CURLE_OK) {
        curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
        answer = answer_of(status, exchange);
        http->carrier.answers++;
    }
    curl_multi_remove_handle(http->multi, exchange->curl);
    exchange->parcel = NULL;
    exchange->next = http->idle;
    http->idle = exchange;
    world_answer(http->carrier.world, parcel, answer, exchange->body,
                 answer == ANSWER_SILENCE || exchange->too_long ? 0 : exchange->len);
}

static int run_http(struct carrier *carrier, int milliseconds, struct failure *failure)
{
    struct http_carrier *http = (struct http_carrier *)carrier;
    CURLMcode code = curl_multi_poll(http->multi, NULL, 0, milliseconds, NULL);
    CURLMsg *message;
    int left;

    if (code == CURLM_OK)
        code = curl_multi_perform(http->multi, &left);
    if (code != CURLM_OK)
        return fail(failure, "libcurl: %s", curl_multi_strerror(code));
    while ((message = curl_multi_info_read(http->multi, &left))) {
        struct exchange *exchange = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
        finish(http, exchange, message->data.result);
    }
    return 0;
}

/* What no other way takes: then it says what is wrong with it. */
static bool takes(const char *to)
{
    (void)to;
    return true;
}

const struct carrier_ops carrier_http = {
    .takes = takes,
    .open = open_http,
    .close = close_http,
    .run = run_http,
    .tells = ANSWERS_HTTP,
    .answers_each = true,
};
