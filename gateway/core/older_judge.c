/*
 * What becomes of messages that came over older wires: on the store's thread, in one transaction.
 */
#include "gateway/core/cycle.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "gateway/decode/utf8.h"
#include "gateway/secret.h"

#define OUT_OF_MEMORY_TEXT "no memory is left to judge messages of older wires"

/* The session ids of a topic, as candidates get them. */
struct session_set {
    char topic[WIRE_ROUTE_MAX + 1];
    char ids[WIRE_SESSIONS_MAX][WIRE_SESSION_ID];
    struct wire_session sessions[WIRE_SESSIONS_MAX];
    size_t count;
    bool has_current; /* it stands first */
};

/* All that one message is judged with. */
struct judge {
    struct store *store;
    const struct older *older;
    int64_t now; /* Unix seconds */
    struct failure *failure;

    struct wire_row rows[WIRE_CANDIDATES]; /* of the route */
    size_t row_count;
    struct wire_candidate candidates[WIRE_CANDIDATES];
    const struct wire_row *row_of[WIRE_CANDIDATES]; /* a candidate's */
    size_t count;
    struct session_set sets[WIRE_CANDIDATES];
    size_t set_count;
    uint8_t (*keys)[WIRE_KEYS_MAX]; /* WIRE_CANDIDATES of them, in memory for keys */
    char damage[WIRE_DETAIL_MAX];   /* why a row of the route is no candidate; "": all are */
    struct wire_opened opened;
    struct wire_row node; /* of a group's message: its node's */
};

#define KEYS_SIZE ((size_t)WIRE_CANDIDATES * WIRE_KEYS_MAX)

/* ---- who it may be from ---- */

static void fill_set(struct session_set *set, const struct wire_row *row, const struct session_row *rows,
                     size_t count)
{
    memcpy(set->topic, row->session_topic, sizeof(set->topic));
    set->count = count;
    set->has_current = count > 0 && !rows[0].spent && rows[0].retired == 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(set->ids[i], rows[i].id, WIRE_SESSION_ID);
        set->sessions[i] = (struct wire_session){.spent = rows[i].spent, .has_hash = rows[i].has_hash};
        memcpy(set->sessions[i].hash, rows[i].hash, WIRE_HASH_SIZE);
    }
}

/* The session ids that a device's messages may name; NULL with the failure. */
static const struct session_set *sessions_of(struct judge *judge, const struct wire_row *row)
{
    struct session_row rows[WIRE_SESSIONS_MAX];
    int count;

    for (size_t i = 0; i < judge->set_count; i++)
        if (strcmp(judge->sets[i].topic, row->session_topic) == 0)
            return &judge->sets[i];
    count = judge->store->ops->session_list(judge->store, row->session_topic, rows, judge->failure);
    if (count < 0)
        return NULL;
    fill_set(&judge->sets[judge->set_count], row, rows,
             sessions_keep_known(rows, (size_t)count, row->lifetime, row->grace, judge->now));
    return &judge->sets[judge->set_count++];
}

/* 0, also where its keys do not open: then it is no candidate, and the journal has that. */
static int add_candidate(struct judge *judge, const struct wire_row *row)
{
    struct wire_candidate *candidate = &judge->candidates[judge->count];
    const struct session_set *set = NULL;
    struct failure damage;

    *candidate = (struct wire_candidate){
        .keys = judge->keys[judge->count],
        .node = row->node,
        .reading_name = row->reading_name,
        .flags = row->flags,
        .number = row->number,
        .hashes_full = row->hashes >= WIRE_HASHES_MAX,
    };
    if (row->session_topic[0] != '\0' && (set = sessions_of(judge, row)) == NULL)
        return -1;
    if (set != NULL) {
        candidate->ids = set->ids;
        candidate->sessions = set->sessions;
        candidate->session_count = set->count;
    }
    if (vault_open_wire(judge->older->vault, row, judge->keys[judge->count], &candidate->keys_len, &damage) <
        0) {
        snprintf(judge->damage, sizeof(judge->damage), "%.*s", WIRE_DETAIL_MAX - 1, damage.text);
        return 0;
    }
    judge->row_of[judge->count++] = row;
    return 0;
}

/* A route that nobody has costs what opening a device's keys costs. */
static void open_nobodys_keys(struct judge *judge)
{
    const struct wire_row nobody = {.keys_len = SEALED_SIZE(32)};
    struct failure ignored;
    size_t len;

    if (vault_open_wire(judge->older->vault, &nobody, judge->keys[0], &len, &ignored) == 0)
        bulla_wipe(judge->keys[0], len); /* it cannot: nothing was sealed with a nonce of zeros */
}

