/*
 * What the providers over BearSSL share: each of them is one file that chooses implementations. None keeps
 * state or allocates. Which one:
 *
 * crypto_bearssl.c        algorithms 10, 24, 30 with an AES of no tables (aes_ct): the default, for it takes
 * the same time on every core, whatever lies between it and its memory crypto_bearssl_ccm.c    10 and 30 with
 * a small AES that looks its S-box up: 0.6 of the time and less flash. For cores without a cache before that
 * table: Cortex-M0 and M3, and the ESP8266 where constants lie in data RAM (the usual linker scripts). In the
 * ESP8266's flash window the flash cache would tell which part of the table was used. crypto_bearssl_chacha.c
 * 24 alone: no tables, and the fastest on 32-bit cores without an AES unit
 *
 * The last two go with crypto_bearssl_hkdf.c. None is for AVR: BearSSL's poly1305_ctmul32 makes wrong tags
 * where int has 16 bits, and its AES-CCM takes half of an ATmega328P's memory; there is `tiny` for that.
 */
#ifndef BULLA_CRYPTO_BEARSSL_H
#define BULLA_CRYPTO_BEARSSL_H

#include "crypto.h"

#include <bearssl/bearssl.h>

#include "keys.h"

/* One AES-CCM operation under a cipher with its key; `seal` is 0 to open. `tag` is written, or compared. */
static inline int bearssl_ccm(const br_block_ctrcbc_class **keys, int seal, size_t tag_len,
                              const uint8_t *nonce, const uint8_t *aad, size_t aad_len, uint8_t *text,
                              size_t len, uint8_t *tag)
{
    br_ccm_context context;
    int good = 0;

    br_ccm_init(&context, keys);
    if (br_ccm_reset(&context, nonce, 13, aad_len, len, tag_len)) {
        br_ccm_aad_inject(&context, aad, aad_len);
        br_ccm_flip(&context);
        br_ccm_run(&context, seal, text, len);
        good = seal ? br_ccm_get_tag(&context, tag) == tag_len : (int)br_ccm_check_tag(&context, tag);
    }
    bulla_wipe(&context, sizeof(context));
    return good;
}

static inline int bearssl_chacha_open(const uint8_t *key, const uint8_t *nonce, const uint8_t *aad,
                                      size_t aad_len, uint8_t *text, size_t len)
{
    uint8_t tag[16];
    int good;

    br_poly1305_ctmul32_run(key, nonce, text, len, aad, aad_len, tag, br_chacha20_ct_run, 0);
    good = bulla_equal(tag, text + len, sizeof(tag));
    bulla_wipe(tag, sizeof(tag));
    return good;
}

static inline void bearssl_hkdf(const uint8_t *salt, size_t salt_len, const uint8_t *ikm, size_t ikm_len,
                                const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    br_hkdf_context context;

    br_hkdf_init(&context, &br_sha256_vtable, salt, salt_len);
    br_hkdf_inject(&context, ikm, ikm_len);
    br_hkdf_flip(&context);
    br_hkdf_produce(&context, info, info_len, out, out_len);
    bulla_wipe(&context, sizeof(context));
}

#endif
