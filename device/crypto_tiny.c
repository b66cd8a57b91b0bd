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

/* A block that the nonce fills, but for the flags before it and a number behind. */
static void nonce_block(uint8_t block[TINY_AES_SIZE], uint8_t flags, const uint8_t *nonce, uint16_t number)
{
    block[0] = flags;
    memcpy(block + 1, nonce, 13);
    block[14] = (uint8_t)(number >> 8);
    block[15] = (uint8_t)number;
}

struct mac {
    const uint8_t *key;
    uint8_t at; /* bytes of `block` that are taken in, but not encrypted yet */
    uint8_t block[TINY_AES_SIZE];
    uint8_t scratch[2 * TINY_AES_SIZE];
};

static void mac_end(struct mac *mac)
{
    if (mac->at > 0)
        bulla_tiny_aes(mac->key, mac->block, mac->scratch);
    mac->at = 0;
}

static void mac_byte(struct mac *mac, uint8_t byte)
{
    mac->block[mac->at++] ^= byte;
    if (mac->at == TINY_AES_SIZE)
        mac_end(mac);
}

static void mac_begin(struct mac *mac, const uint8_t *nonce, size_t tag_len, const uint8_t *aad,
                      size_t aad_len, size_t len)
{
    uint8_t flags = (uint8_t)((aad_len > 0 ? 0x40 : 0) | (tag_len - 2) / 2 << 3 | 1);

    nonce_block(mac->block, flags, nonce, (uint16_t)len);
    mac->at = TINY_AES_SIZE;
    mac_end(mac);
    if (aad_len == 0)
        return;
    mac_byte(mac, (uint8_t)(aad_len >> 8));
    mac_byte(mac, (uint8_t)aad_len);
    while (aad_len-- > 0)
        mac_byte(mac, *aad++);
    mac_end(mac);
}

/* Encrypts or decrypts in place, and makes the tag in mac's block. */
static void ccm(struct mac *mac, int seal, const uint8_t *nonce, uint8_t *text, size_t len)
{
    uint8_t stream[TINY_AES_SIZE];

    for (size_t i = 0; i < len; i++) {
        uint8_t at = (uint8_t)i % TINY_AES_SIZE;
        uint8_t was = text[i];

        if (at == 0) {
            nonce_block(stream, 1, nonce, (uint16_t)(i / TINY_AES_SIZE + 1));
            bulla_tiny_aes(mac->key, stream, mac->scratch);
        }
        text[i] ^= stream[at];
        mac_byte(mac, seal ? was : text[i]);
    }
    mac_end(mac);
    nonce_block(stream, 1, nonce, 0);
    bulla_tiny_aes(mac->key, stream, mac->scratch);
    for (uint8_t i = 0; i < TINY_AES_SIZE; i++)
        mac->block[i] ^= stream[i];
    bulla_wipe(stream, sizeof(stream));
}

/* What is asked for is done here: 0, or BULLA_E_ARGUMENT. */
static int check(int alg, size_t aad_len, size_t len)
{
    if (alg != BULLA_AES_CCM_16_64_128 && alg != BULLA_AES_CCM_16_128_128)
        return BULLA_E_ARGUMENT;
    return aad_len > AAD_MAX || len > TEXT_MAX ? BULLA_E_ARGUMENT : 0;
}

int bulla_aead_seal(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
                    const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len)
{
    size_t tag_len = bulla_tag_size(alg);
    struct mac mac;

    (void)crypto;
    if (check(alg, aad_len, len) < 0)
        return BULLA_E_ARGUMENT;
    mac.key = key;
    mac_begin(&mac, nonce, tag_len, aad, aad_len, len);
    ccm(&mac, 1, nonce, text, len);
    memcpy(text + len, mac.block, tag_len);
    bulla_wipe(&mac, sizeof(mac));
    return 0;
}

int bulla_aead_open(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
                    const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len)
{
    size_t tag_len = bulla_tag_size(alg);
    struct mac mac;
    int good;

    (void)crypto;
    if (check(alg, aad_len, len) < 0)
        return BULLA_E_ARGUMENT;
    if (len < tag_len)
        return BULLA_E_FORGED;
    len -= tag_len;
    mac.key = key;
    mac_begin(&mac, nonce, tag_len, aad, aad_len, len);
    ccm(&mac, 0, nonce, text, len);
    good = bulla_equal(mac.block, text + len, tag_len);
    bulla_wipe(&mac, sizeof(mac));
    return good ? 0 : BULLA_E_FORGED;
}

#endif
