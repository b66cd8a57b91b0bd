#include "gateway/mqtt/url.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PORT     1883
#define PORT_TLS 8883

/* Deliveries that wait take memory, two copies of at most 4,096 bytes each. */
#define RECEIVE_MOST 8192

/* ---- what a key says ---- */

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

static int set_devices(struct mqtt_url *url, const char *key, const char *value, struct failure *failure)
{
    if (strcmp(value, "native") == 0)
        url->devices = MQTT_DEVICES_NATIVE;
    else if (strcmp(value, "older") == 0)
        url->devices = MQTT_DEVICES_OLDER;
    else
        return fail(failure, "%s: '%.20s' is neither native nor older; without it all are heard", key, value);
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
    {"devices", 0, 0, set_devices},
};

int mqtt_url_set(struct mqtt_url *url, const char *key, const char *value, struct failure *failure)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i].name, key) != 0)
            continue;
        if (keys[i].set != NULL)
            return keys[i].set(url, key, value, failure);
        return url_set_text((char *)url + keys[i].offset, keys[i].size, key, value, failure);
    }
    return fail(failure,
                "'%.40s' is no key; there are user, password, ca, cert, key, client-id, version, keep-alive, "
                "session-expiry, receive-maximum and devices",
                key);
}

/* ---- the URL ---- */

static int set_key(void *context, const char *key, const char *value, struct failure *failure)
{
    return mqtt_url_set(context, key, value, failure);
}

static void take_parts(struct mqtt_url *url, const struct url *parts)
{
    static_assert(sizeof(url->host) == sizeof(parts->host) && sizeof(url->user) == sizeof(parts->user) &&
                      sizeof(url->password) == sizeof(parts->password),
                  "the same room");
    url->tls = parts->tls;
    url->port = parts->port != 0 ? parts->port : parts->tls ? PORT_TLS : PORT;
    memcpy(url->host, parts->host, sizeof(url->host));
    memcpy(url->user, parts->user, sizeof(url->user));
    memcpy(url->password, parts->password, sizeof(url->password));
}

int mqtt_url_parse(struct mqtt_url *url, const char *text, bool may_hold_password, struct failure *failure)
{
    const struct url_kind kind = {
        .scheme = "mqtt",
        .variable = MQTT_PASSWORD_VARIABLE,
        .leads_to = "a broker",
        .no_path = "; topics are said by other options",
        .may_hold_secrets = may_hold_password,
    };
    struct url parts;
    int result;

    memset(url, 0, sizeof(*url));
    url->session_expiry = -1;
    result = url_parse(&parts, &kind, text, failure);
    if (result == 0) {
        take_parts(url, &parts);
        result = url_each(parts.query, &kind, set_key, url, failure);
    }
    explicit_bzero(&parts, sizeof(parts));
    if (result < 0)
        return -1;
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
    return url_name(url->host, url->port, out);
}
