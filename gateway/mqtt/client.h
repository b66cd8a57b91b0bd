/*
 * An MQTT client on the event loop: one connection to one broker, kept up for as long as it is wanted. What a
 * broker delivers is acknowledged by whoever takes it, when they say so: after the commit. That is why the
 * client is our own; the usual ones acknowledge before the application has seen the message.
 *
 * All of it runs on the loop's thread. Memory is bounded: one packet that comes in at a time, and at most
 * `receive_maximum` deliveries that wait for their acknowledgement; what is written and does not leave
 * (a broker that does not read) is bounded too, and then the connection ends.
 */
#ifndef MQTT_CLIENT_H
#define MQTT_CLIENT_H

#include <uv.h>

#include "gateway/failure.h"
#include "gateway/log.h"
#include "gateway/mqtt/packet.h"

struct mqtt_url; /* gateway/mqtt/url.h: scheme, host, port, user, password, TLS files, version, client id */

struct mqtt_client;

/* A message that a broker delivered. The client's; valid from on_message() until mqtt_client_settle(), or
 * until on_down(), whichever comes first: then it is forgotten, and the broker sends it again. */
struct mqtt_delivery;

enum mqtt_settlement {
    MQTT_TAKEN,   /* acknowledge it: PUBACK for QoS 1, PUBREC for QoS 2, nothing for QoS 0 */
    MQTT_NOT_NOW, /* no acknowledgement; the broker delivers it again on the next connection */
};

struct mqtt_handlers {
    /* The session stands (again): `resumed` if the broker had kept it. Subscribe here if it had not. */
    void (*on_up)(void *context, bool resumed);
    /* The connection is gone; deliveries that were not settled are forgotten. It is tried again. */
    void (*on_down)(void *context, const char *why);
    /* A message. topic and payload last until it is settled, or on_down(). `retained`: kept by the broker
     * (3.3.1.3), not just published. */
    void (*on_message)(void *context, struct mqtt_delivery *delivery, const struct mqtt_packet *packet);
    /* A publication of ours with QoS 1 or 2 (by its token) is with the broker. May be NULL. */
    void (*on_published)(void *context, uint64_t token);
};

struct mqtt_client_options {
    const struct mqtt_url *url;
    uint16_t keep_alive;      /* seconds */
    uint32_t session_expiry;  /* seconds; 0: a clean session */
    uint16_t receive_maximum; /* deliveries that may wait for their acknowledgement */
    uint32_t packet_maximum;  /* bytes */
    struct log *log;
    const struct mqtt_handlers *handlers;
    void *context;
};

MUST_CHECK int mqtt_client_open(struct mqtt_client **client, uv_loop_t *loop,
                                const struct mqtt_client_options *options, struct failure *failure);

/* Subscribes; remembered, and done again where a session is new. */
MUST_CHECK int mqtt_client_subscribe(struct mqtt_client *client,
                                     const struct mqtt_subscription *subscriptions, size_t count,
                                     struct failure *failure);
MUST_CHECK int mqtt_client_unsubscribe(struct mqtt_client *client, const char *filter,
                                       struct failure *failure);

/*
 * Publishes. 0, or -1: not connected, or what waits to leave is too much already; then it is as if it had
 * been lost on the way. With QoS 1 it is sent once, and not again after a new connection.
 */
int mqtt_client_publish(struct mqtt_client *client, const struct mqtt_publish *publish, uint64_t token);

void mqtt_client_settle(struct mqtt_client *client, struct mqtt_delivery *delivery,
                        enum mqtt_settlement settlement);

/* Stops and goes on reading from the broker: flow control. */
void mqtt_client_pause(struct mqtt_client *client, bool paused);

/* Sends what was written since; called once for all that a batch answered. */
void mqtt_client_flush(struct mqtt_client *client);

/* DISCONNECT, and closes; the loop runs once more before mqtt_client_release(). */
void mqtt_client_close(struct mqtt_client *client);
void mqtt_client_release(struct mqtt_client *client);

#endif
