#include "gateway/mqtt/session.h"

#include <stdlib.h>
#include <string.h>

/* ---- sets ---- */

static bool has(const struct id_set *set, uint16_t id)
{
    return (set->bits[id / 8] >> (id % 8) & 1) != 0;
}

static void put(struct id_set *set, uint16_t id)
{
    set->bits[id / 8] |= (uint8_t)(1u << (id % 8));
}

static void take(struct id_set *set, uint16_t id)
{
    set->bits[id / 8] &= (uint8_t) ~(1u << (id % 8));
}

/* ---- the session ---- */

int session_init(struct session *session, size_t deliveries, size_t publications)
{
    memset(session, 0, sizeof(*session));
    session->capacity = deliveries;
    session->publications_max = publications;
    session->deliveries = calloc(deliveries, sizeof(*session->deliveries));
    session->publications = calloc(publications > 0 ? publications : 1, sizeof(*session->publications));
    if (session->deliveries != NULL && session->publications != NULL)
        return 0;
    session_wipe(session);
    return -1;
}

void session_wipe(struct session *session)
{
    free(session->deliveries);
    free(session->publications);
    memset(session, 0, sizeof(*session));
}

void session_break(struct session *session)
{
    session->first = 0;
    session->count = 0;
    memset(&session->arrived, 0, sizeof(session->arrived));
    memset(session->publications, 0, session->publications_max * sizeof(*session->publications));
    session->publications_under_way = 0;
}

void session_forget(struct session *session)
{
    memset(&session->received, 0, sizeof(session->received));
}

/* ---- what comes in ---- */

bool session_is_full(const struct session *session)
{
    return session->count == session->capacity;
}

struct mqtt_delivery *session_arrive(struct session *session, uint8_t qos, uint16_t id)
{
    struct mqtt_delivery *delivery;

    if (qos == 2 && has(&session->arrived, id))
        return NULL;
    if (qos == 2)
        put(&session->arrived, id);
    delivery = &session->deliveries[(session->first + session->count) % session->capacity];
    *delivery = (struct mqtt_delivery){.id = id, .qos = qos};
    session->count++;
    return delivery;
}

bool session_acknowledge(struct session *session, int *type, uint16_t *id)
{
    static const int types[] = {0, MQTT_PUBACK, MQTT_PUBREC};
    const struct mqtt_delivery *oldest = &session->deliveries[session->first];

    if (session->count == 0 || !oldest->settled)
        return false;
    *type = types[oldest->qos];
    *id = oldest->id;
    if (oldest->qos == 2) {
        take(&session->arrived, oldest->id);
        put(&session->received, oldest->id);
    }
    session->first = (session->first + 1) % session->capacity;
    session->count--;
    return true;
}

bool session_release(struct session *session, uint16_t id)
{
    bool known = has(&session->received, id);

    take(&session->received, id);
    return known;
}

/* ---- what goes out ---- */

static struct publication *find(struct session *session, uint16_t id)
{
    for (size_t i = 0; i < session->publications_max; i++) {
        if (session->publications[i].id == id)
            return &session->publications[i];
    }
    return NULL;
}

/* One after the other: an identifier is used again only when all others were. */
uint16_t session_new_id(struct session *session)
{
    do {
        session->last_id++;
    } while (session->last_id == 0 ||
             (session->publications_under_way > 0 && find(session, session->last_id) != NULL));
    return session->last_id;
}

uint16_t session_publish(struct session *session, uint8_t qos, uint64_t token, size_t limit)
{
    struct publication *place;
    uint16_t id;

    if (session->publications_under_way >= limit ||
        session->publications_under_way >= session->publications_max)
        return 0;
    id = session_new_id(session);
    place = find(session, 0);
    *place = (struct publication){.token = token, .id = id, .qos = qos};
    session->publications_under_way++;
    return id;
}

void session_unpublish(struct session *session, uint16_t id)
{
    struct publication *place = id != 0 ? find(session, id) : NULL;

    if (place == NULL)
        return;
    memset(place, 0, sizeof(*place));
    session->publications_under_way--;
}

/* Whether this is what comes next for it. */
static bool fits(const struct publication *publication, enum mqtt_type type)
{
    if (publication->qos == 1)
        return type == MQTT_PUBACK;
    return publication->released ? type == MQTT_PUBCOMP : type == MQTT_PUBREC;
}

int session_published(struct session *session, enum mqtt_type type, uint16_t id, uint8_t code,
                      uint64_t *token)
{
    struct publication *publication = id != 0 ? find(session, id) : NULL;

    if (publication == NULL || !fits(publication, type))
        return -1;
    if (type == MQTT_PUBREC && code < 128) {
        publication->released = true;
        return 0;
    }
    *token = publication->token;
    session_unpublish(session, id);
    return 1;
}
