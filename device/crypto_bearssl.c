/*
 * Provider: BearSSL. Keeps no state and allocates nothing; the table-free AES (aes_ct) and ChaCha20-Poly1305
 * (ctmul) run in constant time on any core. PROTOCOL's bytes do not depend on the implementation chosen.
 */
#include "provider.h"

#if BULLA_WITH_BEARSSL

#include "crypto.h"

#include <string.h>

#include <bearssl/bearssl.h>

#include "keys.h"

/* One AES-CCM operation; `seal` is 0 to open. `tag` is written, or compared. */
static int ccm(int seal, size_t tag_len, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad,
               size_t aad_len, uint8_t *text, size_t len, uint8_t *tag)
{
    br_aes_ct_ctrcbc_keys keys;
    br_ccm_context context;
    int good = 0;

    br_aes_ct_ctrcbc_init(&keys, key, 16);
    br_ccm_init(&context, &keys.vtable);
    if (br_ccm_reset(&context, nonce, 13, aad_len, len, tag_len)) {
        br_ccm_aad_inject(&context, aad, aad_len);
        br_ccm_flip(&context);
        br_ccm_run(&context, seal, text, len);
        good = seal ? br_ccm_get_tag(&context, tag) == tag_len : (int)br_ccm_check_tag(&context, tag);
    }
    bulla_wipe(&keys, sizeof(keys));
    bulla_wipe(&context, sizeof(context));
    return good;
}

int bulla_aead_seal(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
                    const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len)
{
    (void)crypto;
    if (bulla_key_size(alg) == 0)
        return BULLA_E_ARGUMENT;
    if (alg == BULLA_CHACHA20_POLY1305)
        br_poly1305_ctmul_run(key, nonce, text, len, aad, aad_len, text + len, br_chacha20_ct_run, 1);
    else if (!ccm(1, bulla_tag_size(alg), key, nonce, aad, aad_len, text, len, text + len))
        return BULLA_E_CRYPTO;
    return 0;
}

int bulla_aead_open(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
                    const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len)
{
    size_t tag_len = bulla_tag_size(alg);
    uint8_t tag[BULLA_TAG_MAX];
    int good;

    (void)crypto;
    if (bulla_key_size(alg) == 0)
        return BULLA_E_ARGUMENT;
    if (len < tag_len)
        return BULLA_E_FORGED;
    len -= tag_len;
    if (alg == BULLA_CHACHA20_POLY1305) {
        br_poly1305_ctmul_run(key, nonce, text, len, aad, aad_len, tag, br_chacha20_ct_run, 0);
        good = bulla_equal(tag, text + len, tag_len);
    } else {
        good = ccm(0, tag_len, key, nonce, aad, aad_len, text, len, text + len);
    }
    bulla_wipe(tag, sizeof(tag));
    return good ? 0 : BULLA_E_FORGED;
}

int bulla_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                      size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    br_hkdf_context context;

    (void)crypto;
    br_hkdf_init(&context, &br_sha256_vtable, salt, salt_len);
    br_hkdf_inject(&context, ikm, ikm_len);
    br_hkdf_flip(&context);
    br_hkdf_produce(&context, info, info_len, out, out_len);
    bulla_wipe(&context, sizeof(context));
    return 0;
}

#endif
