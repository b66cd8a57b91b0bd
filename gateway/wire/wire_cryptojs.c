/*
 * The wire `cryptojs` (gateway/wire/wire.h): what cryptojs.h opens, judged by the device's number and what it
 * was allowed when it was added.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device/crypto.h"
#include "gateway/decode/utf8.h"
#include "gateway/wire/cryptojs.h"
#include "gateway/wire/wire.h"

#define ID_MAX 64 /* bytes */

_Static_assert(CRYPTOJS_ANSWER_MAX <= WIRE_REPLY_MAX, "an answer does not fit");
_Static_assert(CRYPTOJS_PASSPHRASE_MAX <= WIRE_KEYS_MAX, "a pass-phrase does not fit");
_Static_assert(CRYPTOJS_DRAWN <= WIRE_RANDOM_SIZE, "a salt needs more");
_Static_assert(CRYPTOJS_HASH == WIRE_HASH_SIZE, "one hash for all");

extern const struct wire_ops wire_cryptojs;

/* ---- keys ---- */

/* Where no device has the id: the same work. */
static const struct cryptojs_key stand_in = {.len = 32, .passphrase = "00000000000000000000000000000000"};

static void unpack(struct cryptojs_key *key, const struct wire_candidate *candidate)
{
    if (candidate == NULL || candidate->keys_len == 0 || candidate->keys_len > CRYPTOJS_PASSPHRASE_MAX) {
        *key = stand_in;
        return;
    }
    *key = (struct cryptojs_key){.len = candidate->keys_len};
    memcpy(key->passphrase, candidate->keys, candidate->keys_len);
}

static int keys_parse(const char *text, size_t len, unsigned flags, uint8_t keys[WIRE_KEYS_MAX],
                      size_t *keys_len, struct failure *failure)
{
    struct cryptojs_key key;
    uint8_t raw[16];
    int result = cryptojs_key_read(&key, text, len, failure);

    if (result == 0 && (flags & WIRE_ALLOW_UNSEQUENCED) != 0 && !cryptojs_key_raw(&key, raw))
        result =
            fail(failure, "--allow-unsequenced needs a pass-phrase of 32 hex digits: it is the raw key of "
                          "messages without a number");
    if (result == 0) {
        memcpy(keys, key.passphrase, key.len);
        *keys_len = key.len;
    }
    bulla_wipe(&key, sizeof(key));
    bulla_wipe(raw, sizeof(raw));
    return result;
}

static int route_check(const char *route, struct failure *failure)
{
    if (strlen(route) > ID_MAX)
        return fail(failure, "an id is at most %d bytes", ID_MAX);
    if (strcmp(route, ".") == 0 || strcmp(route, "..") == 0)
        return fail(failure, "\"%s\" cannot be an id: clients take it out of a path", route);
    return 0;
}

/* ---- judging ---- */

__attribute__((format(printf, 3, 4))) static void judge(struct wire_opened *opened, enum outcome outcome,
                                                        const char *detail, ...)
{
    va_list arguments;

    opened->outcome = outcome;
    va_start(arguments, detail);
    vsnprintf(opened->detail, sizeof(opened->detail), detail, arguments);
    va_end(arguments);
}

/* What stands against a message that opened, besides its number. */
static const char *objection(const struct wire_candidate *candidate, enum wire_request request)
{
    if (request == WIRE_SET_NUMBER && (candidate->flags & WIRE_ALLOW_RESET) == 0)
        return "it sets the device's number, which was added without --allow-reset";
    if (request == WIRE_SET_DATA && (candidate->flags & WIRE_ALLOW_UNSEQUENCED) == 0)
        return "it has no number, and the device was added without --allow-unsequenced";
    if (request != WIRE_READING && candidate->hashes_full)
        return "no more of the device's ciphertexts can be remembered: it has to be upgraded";
    return NULL;
}

/* A message that opened: what storing it changes. */
static void claim(const struct wire_candidate *candidate, enum wire_request request,
                  const struct cryptojs_opened *found, struct wire_opened *opened)
{
    const uint64_t number = (uint64_t)found->number;
    const char *against = objection(candidate, request);

    opened->remembers = true; /* also without a flag: removed and added again, the device may have one */
    memcpy(opened->hash, found->hash, sizeof(opened->hash));
    if (against != NULL) {
        judge(opened, OUTCOME_STALE, "%s", against);
    } else if (request == WIRE_SET_NUMBER) {
        judge(opened, OUTCOME_RESET, "it sets the number from %" PRIu64 " to %" PRIu64, candidate->number,
              number);
    } else if (request == WIRE_SET_DATA) {
        judge(opened, OUTCOME_STORED, "%s", "");
        return;
    } else if (number <= candidate->number) {
        judge(opened, OUTCOME_STALE, "SEQN %" PRIu64 " is not above %" PRIu64, number, candidate->number);
    } else {
        judge(opened, OUTCOME_STORED, "%s", "");
        opened->lost = candidate->number == 0 ? 0 : number - candidate->number - 1;
    }
    opened->sets_number = opened->outcome != OUTCOME_STALE;
    opened->number = opened->sets_number ? number : 0;
}

