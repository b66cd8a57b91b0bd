#include "gateway/sink/influx_http.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/evp.h>
#include <zlib.h>

#include "gateway/lookup.h"
#include "gateway/sink/influx_tls.h"

#define CONNECT_MS 5000L
#define HEADER_MAX 65536 /* bytes of an answer's headers */
#define BODY_MAX   65536 /* bytes of a body that are read to keep the connection; a longer one ends it */

#define CREDENTIAL_SIZE (2 * (URL_USER_SIZE + URL_PASSWORD_SIZE))

struct influx_http {
    const struct influx_url *url;
    CURLM *multi;
    CURL *curl;
    struct curl_slist *headers;
    z_stream gzip;
    bool gzip_there;
    uint8_t *packed; /* grows as needed */
    size_t packed_room;
    struct influx_tls tls;
    char credential[CREDENTIAL_SIZE];
    char error[CURL_ERROR_SIZE];
    atomic_bool interrupted;

    /* of the post under way */
    struct influx_answer *answer;
    size_t header_bytes;
    size_t body_bytes;
};

/* ---- what is sent ---- */

/* RFC 7617 2: USER:PASSWORD in base64. */
static void encode_basic(struct influx_http *http)
{
    char pair[URL_USER_SIZE + URL_PASSWORD_SIZE];
    int len = snprintf(pair, sizeof(pair), "%s:%s", http->url->user, http->url->password);

    EVP_EncodeBlock((unsigned char *)http->credential, (const unsigned char *)pair, len);
    explicit_bzero(pair, sizeof(pair));
}

static int add_header(struct influx_http *http, const char *header)
{
    struct curl_slist *headers = curl_slist_append(http->headers, header);

    if (headers == NULL)
        return -1;
    http->headers = headers;
    return 0;
}

static int add_authorization(struct influx_http *http)
{
    char header[CREDENTIAL_SIZE + 32];
    const char *scheme = "Token";
    int result;

    if (http->url->user[0] != '\0') {
        encode_basic(http);
        scheme = "Basic";
    } else if (http->url->token[0] != '\0') {
        strcpy(http->credential, http->url->token);
    } else {
        return 0;
    }
    snprintf(header, sizeof(header), "Authorization: %s %s", scheme, http->credential);
    result = add_header(http, header);
    explicit_bzero(header, sizeof(header));
    return result;
}

static int add_headers(struct influx_http *http)
{
    /* No "Expect: 100-continue": it would wait for a server that does not know it. */
    if (add_header(http, "Content-Type: text/plain; charset=utf-8") < 0 ||
        add_header(http, "Content-Encoding: gzip") < 0 || add_header(http, "Expect:") < 0)
        return -1;
    return add_authorization(http);
}

/* Packs lines into http->packed, quickly rather than small. Returns their bytes; 0: no memory. */
static size_t pack(struct influx_http *http, const char *lines, size_t len)
{
    size_t bound = deflateBound(&http->gzip, len);

    if (bound > http->packed_room) {
        uint8_t *packed = realloc(http->packed, bound);
        if (packed == NULL)
            return 0;
        http->packed = packed;
        http->packed_room = bound;
    }
    if (deflateReset(&http->gzip) != Z_OK)
        return 0;
    http->gzip.next_in = (Bytef *)(uintptr_t)lines;
    http->gzip.avail_in = (uInt)len;
    http->gzip.next_out = http->packed;
    http->gzip.avail_out = (uInt)http->packed_room;
    return deflate(&http->gzip, Z_FINISH) == Z_STREAM_END ? http->gzip.total_out : 0;
}

/* ---- what is received. Who takes less than there is ends the transfer ---- */

static size_t take_header(char *bytes, size_t size, size_t count, void *context)
{
    struct influx_http *http = context;

    (void)bytes;
    http->header_bytes += size * count;
    return http->header_bytes > HEADER_MAX ? 0 : size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct influx_http *http = context;
    struct influx_answer *answer = http->answer;
    size_t len = size * count;
    size_t kept = sizeof(answer->body) - answer->len;

    memcpy(answer->body + answer->len, bytes, len < kept ? len : kept);
    answer->len += len < kept ? len : kept;
    http->body_bytes += len;
    return http->body_bytes > BODY_MAX ? 0 : len;
}

/* ---- opening ---- */

static bool set_up_request(struct influx_http *http, const char *target)
{
    CURL *curl = http->curl;

    return curl_easy_setopt(curl, CURLOPT_URL, target) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, http->url->tls ? "https" : "http") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, http->headers) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "bulla/" BULLA_VERSION) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
}

static bool set_up_answer(struct influx_http *http)
{
    CURL *curl = http->curl;

    return curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERDATA, http) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, http) == CURLE_OK;
}

static bool set_blob(CURL *curl, CURLoption option, const struct influx_pem *pem)
{
    struct curl_blob blob = {.data = pem->text, .len = pem->len, .flags = CURL_BLOB_NOCOPY};

    return pem->text == NULL || curl_easy_setopt(curl, option, &blob) == CURLE_OK;
}

/* The files were read at the start, when the gateway could still read them. */
static bool set_up_tls(struct influx_http *http)
{
    CURL *curl = http->curl;
    const struct influx_tls *tls = &http->tls;

    if (!http->url->tls)
        return true;
    if (tls->ca.text != NULL && curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) != CURLE_OK)
        return false; /* or the system's authorities would be believed besides */
    return curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           set_blob(curl, CURLOPT_CAINFO_BLOB, &tls->ca) &&
           set_blob(curl, CURLOPT_SSLCERT_BLOB, &tls->cert) && set_blob(curl, CURLOPT_SSLKEY_BLOB, &tls->key);
}

