/*
 * The client's parts among themselves: client.c opens and closes it and keeps the connection up,
 * client_in.c takes what the broker sends, client_out.c writes. Private to them.
 */
#ifndef MQTT_CLIENT_PARTS_H
#define MQTT_CLIENT_PARTS_H

#include "gateway/mqtt/client.h"
#include "gateway/mqtt/session.h"
#include "gateway/mqtt/subscriptions.h"
#include "gateway/mqtt/transport.h"

enum client_stage {
    CLIENT_WAITING,  /* for the time to connect again */
    CLIENT_OPENING,  /* the transport */
    CLIENT_GREETING, /* CONNECT left */
    CLIENT_UP,
    CLIENT_CLOSED,
};

/* Bytes that gather until they are sent. */
struct output {
    uint8_t *bytes;
    size_t len;
    size_t capacity;
};

struct mqtt_client {
    enum client_stage stage;
    uv_loop_t *loop;
    struct mqtt_client_options options;
    struct mqtt_url url;
    char name[MQTT_NAME_SIZE]; /* HOST:PORT, for the log */
    char client_id[MQTT_ID_SIZE];
    struct mqtt_client_state state;
    struct transport *transport;
    struct session session;
    struct subscriptions subscriptions;
    struct output output;

    uv_timer_t timer; /* by the stage: connect again, no CONNACK came, keep-alive */
    uv_idle_t soon;   /* something is to be done in the loop's next turn */

    uint8_t *input; /* options.packet_maximum bytes */
    size_t input_len;
    size_t skipping; /* bytes of a packet that is too long, to come still */
    bool processing;
    bool pause_asked;

    /* what the broker said when the connection came about */
    unsigned keep_alive; /* seconds; 0: none */
    uint16_t publish_limit;

    /* milliseconds, of the loop's clock */
    uint64_t up_since;
    uint64_t heard;
    uint64_t said;
    uint64_t pinged_at;     /* PINGREQ was sent and is not answered; 0: none */
    uint64_t subscribed_at; /* SUBSCRIBE; 0: all are answered */

    unsigned pause;  /* milliseconds before the next attempt */
    bool ever_5;     /* the broker spoke 5.0 once */
    unsigned silent; /* times that it closed before it said anything, in sequence */
    unsigned thrown; /* connections that ended soon after they stood, in sequence */
    bool told;       /* the log knows state.why */
};

/* ---- client.c ---- */

/* Ends the connection and plans the next. `format` as printf's: why, for the log and /healthz. */
__attribute__((format(printf, 2, 3))) void client_down(struct mqtt_client *client, const char *format, ...);

/* CONNACK came, and says yes. */
void client_up(struct mqtt_client *client, const struct mqtt_packet *connack);

/* CONNACK says no. */
void client_refused(struct mqtt_client *client, const struct mqtt_packet *connack);

/* Something is to be done in the loop's next turn. */
void client_soon(struct mqtt_client *client);

/* ---- client_in.c ---- */

size_t client_room(void *context, uint8_t **at);
void client_bytes(void *context, size_t len);

/* Takes the packets that are there, until it is paused. */
void client_process(struct mqtt_client *client);

/* Whether nothing may be taken now. */
bool client_is_paused(const struct mqtt_client *client);

/* ---- client_out.c ---- */

void client_write_connect(struct mqtt_client *client);
void client_write_ack(struct mqtt_client *client, enum mqtt_type type, uint16_t id, uint8_t code);
void client_write_ping(struct mqtt_client *client);
void client_write_disconnect(struct mqtt_client *client, uint8_t code);
void client_write_subscriptions(struct mqtt_client *client);
void client_write_unsubscribe(struct mqtt_client *client, const char *filter);

/* Acknowledges what is settled, oldest first. */
void client_acknowledge(struct mqtt_client *client);

/* Sends what gathered, if the transport takes it. */
void client_send(struct mqtt_client *client);

/* Whether so much waits to leave that no more is to be taken on. */
bool client_is_stuck(const struct mqtt_client *client);

#endif
