/*
 * Provider: tiny. AES-128-CCM of our own (RFC 3610; 13 bytes of nonce, 8 or 16 of tag) for algorithms 10 and
 * 30; there is no ChaCha20-Poly1305, so a context of algorithm 24 does not open. What it asks of the memory
 * is in crypto_tiny.h; SHA-256 and HKDF are in files of their own, which a device with derived keys leaves
 * out.
 */
#include "provider.h"

#if BULLA_WITH_TINY

#include "crypto_tiny.h"

#include <string.h>

#include "keys.h"

#define AAD_MAX  0xfeff /* RFC 3610 2.2: lengths that two bytes tell */
#define TEXT_MAX 0xffff /* what two bytes of length leave room for beside 13 of nonce */

/* What becomes of bytes on their way. */
#define READ 0          /* the MAC takes them */
#define SEAL BULLA_SEAL /* it takes them, and they are encrypted */
#define OPEN BULLA_OPEN /* they are decrypted, and it takes them */

struct ccm {
    uint32_t blocks[8]; /* the MAC's, and the key stream's */
    const uint8_t *key;
    const uint8_t *nonce;
    uint16_t number; /* of the key stream's next block; in the MAC's first the text's length stands there */
    uint8_t way;
    uint32_t scratch[8];
};

/* A block that the nonce fills, but for the flags before it and a number behind. */
static void nonce_block(const struct ccm *ccm, uint32_t words[4], uint8_t flags)
{
    uint8_t *block = (uint8_t *)words;

    block[0] = flags;
    memcpy(block + 1, ccm->nonce, 13);
    block[14] = (uint8_t)(ccm->number >> 8);
    block[15] = (uint8_t)ccm->number;
}

/* What the MAC has taken is encrypted, and where a key stream is wanted its next block is made. */
BULLA_APART static void next_block(struct ccm *ccm)
{
    uint32_t *stream = ccm->blocks + 4;

    nonce_block(ccm, stream, 1);
    ccm->number++;
    bulla_tiny_aes(ccm->key, ccm->blocks, ccm->scratch);
    if (ccm->way != READ)
        bulla_tiny_aes(ccm->key, stream, ccm->scratch);
}

/*
 * Takes bytes from the blocks' byte `at` on. A text begins with a block of its own, so the MAC and the key
 * stream go in step. What the last block lacks is zero, and it is left to be encrypted when more comes, or at
 * the end.
 */
BULLA_APART static void take(struct ccm *ccm, uint8_t at, uint8_t *bytes, size_t len)
{
    for (; len > 0; len--) {
        uint8_t *mac;
        uint8_t in;
        uint8_t out;
        if (at == TINY_AES_SIZE) {
            next_block(ccm);
            at = 0;
        }
        mac = (uint8_t *)ccm->blocks + at++;
        in = *bytes;
        out = in ^ mac[TINY_AES_SIZE];
        if (ccm->way == OPEN)
            in = out;
        *mac ^= in;
        if (ccm->way != READ)
            *bytes = out; /* last: it may be the MAC's own */
        bytes++;
    }
}

/* Encrypts or decrypts in place, and makes the tag in the MAC's block. */
static void run(struct ccm *ccm, uint8_t tag_len, const uint8_t *aad, size_t aad_len, uint8_t *text,
                size_t len)
{
    uint8_t *mac = (uint8_t *)ccm->blocks;
    uint8_t way = ccm->way;

    ccm->number = (uint16_t)len;
    nonce_block(ccm, ccm->blocks, (uint8_t)(4 * (tag_len - 2) + 1));
    ccm->way = READ;
    if (aad_len > 0) {
        mac[0] |= 0x40;
        next_block(ccm);
        mac[0] ^= (uint8_t)(aad_len >> 8);
        mac[1] ^= (uint8_t)aad_len;
        take(ccm, 2, (uint8_t *)aad, aad_len); /* READ writes none of them */
    }
    ccm->number = 1;
    ccm->way = way;
    take(ccm, TINY_AES_SIZE, text, len);
    ccm->number = 0;
    take(ccm, TINY_AES_SIZE, mac, TINY_AES_SIZE); /* as a text that lies where the MAC is */
}

int bulla_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
               const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len, uint8_t way)
{
    uint8_t tag_len = bulla_tag_size(alg);
    int good = 1;
    struct ccm ccm;

    (void)crypto;
    if (bulla_key_size(alg) != TINY_AES_SIZE || aad_len > AAD_MAX || len > TEXT_MAX)
        return BULLA_E_ARGUMENT;
    if (way == OPEN) {
        if (len < tag_len)
            return BULLA_E_FORGED;
        len -= tag_len;
    }
    ccm.key = key;
    ccm.nonce = nonce;
    ccm.way = way;
    run(&ccm, tag_len, aad, aad_len, text, len);
    text += len;
    if (way == OPEN)
        good = bulla_equal(ccm.blocks, text, tag_len);
    else
        memcpy(text, ccm.blocks, tag_len);
    bulla_wipe(&ccm, sizeof(ccm));
    return good ? 0 : BULLA_E_FORGED;
}

#endif
