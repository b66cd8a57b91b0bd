/* The wire nodemcu behind wire.h: whose a message is, whether it is new, and what storing it changes. */
#include "gateway/wire/nodemcu.h"

#include <stdio.h>
#include <string.h>

#include "device/crypto.h"
#include "gateway/decode/decoder.h"
#include "gateway/mqtt/packet.h"
#include "gateway/wire/wire.h"

_Static_assert(NODEMCU_ID_SIZE == WIRE_SESSION_ID && NODEMCU_HASH_SIZE == WIRE_HASH_SIZE,
               "as wire.h has them");
_Static_assert(NODEMCU_PACKED_MAX <= WIRE_KEYS_MAX, "as wire.h has them");

/* ---- what an operator gives ---- */

static int keys_parse(const char *text, size_t len, unsigned flags, uint8_t packed[WIRE_KEYS_MAX],
                      size_t *packed_len, struct failure *failure)
{
    struct nodemcu_keys keys;

    (void)flags;
    if (nodemcu_keys_read(&keys, text, len, failure) < 0)
        return -1;
    *packed_len = nodemcu_keys_pack(&keys, packed);
    nodemcu_keys_wipe(&keys);
    return 0;
}

/* Native devices have theirs below bulla/ (PROTOCOL 8). */
static int route_check(const char *route, struct failure *failure)
{
    if (!mqtt_is_topic(route, strlen(route)))
        return fail(failure, "a topic that devices publish on has no + and no #");
    if (*route == '$')
        return fail(failure, "topics that begin with $ are the broker's own");
    if (strncmp(route, "bulla/", 6) == 0)
        return fail(failure, "topics below bulla/ are those of native devices");
    return 0;
}

/* ---- whose a message is ---- */

/* A message that one of the candidates opens. */
struct found {
    struct nodemcu_opened opened;
    size_t candidate; /* WIRE_NONE: none does */
    bool is_node;     /* and its node id is the candidate's, or that takes any */
};

static bool takes_node(const struct wire_candidate *candidate, const struct nodemcu_opened *opened)
{
    size_t len = strlen(candidate->node);

    return len == 0 || (len == opened->node_len && memcmp(candidate->node, opened->node, len) == 0);
}

/* The first candidate whose message it is; failing that, one under whose keys it authenticates. -1: OpenSSL
 * failed. */
static int find(const struct nodemcu_message *message, const struct wire_candidate *candidates, size_t count,
                struct found *found)
{
    int result = 0;

    found->candidate = WIRE_NONE;
    found->is_node = false;
    for (size_t i = 0; i < count && result >= 0 && !found->is_node; i++) {
        struct nodemcu_keys keys;

        if (nodemcu_keys_unpack(&keys, candidates[i].keys, candidates[i].keys_len) < 0)
            continue;
        result = nodemcu_open(message, &keys, candidates[i].ids, candidates[i].session_count, &found->opened);
        nodemcu_keys_wipe(&keys);
        if (result <= 0)
            continue;
        found->candidate = i;
        found->is_node = takes_node(&candidates[i], &found->opened);
    }
    return result < 0 ? -1 : 0;
}

/* ---- what becomes of it ---- */

static void refuse(struct wire_opened *opened, enum outcome outcome, const char *detail)
{
    opened->outcome = outcome;
    snprintf(opened->detail, sizeof(opened->detail), "%s", detail);
}

/* It names a session id that is spent. */
static void refuse_spent(const struct wire_session *session, struct wire_opened *opened)
{
    if (session->has_hash && bulla_equal(session->hash, opened->hash, WIRE_HASH_SIZE))
        refuse(opened, OUTCOME_DUPLICATE, "this message is stored already");
    else if (session->has_hash)
        refuse(opened, OUTCOME_STALE, "another message has spent its session id");
    else
        refuse(opened, OUTCOME_STALE, "its session id is void: strict, or from before a restore");
}