static int set_up(struct influx_http *http, struct failure *failure)
{
    char target[INFLUX_TARGET_SIZE];

    influx_url_target(http->url, target);
    if (target[0] == '\0')
        return fail(failure, "it is too long");
    if (influx_tls_read(&http->tls, http->url, failure) < 0)
        return -1;
    http->curl = curl_easy_init();
    http->multi = curl_multi_init();
    http->gzip_there = deflateInit2(&http->gzip, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + 16, 8,
                                    Z_DEFAULT_STRATEGY) == Z_OK; /* + 16: gzip */
    if (http->curl == NULL || http->multi == NULL || !http->gzip_there || add_headers(http) < 0 ||
        !set_up_request(http, target) || !set_up_answer(http) || !set_up_tls(http))
        return fail(failure, "libcurl does not start: memory is out, or it lacks what is needed");
    return 0;
}

struct influx_http *influx_http_open(const struct influx_url *url, struct failure *failure)
{
    struct influx_http *http = calloc(1, sizeof(*http));

    if (http == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fail(failure, "libcurl does not start: memory is out");
        free(http);
        return NULL;
    }
    http->url = url;
    lookup_prepare(url->host);
    if (set_up(http, failure) == 0)
        return http;
    influx_http_close(http);
    return NULL;
}

static void free_headers(struct curl_slist *headers)
{
    for (struct curl_slist *at = headers; at != NULL; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(headers);
}

void influx_http_close(struct influx_http *http)
{
    curl_easy_cleanup(http->curl);
    curl_multi_cleanup(http->multi);
    free_headers(http->headers);
    if (http->gzip_there)
        deflateEnd(&http->gzip);
    free(http->packed);
    influx_tls_wipe(&http->tls);
    explicit_bzero(http->credential, sizeof(http->credential));
    free(http);
    curl_global_cleanup();
}

const char *influx_http_credential(const struct influx_http *http)
{
    return http->credential;
}

/* ---- posting ---- */

static const struct {
    CURLcode code;
    const char *advice;
} advices[] = {
    {CURLE_COULDNT_RESOLVE_HOST, "is the host's name right?"},
    {CURLE_COULDNT_CONNECT, "is the server running? It is tried again"},
    {CURLE_OPERATION_TIMEDOUT, "the server does not answer in time; it is tried again"},
    {CURLE_PEER_FAILED_VERIFICATION, "the server's certificate is not believed: give ca, and the name in it"},
    {CURLE_SSL_CONNECT_ERROR, "does it speak TLS there, and does it ask for a certificate (cert, key)?"},
    {CURLE_WRITE_ERROR, "this is longer than an InfluxDB's answer: does the URL lead to one?"},
    {CURLE_UNSUPPORTED_PROTOCOL, "does the URL lead to an InfluxDB?"},
    {CURLE_WEIRD_SERVER_REPLY, "does the URL lead to an InfluxDB?"},
    {CURLE_GOT_NOTHING, "the server ended the connection; it is tried again"},
};

static int fail_post(const struct influx_http *http, CURLcode code, struct failure *failure)
{
    const char *advice = "it is tried again";

    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
        if (advices[i].code == code)
            advice = advices[i].advice;
    return fail(failure, "cannot reach InfluxDB: %.160s; %s",
                http->error[0] != '\0' ? http->error : curl_easy_strerror(code), advice);
}

/* Moves the bytes until it is done, or was interrupted. */
static CURLcode transfer(struct influx_http *http)
{
    CURLMcode state;
    CURLMsg *message;
    int running = 1;
    int left;

    do {
        state = curl_multi_perform(http->multi, &running);
        if (state == CURLM_OK && running > 0 && !atomic_load(&http->interrupted))
            state = curl_multi_poll(http->multi, NULL, 0, 1000, NULL);
    } while (state == CURLM_OK && running > 0 && !atomic_load(&http->interrupted));
    message = curl_multi_info_read(http->multi, &left);
    return message != NULL && message->msg == CURLMSG_DONE ? message->data.result : CURLE_ABORTED_BY_CALLBACK;
}

/* A body that is too long came from somebody who said a status: that counts, but for the one good one. */
static bool has_answered(const struct influx_http *http, CURLcode code)
{
    long status = 0;

    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    return code == CURLE_OK || (code == CURLE_WRITE_ERROR && http->body_bytes > BODY_MAX && status >= 300);
}

static int perform(struct influx_http *http, struct failure *failure)
{
    CURLcode code;
    curl_off_t wait = 0;

    if (curl_multi_add_handle(http->multi, http->curl) != CURLM_OK)
        return fail(failure, "libcurl does not take a request: memory is out");
    code = transfer(http);
    curl_multi_remove_handle(http->multi, http->curl);
    if (atomic_load(&http->interrupted))
        return fail(failure, "the gateway is being stopped");
    if (!has_answered(http, code))
        return fail_post(http, code, failure);
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &http->answer->status);
    curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &wait);
    http->answer->retry_after = wait;
    return 0;
}

int influx_http_post(struct influx_http *http, const char *lines, size_t len, int64_t milliseconds,
                     struct influx_answer *answer, struct failure *failure)
{
    size_t packed = pack(http, lines, len);

    memset(answer, 0, offsetof(struct influx_answer, body));
    if (packed == 0)
        return fail(failure, "memory is out");
    http->answer = answer;
    http->header_bytes = 0;
    http->body_bytes = 0;
    http->error[0] = '\0';
    curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, http->packed);
    curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)packed);
    curl_easy_setopt(http->curl, CURLOPT_TIMEOUT_MS, (long)milliseconds);
    return perform(http, failure);
}

void influx_http_interrupt(struct influx_http *http)
{
    atomic_store(&http->interrupted, true);
    curl_multi_wakeup(http->multi);
}
