/*
 * What a URL says about a MariaDB or MySQL server:
 *
 *     mysql://[USER[:PASSWORD]@][HOST[:PORT]]/DATABASE[?NAME=VALUE[&NAME=VALUE…]]
 *
 * Parts may be percent-encoded. What it leaves out comes from the client library's option files.
 */
#ifndef STORE_MYSQL_URL_H
#define STORE_MYSQL_URL_H

#include "gateway/failure.h"

/* X(member, name): options of the URL, each a text. */
#define MYSQL_URL_OPTIONS(X)                                                                                 \
    X(socket, "socket")                                                                                      \
    X(ssl_mode, "ssl-mode")                                                                                  \
    X(ssl_ca, "ssl-ca")                                                                                      \
    X(ssl_capath, "ssl-capath")                                                                              \
    X(ssl_cert, "ssl-cert")                                                                                  \
    X(ssl_key, "ssl-key")                                                                                    \
    X(tls_version, "tls-version")                                                                            \
    X(option_file, "option-file")                                                                            \
    X(connect_timeout, "connect-timeout")                                                                    \
    X(read_timeout, "read-timeout")                                                                          \
    X(write_timeout, "write-timeout")

enum mysql_ssl {
    MYSQL_SSL_UNSAID,   /* as the option files say */
    MYSQL_SSL_DISABLED, /* never */
    MYSQL_SSL_REQUIRED, /* TLS, with whomever */
    MYSQL_SSL_CA,       /* with one whose certificate the CA has signed */
    MYSQL_SSL_IDENTITY, /* which moreover is for the host's name */
};

struct mysql_url {
    char *host; /* NULL: not said */
    char *user;
    char *password;
    char *database;
    unsigned port; /* 0: not said */
    enum mysql_ssl ssl;
    unsigned connect_seconds;
    unsigned read_seconds;
    unsigned write_seconds;
#define MYSQL_URL_MEMBER(member, name) char *member;
    MYSQL_URL_OPTIONS(MYSQL_URL_MEMBER)
#undef MYSQL_URL_MEMBER
};

/* Parses what follows "mysql:". The caller frees it; NULL with the failure, which repeats nothing of the URL
 * that may be a password. */
struct mysql_url *mysql_url_parse(const char *location, struct failure *failure);

/* Wipes and frees it. NULL is nothing. */
void mysql_url_free(struct mysql_url *url);

#endif
