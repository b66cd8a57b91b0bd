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

struct ccm {
    const uint8_t *key;
    const uint8_t *nonce;
    uint32_t mac[4];
    uint32_t stream[4];
    uint32_t scratch[8];
};

/* A block that the nonce fills, but for the flags before it and a number behind. */
BULLA_APART static void nonce_block(const struct ccm *ccm, uint32_t words[4], uint8_t flags, uint16_t number)
{
    uint8_t *block = (uint8_t *)words;

    block[0] = flags;
    memcpy(block + 1, ccm->nonce, 13);
    block[14] = (uint8_t)(number >> 8);
    block[15] = (uint8_t)number;
}

/* Takes bytes into the MAC, from its block's byte `at` on. What the last block lacks is zero, and it is left
 * to be encrypted when more comes, or at the end. */
static void absorb(struct ccm *ccm, uint8_t at, const uint8_t *bytes, size_t len)
{
    for (; len > 0; len--) {
        if (at == TINY_AES_SIZE) {
            bulla_tiny_aes(ccm->key, ccm->mac, ccm->scratch);
            at = 0;
        }
        ((uint8_t *)ccm->mac)[at++] ^= *bytes++;
    }
}

static void absorb_aad(struct ccm *ccm, const uint8_t *aad, size_t len)
{
    uint8_t head[2];

    head[0] = (uint8_t)(len >> 8);
    head[1] = (uint8_t)len;
    if (len > 0) {
        absorb(ccm, TINY_AES_SIZE, head, sizeof(head));
        absorb(ccm, sizeof(head), aad, len);
    }
}

/* XORs bytes with the key stream, from its block `number` on. */
static void crypt(struct ccm *ccm, uint16_t number, uint8_t *bytes, size_t len)
{
    uint8_t at = TINY_AES_SIZE;

    for (; len > 0; len--) {
        if (at == TINY_AES_SIZE) {
            nonce_block(ccm, ccm->stream, 1, number++);
            bulla_tiny_aes(ccm->key, ccm->stream, ccm->scratch);
            at = 0;
        }
        *bytes++ ^= ((const uint8_t *)ccm->stream)[at++];
    }
}

/* Encrypts or decrypts in place, and makes the tag in the MAC's block. */
static void run(struct ccm *ccm, int seal, uint8_t tag_len, const uint8_t *aad, size_t aad_len, uint8_t *text,
                size_t len)
{
    uint8_t flags = (uint8_t)((aad_len > 0 ? 0x40 : 0) | (tag_len - 2) << 2 | 1);

    nonce_block(ccm, ccm->mac, flags, (uint16_t)len);
    absorb_aad(ccm, aad, aad_len);
    if (!seal)
        crypt(ccm, 1, text, len);
    absorb(ccm, TINY_AES_SIZE, text, len);
    if (seal)
        crypt(ccm, 1, text, len);
    bulla_tiny_aes(ccm->key, ccm->mac, ccm->scratch);
    crypt(ccm, 0, (uint8_t *)ccm->mac, sizeof(ccm->mac));
}

/* What is asked for is done here: 0, or BULLA_E_ARGUMENT. */
static int check(int alg, size_t aad_len, size_t len)
{
    if (alg != BULLA_AES_CCM_16_64_128 && alg != BULLA_AES_CCM_16_128_128)
        return BULLA_E_ARGUMENT;
    return aad_len > AAD_MAX || len > TEXT_MAX ? BULLA_E_ARGUMENT : 0;
}

BULLA_APART int bulla_aead_seal(struct bulla_crypto *crypto, int alg, const uint8_t *key,
                                const uint8_t *nonce, const uint8_t *aad, size_t aad_len, uint8_t *text,
                                size_t len)
{
    uint8_t tag_len = bulla_tag_size(alg);
    struct ccm ccm;

    (void)crypto;
    if (check(alg, aad_len, len) < 0)
        return BULLA_E_ARGUMENT;
    ccm.key = key;
    ccm.nonce = nonce;
    run(&ccm, 1, tag_len, aad, aad_len, text, len);
    memcpy(text + len, ccm.mac, tag_len);
    bulla_wipe(&ccm, sizeof(ccm));
    return 0;
}

int bulla_aead_open(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
                    const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len)
{
    uint8_t tag_len = bulla_tag_size(alg);
    struct ccm ccm;
    int good;

    (void)crypto;
    if (check(alg, aad_len, len) < 0)
        return BULLA_E_ARGUMENT;
    if (len < tag_len)
        return BULLA_E_FORGED;
    len -= tag_len;
    ccm.key = key;
    ccm.nonce = nonce;
    run(&ccm, 0, tag_len, aad, aad_len, text, len);
    good = bulla_equal(ccm.mac, text + len, tag_len);
    bulla_wipe(&ccm, sizeof(ccm));
    return good ? 0 : BULLA_E_FORGED;
}

#endif
