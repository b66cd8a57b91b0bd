/*
 * What URLs of servers have in common (RFC 3986):
 *
 *     SCHEME[s]://[USER[:PASSWORD]@]HOST[:PORT][/PATH][?KEY=VALUE&...]
 *
 * Everything in one may be percent-encoded. Pure: no file is opened, nothing is looked up. A failure never
 * quotes a password.
 */
#ifndef URL_H
#define URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"

#define URL_HOST_SIZE     256 /* bytes, as all of these with the terminating zero */
#define URL_USER_SIZE     256
#define URL_PASSWORD_SIZE 2048
#define URL_PATH_SIZE     1024
#define URL_VALUE_SIZE    URL_PASSWORD_SIZE /* of a query's value */

/* What a kind of URL takes. */
struct url_kind {
    const char *scheme;    /* "mqtt": mqtt:// and mqtts:// */
    const char *variable;  /* of the environment: where a password may stand as well */
    const char *leads_to;  /* "a broker" */
    const char *no_path;   /* what to do where there is a path; NULL: it may have one */
    bool may_hold_secrets; /* it stands in a file; what is typed can be read by every user (ps) */
};

struct url {
    bool tls;
    char host[URL_HOST_SIZE];         /* a name, or an address without brackets */
    uint16_t port;                    /* 0: not said */
    char user[URL_USER_SIZE];         /* "": none */
    char password[URL_PASSWORD_SIZE]; /* "": none */
    char path[URL_PATH_SIZE];         /* behind the first /, "": none */
    const char *query;                /* in the URL, behind the ?; "": none */
};

/* Parses all but the query's keys. Returns 0, or -1 with what is wrong. The caller wipes `url`. */
MUST_CHECK int url_parse(struct url *url, const struct url_kind *kind, const char *text,
                         struct failure *failure);

/* Called with each KEY=VALUE, decoded: 0, or -1 with what is wrong. */
typedef int url_setter(void *context, const char *key, const char *value, struct failure *failure);

/* Goes through a query; "password" and "token" are refused unless the kind may hold secrets. */
MUST_CHECK int url_each(const char *query, const struct url_kind *kind, url_setter *set, void *context,
                        struct failure *failure);

/* For setters: sets a text that was not said yet and may not be empty. */
MUST_CHECK int url_set_text(char *field, size_t size, const char *key, const char *value,
                            struct failure *failure);

/* "HOST:PORT", or "[HOST]:PORT": to be logged and shown. Returns `out`. */
#define URL_NAME_SIZE 272
const char *url_name(const char *host, uint16_t port, char out[URL_NAME_SIZE]);

#endif