/* The data as content-format 0 (PROTOCOL 3) is decoded, a number or a text, under the candidate's name. */
static int add_reading(const struct wire_message *message, const struct nodemcu_opened *found,
                       const char *name, struct readings *readings)
{
    size_t first = readings->count;
    struct text data;
    struct text copy;

    if (readings_copy(readings, found->data, found->data_len, &data) != DECODED ||
        readings_copy(readings, name, strlen(name), &copy) != DECODED ||
        decode(0, (const uint8_t *)data.at, data.len, message->received, readings) < 0)
        return -1;
    for (size_t i = first; i < readings->count; i++) {
        if (readings->items[i].type == READING_UNDECODED) /* it is no UTF-8, and has no name */
            continue;
        readings->items[i].name = copy.at;
        readings->items[i].name_len = copy.len;
    }
    return 0;
}

/* A message of that candidate, which names one of its session ids. */
static int judge(const struct wire_message *message, const struct wire_candidate *candidate,
                 const struct nodemcu_opened *found, struct readings *readings, struct wire_opened *opened)
{
    const struct wire_session *session = &candidate->sessions[found->id];

    memcpy(opened->hash, found->hash, WIRE_HASH_SIZE);
    if (found->node_len <= WIRE_NODE_MAX && memchr(found->node, 0, found->node_len) == NULL)
        memcpy(opened->node, found->node, found->node_len); /* else it is "", which no node is called */
    if (session->spent) {
        refuse_spent(session, opened);
        return 0;
    }
    opened->outcome = OUTCOME_STORED;
    opened->spends = true;
    opened->session = found->id;
    return add_reading(message, found, candidate->reading_name, readings);
}

/* Where the topic has one device, it is that one's name that the journal has. */
static void refuse_unopened(const struct found *found, size_t count, struct wire_opened *opened)
{
    opened->candidate = count == 1 ? 0 : found->candidate;
    if (count == 0)
        refuse(opened, OUTCOME_UNKNOWN, "no device has this topic");
    else if (found->candidate != WIRE_NONE)
        refuse(opened, OUTCOME_UNKNOWN, "it authenticates, but no device of this topic has its node id");
    else
        snprintf(opened->detail, sizeof(opened->detail),
                 "it authenticates under the keys of none of this topic's %zu devices, or its session id has "
                 "expired",
                 count);
}

static int open_message(const struct wire_message *message, const struct wire_candidate *candidates,
                        size_t count, struct readings *readings, struct wire_opened *opened)
{
    struct nodemcu_message parsed;
    struct found found;
    int result;

    if (message->request != WIRE_READING || nodemcu_parse(&parsed, message->bytes, message->len) < 0) {
        refuse(opened, OUTCOME_MALFORMED, "it is not three ciphertexts and an HMAC with commas between them");
        opened->candidate = count == 1 ? 0 : WIRE_NONE;
        return 0;
    }
    result = find(&parsed, candidates, count, &found);
    if (result == 0 && found.is_node) {
        opened->candidate = found.candidate;
        result = judge(message, &candidates[found.candidate], &found.opened, readings, opened);
    } else if (result == 0) {
        refuse_unopened(&found, count, opened);
    }
    bulla_wipe(&found, sizeof(found));
    return result;
}

static const char *const gaps[] = {
    "Whoever carries a message can hold it back, and deliver it as long as its session id is valid.",
    "Nothing tells the device what became of its readings: who drops messages, or puts another session id on "
    "the "
    "session topic, silences it unnoticed.",
    "Keys and pass-phrase stay the same for ever: who reads them out of one device's flash opens all that "
    "was "
    "recorded, and speaks for every device that has the same ones.",
    "When a device sends, how much, and on which topic can be seen.",
    NULL,
};

const struct wire_ops wire_nodemcu = {
    .name = "nodemcu",
    .route_word = "topic",
    .devices_per_route = WIRE_CANDIDATES,
    .has_sessions = true,
    .has_groups = true,
    .flags = WIRE_STRICT,
    .keys_help = "ivkey=, datakey=, staticiv=, passphrase=",
    .gaps = gaps,
    .keys_parse = keys_parse,
    .route_check = route_check,
    .open = open_message,
};
