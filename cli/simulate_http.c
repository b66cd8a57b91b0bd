#include "cli/simulate.h"

#include <stdlib.h>
#include <string.h>

#define TIMEOUT 10000 /* milliseconds that the gateway may take to answer */

/* A connection's request under way. */
struct exchange {
    struct exchange *next; /* idle ones */
    struct http_carrier *carrier;
    struct parcel *parcel;
    CURL *curl;
    size_t len;
    bool too_long;
    uint8_t body[PARCEL_MAX];
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

static bool set_up(struct http_carrier *carrier, struct exchange *exchange)
{
    CURL *curl = curl_easy_init();

    exchange->carrier = carrier;
    exchange->curl = curl;
    return curl && curl_easy_setopt(curl, CURLOPT_URL, carrier->client.url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, carrier->client.headers) == CURLE_OK &&
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
static int ask(struct http_carrier *carrier, struct failure *failure)
{
    CURL *curl = carrier->client.curl;
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
                    carrier->client.url,
                    carrier->client.error[0] ? carrier->client.error : curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 404)
        return fail(failure, "%.100s: there is no device listener under this path (404); its path is /d",
                    carrier->client.url);
    return 0;
}

static bool on_send(struct sim_carrier *sim, struct parcel *parcel);

int http_carrier_open(struct http_carrier *carrier, const char *url, size_t connections,
                      struct failure *failure)
{
    memset(carrier, 0, sizeof(*carrier));
    carrier->carrier.send = on_send;
    if (client_open(&carrier->client, url, failure) < 0 || ask(carrier, failure) < 0)
        return -1;
    carrier->multi = curl_multi_init();
    carrier->exchanges = calloc(connections, sizeof(*carrier->exchanges));
    if (!carrier->multi || !carrier->exchanges ||
        curl_multi_setopt(carrier->multi, CURLMOPT_MAXCONNECTS, (long)connections) != CURLM_OK)
        return fail(failure, "memory is out");
    for (; carrier->count < connections; carrier->count++) {
        struct exchange *exchange = &carrier->exchanges[carrier->count];
        if (!set_up(carrier, exchange)) {
            curl_easy_cleanup(exchange->curl);
            return fail(failure, "libcurl does not take the request's options: memory is out");
        }
        exchange->next = carrier->idle;
        carrier->idle = exchange;
    }
    return 0;
}

void http_carrier_close(struct http_carrier *carrier)
{
    for (size_t i = 0; i < carrier->count; i++) {
        struct exchange *exchange = &carrier->exchanges[i];
        if (exchange->parcel) {
            curl_multi_remove_handle(carrier->multi, exchange->curl);
            world_answer(carrier->world, exchange->parcel, ANSWER_SILENCE, NULL, 0);
        }
        curl_easy_cleanup(exchange->curl);
    }
    if (carrier->multi)
        curl_multi_cleanup(carrier->multi);
    free(carrier->exchanges);
    client_close(&carrier->client);
}

/* ---- messages ---- */

static bool on_send(struct sim_carrier *sim, struct parcel *parcel)
{
    struct http_carrier *carrier = (struct http_carrier *)sim;
    struct exchange *exchange = carrier->idle;

    if (!exchange)
        return false;
    curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDS, parcel->bytes);
    curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDSIZE, (long)parcel->len);
    exchange->len = 0;
    exchange->too_long = false;
    if (curl_multi_add_handle(carrier->multi, exchange->curl) != CURLM_OK)
        return false;
    exchange->parcel = parcel;
    carrier->idle = exchange->next;
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

static void finish(struct http_carrier *carrier, struct exchange *exchange, CURLcode code)
{
    struct parcel *parcel = exchange->parcel;
    enum sim_answer answer = ANSWER_SILENCE;
    long status = 0;

    if (code == CURLE_OK) {
        curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
        answer = answer_of(status, exchange);
        carrier->answers++;
    }
    curl_multi_remove_handle(carrier->multi, exchange->curl);
    exchange->parcel = NULL;
    exchange->next = carrier->idle;
    carrier->idle = exchange;
    world_answer(carrier->world, parcel, answer, exchange->body,
                 answer == ANSWER_SILENCE || exchange->too_long ? 0 : exchange->len);
}

int http_carrier_run(struct http_carrier *carrier, int milliseconds, struct failure *failure)
{
    CURLMcode code = curl_multi_poll(carrier->multi, NULL, 0, milliseconds, NULL);
    CURLMsg *message;
    int left;

    if (code == CURLM_OK)
        code = curl_multi_perform(carrier->multi, &left);
    if (code != CURLM_OK)
        return fail(failure, "libcurl: %s", curl_multi_strerror(code));
    while ((message = curl_multi_info_read(carrier->multi, &left))) {
        struct exchange *exchange = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
        finish(carrier, exchange, message->data.result);
    }
    return 0;
}
