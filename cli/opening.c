#include "cli/opening.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device/crypto.h"
#include "gateway/failure.h"

struct attempt {
    struct opening *opening;
    const struct opening_keys *keys;
    const struct bulla_envelope *envelope;
    enum bulla_direction direction;
};

/* ---- trying ---- */

static int open_copy(const struct bulla_envelope *envelope, const uint8_t *key, const uint8_t *common_iv)
{
    uint8_t copy[BULLA_MESSAGE_MAX];
    struct bulla_envelope attempt = *envelope;
    int error;

    memcpy(copy, envelope->ciphertext, envelope->ciphertext_len);
    attempt.ciphertext = copy;
    error = bulla_envelope_open(&attempt, NULL, key, common_iv);
    if (error == 0)
        memcpy(envelope->ciphertext, copy, envelope->ciphertext_len);
    bulla_wipe(copy, sizeof(copy));
    return error;
}

/* Tries one context: a session, or a counter (NULL). The sender's id is the one that the message names. */
static bool try_context(const struct attempt *attempt, const uint8_t *id_context)
{
    const struct bulla_envelope *envelope = attempt->envelope;
    struct opening *opening = attempt->opening;
    struct bulla_schedule schedule = {
        .secret = attempt->keys->credential.secret,
        .id_context = id_context,
        .alg = envelope->alg,
    };
    uint8_t key[BULLA_KEY_MAX];
    uint8_t common_iv[BULLA_NONCE_MAX];

    opening->tried++;
    opening->opened = bulla_derive_key(&schedule, envelope->id, envelope->id_len, key) == 0 &&
                      bulla_derive_common_iv(&schedule, common_iv) == 0 &&
                      open_copy(envelope, key, common_iv) == 0;
    bulla_wipe(key, sizeof(key));
    bulla_wipe(common_iv, sizeof(common_iv));
    if (!opening->opened)
        return false;
    opening->session = id_context != NULL;
    if (id_context != NULL)
        memcpy(opening->id_context, id_context, BULLA_ID_CONTEXT_SIZE);
    opening->plaintext = envelope->ciphertext;
    opening->plaintext_len = envelope->ciphertext_len - bulla_tag_size(envelope->alg);
    return true;
}

/* The session that the message names, those that are known, and none. */
static void try_contexts(const struct attempt *attempt)
{
    const struct opening_keys *keys = attempt->keys;

    if (attempt->envelope->id_context != NULL && try_context(attempt, attempt->envelope->id_context))
        return;
    for (size_t i = 0; i < keys->session_count; i++) {
        if (try_context(attempt, keys->sessions[i]))
            return;
    }
    try_context(attempt, NULL);
}

/* ---- telling ---- */

/* Appends a sentence to `why`. */
__attribute__((format(printf, 2, 3))) static void say(struct opening *opening, const char *format, ...)
{
    size_t used = strlen(opening->why);
    va_list arguments;

    if (used > 0 && used + 2 < sizeof(opening->why)) {
        memcpy(opening->why + used, "; ", 3);
        used += 2;
    }
    va_start(arguments, format);
    vsnprintf(opening->why + used, sizeof(opening->why) - used, format, arguments);
    va_end(arguments);
}

static void hex(char *out, const uint8_t *bytes, size_t len)
{
    *out = 0;
    for (size_t i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* What the gateway refuses before it tries a key (PROTOCOL 4.2). */
static void compare_headers(const struct attempt *attempt)
{
    const struct bulla_credential *credential = &attempt->keys->credential;
    const struct bulla_envelope *envelope = attempt->envelope;
    char ours[2 * BULLA_KID_MAX + 1];
    char theirs[2 * BULLA_KID_MAX + 1];

    if (attempt->direction == BULLA_TO_GATEWAY &&
        (envelope->id_len != credential->kid_len ||
         memcmp(envelope->id, credential->kid, credential->kid_len) != 0)) {
        hex(ours, credential->kid, credential->kid_len);
        hex(theirs, envelope->id, envelope->id_len);
        say(attempt->opening, "it names kid %s, and the credential's is %s: it is another device's", theirs,
            ours);
    }
    if (envelope->alg != credential->alg)
        say(attempt->opening, "it says algorithm %" PRId32 ", and the credential says %u", envelope->alg,
            credential->alg);
    if (credential->kind == BULLA_COUNTER && envelope->id_context != NULL)
        say(attempt->opening, "it names a session, but the credential is of a counter");
}

/* Of a message that opened. */
static void compare_kind(const struct attempt *attempt)
{
    bool counter = attempt->keys->credential.kind == BULLA_COUNTER;
    const uint8_t *named = attempt->envelope->id_context;

    if (attempt->opening->session && named != NULL &&
        memcmp(named, attempt->opening->id_context, BULLA_ID_CONTEXT_SIZE) != 0)
        say(attempt->opening, "it names another session than it was sealed in: that was changed on its way");
    if (attempt->opening->session && counter && attempt->envelope->id_context == NULL)
        say(attempt->opening, "it was sealed in a session, but the credential is of a counter");
    if (!attempt->opening->session && !counter)
        say(attempt->opening,
            "it was sealed in a counter context, but the credential is of sessions: the board was given "
            "another kind");
}

/* Of a message that did not open: the contexts that were tried, in their order. */
static void tell_tried(const struct attempt *attempt)
{
    size_t sessions = attempt->keys->session_count;
    char known[48] = "";

    if (sessions > 0)
        snprintf(known, sizeof(known), "%zu session%s that %s known, ", sessions, sessions == 1 ? "" : "s",
                 sessions == 1 ? "is" : "are");
    snprintf(attempt->opening->what, sizeof(attempt->opening->what), "%s%sa counter context",
             attempt->envelope->id_context != NULL ? "the session that it names, " : "", known);
}

/* Of a message that did not open. */
static void guess(const struct attempt *attempt)
{
    bool needs_session = attempt->keys->credential.kind == BULLA_SESSION &&
                         attempt->envelope->id_context == NULL && attempt->keys->session_count == 0;

    if (bulla_key_size(attempt->envelope->alg) == 0)
        say(attempt->opening, "no key of this algorithm can be made");
    else if (needs_session)
        say(attempt->opening,
            "it does not name its session, and without it there is no key: give --id-context HEX, the kid "
            "context of an earlier message of that session%s",
            attempt->direction == BULLA_TO_DEVICE ? " or of the message that it answers" : "");
    else if (attempt->opening->why[0] == 0)
        say(attempt->opening,
            "it was changed on its way, or sealed with another secret or in another session: was the board "
            "given another credential?");
}

void opening_try(struct opening *opening, const struct opening_keys *keys,
                 const struct bulla_envelope *envelope, enum bulla_direction direction)
{
    struct attempt attempt = {opening, keys, envelope, direction};

    memset(opening, 0, sizeof(*opening));
    if (bulla_key_size(envelope->alg) != 0)
        try_contexts(&attempt);
    compare_headers(&attempt);
    if (opening->opened)
        compare_kind(&attempt);
    else
        guess(&attempt);
    if (!opening->opened && opening->tried > 0)
        tell_tried(&attempt);
    opening->authentic = opening->opened && opening->why[0] == 0;
}
