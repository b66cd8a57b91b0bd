/*
 * What sources have to know of the devices on older wires: which topics to listen to, which session ids to
 * publish, and whether there is any such device. Made on the store's thread whenever something of it has
 * changed, handed to the event loop as a whole, and never changed there.
 */
#ifndef ROSTER_H
#define ROSTER_H

#include "gateway/store/store.h"

/* A session topic, and the session id that is the current one there: to be published, retained. */
struct roster_session {
    char topic[WIRE_ROUTE_MAX + 1];
    char id[WIRE_SESSION_ID + 1];
};

/* A topic that devices publish on, and their wire. */
struct roster_topic {
    char wire[WIRE_NAME_MAX + 1];
    char topic[WIRE_ROUTE_MAX + 1];
};

struct roster {
    int64_t version;             /* wires_version() of the store; no two rosters of a pipeline share it */
    int64_t due;                 /* Unix seconds at which a session id's lifetime is over; INT64_MAX: never */
    int64_t since;               /* when the latest of them was issued: before that, the clock was set back */
    struct roster_topic *topics; /* each once */
    size_t topic_count;
    struct roster_session *sessions; /* each topic once */
    size_t session_count;
    size_t paths; /* devices whose route is an id in a path (cryptojs): none, and there is no such path */
    size_t unsequenced; /* of these, those that may send without a number: none, and there is no /setdata */
};

/*
 * Reads the roster, between wires_begin() and wires_end(): where a session topic has no current id within its
 * lifetime, one is drawn (system's random source) and entered. `now`: Unix seconds. Returns 0 with a new
 * roster that the caller frees with roster_free(), or -1.
 */
MUST_CHECK int roster_read(struct roster **roster, struct store *store, int64_t now, struct failure *failure);
/* Whether a current session id is none any more, at `now`. `since` and `due` as above. */
bool roster_is_due(int64_t since, int64_t due, int64_t now);
void roster_free(struct roster *roster); /* NULL is nothing */

/*
 * The session ids of a topic that a message may still name, at `now`: `rows` as session_list() gave them, of
 * which those that are neither spent nor valid any more are taken out. Returns how many are left, in the same
 * order.
 */
size_t sessions_keep_known(struct session_row *rows, size_t count, int64_t lifetime, int64_t grace,
                           int64_t now);

#endif
