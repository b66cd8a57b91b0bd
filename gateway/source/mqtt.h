/*
 * The MQTT source's parts among themselves: mqtt.c opens and closes the brokers, mqtt_message.c is a
 * message's way, mqtt_older.c what older wires need, mqtt_status.c what can be said about it. Private to
 * them.
 */
#ifndef SOURCE_MQTT_H
#define SOURCE_MQTT_H

#include "gateway/mqtt/client.h"
#include "gateway/source/mqtt_topic.h"
#include "gateway/source/source.h"

/* Why a message was refused before the pipeline saw it: X(name, word). */
#define MQTT_REFUSALS(X)                                                                                     \
    X(MQTT_REFUSED_TOPIC, "topic")       /* not one that was asked for */                                    \
    X(MQTT_REFUSED_TYPE, "type")         /* its Content Type is another one (HTTP: 415) */                   \
    X(MQTT_REFUSED_SIZE, "size")         /* over 4,096 bytes (413) */                                        \
    X(MQTT_REFUSED_RETAINED, "retained") /* an older wire's, kept by the broker and not just published */

enum mqtt_refusal {
#define MQTT_REFUSAL_ENUM(name, word) name,
    MQTT_REFUSALS(MQTT_REFUSAL_ENUM)
#undef MQTT_REFUSAL_ENUM
        MQTT_REFUSAL_COUNT
};

struct mqtt_broker;

/*
 * A message that was taken from a broker: until it is answered for good. It is opened in place, and may have
 * to be submitted again: so it is kept as it came, too.
 */
struct mqtt_message {
    struct inbound inbound; /* first: the pipeline hands this back */
    struct mqtt_broker *broker;
    struct mqtt_delivery *delivery; /* NULL: of a connection that is gone */
    struct mqtt_message *next;      /* among the broker's */
    struct mqtt_message *previous;
    struct mqtt_message *next_held;
    uint64_t number; /* in the order in which they came */
    uint8_t qos;
    const char *topic;
    const uint8_t *original;
    size_t len;
    uint8_t bytes[]; /* to be opened, and behind them the original, and the topic */
};

struct mqtt_source;

struct mqtt_broker {
    struct mqtt_source *source;
    struct mqtt_client *client;
    char name[MQTT_NAME_SIZE + 8]; /* HOST:PORT */
    enum mqtt_devices devices;     /* who is heard on this connection */
    struct mqtt_message *messages; /* all that wait */
    uint64_t taken;                /* so far */
    size_t count;
    size_t limit;              /* of them, beyond which nothing is read */
    struct mqtt_message *held; /* those that the pipeline did not take, to be submitted again; oldest first */
    struct mqtt_message *probe; /* the one that is tried before the others */
    uv_timer_t retry;
    unsigned pause; /* milliseconds before held ones are tried again; 0: they are not failing */
    struct roster_session *published; /* session ids that this connection has been sent */
    size_t published_count;
    int64_t published_version; /* of the roster that all of them are of; 0: some are missing */
    bool told_refused;         /* that the broker does not take them */
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t refused[MQTT_REFUSAL_COUNT];
};

struct mqtt_source {
    struct source source;
    struct pipeline *pipeline;
    struct log *log;
    const struct source_list *others; /* that were opened before it */
    const char *filter;               /* without the share */
    const char *share;                /* or NULL */
    struct roster_topic *topics;      /* of older wires, that are subscribed; sorted */
    size_t topic_count;
    int64_t topics_version; /* of the roster that they are of */
    bool quiesced;
    size_t broker_count;
    struct mqtt_broker brokers[SERVE_BROKERS_MAX];
};

/* ---- mqtt_message.c ---- */

void mqtt_broker_init(struct mqtt_broker *broker, struct mqtt_source *source, uv_loop_t *loop);
void mqtt_broker_take(struct mqtt_broker *broker, struct mqtt_delivery *delivery,
                      const struct mqtt_packet *packet);
/* The connection is gone. */
void mqtt_broker_orphan(struct mqtt_broker *broker);
/* Nothing is taken any more; what was held back is left to the broker. */
void mqtt_broker_quiesce(struct mqtt_broker *broker);

/* ---- mqtt_older.c ---- */

/* The wire whose devices publish on that topic, or NULL. */
const struct wire_ops *mqtt_older_wire(const struct mqtt_source *source, const char *topic, size_t len);
/* Does what a new roster asks for. */
void mqtt_older_follow(struct mqtt_source *source);
/* A new connection; `resumed`: of a session that the broker had kept. */
void mqtt_older_up(struct mqtt_broker *broker, bool resumed);
/* A session id is with the broker, or refused (`code` 128 and above). */
void mqtt_older_published(struct mqtt_broker *broker, unsigned code);
void mqtt_older_wipe(struct mqtt_source *source);

/* ---- mqtt_status.c ---- */

void mqtt_source_metrics(const struct source *source, FILE *out);
void mqtt_source_away(const struct source *source, source_away_teller *tell, void *context);

#endif