static int find_candidates(struct judge *judge, const struct inbound *inbound)
{
    int found = judge->store->ops->wire_find(judge->store, inbound->wire->name, inbound->route, judge->rows,
                                             WIRE_CANDIDATES, judge->failure);

    judge->row_count = found < 0 ? 0 : (size_t)found;
    judge->count = 0;
    judge->set_count = 0;
    judge->damage[0] = '\0';
    for (size_t i = 0; i < judge->row_count; i++)
        if (judge->rows[i].closed == WIRE_OPEN && add_candidate(judge, &judge->rows[i]) != 0)
            return -1;
    if (found >= 0 && judge->count == 0)
        open_nobodys_keys(judge);
    return found < 0 ? -1 : 0;
}

/* ---- what becomes of it ---- */

__attribute__((format(printf, 3, 4))) static void refuse(struct judge *judge, enum outcome outcome,
                                                         const char *detail, ...)
{
    va_list arguments;

    judge->opened.outcome = outcome;
    judge->opened.reply_len = 0; /* it was for another outcome */
    va_start(arguments, detail);
    vsnprintf(judge->opened.detail, sizeof(judge->opened.detail), detail, arguments);
    va_end(arguments);
}

static bool changes_something(const struct wire_opened *opened)
{
    return opened->outcome == OUTCOME_STORED || opened->outcome == OUTCOME_RESET;
}

static void note_device(struct older_message *message, const struct wire_row *row)
{
    message->device = row->device;
    memcpy(message->name, row->name, sizeof(message->name));
}

/* Nobody's: an upgraded device may still send so, and that of a damaged row. */
static void note_nobody(struct judge *judge, struct older_message *message)
{
    if (judge->damage[0] != '\0')
        memcpy(judge->opened.detail, judge->damage, sizeof(judge->damage));
    for (size_t i = 0; i < judge->row_count; i++) {
        const struct wire_row *row = &judge->rows[i];
        if (row->closed != WIRE_UPGRADED || judge->count > 0)
            continue;
        note_device(message, row);
        refuse(judge, OUTCOME_UNKNOWN, "its device was upgraded: the older wire is closed");
        return;
    }
}

/* The device NAME/ID of a group's node: 1 it is judge->node, 0 refused. A message that is not stored enters
 * none. */
static int enter_node(struct judge *judge, const struct wire_row *group)
{
    struct wire_opened *opened = &judge->opened;
    char name[sizeof(group->name) + sizeof(opened->node)];
    int entered;

    snprintf(name, sizeof(name), "%s/%s", group->name, opened->node);
    if (strlen(name) > BULLA_NAME_MAX) {
        refuse(judge, OUTCOME_MALFORMED, "the name of this node of \"%.48s\" would be longer than %d bytes",
               group->name, BULLA_NAME_MAX);
        return 0;
    }
    if (!changes_something(opened))
        return 0;
    entered = judge->store->ops->wire_node_add(judge->store, group, opened->node, name, judge->now,
                                               &judge->node, judge->failure);
    if (entered == 0)
        refuse(judge, OUTCOME_UNKNOWN, "its group has %d nodes already, or \"%.64s\" is another device",
               WIRE_NODES_MAX, name);
    return entered;
}

/* The device of that node on this topic, with an entry of its own, whose older wire an upgrade has closed:
 * where it has a group's keys, its messages are not to go on as the group's. NULL: there is none. */
static const struct wire_row *upgraded_neighbour(const struct judge *judge, const struct wire_row *group)
{
    for (size_t i = 0; i < judge->row_count; i++) {
        const struct wire_row *row = &judge->rows[i];
        if (row->closed == WIRE_UPGRADED && strcmp(row->node, judge->opened.node) == 0 &&
            strcmp(row->session_topic, group->session_topic) == 0)
            return row;
    }
    return NULL;
}

/* Of a message that authenticates under a group's keys: 1 the device is judge->node, 0 there is none, or it
 * is refused. */
