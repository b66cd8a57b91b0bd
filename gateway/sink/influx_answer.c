#include "gateway/sink/influx_answer.h"

#include <stdio.h>
#include <string.h>

#include "gateway/decode/utf8.h"

#define QUOTED 160 /* bytes of the server's words */
#define BEGIN                                                                                                \
    2048 /* of a body, in which they begin: so that what is quoted is not what the body's end cuts off */
#define READ 4096

/* ---- what the server says ---- */

/* Where its words begin: version 1 has {"error":"..."}, version 2 {"code":"...","message":"..."}. */
static const char *find_words(const char *body, size_t len, bool *quoted)
{
    static const char *const keys[] = {"\"message\":\"", "\"error\":\""};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *at = memmem(body, len < BEGIN ? len : BEGIN, keys[i], strlen(keys[i]));
        if (at != NULL) {
            *quoted = true;
            return at + strlen(keys[i]);
        }
    }
    *quoted = false;
    return body;
}

/* The bytes that an escape of JSON stands for, as far as a log needs it. */
static char unescape(char c)
{
    return strchr("ntrbf", c) != NULL ? ' ' : c;
}

/* Copies its words in one line of visible characters. Returns their bytes. */
static size_t copy_words(const char *body, size_t len, char out[READ])
{
    bool quoted;
    const char *at = find_words(body, len, &quoted);
    size_t used = 0;

    for (; at < body + len && used + 1 < READ && !(quoted && *at == '"'); at++) {
        char c = *at;
        if (quoted && c == '\\' && at + 1 < body + len)
            c = unescape(*++at);
        out[used++] = (uint8_t)c < ' ' || c == 0x7f ? ' ' : c;
    }
    out[used] = '\0';
    return used;
}

/* A server, or what stands before it, may send back what it got: as it was, or as JSON escapes it. */
static bool repeats(const char *body, size_t len, const char *words, size_t words_len, const char *secret)
{
    size_t size = strlen(secret);

    return size > 0 &&
           (memmem(body, len, secret, size) != NULL || memmem(words, words_len, secret, size) != NULL);
}

/* What is quoted of an answer: the beginning of its words, and nothing that is secret. */
static void quote(const struct influx_url *url, const char *credential, const char *body, size_t len,
                  char out[QUOTED + 1])
{
    char words[READ];
    size_t used = copy_words(body, len, words);

    out[0] = '\0';
    if (repeats(body, len, words, used, credential) || repeats(body, len, words, used, url->password) ||
        repeats(body, len, words, used, url->token)) {
        strcpy(out, "(it repeats what is secret)");
        return;
    }
    used = used < QUOTED ? used : QUOTED;
    while (used > 0 && words[used - 1] == ' ')
        used--;
    memcpy(out, words, used);
    out[used] = '\0';
    if (!utf8_is_text(out, used)) /* it is none, or was cut in the middle of a character */
        for (size_t i = 0; i < used; i++)
            out[i] = (uint8_t)out[i] < 0x80 ? out[i] : '?';
}

/* ---- what it means ---- */

/* Words of a refusal (400, 422) that another attempt does not change, and those that the operator can. The
 * first that fits counts. */
static const struct {
    const char *words;
    int result;
    const char *advice;
} refusals[] = {
    {"max-series-per-database", SINK_AWAY, "raise it in influxdb.conf, or use index-version = \"tsi1\""},
    {"max-values-per-tag", SINK_AWAY, "raise it in influxdb.conf, or use index-version = \"tsi1\""},
    {"partial write", SINK_REFUSED, NULL},
    {"field type conflict", SINK_REFUSED, NULL},
    {"unable to parse", SINK_REFUSED, NULL},
    {"points beyond retention policy", SINK_REFUSED, NULL},
    {"outside retention", SINK_REFUSED, NULL},
    {"max key length", SINK_REFUSED, NULL},
};

static int judge_refusal(const char *body, size_t len, const char *said, struct failure *failure)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (memmem(body, len, refusals[i].words, strlen(refusals[i].words)) != NULL) {
            fail(failure, "InfluxDB refuses it: %s%s%s", said, refusals[i].advice != NULL ? "; " : "",
                 refusals[i].advice != NULL ? refusals[i].advice : "");
            return refusals[i].result;
        }
    fail(failure, "InfluxDB refuses the request: %s; look at the sink's URL", said);
    return SINK_AWAY;
}

static int judge_missing(const struct influx_url *url, const char *said, struct failure *failure)
{
    if (url->database[0] != '\0')
        fail(failure, "%s; if it is to be there, make it: influx -execute 'CREATE DATABASE \"%.60s\"'", said,
             url->database);
    else
        fail(failure, "%s; if the bucket is to be there, make it: influx bucket create -n %.60s -o %.40s",
             said, url->bucket, url->org);
    return SINK_AWAY;
}

static const struct {
    long from, to;
    const char *advice;
} others[] = {
    {200, 299, "this is no InfluxDB's answer to a write (204): does the URL lead to one?"},
    {300, 399, "it sends elsewhere, which is not followed: give the URL where it is"},
    {401, 401, "check user and password, or the token"},
    {403, 403, "check whether user or token may write to it, and user and password, or the token"},
    {429, 429, "it takes no more for now; it is tried again"},
    {503, 503, "it takes no more for now; it is tried again"},
    {500, 599, "see the server's log; it is tried again"},
};

static int judge_other(long status, const char *said, struct failure *failure)
{
    const char *advice = "does the URL lead to an InfluxDB?";

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (status >= others[i].from && status <= others[i].to) {
            advice = others[i].advice;
            break;
        }
    fail(failure, "InfluxDB answers %ld%s%s; %s", status, said[0] != '\0' ? ": " : "", said, advice);
    return SINK_AWAY;
}

int influx_judge(const struct influx_url *url, const char *credential, long status, const char *body,
                 size_t len, struct failure *failure)
{
    char said[QUOTED + 1];

    if (status == 204)
        return SINK_WRITTEN;
    quote(url, credential, body, len, said);
    if (status == 400 || status == 422)
        return judge_refusal(body, len, said, failure);
    if (status == 404)
        return judge_missing(url, said[0] != '\0' ? said : "InfluxDB answers 404", failure);
    if (status != 413)
        return judge_other(status, said, failure);
    fail(failure, "InfluxDB takes no body of this size (413): raise max-body-size of its configuration");
    return SINK_REFUSED;
}
