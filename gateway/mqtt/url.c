#include "gateway/mqtt/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT     1883
#define PORT_TLS 8883

/* Deliveries that wait take memory, two copies of at most 4,096 bytes each. */
#define RECEIVE_MOST 8192

/* A part of the text, and what it is called where something is wrong with it. */
struct part {
    const char *at;
    size_t len;
    const char *name;
};

/* ---- what a key says ---- */

static int set_text(char *field, size_t size, const char *key, const char *value, struct failure *failure)
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

static int read_number(const char *key, const char *value, long long least, long long most, long long *number,
                       struct failure *failure)
{
    if (value[0] != '\0' && strlen(value) <= 12 && strspn(value, "0123456789") == strlen(value)) {
        *number = strtoll(value, NULL, 10);
        if (*number >= least && *number <= most)
            return 0;
    }
    return fail(failure, "%s: '%.20s' is not a number from %lld to %lld", key, value, least, most);
}

static int set_version(struct mqtt_url *url, const char *key, const char *value, struct failure *failure)
{
    if (strcmp(value, "5") == 0 || strcmp(value, "5.0") == 0)
        url->version = MQTT_5;
    else if (strcmp(value, "3.1.1") == 0)
        url->version = MQTT_3_1_1;
    else
        return fail(failure, "%s: '%.20s' is neither 5 nor 3.1.1", key, value);
    return 0;
}

static int set_keep_alive(struct mqtt_url *url, const char *key, const char *value, struct failure *failure)
{
    long long seconds = 0;

    if (read_number(key, value, 1, UINT16_MAX, &seconds, failure) < 0)
        return -1;
    url->keep_alive = (uint16_t)seconds;
    return 0;
}

static int set_session_expiry(struct mqtt_url *url, const char *key, const char *value,
                              struct failure *failure)
{
    long long seconds = 0;

    if (read_number(key, value, 0, UINT32_MAX, &seconds, failure) < 0)
        return -1;
    url->session_expiry = seconds;
    return 0;
}

static int set_receive_maximum(struct mqtt_url *url, const char *key, const char *value,
                               struct failure *failure)
{
    long long messages = 0;

    if (read_number(key, value, 1, RECEIVE_MOST, &messages, failure) < 0)
        return -1;
    url->receive_maximum = (uint16_t)messages;
    return 0;
}

#define TEXT(name, member)                                                                                   \
    {                                                                                                        \
        name, offsetof(struct mqtt_url, member), sizeof(((struct mqtt_url *)NULL)->member), NULL             \
    }

static const struct key {
    const char *name;
    size_t offset, size; /* of the text */
    int (*set)(struct mqtt_url *url, const char *key, const char *value,
               struct failure *failure); /* NULL: a text */
} keys[] = {
    TEXT("user", user),
    TEXT("password", password),
    TEXT("ca", ca),
    TEXT("cert", cert),
    TEXT("key", key),
    TEXT("client-id", client_id),
    {"version", 0, 0, set_version},
    {"keep-alive", 0, 0, set_keep_alive},
    {"session-expiry", 0, 0, set_session_expiry},
    {"receive-maximum", 0, 0, set_receive_maximum},
};

int mqtt_url_set(struct mqtt_url *url, const char *key, const char *value, struct failure *failure)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i].name, key) != 0)
            continue;
        if (keys[i].set != NULL)
            return keys[i].set(url, key, value, failure);
        return set_text((char *)url + keys[i].offset, keys[i].size, key, value, failure);
    }
    return fail(failure,
                "'%.40s' is no key; there are user, password, ca, cert, key, client-id, version, keep-alive, "
                "session-expiry and receive-maximum",
                key);
}

/* ---- the URL ---- */

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

/* USER, or USER:PASSWORD. */
static int parse_user(struct mqtt_url *url, const struct part *part, bool may_hold_password,
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
    if (!may_hold_password)
        return fail(failure,
                    "a password in a URL can be read by every user of this machine; write the URL and "
                    "'password = ...' into a file (mode 0600) and give @FILE, or set " MQTT_PASSWORD_VARIABLE
                    " in the environment");
    password.at = colon + 1;
    password.len = part->len - user.len - 1;
    return percent_decode(url->password, sizeof(url->password), &password, failure);
}

static int parse_port(struct mqtt_url *url, const struct part *part, struct failure *failure)
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

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* HOST, [HOST], and :PORT behind it. */
static int parse_host(struct mqtt_url *url, const struct part *part, struct failure *failure)
{
    bool bracketed = part->len > 0 && part->at[0] == '[';
    const char *end = memchr(part->at, bracketed ? ']' : ':', part->len);
    const char *allowed = bracketed ? "0123456789abcdefABCDEF:." : LETTERS "0123456789.-_";
    struct part host = {part->at + bracketed, 0, "host"};
    struct part port = {NULL, 0, "port"};

    if (!bracketed && end != memrchr(part->at, ':', part->len))
        return fail(failure, "an address of IPv6 stands in brackets: mqtt://[::1]:1883");
    if (bracketed && end == NULL)
        return fail(failure, "the ] behind its address is missing");
    host.len = end != NULL ? (size_t)(end - host.at) : part->len;
    if (percent_decode(url->host, sizeof(url->host), &host, failure) < 0)
        return -1;
    if (url->host[0] == '\0')
        return fail(failure, "it has no host; give mqtt://HOST, or mqtts://HOST");
    if (strspn(url->host, allowed) != strlen(url->host))
        return fail(failure, "'%.60s' is no host", url->host);
    if (end == NULL)
        return 0;
    port.at = end + bracketed;
    port.len = part->len - (size_t)(port.at - part->at);
    if (port.len == 0 && bracketed)
        return 0;
    if (port.at[0] != ':')
        return fail(failure, "what stands behind the ] is no port");
    port.at++;
    port.len--;
    return parse_port(url, &port, failure);
}

