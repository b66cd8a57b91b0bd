#include "cli/client.h"

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

/* Writes the URL that is posted to, with its path, into client->url. */
static int complete(struct client *client, const char *text, struct failure *failure)
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
        fail(failure, "%.120s: only http and https are spoken here", text);
    else if ((strcmp(path, "/") == 0 && curl_url_set(url, CURLUPART_PATH, "/d", 0) != CURLUE_OK) ||
             curl_url_get(url, CURLUPART_URL, &client->url, 0) != CURLUE_OK)
        fail(failure, "memory is out");
    else
        result = 0;
    curl_free(scheme);
    curl_free(path);
    curl_url_cleanup(url);
    return result;
}

static int set_up(struct client *client)
{
    CURL *curl = client->curl;

    client->headers = curl_slist_append(NULL, "Content-Type: application/cose; cose-type=\"cose-encrypt0\"");
    return client->headers && curl_easy_setopt(curl, CURLOPT_URL, client->url) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->headers) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_USERAGENT, "bulla/" BULLA_VERSION) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_XFERINFODATA, client) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK
               ? 0
               : -1;
}

int client_open(struct client *client, const char *url, struct failure *failure)
{
    memset(client, 0, sizeof(*client));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(client->curl = curl_easy_init()))
        return fail(failure, "libcurl does not start: memory is out");
    if (complete(client, url, failure) < 0)
        return -1;
    return set_up(client) < 0 ? fail(failure, "libcurl does not take the request's options") : 0;
}

void client_close(struct client *client)
{
    if (!client->curl)
        return;
    curl_slist_free_all(client->headers);
    curl_free(client->url);
    curl_easy_cleanup(client->curl);
    curl_global_cleanup();
    memset(client, 0, sizeof(*client));
}

void client_post(struct client *client, const void *message, size_t len, long timeout,
                 struct client_answer *answer)
{
    CURL *curl = client->curl;
    curl_off_t wait = 0;
    CURLcode code;

    answer->status = 0;
    answer->retry_after = 0;
    answer->len = 0;
    *client->error = 0;
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, message);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)len);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout);
    code = curl_easy_perform(curl);
    if (code == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
        curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait);
        answer->retry_after = wait > 0 && wait < 3600 ? (long)wait : 0;
        return;
    }
    answer->len = 0;
    if (code == CURLE_WRITE_ERROR)
        strcpy(client->error, "the answer is longer than any reply");
    else if (*client->error == 0)
        strncpy(client->error, curl_easy_strerror(code), sizeof(client->error) - 1);
}
