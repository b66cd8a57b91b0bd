/*
 * A connection to a broker's socket on the event loop, over TCP or TLS: looks up its name beside the loop,
 * tries its addresses in turn, and carries bytes. It ends once, and is then gone; a new connection is a new
 * one.
 */
#ifndef MQTT_TRANSPORT_H
#define MQTT_TRANSPORT_H

#include <uv.h>

#include "gateway/failure.h"
#include "gateway/mqtt/url.h"

#define TRANSPORT_PATIENCE 10000 /* milliseconds: for its name, each address, and TLS */

struct transport;

/* None is called from within transport_open(), _send() and _close(). */
struct transport_handlers {
    void (*on_open)(void *context);
    /* Where bytes that come in are to be put: how many there are room for. Only called while reading is
     * wanted; 0: none now, and reading stops until transport_read(). */
    size_t (*room)(void *context, uint8_t **at);
    /* So many came. */
    void (*on_bytes)(void *context, size_t len);
    /* All that transport_send() took has left. */
    void (*on_sent)(void *context);
    /* It is at its end, for that reason; what is left to do is transport_close(). */
    void (*on_end)(void *context, const char *why);
};

/* Begins to connect. The URL is copied. Returns 0, or -1 with the failure: TLS's files, or no memory. */
MUST_CHECK int transport_open(struct transport **transport, uv_loop_t *loop, const struct mqtt_url *url,
                              const struct transport_handlers *handlers, void *context,
                              struct failure *failure);

/* Takes bytes to send, all of them (true), or none (false): what it took before has not left yet, and
 * on_sent() tells when. Only after on_open(). */
bool transport_send(struct transport *transport, const uint8_t *bytes, size_t len);

/* Reads, or stops reading. What was opened already comes at once: within this call. */
void transport_read(struct transport *transport, bool wanted);

/* Ends it; no handler is called any more. `orderly`: what was taken still leaves, for a second at most. */
void transport_close(struct transport *transport, bool orderly);

#endif
