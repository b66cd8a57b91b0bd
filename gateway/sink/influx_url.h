/*
 * Where an InfluxDB is:
 *
 *     influx[s]://[USER@]HOST[:8086]/DATABASE[?rp=POLICY]     version 1: its /write
 *     influx[s]://HOST[:8086]/?org=ORG&bucket=BUCKET          version 2: its /api/v2/write
 *
 * with measurement=, and for TLS ca=, cert=, key= (files in PEM). Password and token stand in the URL's file,
 * or in the environment.
 */
#ifndef SINK_INFLUX_URL_H
#define SINK_INFLUX_URL_H

#include "gateway/sink/sink.h"
#include "gateway/url.h"

#define INFLUX_PASSWORD_VARIABLE "BULLA_INFLUX_PASSWORD"
#define INFLUX_TOKEN_VARIABLE    "BULLA_INFLUX_TOKEN"

#define INFLUX_NAME_SIZE 128 /* bytes of a database's, a bucket's name, with the terminating zero */
#define INFLUX_PATH_SIZE 1024

struct influx_url {
    bool tls;
    char host[URL_HOST_SIZE];
    uint16_t port;
    char user[URL_USER_SIZE];         /* "": none */
    char password[URL_PASSWORD_SIZE]; /* "": none */
    char token[URL_PASSWORD_SIZE];    /* "": none */
    char database[INFLUX_NAME_SIZE];  /* of version 1; "": it is version 2 */
    char policy[INFLUX_NAME_SIZE];    /* retention policy; "": the database's default */
    char org[INFLUX_NAME_SIZE];       /* of version 2 */
    char bucket[INFLUX_NAME_SIZE];
    char measurement[INFLUX_NAME_SIZE];
    char ca[INFLUX_PATH_SIZE]; /* "": the system's authorities */
    char cert[INFLUX_PATH_SIZE];
    char key[INFLUX_PATH_SIZE]; /* "": it stands in `cert` */
};

/*
 * Reads an address and, where it says no password or token, the environment. 0, or -1 with what is wrong,
 * which never quotes a secret. The caller wipes `url`, whatever is returned.
 */
MUST_CHECK int influx_url_load(struct influx_url *url, const struct sink_address *address,
                               struct failure *failure);

/* The URL as it may be shown (struct sink); -1: it is too long for that. */
MUST_CHECK int influx_url_show(const struct influx_url *url, char out[SINK_NAME_SIZE],
                               struct failure *failure);

/* What is posted to, with all arguments percent-encoded; "" if it does not fit. */
#define INFLUX_TARGET_SIZE 2048
void influx_url_target(const struct influx_url *url, char out[INFLUX_TARGET_SIZE]);

#endif
