#include "gateway/wire/nodemcu.h"

#include <string.h>

#include <openssl/evp.h>

#include "device/crypto.h"
#include "gateway/wire/hex.h"

#define BLOCK      16 /* of AES */
#define HASH_BLOCK 64 /* of SHA-1 */
#define HMAC_SIZE  20

/*
 * What opening needs of OpenSSL, and the plaintexts. The HMAC (RFC 2104) is put together from SHA-1 states
 * that are copied: of a message only the session id differs from one candidate to the next, and a candidate
 * then costs 0.5 microseconds, however long the data is; a whole EVP_MAC costs 1.3 as a copy, and hashes all
 * the data anew.
 */
struct opening {
    EVP_CIPHER_CTX *cipher;
    EVP_MD_CTX *inner;   /* the key's inner block */
    EVP_MD_CTX *outer;   /* the key's outer block */
    EVP_MD_CTX *message; /* inner, node id, IV, data */
    EVP_MD_CTX *hash;    /* works */
    EVP_MD_CTX *idle;    /* takes the work that shorter plaintexts save */
    uint8_t ciphertext[NODEMCU_PAYLOAD_MAX];
    uint8_t iv[BLOCK];
    uint8_t node[NODEMCU_NODE_MAX];
    uint8_t data[NODEMCU_PAYLOAD_MAX];
    size_t node_len; /* without padding */
    size_t data_len;
};

static bool begin(struct opening *opening)
{
    memset(opening, 0, sizeof(*opening));
    opening->cipher = EVP_CIPHER_CTX_new();
    opening->inner = EVP_MD_CTX_new();
    opening->outer = EVP_MD_CTX_new();
    opening->message = EVP_MD_CTX_new();
    opening->hash = EVP_MD_CTX_new();
    opening->idle = EVP_MD_CTX_new();
    return opening->cipher != NULL && opening->inner != NULL && opening->outer != NULL &&
           opening->message != NULL && opening->hash != NULL && opening->idle != NULL;
}

/* OpenSSL wipes what it frees. */
static void end(struct opening *opening)
{
    EVP_CIPHER_CTX_free(opening->cipher);
    EVP_MD_CTX_free(opening->inner);
    EVP_MD_CTX_free(opening->outer);
    EVP_MD_CTX_free(opening->message);
    EVP_MD_CTX_free(opening->hash);
    EVP_MD_CTX_free(opening->idle);
    bulla_wipe(opening, sizeof(*opening));
}

/* ---- AES-128-CBC ---- */

/* The field's ciphertext: where it stands in the payload, or out of hex digits. Returns its length. */
static size_t ciphertext_of(const struct nodemcu_field *field, uint8_t *room, const uint8_t **at)
{
    *at = field->at;
    if (!field->hex)
        return field->len;
    *at = room;
    return hex_read(field->at, field->len, room) ? field->len / 2 : 0; /* the parser has seen that they are */
}

/* Decrypts a field, with its padding. Returns its length, or -1: OpenSSL failed. */
static int decrypt(struct opening *opening, const struct nodemcu_field *field,
                   const uint8_t key[NODEMCU_KEY_SIZE], const uint8_t iv[BLOCK], uint8_t *plaintext)
{
    const uint8_t *at;
    size_t len = ciphertext_of(field, opening->ciphertext, &at);
    int written = 0;

    if (len == 0)
        return 0;
    if (EVP_DecryptInit_ex2(opening->cipher, EVP_aes_128_cbc(), key, iv, NULL) != 1 ||
        EVP_CIPHER_CTX_set_padding(opening->cipher, 0) != 1 ||
        EVP_DecryptUpdate(opening->cipher, plaintext, &written, at, (int)len) != 1 || (size_t)written != len)
        return -1;
    return written;
}

/* Its length without the zero bytes at its end; without branches, as padding must not show in time. */
static size_t without_padding(const uint8_t *text, size_t len)
{
    size_t kept = 0;

    for (size_t i = 0; i < len; i++) {
        size_t is_zero = ((size_t)text[i] - 1) >> (8 * sizeof(size_t) - 1);

        kept = (kept & (0 - is_zero)) | ((i + 1) & (is_zero - 1));
    }
    return kept;
}

/* ---- HMAC-SHA1 ---- */

static bool begin_hash(EVP_MD_CTX *hash, const uint8_t *key, uint8_t pad)
{
    uint8_t block[HASH_BLOCK];
    bool done;

    for (size_t i = 0; i < HASH_BLOCK; i++)
        block[i] = key[i] ^ pad;
    done =
        EVP_DigestInit_ex2(hash, EVP_sha1(), NULL) == 1 && EVP_DigestUpdate(hash, block, sizeof(block)) == 1;
    bulla_wipe(block, sizeof(block));
    return done;
}

/* RFC 2104 2: a key that is longer than a block is hashed first. */
static bool begin_hmac(struct opening *opening, const struct nodemcu_keys *keys)
{
    uint8_t key[HASH_BLOCK] = {0};
    bool done = true;

    if (keys->passphrase_len > HASH_BLOCK)
        done = EVP_Digest(keys->passphrase, keys->passphrase_len, key, NULL, EVP_sha1(), NULL) == 1;
    else
        memcpy(key, keys->passphrase, keys->passphrase_len);
    done = done && begin_hash(opening->inner, key, 0x36) && begin_hash(opening->outer, key, 0x5c) &&
           EVP_DigestInit_ex2(opening->idle, EVP_sha1(), NULL) == 1;
    bulla_wipe(key, sizeof(key));
    return done;
}

