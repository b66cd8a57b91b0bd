/*
 * TLS for a client's connection, without a socket: bytes of the peer go in, bytes for the peer come out
 * (OpenSSL over memory). TLS 1.2 and above; the peer's certificate has to be of an authority that is believed
 * and for the host that was asked for.
 */
#ifndef MQTT_TLS_H
#define MQTT_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"
#include "gateway/mqtt/url.h"

struct tls;

/* Reads the files that the URL names and makes a connection ready. 0, or -1 with what is wrong with them. */
MUST_CHECK int tls_open(struct tls **tls, const struct mqtt_url *url, struct failure *failure);
void tls_close(struct tls *tls); /* NULL is nothing */

/* Takes bytes that the peer sent. 0, or -1 when memory is out. */
MUST_CHECK int tls_feed(struct tls *tls, const uint8_t *bytes, size_t len);

/* Goes on with the handshake: 1 done, 0 the peer has to say more, -1 with the failure. */
MUST_CHECK int tls_handshake(struct tls *tls, struct failure *failure);

/* Opens what came, up to `room` bytes (not 0): how many; 0 none yet; -1 with the failure: also where the peer
 * said that it ends. */
MUST_CHECK int tls_read(struct tls *tls, uint8_t *out, size_t room, struct failure *failure);

/* Seals bytes for the peer. 0, or -1 with the failure. */
MUST_CHECK int tls_write(struct tls *tls, const uint8_t *bytes, size_t len, struct failure *failure);

/* Says to the peer that nothing more follows. */
void tls_end(struct tls *tls);

/* What is to be sent to the peer: its length, 0 none; it lasts until tls_sent(), which takes it away. */
size_t tls_waiting(struct tls *tls, const uint8_t **bytes);
void tls_sent(struct tls *tls);

#endif
