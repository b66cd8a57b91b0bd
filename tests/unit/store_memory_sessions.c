/* Session ids of older wires. */
#include "store_memory.h"

#include <stdlib.h>
#include <string.h>

static int64_t last_spent(struct memory_place *place)
{
    int64_t last = 0;

    EACH (struct session_id, session, &place->sessions)
        last = session->spent > last ? session->spent : last;
    return last;
}

static void spend(struct memory_place *place, struct session_id *session, const uint8_t *hash)
{
    session->spent = last_spent(place) + 1;
    session->row.spent = true;
    session->row.has_hash = hash != NULL;
    if (hash != NULL)
        memcpy(session->row.hash, hash, WIRE_HASH_SIZE);
}

void memory_void_sessions(struct memory_place *place)
{
    EACH (struct session_id, session, &place->sessions)
        if (!session->row.spent)
            spend(place, session, NULL);
}

void memory_drop_sessions(struct memory_place *place)
{
    for (size_t i = place->sessions.count; i-- > 0;) {
        struct session_id *session = (struct session_id *)(void *)place->sessions.at + i;
        bool used = false;
        EACH (struct wire_row, wire, &place->wires)
            used = used || (wire->closed == WIRE_OPEN && strcmp(wire->session_topic, session->topic) == 0);
        if (!used)
            memory_take_out(&place->sessions, session);
    }
}

/* Unspent ones first, the newest first; then the one that was spent last. */
static int compare_sessions(const void *a, const void *b)
{
    const struct session_id *x = a, *y = b;

    if (x->row.spent != y->row.spent)
        return x->row.spent ? 1 : -1;
    if (x->spent != y->spent)
        return x->spent > y->spent ? -1 : 1;
    return x->n > y->n ? -1 : 1;
}

static struct list sessions_of(struct memory_place *place, const char *topic)
{
    struct list found = {0};

    EACH (struct session_id, session, &place->sessions)
        if (strcmp(session->topic, topic) == 0)
            memory_put(&found, session, sizeof(*session));
    if (found.count > 0)
        qsort(found.at, found.count, sizeof(struct session_id), compare_sessions);
    return found;
}

int memory_session_list(struct store *store, const char *topic, struct session_row rows[WIRE_SESSIONS_MAX],
                        struct failure *failure)
{
    struct list found = sessions_of(place_of(store), topic);
    int count = 0;

    (void)failure;
    EACH (struct session_id, session, &found)
        if (count < WIRE_SESSIONS_MAX)
            rows[count++] = session->row;
    free(found.at);
    return count;
}

static struct session_id *session_of(struct memory_place *place, const char *topic, const char *id)
{
    EACH (struct session_id, session, &place->sessions)
        if (strcmp(session->topic, topic) == 0 && memcmp(session->row.id, id, WIRE_SESSION_ID) == 0)
            return session;
    return NULL;
}

static void prune(struct memory_place *place, const char *topic)
{
    struct list found = sessions_of(place, topic);
    size_t kept[2] = {0};

    EACH (struct session_id, session, &found)
        if (++kept[session->row.spent] > (session->row.spent ? WIRE_SESSIONS_SPENT : WIRE_SESSIONS_VALID))
            memory_take_out(&place->sessions, session_of(place, topic, session->row.id));
    free(found.at);
}

/* Those that would come to life again, since the clock was set back. */
static void drop_future(struct memory_place *place, const char *topic, int64_t until)
{
    for (size_t i = place->sessions.count; i-- > 0;) {
        struct session_id *session = (struct session_id *)(void *)place->sessions.at + i;
        if (strcmp(session->topic, topic) == 0 && !session->row.spent && session->row.retired > until)
            memory_take_out(&place->sessions, session);
    }
}

int memory_session_issue(struct store *store, const char *topic, const char id[WIRE_SESSION_ID], int64_t now,
                         struct failure *failure)
{
    struct memory_place *place = place_of(store);
    struct session_id fresh = {.row.issued = now, .n = place->next++};

    (void)failure;
    EACH (struct session_id, session, &place->sessions)
        if (strcmp(session->topic, topic) == 0 && !session->row.spent && session->row.retired == 0)
            session->row.retired = now > 1 ? now : 1;
    drop_future(place, topic, now + WIRE_CLOCK_SLACK);
    if (session_of(place, topic, id) != NULL)
        return 0;
    strcpy(fresh.topic, topic);
    memcpy(fresh.row.id, id, WIRE_SESSION_ID);
    memory_put(&place->sessions, &fresh, sizeof(fresh));
    prune(place, topic);
    place->wires_version++;
    return 1;
}

int memory_session_spend(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                         const uint8_t *hash, struct failure *failure)
{
    struct memory_place *place = place_of(store);
    struct session_id *session = session_of(place, topic, id);

    (void)failure;
    if (session == NULL || session->row.spent)
        return 0;
    spend(place, session, hash);
    place->wires_version++;
    return 1;
}
