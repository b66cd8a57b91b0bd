#include "gateway/core/roster.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define DRAWS 4 /* of 128 bits: a clash means that they are not random */

/* ---- session ids ---- */

/* Neither older than `seconds`, nor of a time that has not come: a clock set back prolongs nothing by more
 * than the slack (session_issue() lets those go that would come to life again). */
static bool is_within(int64_t since, int64_t seconds, int64_t now)
{
    return since <= now + WIRE_CLOCK_SLACK && now - since < seconds;
}

static bool is_current(const struct session_row *row, int64_t lifetime, int64_t now)
{
    return !row->spent && row->retired == 0 && is_within(row->issued, lifetime, now);
}

/* The grace time begins when an id is replaced, and with the end of its lifetime at the latest: where nobody
 * was there to replace it then, it does not begin later. */
static bool is_in_grace(const struct session_row *row, int64_t lifetime, int64_t grace, int64_t now)
{
    return (row->retired == 0 || is_within(row->retired, grace, now)) &&
           is_within(row->issued, lifetime + grace, now);
}

size_t sessions_keep_known(struct session_row *rows, size_t count, int64_t lifetime, int64_t grace,
                           int64_t now)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        bool valid = is_in_grace(&rows[i], lifetime, grace, now); /* a current one is, too */
        if (rows[i].spent || valid)
            rows[kept++] = rows[i];
    }
    return kept;
}

static int draw_id(char id[WIRE_SESSION_ID], struct failure *failure)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[WIRE_SESSION_ID / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return fail(failure, "cannot get random bytes from the system");
    for (size_t i = 0; i < sizeof(bytes); i++) {
        id[2 * i] = digits[bytes[i] >> 4];
        id[2 * i + 1] = digits[bytes[i] & 15];
    }
    return 0;
}

static int issue(struct store *store, const char *topic, char id[WIRE_SESSION_ID], int64_t now,
                 struct failure *failure)
{
    for (unsigned i = 0; i < DRAWS; i++) {
        if (draw_id(id, failure) != 0)
            return -1;
        int issued = store->ops->session_issue(store, topic, id, now, failure);
        if (issued != 0)
            return issued < 0 ? -1 : 0;
    }
    return fail(failure, "cannot draw a session id: the system's random source gives the same ones again");
}

/* The current id of a topic, which is drawn if there is none; *issued: when it was. */
static int current_id(struct store *store, const struct wire_row *row, int64_t now, char id[WIRE_SESSION_ID],
                      int64_t *issued, struct failure *failure)
{
    struct session_row rows[WIRE_SESSIONS_MAX];
    int count = store->ops->session_list(store, row->session_topic, rows, failure);

    *issued = now;
    if (count < 0)
        return -1;
    for (int i = 0; i < count; i++)
        if (is_current(&rows[i], row->lifetime, now)) {
            memcpy(id, rows[i].id, WIRE_SESSION_ID);
            *issued = rows[i].issued;
            return 0;
        }
    return issue(store, row->session_topic, id, now, failure);
}

/* ---- the roster ---- */

/* What is gathered while the rows are visited: the store is asked for session ids afterwards. */
struct reader {
    struct roster *roster;
    struct wire_row *sessions; /* a device of each session topic; parallel to roster->sessions */
    bool out_of_memory;
};

/* Room for one more behind `count`, which grows by doubling. */
static void *grown(void *items, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return items;
    return realloc(items, (count == 0 ? 1 : 2 * count) * size);
}

static int add_topic(struct roster *roster, const struct wire_row *row)
{
    struct roster_topic *topics;

    for (size_t i = 0; i < roster->topic_count; i++)
        if (strcmp(roster->topics[i].topic, row->route) == 0 &&
            strcmp(roster->topics[i].wire, row->wire) == 0)
            return 0;
    topics = grown(roster->topics, roster->topic_count, sizeof(*topics));
    if (topics == NULL)
        return -1;
    roster->topics = topics;
    memcpy(topics[roster->topic_count].wire, row->wire, sizeof(row->wire));
    memcpy(topics[roster->topic_count].topic, row->route, sizeof(row->route));
    roster->topic_count++;
    return 0;
}

static int add_session(struct reader *reader, const struct wire_row *row)
{
    struct roster *roster = reader->roster;
    struct wire_row *rows;
    struct roster_session *sessions;

    for (size_t i = 0; i < roster->session_count; i++)
        if (strcmp(roster->sessions[i].topic, row->session_topic) == 0)
            return 0;
    sessions = grown(roster->sessions, roster->session_count, sizeof(*sessions));
    if (sessions == NULL)
        return -1;
    roster->sessions = sessions;
    rows = grown(reader->sessions, roster->session_count, sizeof(*rows));
    if (rows == NULL)
        return -1;
    reader->sessions = rows;
    memset(&sessions[roster->session_count], 0, sizeof(*sessions));
    memcpy(sessions[roster->session_count].topic, row->session_topic, sizeof(row->session_topic));
    rows[roster->session_count++] = *row;
    return 0;
}

static int on_row(void *context, const struct wire_row *row)
{
    struct reader *reader = context;

    if (row->session_topic[0] == '\0') {
        reader->roster->paths++;
        reader->roster->unsequenced += (row->flags & WIRE_ALLOW_UNSEQUENCED) != 0;
        return 0;
    }
    reader->out_of_memory = add_topic(reader->roster, row) != 0 || add_session(reader, row) != 0;
    return reader->out_of_memory;
}

static int read_sessions(struct reader *reader, struct store *store, int64_t now, struct failure *failure)
{
    struct roster *roster = reader->roster;
    int64_t issued;

    for (size_t i = 0; i < roster->session_count; i++) {
        if (current_id(store, &reader->sessions[i], now, roster->sessions[i].id, &issued, failure) != 0)
            return -1;
        if (issued + reader->sessions[i].lifetime < roster->due)
            roster->due = issued + reader->sessions[i].lifetime;
        if (issued > roster->since)
            roster->since = issued;
    }
    return 0;
}

int roster_read(struct roster **roster, struct store *store, int64_t now, struct failure *failure)
{
    struct reader reader = {.roster = calloc(1, sizeof(**roster))};
    int result;

    *roster = NULL;
    if (reader.roster == NULL)
        return fail(failure, "no memory is left for the roster of older wires");
    reader.roster->due = INT64_MAX;
    result = store->ops->wires_each(store, on_row, &reader, failure);
    if (result == 0 && reader.out_of_memory)
        result = fail(failure, "no memory is left for the roster of older wires");
    if (result == 0)
        result = read_sessions(&reader, store, now, failure);
    if (result == 0) /* with what was entered just now */
        result = store->ops->wires_version(store, &reader.roster->version, failure);
    free(reader.sessions);
    if (result != 0)
        roster_free(reader.roster);
    else
        *roster = reader.roster;
    return result;
}

bool roster_is_due(int64_t since, int64_t due, int64_t now)
{
    return now >= due || since > now + WIRE_CLOCK_SLACK;
}

void roster_free(struct roster *roster)
{
    if (roster == NULL)
        return;
    free(roster->topics);
    free(roster->sessions);
    free(roster);
}
