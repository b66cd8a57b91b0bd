#include "gateway/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* A part of the text, and what it is called where something is wrong with it. */
struct part {
    const char *at;
    size_t len;
    const char *name;
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The next character of a part, decoded (RFC 3986 2.1); -1: it is none. `*used`: bytes of it. */
static int next_character(const char *at, size_t left, size_t *used)
{
    int high;
    int low;

    *used = 1;
    if (*at != '%')
        return (unsigned char)*at;
    high = left >= 3 ? hex_digit(at[1]) : -1;
    low = left >= 3 ? hex_digit(at[2]) : -1;
    *used = 3;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static int percent_decode(char *out, size_t size, const struct part *part, struct failure *failure)
{
    size_t len = 0;
    size_t used;

    for (size_t i = 0; i < part->len; i += used) {
        int character = next_character(part->at + i, part->len - i, &used);
        if (character < 0)
            return fail(failure, "in its %s stands a %% that is not followed by two hexadecimal digits",
                        part->name);
        if (character < ' ' || character == 0x7f)
            return fail(failure, "in its %s stands a control character", part->name);
        if (len + 1 >= size)
            return fail(failure, "its %s is longer than %zu bytes", part->name, size - 1);
        out[len++] = (char)character;
    }
    out[len] = '\0';
    return 0;
}

/* ---- the server ---- */

/* USER, or USER:PASSWORD. */
static int parse_user(struct url *url, const struct url_kind *kind, const struct part *part,
                      struct failure *failure)
{
    const char *colon = memchr(part->at, ':', part->len);
    struct part user = {part->at, colon != NULL ? (size_t)(colon - part->at) : part->len, "user"};
    struct part password = {NULL, 0, "password"};

    if (user.len == 0)
        return fail(failure, "there is nothing before its @; give USER@HOST");
    if (percent_decode(url->user, sizeof(url->user), &user, failure) < 0)
        return -1;
    if (colon == NULL)
        return 0;
    if (!kind->may_hold_secrets)
        return fail(failure,
                    "a password in a URL can be read by every user of this machine; write the URL and "
                    "'password = ...' into a file (mode 0600) and give @FILE, or set %s in the environment",
                    kind->variable);
    password.at = colon + 1;
    password.len = part->len - user.len - 1;
    return percent_decode(url->password, sizeof(url->password), &password, failure);
}

static int parse_port(struct url *url, const struct part *part, struct failure *failure)
{
    char text[6] = "";

    if (part->len == 0 || part->len >= sizeof(text) || memchr(part->at, '\0', part->len) != NULL)
        return fail(failure, "its port is not a number from 1 to 65535");
    memcpy(text, part->at, part->len);
    if (strspn(text, "0123456789") != part->len || atoi(text) < 1 || atoi(text) > 65535)
        return fail(failure, "its port is not a number from 1 to 65535");
    url->port = (uint16_t)atoi(text);
    return 0;
}

/* What stands behind a host: nothing, or :PORT. */
static int parse_behind(struct url *url, const struct part *part, const char *at, bool bracketed,
                        struct failure *failure)
{
    struct part port = {at, part->len - (size_t)(at - part->at), "port"};

    if (port.len == 0 && bracketed)
        return 0;
    if (port.at[0] != ':')
        return fail(failure, "what stands behind the ] is no port");
    port.at++;
    port.len--;
    return parse_port(url, &port, failure);
}

/* HOST, [HOST], and :PORT behind it. */
static int parse_host(struct url *url, const struct url_kind *kind, const struct part *part,
                      struct failure *failure)
{
    bool bracketed = part->len > 0 && part->at[0] == '[';
    const char *end = memchr(part->at, bracketed ? ']' : ':', part->len);
    const char *allowed = bracketed ? "0123456789abcdefABCDEF:." : LETTERS "0123456789.-_";
    struct part host = {part->at + bracketed, 0, "host"};

    if (!bracketed && end != memrchr(part->at, ':', part->len))
        return fail(failure, "an address of IPv6 stands in brackets: %s://[::1]:PORT", kind->scheme);
    if (bracketed && end == NULL)
        return fail(failure, "the ] behind its address is missing");
    host.len = end != NULL ? (size_t)(end - host.at) : part->len;
    if (percent_decode(url->host, sizeof(url->host), &host, failure) < 0)
        return -1;
    if (url->host[0] == '\0')
        return fail(failure, "it has no host; give %s://HOST, or %ss://HOST", kind->scheme, kind->scheme);
    if (strspn(url->host, allowed) != strlen(url->host))
        return fail(failure, "'%.60s' is no host", url->host);
    return end == NULL ? 0 : parse_behind(url, part, end + bracketed, bracketed, failure);
}

static int parse_authority(struct url *url, const struct url_kind *kind, const struct part *part,
                           struct failure *failure)
{
    const char *at = memrchr(part->at, '@', part->len);
    struct part user = {part->at, at != NULL ? (size_t)(at - part->at) : 0, "user"};
    struct part host = *part;

    if (at != NULL && parse_user(url, kind, &user, failure) < 0)
        return -1;
    if (at != NULL) {
        host.at = at + 1;
        host.len = part->len - user.len - 1;
    }
    return parse_host(url, kind, &host, failure);
}

static const char *parse_scheme(struct url *url, const struct url_kind *kind, const char *text)
{
    size_t len = strlen(kind->scheme);

    if (strncmp(text, kind->scheme, len) != 0)
        return NULL;
    url->tls = text[len] == 's';
    len += url->tls;
    return strncmp(text + len, "://", 3) == 0 ? text + len + 3 : NULL;
}

int url_parse(struct url *url, const struct url_kind *kind, const char *text, struct failure *failure)
{
    struct part authority = {NULL, 0, "host"};
    struct part path = {NULL, 0, "path"};
    const char *rest;

    memset(url, 0, sizeof(*url));
    rest = parse_scheme(url, kind, text);
    if (rest == NULL)
        return fail(failure, "it is no URL of %s; give %s://HOST, %ss://HOST or @FILE", kind->leads_to,
                    kind->scheme, kind->scheme);
    authority.at = rest;
    authority.len = strcspn(rest, "/?#");
    path.at = rest + authority.len + (rest[authority.len] == '/');
    path.len = strcspn(path.at, "?#");
    rest = path.at + path.len;
    if (*rest == '#' || (path.len > 0 && kind->no_path != NULL))
        return fail(failure, "behind its host stands a path%s",
                    kind->no_path != NULL ? kind->no_path : " with a #; write it as %23");
    url->query = *rest == '?' ? rest + 1 : rest;
    if (parse_authority(url, kind, &authority, failure) < 0)
        return -1;
    return percent_decode(url->path, sizeof(url->path), &path, failure);
}

/* ---- the query ---- */

static bool is_secret(const char *key)
{
    return strcmp(key, "password") == 0 || strcmp(key, "token") == 0;
}

/* One KEY=VALUE. */
static int parse_pair(const struct part *part, const struct url_kind *kind, url_setter *set, void *context,
                      struct failure *failure)
{
    const char *equals = memchr(part->at, '=', part->len);
    struct part key = {part->at, equals != NULL ? (size_t)(equals - part->at) : 0, "query"};
    struct part value = {NULL, 0, "query"};
    char key_text[32];
    char value_text[URL_VALUE_SIZE];
    int result;

    if (equals == NULL)
        return fail(failure, "in its query stands something without '='; give KEY=VALUE&KEY=VALUE");
    value.at = equals + 1;
    value.len = part->len - key.len - 1;
    if (percent_decode(key_text, sizeof(key_text), &key, failure) < 0 ||
        percent_decode(value_text, sizeof(value_text), &value, failure) < 0)
        result = -1;
    else if (is_secret(key_text) && !kind->may_hold_secrets)
        result =
            fail(failure, "a %s in a URL can be read by every user of this machine; give @FILE", key_text);
    else
        result = set(context, key_text, value_text, failure);
    explicit_bzero(value_text, sizeof(value_text));
    return result;
}

int url_each(const char *query, const struct url_kind *kind, url_setter *set, void *context,
             struct failure *failure)
{
    while (*query != '\0') {
        struct part pair = {query, strcspn(query, "&"), "query"};
        if (parse_pair(&pair, kind, set, context, failure) < 0)
            return -1;
        query += pair.len + (query[pair.len] != '\0');
    }
    return 0;
}

int url_set_text(char *field, size_t size, const char *key, const char *value, struct failure *failure)
{
    if (field[0] != '\0')
        return fail(failure, "%s is said twice; keep one of them", key);
    if (value[0] == '\0')
        return fail(failure, "%s is empty; give a value, or leave it out", key);
    if (strlen(value) >= size)
        return fail(failure, "%s is longer than %zu bytes", key, size - 1);
    memcpy(field, value, strlen(value) + 1);
    return 0;
}

/* ---- to be shown ---- */

const char *url_name(const char *host, uint16_t port, char out[URL_NAME_SIZE])
{
    bool bare = strchr(host, ':') == NULL;

    snprintf(out, URL_NAME_SIZE, bare ? "%s:%u" : "[%s]:%u", host, port);
    return out;
}
