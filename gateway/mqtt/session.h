/*
 * What an MQTT session remembers (4.1): deliveries that wait for their acknowledgement, in the order in which
 * they came; messages of QoS 2 whose PUBREC left and whose PUBREL has not come; publications of ours that the
 * broker has not acknowledged. Decides only: writes and reads nothing.
 */
#ifndef MQTT_SESSION_H
#define MQTT_SESSION_H

#include "gateway/failure.h"
#include "gateway/mqtt/packet.h"

struct mqtt_delivery {
    uint16_t id; /* with QoS 1 and 2 */
    uint8_t qos;
    bool settled;
};

struct publication {
    uint64_t token;
    uint16_t id; /* 0: this place is free */
    uint8_t qos;
    bool released; /* of QoS 2: PUBREL left */
};

/* A set of packet identifiers. */
struct id_set {
    uint8_t bits[65536 / 8];
};

struct session {
    struct mqtt_delivery *deliveries; /* a ring */
    size_t capacity;
    size_t first;
    size_t count;
    struct id_set arrived;  /* of QoS 2: delivered, PUBREC has not left */
    struct id_set received; /* of QoS 2: PUBREC left, PUBREL has not come */
    struct publication *publications;
    size_t publications_max;
    size_t publications_under_way;
    uint16_t last_id;
};

/* Room for so many of both. Returns 0, or -1 when memory is out. */
MUST_CHECK int session_init(struct session *session, size_t deliveries, size_t publications);
void session_wipe(struct session *session);

/* A connection ended: what was delivered on it is forgotten, and so are publications. */
void session_break(struct session *session);

/* The broker knows nothing of an earlier session: nor do we. */
void session_forget(struct session *session);

/* ---- what comes in ---- */

/*
 * A PUBLISH came; session_is_full() said no. Returns what is to be settled, or NULL: it is of QoS 2, and one
 * of its identifier waits to be settled already, whose acknowledgement will leave then. One whose PUBREC left
 * already is handed over again: whoever takes it knows a repetition by what is in it, and a broker that died
 * and came back with an earlier state gives the identifier to another message, of which no PUBREC may leave
 * before the commit.
 */
struct mqtt_delivery *session_arrive(struct session *session, uint8_t qos, uint16_t id);
bool session_is_full(const struct session *session);

/* The oldest delivery, if it is settled, leaves: true with the acknowledgement that is to be sent, PUBACK or
 * PUBREC, or `*type` 0: none, for QoS 0. */
bool session_acknowledge(struct session *session, int *type, uint16_t *id);

/* PUBREL came. Whether it was waited for. */
bool session_release(struct session *session, uint16_t id);

/* ---- what goes out ---- */

/* An identifier that nothing uses (of SUBSCRIBE and the like, which are answered soon, at most 64 wait). */
uint16_t session_new_id(struct session *session);

/* A publication of QoS 1 or 2 leaves: its identifier, or 0: as many as may be are under way (`limit`, where
 * the broker says less than this session has room for). */
uint16_t session_publish(struct session *session, uint8_t qos, uint64_t token, size_t limit);

/* Takes back what session_publish() gave. */
void session_unpublish(struct session *session, uint16_t id);

/* The broker acknowledged one of ours, by PUBACK, PUBREC or PUBCOMP with that reason code: 1 it is with the
 * broker (or refused: code 128 and above), *token says which; 0 PUBREL is to be sent; -1 nothing is known of
 * it. */
int session_published(struct session *session, enum mqtt_type type, uint16_t id, uint8_t code,
                      uint64_t *token);

#endif
