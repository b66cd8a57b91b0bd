/*
 * The other end, for tests of the device: opens messages and makes replies (PROTOCOL 4 and 5) by the
 * library's own envelope. The vectors show that both of those are right; here they only have to be easy to
 * drive.
 */
#ifndef BULLA_TEST_PEER_H
#define BULLA_TEST_PEER_H

#include "device/bulla.h"
#include "device/envelope.h"
#include "device/window.h"

#define PEER_REPLY_MAX 512

struct peer {
    const struct bulla_credential *credential;
    uint8_t id[BULLA_GATEWAY_ID_SIZE];
    uint64_t piv; /* of the next reply */
    /* the context that the device uses now */
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];
    int proven;
    struct bulla_window window;
    uint8_t challenge[BULLA_CHALLENGE_SIZE];
    int64_t time;
};

/* The keys of a reply's body. Entries of `extra` follow, encoded already. */
struct peer_body {
    int has_receipt;
    uint64_t top;
    uint64_t bits;
    int has_time;
    int64_t time;
    const uint8_t *challenge;
    const char *extra; /* hexadecimal: keys and values */
    unsigned extra_entries;
};

struct peer_message {
    struct bulla_envelope envelope;
    uint8_t bytes[BULLA_MESSAGE_MAX];
    size_t content_len; /* of the plaintext, at envelope.ciphertext */
};

void peer_open(struct peer *peer, const struct bulla_credential *credential, uint8_t number);

/* Parses and opens a copy of a sealed message; fails the test if that fails. */
void peer_read(struct peer *peer, const struct bulla_message *message, struct peer_message *read);

/* Makes a reply with this body to message `re` of the context. Returns its length. */
size_t peer_reply(struct peer *peer, uint64_t re, const struct peer_body *body,
                  uint8_t reply[PEER_REPLY_MAX]);

/* The same with a plaintext that the caller made. */
size_t peer_reply_raw(struct peer *peer, uint64_t re, const uint8_t *plaintext, size_t len,
                      uint8_t reply[PEER_REPLY_MAX]);

/* Does what a gateway does with the message, and makes its reply. */
size_t peer_serve(struct peer *peer, const struct bulla_message *message, uint8_t reply[PEER_REPLY_MAX]);

#endif
