#include "cli/client_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Says that what it is about to receive is too long by taking less of it. */
static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
    struct client_answer *answer = context;
    size_t len = size * count;

    if (len > sizeof(answer->body) - answer->len)
        return 0;
    memcpy(answer->body + answer->len, bytes, len);
    answer->len += len;
    return len;
}

static int ask(void *context, curl_off_t unused1, curl_off_t unused2, curl_off_t unused3, curl_off_t unused4)
{
    const struct client *client = context;

    (void)unused1;
    (void)unused2;
    (void)unused3;
    (void)unused4;
    return client->stopped && client->stopped(client->context);
}

/* Writes the URL that is posted to, with its path, into http->url. */
static int complete(struct client_http *http, const char *text, struct failure *failure)
{
    CURLU *url = curl_url();
    char *path = NULL;
    char *scheme = NULL;
    int result = -1;

    if (!url || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK)
        fail(failure, "%.120s: not a URL; give the gateway's, as in http://gateway:8620", text);
    else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        fail(failure, "%.120s: only http, https, mqtt and mqtts are spoken here", text);
    else if ((strcmp(path, "/") == 0 && curl_url_set(url, CURLUPART_PATH, "/d", 0) != CURLUE_OK) ||
             curl_url_get(url, CURLUPART_URL, &http->url, 0) != CURLUE_OK)
        fail(failure, "memory is out");
    else
        result = 0;
    curl_free(scheme);
    curl_free(path);
    curl_url_cleanup(url);
    return result;
}

static int set_up(struct client_http *http)
{
    CURL *curl = http->curl;

    http->headers = curl_slist_append(NULL, "Content-Type: application/cose; cose-type=\"cose-encrypt0\"");
    return http->headers && curl_easy_setopt(curl, CURLOPT_URL, http->url) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_HTTPHEADER, http->headers) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_USERAGENT, "bulla/" BULLA_VERSION) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &http->client) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK
               ? 0
               : -1;
}

/* What no other way takes: then it says what is wrong with it. */
static bool http_takes(const char *to)
{
    (void)to;
    return true;
}

static void http_close(struct client *client)
{
    struct client_http *http = (struct client_http *)client;

    curl_slist_free_all(http->headers);
    curl_free(http->url);
    curl_easy_cleanup(http->curl);
    curl_global_cleanup();
    free(http);
}

static int http_open(struct client **client, const char *to, struct failure *failure)
{
    struct client_http *http = calloc(1, sizeof(*http));
    int result = -1;

    if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        free(http);
        return fail(failure, "libcurl does not start: memory is out");
    }
    http->client.ops = &client_http;
    http->curl = curl_easy_init();
    if (!http->curl)
        fail(failure, "libcurl does not start: memory is out");
    else if (complete(http, to, failure) == 0)
        result = set_up(http) < 0 ? fail(failure, "libcurl does not take the request's options") : 0;
    http->client.name = http->url;
    *client = &http->client;
    if (result < 0) {
        http_close(*client);
        *client = NULL;
    }
    return result;
}

static const char *reason(const struct client_http *http, CURLcode code)
{
    if (code == CURLE_WRITE_ERROR)
        return "the answer is longer than any reply";
    return *http->error != 0 ? http->error : curl_easy_strerror(code);
}

/* One answer is all that comes, whether it settles anything or not. */
static void http_post(struct client *client, const void *message, size_t len, long timeout,
                      struct client_answer *answer)
{
    struct client_http *http = (struct client_http *)client;
    CURL *curl = http->curl;
    curl_off_t wait = 0;
    CURLcode code;

    *http->error = 0;
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, message);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)len);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout);
    code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        answer->len = 0;
        snprintf(client->error, sizeof(client->error), "%s", reason(http, code));
        client->advice = "is the gateway running, and is the URL right?";
        return;
    }
    answer->came = true;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait);
    answer->retry_after = wait > 0 && wait < 3600 ? (long)wait : 0;
    if (client->settled)
        client->settled(client->context, answer);
}

const struct client_ops client_http = {
    .takes = http_takes,
    .open = http_open,
    .close = http_close,
    .post = http_post,
};
