/*
 * The files that TLS to an InfluxDB needs, in memory: they are read at the start, since a gateway that gave
 * up its rights may not read them any more.
 */
#ifndef SINK_INFLUX_TLS_H
#define SINK_INFLUX_TLS_H

#include "gateway/sink/influx_url.h"

struct influx_pem {
    char *text; /* NULL: none */
    size_t len;
};

struct influx_tls {
    struct influx_pem ca;
    struct influx_pem cert;
    struct influx_pem key; /* wiped */
};

/* Reads what the URL names, and sees whether it is what it should be. 0, or -1 with what is wrong. */
MUST_CHECK int influx_tls_read(struct influx_tls *tls, const struct influx_url *url, struct failure *failure);
void influx_tls_wipe(struct influx_tls *tls);

#endif
