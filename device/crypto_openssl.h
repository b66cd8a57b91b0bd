/*
 * The OpenSSL provider's state: algorithms fetched once, contexts kept. For the gateway and for Linux hosts;
 * optional.
 */
#ifndef BULLA_CRYPTO_OPENSSL_H
#define BULLA_CRYPTO_OPENSSL_H

#include <openssl/evp.h>

#include "crypto.h"

#define BULLA_CRYPTO_ALGS       3
#define BULLA_CRYPTO_DIRECTIONS 2 /* open, seal */

struct bulla_crypto {
    EVP_CIPHER *ccm;
    EVP_CIPHER *chacha;
    /* Made at first use, keyed anew each time. */
    EVP_CIPHER_CTX *ciphers[BULLA_CRYPTO_ALGS][BULLA_CRYPTO_DIRECTIONS];
    EVP_KDF *hkdf;
    EVP_KDF_CTX *kdf;
};

/* Returns 0 or BULLA_E_CRYPTO; bulla_crypto_close() serves after both. One thread at a time. */
BULLA_MUST_CHECK int bulla_crypto_open(struct bulla_crypto *crypto);
void bulla_crypto_close(struct bulla_crypto *crypto);

#endif
