/*
 * What NodeMCU devices send that encrypt with AES-CBC and authenticate with HMAC-SHA1 (docs/older-wires.md):
 * four fields, with commas between them.
 *
 *     field 1   AES-128-CBC under `ivkey`, IV `staticiv`: the 16 characters of the message's IV
 *     field 2   AES-128-CBC under `datakey` and that IV: the node id
 *     field 3   the same: the data; may be empty
 *     field 4   HMAC-SHA1 under `passphrase` of node id, IV, data, session id: 40 hex digits
 *
 * Plaintexts are padded with zero bytes to 16; the HMAC is over them as they were before that. Fields 1 to 3
 * are raw bytes, each of which may be a comma, or hex digits, each field by itself. The session id is one
 * that the gateway gave out: 32 hex digits, as text.
 *
 * All of it is pure: no I/O, no clock, no memory of its own (OpenSSL's contexts apart, which go before it
 * returns).
 */
#ifndef NODEMCU_H
#define NODEMCU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"

#define NODEMCU_PAYLOAD_MAX    4096 /* bytes */
#define NODEMCU_KEY_SIZE       16   /* bytes: AES-128 */
#define NODEMCU_PASSPHRASE_MAX 255  /* bytes */
#define NODEMCU_ID_SIZE        32   /* characters of a session id; no terminating zero */
#define NODEMCU_NODE_MAX       64   /* bytes of a node id */
#define NODEMCU_HASH_SIZE      32   /* bytes */

/* ---- keys ---- */

struct nodemcu_keys {
    uint8_t ivkey[NODEMCU_KEY_SIZE];
    uint8_t datakey[NODEMCU_KEY_SIZE];
    uint8_t staticiv[NODEMCU_KEY_SIZE];
    uint8_t passphrase[NODEMCU_PASSPHRASE_MAX];
    size_t passphrase_len; /* 1 to NODEMCU_PASSPHRASE_MAX */
};

/*
 * Reads the text of a key file: lines `ivkey=`, `datakey=`, `staticiv=` (16 characters, as the Lua source has
 * them, or "hex:" and 32 hex digits) and `passphrase=` (taken as it stands, to the line's end), each once, in
 * any order. Lines may end with CR LF; empty ones, and those that begin with '#', are skipped. Returns 0, or
 * -1 with a failure that names the line and shows nothing of a value; the keys are wiped then.
 */
MUST_CHECK int nodemcu_keys_read(struct nodemcu_keys *keys, const char *text, size_t len,
                                 struct failure *failure);

/* The same keys in bytes, as the registry keeps them (sealed): the three keys, then the pass-phrase. */
#define NODEMCU_PACKED_MAX (3 * NODEMCU_KEY_SIZE + NODEMCU_PASSPHRASE_MAX)

/* Returns how many bytes it wrote, at most NODEMCU_PACKED_MAX. */
size_t nodemcu_keys_pack(const struct nodemcu_keys *keys, uint8_t packed[NODEMCU_PACKED_MAX]);
/* 0, or -1 if they cannot have been written by nodemcu_keys_pack(). */
MUST_CHECK int nodemcu_keys_unpack(struct nodemcu_keys *keys, const uint8_t *packed, size_t len);
void nodemcu_keys_wipe(struct nodemcu_keys *keys);

/* ---- a message ---- */

/* A ciphertext in the payload. */
struct nodemcu_field {
    const uint8_t *at;
    size_t len; /* bytes in the payload: a multiple of 16, of 32 where they are hex digits */
    bool hex;
};

struct nodemcu_split {
    struct nodemcu_field iv;
    struct nodemcu_field node;
    struct nodemcu_field data;
};

/*
 * Ciphertexts may hold commas: there may be more ways than one to split a payload. The comma has to stand
 * behind 1 to 4 blocks of node id (NODEMCU_NODE_MAX), so there are at most 4.
 */
#define NODEMCU_SPLITS_MAX 4

struct nodemcu_message {
    struct nodemcu_split splits[NODEMCU_SPLITS_MAX]; /* they point into the payload */
    size_t split_count;                              /* at least 1 */
    uint8_t hmac[20];
};

/* Finds every way to split a payload. 0, or -1 if there is none: it is not of this form. */
MUST_CHECK int nodemcu_parse(struct nodemcu_message *message, const uint8_t *payload, size_t len);

struct nodemcu_opened {
    size_t id;                         /* index of the session id that it names */
    uint8_t node[NODEMCU_NODE_MAX];    /* any bytes but a zero at the end */
    size_t node_len;                   /* may be 0 */
    uint8_t data[NODEMCU_PAYLOAD_MAX]; /* the same */
    size_t data_len;                   /* may be 0 */
    uint8_t hash[NODEMCU_HASH_SIZE];   /* SHA-256 that two messages share only if their ciphertexts are the
                                          same, raw or in hex */
};

/*
 * Opens a message under these keys, if it authenticates under one of the session ids: 1 opened, by the first
 * of them; 0 it is not of these keys, or names another id; -1 OpenSSL failed. What `opened` holds is secret
 * until it is wiped, whatever is returned.
 *
 * A message that does not authenticate takes the same work whatever it decrypts to: the padding is looked at
 * without branches, the HMAC hashes as many blocks as the longest plaintexts would, and is compared in
 * constant time.
 */
MUST_CHECK int nodemcu_open(const struct nodemcu_message *message, const struct nodemcu_keys *keys,
                            const char (*ids)[NODEMCU_ID_SIZE], size_t count, struct nodemcu_opened *opened);

#endif
