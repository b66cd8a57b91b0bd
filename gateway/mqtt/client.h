/*
 * An MQTT client on the event loop: one connection to one broker, kept up for as long as it is wanted. What a
 * broker delivers is acknowledged by whoever takes it, when they say so: after the commit. That is why the
 * client is our own; the usual ones acknowledge before the application has seen the message.
 *
 * All of it runs on the loop's thread; the handlers may call every function here but mqtt_client_close(), and
 * mqtt_client_flush(). Memory is bounded: one packet that comes in at a time, and at most `receive_maximum`
 * deliveries that wait for their acknowledgement (then nothing more is read); what is written and does not
 * leave (a broker that does not read) is bounded too, and then the connection ends.
 *
 * Lines of the log about it have the event "mqtt".
 */
#ifndef MQTT_CLIENT_H
#define MQTT_CLIENT_H

#include <uv.h>

#include "gateway/failure.h"
#include "gateway/log.h"
#include "gateway/mqtt/packet.h"
#include "gateway/mqtt/url.h"

struct mqtt_client;

/* A message that a broker delivered. The client's; valid from on_message() until mqtt_client_settle(), or
 * until on_down(), whichever comes first: then it is forgotten, and the broker sends it again (QoS 1, 2). */
struct mqtt_delivery;

struct mqtt_handlers {
    /* The session stands (again): `resumed` if the broker had kept it. What is remembered as subscribed is
     * subscribed by the client itself. May be NULL. */
    void (*on_up)(void *context, bool resumed);
    /* The connection is gone, or none came about; deliveries that were not settled are forgotten, and
     * publications that were not acknowledged too. It is tried again. May be NULL. */
    void (*on_down)(void *context, const char *why);
    /*
     * A message, to be settled at once or later. What `packet` points to lasts until the handler returns: who
     * settles later keeps a copy. packet->retain: it was kept by the broker (3.3.1.3), not just published
     * (with 5.0 a subscription says whether that is told apart).
     */
    void (*on_message)(void *context, struct mqtt_delivery *delivery, const struct mqtt_packet *packet);
    /* A publication of ours with QoS 1 or 2 (by its token) is with the broker, or refused: `code` is 128 and
     * above (5.0, 2.4). May be NULL. */
    void (*on_published)(void *context, uint64_t token, unsigned code);
};

struct mqtt_client_options {
    const struct mqtt_url *url; /* copied */
    const char *client_id;      /* where the URL has none; copied */
    uint16_t keep_alive;        /* seconds; this and the next two where the URL does not say */
    uint32_t session_expiry;    /* seconds; 0: a clean session */
    uint16_t receive_maximum;   /* deliveries that may wait for their acknowledgement; not 0 */
    uint16_t publish_maximum;   /* publications with QoS 1 or 2 that may wait for theirs; may be 0 */
    uint32_t packet_maximum;    /* bytes; longer ones that a broker sends all the same are acknowledged and
                                 * dropped. At least 256 */
    uint32_t output_maximum;    /* bytes that may wait to leave; beyond it publications are lost, and beyond
                                 * four times as much the connection ends */
    bool is_held;               /* does not connect before mqtt_client_begin() */
    bool must_be_5;             /* a broker that speaks 3.1.1 only is of no use (shared subscriptions) */
    unsigned retry_least;       /* milliseconds of the first pause before connecting again; 0: 250 */
    unsigned retry_most;        /* of the longest; 0: 60,000 */
    struct log *log;
    const struct mqtt_handlers *handlers;
    void *context;
};

/*
 * Looks the broker's name up, and forgets it: so that whatever the system looks up names with is loaded
 * before a process gives up the right to load programs. Blocks, for some seconds at most.
 */
void mqtt_client_prepare(const struct mqtt_url *url);

/*
 * Opens a client, which begins to connect (but see is_held). Where the broker cannot be reached that is no
 * failure: it is tried again. Files of certificates are looked at, for a failure that says what is wrong with
 * them; they are read anew for every connection, so that renewed ones are taken.
 */
MUST_CHECK int mqtt_client_open(struct mqtt_client **client, uv_loop_t *loop,
                                const struct mqtt_client_options *options, struct failure *failure);

/* Has a client that is held begin to connect, with that client id where the URL has none (copied). */
void mqtt_client_begin(struct mqtt_client *client, const char *client_id);

/* Subscribes; remembered, and done again with every new connection. A subscription that the broker refuses
 * ends the connection (and it is tried again). Filters are copied. */
MUST_CHECK int mqtt_client_subscribe(struct mqtt_client *client,
                                     const struct mqtt_subscription *subscriptions, size_t count,
                                     struct failure *failure);
/* No longer. A filter that is not subscribed is nothing. */
void mqtt_client_unsubscribe(struct mqtt_client *client, const char *filter);
/* Ends a subscription that the broker may have kept from a former process, whose session this one has
 * (on_up: resumed), and that is not wanted now. */
void mqtt_client_renounce(struct mqtt_client *client, const char *filter);

/*
 * Publishes; leaves with the next mqtt_client_flush(), or the loop's next turn. 0, or -1: not connected, what
 * waits to leave is too much already, the broker takes no packet of that length (or QoS, or nothing
 * retained), or publish_maximum are under way; then it is as if it had been lost on the way. With QoS 1 and 2
 * it is sent once, and not again after a new connection.
 */
int mqtt_client_publish(struct mqtt_client *client, const struct mqtt_publish *publish, uint64_t token);

/* Acknowledges it, as soon as those that came before it are settled (4.6): PUBACK for QoS 1, PUBREC for
 * QoS 2. Leaves as publications do. */
void mqtt_client_settle(struct mqtt_client *client, struct mqtt_delivery *delivery);

/* Ends the connection, and connects again after a pause; what was not settled comes again. */
void mqtt_client_restart(struct mqtt_client *client, const char *why);

/* Stops and goes on reading from the broker: flow control. */
void mqtt_client_pause(struct mqtt_client *client, bool paused);

/* Sends what was written since, and goes on where reading had stopped; called once for all that a batch
 * answered. Without it that happens in the loop's next turn. */
void mqtt_client_flush(struct mqtt_client *client);

/* How it is, for people. Valid as long as the client. */
struct mqtt_client_state {
    bool up;
    int64_t since; /* Unix seconds: up or down since then */
    char why[256]; /* down: for what reason, last */
    enum mqtt_version version;
    const char *client_id;
    uint64_t connections; /* that came about */
    uint64_t received[3]; /* messages by their QoS, with those that were sent again */
    uint64_t oversize;    /* of these, longer than packet_maximum */
    uint64_t unsent;      /* publications that mqtt_client_publish() did not take */
    size_t unsettled;     /* deliveries that wait */
    bool paused;          /* nothing is read */
    /* what the broker takes, as long as it is up */
    bool retains; /* it keeps what is published to be retained */
    uint8_t maximum_qos;
    uint32_t packet_maximum; /* bytes */
};

const struct mqtt_client_state *mqtt_client_state(const struct mqtt_client *client);

/* Sends what waits and DISCONNECT, for a second at most, and closes. No handler is called any more. The loop
 * runs until it has nothing to do before mqtt_client_release(). */
void mqtt_client_close(struct mqtt_client *client);
void mqtt_client_release(struct mqtt_client *client);

#endif