/* Hashes so many blocks of nothing. */
static bool idle(struct opening *opening, size_t blocks)
{
    static const uint8_t nothing[HASH_BLOCK + NODEMCU_NODE_MAX + NODEMCU_PAYLOAD_MAX];

    return EVP_DigestUpdate(opening->idle, nothing, blocks * HASH_BLOCK) == 1;
}

/* Node id, IV, data, which are at most `most` bytes: as many blocks as that has, whatever the padding is. */
static bool hash_message(struct opening *opening, size_t most)
{
    size_t len = opening->node_len + BLOCK + opening->data_len;

    return EVP_MD_CTX_copy_ex(opening->message, opening->inner) == 1 &&
           EVP_DigestUpdate(opening->message, opening->node, opening->node_len) == 1 &&
           EVP_DigestUpdate(opening->message, opening->iv, BLOCK) == 1 &&
           EVP_DigestUpdate(opening->message, opening->data, opening->data_len) == 1 &&
           idle(opening, most / HASH_BLOCK - len / HASH_BLOCK);
}

/* The HMAC with this session id. What is left over of the message fills one more block or two: two are
 * hashed. */
static bool hash_id(struct opening *opening, const char id[NODEMCU_ID_SIZE], uint8_t hmac[HMAC_SIZE])
{
    size_t over = (opening->node_len + BLOCK + opening->data_len) % HASH_BLOCK;
    size_t blocks =
        (over + NODEMCU_ID_SIZE + 9 + HASH_BLOCK - 1) / HASH_BLOCK; /* RFC 3174 4: 9 bytes at least */

    return EVP_MD_CTX_copy_ex(opening->hash, opening->message) == 1 &&
           EVP_DigestUpdate(opening->hash, id, NODEMCU_ID_SIZE) == 1 &&
           EVP_DigestFinal_ex(opening->hash, hmac, NULL) == 1 && idle(opening, 2 - blocks) &&
           EVP_MD_CTX_copy_ex(opening->hash, opening->outer) == 1 &&
           EVP_DigestUpdate(opening->hash, hmac, HMAC_SIZE) == 1 &&
           EVP_DigestFinal_ex(opening->hash, hmac, NULL) == 1;
}

/* The first session id whose HMAC it is: 1, 0 none, -1 OpenSSL failed. */
static int find_id(struct opening *opening, const uint8_t hmac[HMAC_SIZE], const char (*ids)[NODEMCU_ID_SIZE],
                   size_t count, size_t *found)
{
    uint8_t expected[HMAC_SIZE];
    int result = 0;

    for (*found = 0; *found < count && result == 0; *found += result == 0) {
        if (!hash_id(opening, ids[*found], expected))
            result = -1;
        else if (bulla_equal(expected, hmac, HMAC_SIZE))
            result = 1;
    }
    bulla_wipe(expected, sizeof(expected));
    return result;
}

/* ---- a message ---- */

static int open_split(struct opening *opening, const struct nodemcu_split *split,
                      const struct nodemcu_keys *keys)
{
    int iv = decrypt(opening, &split->iv, keys->ivkey, keys->staticiv, opening->iv);
    int node = decrypt(opening, &split->node, keys->datakey, opening->iv, opening->node);
    int data = decrypt(opening, &split->data, keys->datakey, opening->iv, opening->data);

    if (iv != BLOCK || node < 0 || data < 0)
        return -1;
    opening->node_len = without_padding(opening->node, (size_t)node);
    opening->data_len = without_padding(opening->data, (size_t)data);
    return hash_message(opening, (size_t)node + BLOCK + (size_t)data) ? 0 : -1;
}

/* SHA-256 of the ciphertexts; the IV's is one block, and the node id's length says where the data begins. */
static bool hash_ciphertexts(struct opening *opening, const struct nodemcu_split *split,
                             uint8_t hash[NODEMCU_HASH_SIZE])
{
    const struct nodemcu_field *fields[] = {&split->iv, &split->node, &split->data};
    uint8_t node_len = (uint8_t)(split->node.hex ? split->node.len / 2 : split->node.len);
    bool done = EVP_DigestInit_ex2(opening->hash, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(opening->hash, &node_len, 1) == 1;

    for (size_t i = 0; i < 3 && done; i++) {
        const uint8_t *at;
        size_t len = ciphertext_of(fields[i], opening->ciphertext, &at);

        done = EVP_DigestUpdate(opening->hash, at, len) == 1;
    }
    return done && EVP_DigestFinal_ex(opening->hash, hash, NULL) == 1;
}

static int take(struct opening *opening, const struct nodemcu_split *split, struct nodemcu_opened *opened)
{
    memcpy(opened->node, opening->node, opening->node_len);
    memcpy(opened->data, opening->data, opening->data_len);
    opened->node_len = opening->node_len;
    opened->data_len = opening->data_len;
    return hash_ciphertexts(opening, split, opened->hash) ? 1 : -1;
}

int nodemcu_open(const struct nodemcu_message *message, const struct nodemcu_keys *keys,
                 const char (*ids)[NODEMCU_ID_SIZE], size_t count, struct nodemcu_opened *opened)
{
    struct opening opening;
    int result = begin(&opening) && begin_hmac(&opening, keys) ? 0 : -1;

    for (size_t i = 0; i < message->split_count && result == 0; i++) {
        const struct nodemcu_split *split = &message->splits[i];

        result = open_split(&opening, split, keys);
        if (result == 0)
            result = find_id(&opening, message->hmac, ids, count, &opened->id);
        if (result == 1)
            result = take(&opening, split, opened);
    }
    end(&opening);
    return result;
}