static int find_node(struct judge *judge, const struct wire_row *group)
{
    struct wire_opened *opened = &judge->opened;
    const struct wire_row *neighbour;
    size_t len = strlen(opened->node);
    int found;

    if (len == 0 || len > WIRE_NODE_MAX || !utf8_is_plain(opened->node, len)) {
        refuse(judge, OUTCOME_MALFORMED, "its node id is not 1 to %d bytes of plain text", WIRE_NODE_MAX);
        return 0;
    }
    found = judge->store->ops->wire_node(judge->store, group->id, opened->node, &judge->node, judge->failure);
    if (found > 0 && judge->node.closed == WIRE_UPGRADED) {
        refuse(judge, OUTCOME_UNKNOWN, "node \"%.64s\" was upgraded: its older wire is closed", opened->node);
        return judge->node.device != 0;
    }
    if (found > 0 && judge->node.closed == WIRE_OPEN)
        return 1;
    if (found < 0)
        return -1;
    neighbour = upgraded_neighbour(judge, group);
    if (neighbour == NULL)
        return enter_node(judge, group);
    judge->node = *neighbour;
    refuse(judge, OUTCOME_UNKNOWN, "\"%.64s\" was upgraded: its older wire is closed", neighbour->name);
    return 1;
}

static int check_remembered(struct judge *judge, const struct wire_row *row)
{
    struct wire_opened *opened = &judge->opened;
    int known;

    if (!opened->remembers || !(changes_something(opened) || opened->outcome == OUTCOME_STALE))
        return 0;
    known = judge->store->ops->wire_remembers(judge->store, row->id, opened->hash, judge->failure);
    if (known > 0)
        refuse(judge, OUTCOME_DUPLICATE, "this ciphertext was accepted before");
    return known < 0 ? -1 : 0;
}

static int carry_out(struct judge *judge, const struct wire_row *row, const struct inbound *inbound,
                     const struct reading *readings, size_t count)
{
    const struct wire_opened *opened = &judge->opened;
    const struct wire_candidate *candidate = &judge->candidates[opened->candidate];
    const struct store_ops *ops = judge->store->ops;
    const struct wire_change change = {
        .row = row->id,
        .device = row->device,
        .name = row->name,
        .way = judge->older->way,
        .stored = opened->outcome == OUTCOME_STORED,
        .sets_number = opened->sets_number,
        .number = opened->number,
        .lost = opened->lost,
        .received = inbound->received,
        .hash = opened->remembers ? opened->hash : NULL,
        .readings = readings,
        .count = count,
    };

    if (ops->wire_change(judge->store, &change, judge->failure) < 0)
        return -1;
    if (!opened->spends)
        return 0;
    return ops->session_spend(judge->store, judge->row_of[opened->candidate]->session_topic,
                              candidate->ids[opened->session], opened->hash, judge->failure) < 0
               ? -1
               : 0;
}

/* `--strict`: whatever came on the topic, the current session id is spent. */
static int spend_strictly(struct judge *judge)
{
    for (size_t i = 0; i < judge->count; i++) {
        const struct wire_row *row = judge->row_of[i];
        const struct session_set *set = judge->sets;
        if ((row->flags & WIRE_STRICT) == 0 || row->session_topic[0] == '\0')
            continue;
        while (strcmp(set->topic, row->session_topic) != 0)
            set++;
        if (set->has_current &&
            judge->store->ops->session_spend(judge->store, set->topic, set->ids[0], NULL, judge->failure) < 0)
            return -1;
    }
    return 0;
}

/* A claim that cannot be meant: better refused than carried out. */
static bool is_sound(const struct judge *judge, size_t readings)
{
    const struct wire_opened *opened = &judge->opened;
    const struct wire_candidate *candidate;

    if (opened->candidate == WIRE_NONE)
        return !outcome_authentic(opened->outcome) && opened->outcome != OUTCOME_ANSWERED;
    if (opened->candidate >= judge->count)
        return false;
    candidate = &judge->candidates[opened->candidate];
    if (opened->outcome == OUTCOME_RESET && !opened->sets_number)
        return false;
    if (opened->spends &&
        (opened->session >= candidate->session_count || candidate->sessions[opened->session].spent))
        return false;
    return (opened->outcome == OUTCOME_STORED) == (readings > 0);
}

/* Of a message that authenticates: whose it is, whether it was there before, and what it changes. */
static int settle_authentic(struct judge *judge, struct older_message *message,
                            const struct readings *readings, size_t first)
{
    const struct wire_row *row = judge->row_of[judge->opened.candidate];
    const struct wire_row *whose = row;
    bool is_group = message->inbound->wire->has_groups && row->node[0] == '\0';
    int found = is_group ? find_node(judge, row) : 1;

    if (found < 0)
        return -1;
    if (found > 0 && is_group)
        whose = &judge->node;
    note_device(message, whose);
    if (found == 0 || (is_group && whose->closed != WIRE_OPEN))
        return 0;
    if (row->revoked || whose->revoked) {
        refuse(judge, OUTCOME_REVOKED, "the device was revoked");
        return 0;
    }
    if (check_remembered(judge, row) != 0)
        return -1;
    if (!changes_something(&judge->opened))
        return 0;
    message->readings = readings->count - first;
    return carry_out(judge, whose, message->inbound, readings->items + first, message->readings);
}