static int open_message(const struct wire_message *message, const struct cryptojs_key *key,
                        const struct wire_candidate *candidate, struct readings *readings,
                        struct wire_opened *opened)
{
    static const enum cryptojs_request requests[] = {
        [WIRE_READING] = CRYPTOJS_DATA,
        [WIRE_SET_NUMBER] = CRYPTOJS_RESET,
        [WIRE_SET_DATA] = CRYPTOJS_UNSEQUENCED,
    };
    const struct cryptojs_message asked = {
        .request = requests[message->request],
        .body = message->bytes,
        .len = message->len,
        .received = message->received,
        .value_name = candidate != NULL ? candidate->reading_name : "value",
    };
    const size_t before = readings->count;
    struct cryptojs_opened found;

    if (cryptojs_open(key, &asked, &found, readings) < 0)
        return -1;
    if (found.fault != CRYPTOJS_GOOD)
        judge(opened, cryptojs_fault_sealed(found.fault) ? OUTCOME_FORGED : OUTCOME_MALFORMED, "%s",
              cryptojs_fault_text(found.fault));
    else if (candidate != NULL)
        claim(candidate, message->request, &found, opened);
    if (opened->outcome != OUTCOME_STORED)
        readings->count = before;
    return 0;
}

static int answer(const struct wire_message *message, const struct cryptojs_key *key,
                  const struct wire_candidate *candidate, struct wire_opened *opened)
{
    const int64_t number = candidate != NULL ? (int64_t)candidate->number : 0;

    if (cryptojs_answer(key, number, message->random, (char *)opened->reply, &opened->reply_len) < 0)
        return -1;
    opened->outcome = OUTCOME_ANSWERED;
    return 0;
}

/* An id is one device's; a path without one is open to the only device that may use it. */
static int open_request(const struct wire_message *message, const struct wire_candidate *candidates,
                        size_t count, struct readings *readings, struct wire_opened *opened)
{
    const struct wire_candidate *candidate = count == 1 ? candidates : NULL;
    struct cryptojs_key key;
    int result;

    unpack(&key, candidate);
    result = message->request == WIRE_GET_NUMBER ? answer(message, &key, candidate, opened)
                                                 : open_message(message, &key, candidate, readings, opened);
    bulla_wipe(&key, sizeof(key));
    if (candidate != NULL) {
        opened->candidate = 0;
        return result;
    }
    opened->reply_len = 0;
    judge(opened, OUTCOME_UNKNOWN, "%s",
          count == 0 ? "no device has this id" : "more than one device may send without an id");
    return result;
}

/* ---- the wire ---- */

static const char *const gaps[] = {
    "Messages are not authenticated: AES-CBC without a MAC; what opens to base64 of JSON is taken for the "
    "device's.",
    "The key is the pass-phrase, hashed once with MD5: one that can be guessed is found from a single "
    "recorded "
    "message.",
    "The device has no proof of what is stored: whoever is on the way can drop its messages and answer in "
    "the "
    "gateway's place.",
    "No message says which device it is from: give every device a pass-phrase of its own, or one's messages "
    "can be "
    "given out as another's.",
    "An old answer to GET /wsn/ID can be given to the device again: from then on its numbers are refused.",
    NULL,
};

const struct wire_ops wire_cryptojs = {
    .name = "cryptojs",
    .route_word = "id",
    .devices_per_route = 1,
    .flags = WIRE_ALLOW_RESET | WIRE_ALLOW_UNSEQUENCED,
    .keys_help = "passphrase=",
    .gaps = gaps,
    .gap_of_reset =
        "--allow-reset: a reset or a reading that was held back on its way can be sent later, once: the "
        "number goes back, and what was sent since and never arrived is taken then.",
    .gap_of_unsequenced =
        "--allow-unsequenced: whoever is on the way can change what a message says (by its IV, 300 "
        "becomes 900), make others of its pieces, and hold them back for as long as he likes.",
    .keys_parse = keys_parse,
    .route_check = route_check,
    .open = open_request,
};