static int parse_authority(struct mqtt_url *url, const struct part *part, bool may_hold_password,
                           struct failure *failure)
{
    const char *at = memrchr(part->at, '@', part->len);
    struct part user = {part->at, at != NULL ? (size_t)(at - part->at) : 0, "user"};
    struct part host = *part;

    if (at != NULL && parse_user(url, &user, may_hold_password, failure) < 0)
        return -1;
    if (at != NULL) {
        host.at = at + 1;
        host.len = part->len - user.len - 1;
    }
    return parse_host(url, &host, failure);
}

/* One KEY=VALUE of the query. */
static int parse_pair(struct mqtt_url *url, const struct part *part, bool may_hold_password,
                      struct failure *failure)
{
    const char *equals = memchr(part->at, '=', part->len);
    struct part key = {part->at, equals != NULL ? (size_t)(equals - part->at) : 0, "query"};
    struct part value = {NULL, 0, "query"};
    char key_text[32];
    char value_text[MQTT_PASSWORD_SIZE];
    int result;

    if (equals == NULL)
        return fail(failure, "in its query stands something without '='; give KEY=VALUE&KEY=VALUE");
    value.at = equals + 1;
    value.len = part->len - key.len - 1;
    if (percent_decode(key_text, sizeof(key_text), &key, failure) < 0 ||
        percent_decode(value_text, sizeof(value_text), &value, failure) < 0)
        return -1;
    if (strcmp(key_text, "password") == 0 && !may_hold_password)
        return fail(failure, "a password in a URL can be read by every user of this machine; give @FILE");
    result = mqtt_url_set(url, key_text, value_text, failure);
    explicit_bzero(value_text, sizeof(value_text));
    return result;
}

static int parse_query(struct mqtt_url *url, const char *text, bool may_hold_password,
                       struct failure *failure)
{
    while (*text != '\0') {
        struct part pair = {text, strcspn(text, "&"), "query"};
        if (parse_pair(url, &pair, may_hold_password, failure) < 0)
            return -1;
        text += pair.len + (text[pair.len] != '\0');
    }
    return 0;
}

static const char *parse_scheme(struct mqtt_url *url, const char *text)
{
    static const char plain[] = "mqtt://";
    static const char tls[] = "mqtts://";

    url->tls = strncmp(text, tls, strlen(tls)) == 0;
    if (url->tls)
        return text + strlen(tls);
    return strncmp(text, plain, strlen(plain)) == 0 ? text + strlen(plain) : NULL;
}

int mqtt_url_parse(struct mqtt_url *url, const char *text, bool may_hold_password, struct failure *failure)
{
    struct part authority = {NULL, 0, "host"};
    const char *rest;

    memset(url, 0, sizeof(*url));
    url->session_expiry = -1;
    rest = parse_scheme(url, text);
    if (rest == NULL)
        return fail(failure, "it is no URL of a broker; give mqtt://HOST, mqtts://HOST or @FILE");
    authority.at = rest;
    authority.len = strcspn(rest, "/?#");
    rest += authority.len;
    rest += *rest == '/';
    if (*rest != '\0' && *rest != '?')
        return fail(failure, "behind its host stands a path; topics are said by other options");
    if (parse_authority(url, &authority, may_hold_password, failure) < 0 ||
        parse_query(url, *rest == '?' ? rest + 1 : rest, may_hold_password, failure) < 0)
        return -1;
    if (url->port == 0)
        url->port = url->tls ? PORT_TLS : PORT;
    return may_hold_password ? 0 : mqtt_url_check(url, failure);
}

int mqtt_url_check(const struct mqtt_url *url, struct failure *failure)
{
    if (!url->tls && (url->ca[0] != '\0' || url->cert[0] != '\0' || url->key[0] != '\0'))
        return fail(failure, "ca, cert and key are for TLS; give mqtts://");
    if (url->key[0] != '\0' && url->cert[0] == '\0')
        return fail(failure, "there is a key and no cert; give the certificate too");
    if (url->password[0] != '\0' && url->user[0] == '\0')
        return fail(failure, "there is a password and no user; give the user too");
    return 0;
}

const char *mqtt_url_name(const struct mqtt_url *url, char out[MQTT_NAME_SIZE])
{
    bool bare = strchr(url->host, ':') == NULL;

    snprintf(out, MQTT_NAME_SIZE, bare ? "%s:%u" : "[%s]:%u", url->host, url->port);
    return out;
}