static int open_message(struct judge *judge, struct older_message *message, struct readings *readings)
{
    struct inbound *inbound = message->inbound;
    struct wire_message asked = {
        .request = inbound->request,
        .bytes = inbound->bytes,
        .len = inbound->len,
        .received = inbound->received,
    };
    int result;

    if (getrandom(asked.random, sizeof(asked.random), 0) != (ssize_t)sizeof(asked.random))
        return -1;
    result = inbound->wire->open(&asked, judge->candidates, judge->count, readings, &judge->opened);
    bulla_wipe(judge->keys, KEYS_SIZE);
    return result;
}

static void tell(const struct judge *judge, struct older_message *message)
{
    message->outcome = judge->opened.outcome;
    memcpy(message->detail, judge->opened.detail, sizeof(message->detail));
    message->detail[sizeof(message->detail) - 1] = '\0';
    message->reply_len = judge->opened.reply_len <= WIRE_REPLY_MAX ? judge->opened.reply_len : 0;
    memcpy(message->reply, judge->opened.reply, message->reply_len);
}

static int judge_message(struct judge *judge, struct older_message *message, struct readings *readings)
{
    size_t first = readings->count;
    int result = 0;

    judge->opened = (struct wire_opened){.outcome = OUTCOME_FORGED, .candidate = WIRE_NONE};
    if (find_candidates(judge, message->inbound) != 0)
        return -1;
    if (open_message(judge, message, readings) != 0 || !is_sound(judge, readings->count - first))
        refuse(judge, OUTCOME_BUSY, "memory or the provider failed");
    else if (judge->opened.candidate == WIRE_NONE)
        note_nobody(judge, message);
    else if (!outcome_authentic(judge->opened.outcome) && judge->opened.outcome != OUTCOME_ANSWERED)
        note_device(message, judge->row_of[judge->opened.candidate]); /* it can be meant for no other */
    else
        result = settle_authentic(judge, message, readings, first);
    if (result == 0 && judge->opened.outcome != OUTCOME_BUSY)
        result = spend_strictly(judge);
    if (message->readings == 0)
        readings->count = first;
    tell(judge, message);
    return result;
}

/* ---- all of a cycle's ---- */

static uint64_t nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int judge_with(struct judge *judge, struct older *older)
{
    uint64_t begun = nanoseconds();

    do
        if (judge_message(judge, &older->messages[older->judged], &older->readings) != 0)
            return -1;
    while (++older->judged < older->count && nanoseconds() - begun < OLDER_BUDGET);
    return 0;
}

static int judge_all(struct older *older, struct store *store, int64_t now)
{
    struct judge *judge = calloc(1, sizeof(*judge));
    bool locked = true;
    int result = -1;

    if (judge != NULL)
        judge->keys = secret_alloc(KEYS_SIZE, &locked);
    if (judge == NULL || judge->keys == NULL) {
        fail(&older->failure, OUT_OF_MEMORY_TEXT);
    } else {
        judge->store = store;
        judge->older = older;
        judge->now = now;
        judge->failure = &older->failure;
        result = judge_with(judge, older);
    }
    if (judge != NULL)
        secret_free(judge->keys, KEYS_SIZE);
    free(judge);
    return result;
}

/* Whether the roster is not what it was: asked where that may be. */
static int roster_is_old(const struct older *older, struct store *store, int64_t now, struct failure *failure)
{
    int64_t version;

    if (store->ops->wires_version(store, &version, failure) < 0)
        return -1;
    return version != older->version || roster_is_due(older->since, older->due, now);
}

static int run_in_transaction(struct older *older, struct store *store, int64_t now)
{
    int old;

    if (older->count > 0 && judge_all(older, store, now) != 0)
        return -1;
    old = roster_is_old(older, store, now, &older->failure);
    return old <= 0 ? old : roster_read(&older->roster, store, now, &older->failure);
}

int older_run(struct older *older, struct store *store, int64_t now, bool housekeeping)
{
    int old = housekeeping ? roster_is_old(older, store, now, &older->failure) : 0;

    if (old < 0 || (old == 0 && older->count == 0)) {
        older->failed = old < 0;
        return old;
    }
    if (store->ops->wires_begin(store, &older->failure) < 0 ||
        store->ops->wires_end(store, run_in_transaction(older, store, now), &older->failure) < 0) {
        older->failed = true;
        roster_free(older->roster);
        older->roster = NULL;
        return -1;
    }
    return 1;
}
