#include "gateway/sink/influx_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT        8086
#define MEASUREMENT "readings"

/* ---- what a key says ---- */

#define TEXT(name, member)                                                                                   \
    {                                                                                                        \
        name, offsetof(struct influx_url, member), sizeof(((struct influx_url *)NULL)->member)               \
    }

static const struct key {
    const char *name;
    size_t offset, size; /* of the text */
} keys[] = {
    TEXT("rp", policy), TEXT("org", org),           TEXT("bucket", bucket), TEXT("measurement", measurement),
    TEXT("user", user), TEXT("password", password), TEXT("token", token),   TEXT("ca", ca),
    TEXT("cert", cert), TEXT("key", key),
};

static int set_key(void *context, const char *key, const char *value, struct failure *failure)
{
    struct influx_url *url = context;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(keys[i].name, key) == 0)
            return url_set_text((char *)url + keys[i].offset, keys[i].size, key, value, failure);
    return fail(failure,
                "'%.40s' is no key; there are rp, org, bucket, measurement, user, password, token, ca, cert "
                "and key",
                key);
}

static int take_parts(struct influx_url *url, const struct url *parts, struct failure *failure)
{
    url->tls = parts->tls;
    url->port = parts->port != 0 ? parts->port : PORT;
    memcpy(url->host, parts->host, sizeof(url->host));
    memcpy(url->user, parts->user, sizeof(url->user));
    memcpy(url->password, parts->password, sizeof(url->password));
    if (strlen(parts->path) >= sizeof(url->database))
        return fail(failure, "its database is longer than %zu bytes", sizeof(url->database) - 1);
    memcpy(url->database, parts->path, strlen(parts->path) + 1);
    return 0;
}

static int take_settings(struct influx_url *url, const struct sink_address *address, struct failure *failure)
{
    for (size_t i = 0; i < address->setting_count; i++)
        if (set_key(url, address->settings[i].key, address->settings[i].value, failure) < 0)
            return -1;
    return 0;
}

/* ---- the environment ---- */

static int take_variable(const char *name, char *field, size_t size, struct failure *failure)
{
    const char *value = getenv(name);

    if (value == NULL || *value == '\0' || field[0] != '\0')
        return 0;
    return url_set_text(field, size, name, value, failure);
}

/* A password goes with a user. A token is version 2's: whoever needs it for version 1, as newer servers take
 * it, writes it into a file, so that no other server is told it. */
static int take_environment(struct influx_url *url, struct failure *failure)
{
    if (url->user[0] != '\0')
        return take_variable(INFLUX_PASSWORD_VARIABLE, url->password, sizeof(url->password), failure);
    if (url->bucket[0] == '\0')
        return 0;
    return take_variable(INFLUX_TOKEN_VARIABLE, url->token, sizeof(url->token), failure);
}

/* ---- whether it fits together ---- */

static bool is_visible(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text >= 0x7f)
            return false;
    return true;
}

/* Version 1 takes a database, version 2 an organisation and a bucket. */
static int check_version(const struct influx_url *url, struct failure *failure)
{
    bool second = url->org[0] != '\0' || url->bucket[0] != '\0';

    if (second && url->database[0] != '\0')
        return fail(failure, "it has a database and a bucket; give influx://HOST/DATABASE (version 1) or "
                             "influx://HOST/?org=ORG&bucket=BUCKET (version 2)");
    if (!second && url->database[0] == '\0')
        return fail(failure, "it says no database; give influx://HOST/DATABASE (version 1) or "
                             "influx://HOST/?org=ORG&bucket=BUCKET (version 2)");
    if (!second)
        return 0;
    if (url->org[0] == '\0' || url->bucket[0] == '\0')
        return fail(failure, "it says no %s; version 2 needs org and bucket",
                    url->org[0] == '\0' ? "org" : "bucket");
    if (url->policy[0] != '\0')
        return fail(failure, "rp is of version 1; a bucket of version 2 has its retention itself");
    if (url->user[0] != '\0')
        return fail(
            failure,
            "version 2 knows no users; give a token: in @FILE as 'token = ...', or as " INFLUX_TOKEN_VARIABLE
            " in the environment");
    return 0;
}

static int check_secrets(const struct influx_url *url, struct failure *failure)
{
    if (url->token[0] != '\0' && url->user[0] != '\0')
        return fail(failure, "there is a user and a token; keep one of them");
    if (!is_visible(url->token))
        return fail(failure, "its token is none: there are spaces or special characters in it");
    if (url->password[0] != '\0' && url->user[0] == '\0')
        return fail(failure, "there is a password and no user; give the user too");
    if (url->user[0] != '\0' && url->password[0] == '\0')
        return fail(failure, "there is a user and no password; give it in @FILE as 'password = ...', or "
                             "as " INFLUX_PASSWORD_VARIABLE " in the environment");
    if (strchr(url->user, ':') != NULL) /* RFC 7617 2 */
        return fail(failure, "there is a colon in its user, which HTTP does not take");
    return 0;
}

/* It stands in each line: letters that never have to be escaped. */
static int check_measurement(const struct influx_url *url, struct failure *failure)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

    if (strspn(url->measurement, allowed) == strlen(url->measurement) && url->measurement[0] != '_')
        return 0;
    return fail(failure, "measurement: '%.60s' may have letters, digits, -, . and _ (not as the first)",
                url->measurement);
}

static int check(const struct influx_url *url, struct failure *failure)
{
    if (check_version(url, failure) < 0 || check_secrets(url, failure) < 0 ||
        check_measurement(url, failure) < 0)
        return -1;
    if (!url->tls && (url->ca[0] != '\0' || url->cert[0] != '\0' || url->key[0] != '\0'))
        return fail(failure, "ca, cert and key are for TLS; give influxs://");
    if (url->key[0] != '\0' && url->cert[0] == '\0')
        return fail(failure, "there is a key and no cert; give the certificate too");
    return 0;
}

int influx_url_load(struct influx_url *url, const struct sink_address *address, struct failure *failure)
{
    const struct url_kind kind = {
        .scheme = "influx",
        .variable = INFLUX_PASSWORD_VARIABLE,
        .leads_to = "an InfluxDB",
        .may_hold_secrets = address->in_file,
    };
    struct url parts;
    int result;

    memset(url, 0, sizeof(*url));
    result = url_parse(&parts, &kind, address->url, failure);
    if (result == 0)
        result = take_parts(url, &parts, failure);
    if (result == 0)
        result = url_each(parts.query, &kind, set_key, url, failure);
    explicit_bzero(&parts, sizeof(parts));
    if (result < 0 || take_settings(url, address, failure) < 0 || take_environment(url, failure) < 0)
        return -1;
    if (url->measurement[0] == '\0')
        memcpy(url->measurement, MEASUREMENT, sizeof(MEASUREMENT));
    return check(url, failure);
}

/* ---- as it is shown, and as it is posted to ---- */

/* A text that grows; once something did not fit, nothing more is taken. */
struct target {
    char *at;
    size_t size;
    size_t len;
    bool full;
};

static void add(struct target *target, const char *text, size_t len)
{
    target->full |= len >= target->size - target->len;
    if (target->full)
        return;
    memcpy(target->at + target->len, text, len);
    target->len += len;
    target->at[target->len] = '\0';
}

static void add_text(struct target *target, const char *text)
{
    add(target, text, strlen(text));
}

/* Percent-encodes all but what never means anything (RFC 3986 2.3). */
static void add_encoded(struct target *target, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (; *text != '\0'; text++) {
        uint8_t byte = (uint8_t)*text;
        const char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        if (strchr(unreserved, *text) != NULL)
            add(target, text, 1);
        else
            add(target, escape, sizeof(escape));
    }
}

/* "KEY=VALUE", with `before` in front of it; nothing for what is not said. */
static void add_argument(struct target *target, const char *before, const char *key, const char *value)
{
    if (value[0] == '\0')
        return;
    add_text(target, before);
    add_text(target, key);
    add_text(target, "=");
    add_encoded(target, value);
}

static void add_server(struct target *target, const char *scheme, const struct influx_url *url)
{
    char name[URL_NAME_SIZE];

    add_text(target, scheme);
    add_text(target, url->tls ? "s://" : "://");
    add_text(target, url_name(url->host, url->port, name));
}

int influx_url_show(const struct influx_url *url, char out[SINK_NAME_SIZE], struct failure *failure)
{
    struct target target = {.at = out, .size = SINK_NAME_SIZE};
    bool first = url->database[0] != '\0';

    add_server(&target, "influx", url);
    add_text(&target, "/");
    add_encoded(&target, url->database);
    add_argument(&target, "?", "rp", url->policy);
    add_argument(&target, "?", "org", url->org);
    add_argument(&target, "&", "bucket", url->bucket);
    if (strcmp(url->measurement, MEASUREMENT) != 0)
        add_argument(&target, first && url->policy[0] == '\0' ? "?" : "&", "measurement", url->measurement);
    if (target.full)
        return fail(failure, "it is too long to be kept as a name: %d bytes at most", SINK_NAME_SIZE - 1);
    return 0;
}

void influx_url_target(const struct influx_url *url, char out[INFLUX_TARGET_SIZE])
{
    struct target target = {.at = out, .size = INFLUX_TARGET_SIZE};

    add_server(&target, "http", url);
    add_text(&target, url->database[0] != '\0' ? "/write?" : "/api/v2/write?");
    add_argument(&target, "", "db", url->database);
    add_argument(&target, "&", "rp", url->policy);
    add_argument(&target, "", "org", url->org);
    add_argument(&target, "&", "bucket", url->bucket);
    add_text(&target, "&precision=ns");
    if (target.full)
        out[0] = '\0';
}
