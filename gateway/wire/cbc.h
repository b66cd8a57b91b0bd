/*
 * AES-CBC (NIST SP 800-38A) with PKCS#7 padding (RFC 5652 6.3), as older wires have it: nothing of it
 * authenticates. Whether the padding was right does not show in the time, or it would say what stands in the
 * blocks (Vaudenay's attack).
 */
#ifndef CBC_H
#define CBC_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"

#define CBC_BLOCK 16

/*
 * Decrypts `len` bytes, a multiple of CBC_BLOCK above 0, under a key of 16 or 32 bytes, into `text` (`len`
 * bytes, which may be where they are). `*text_len` receives how long the text is without its padding, and
 * `*padded` 1; where the padding is not PKCS#7, 0 and some other length. Returns 0, or -1: OpenSSL failed.
 */
MUST_CHECK int cbc_decrypt(const uint8_t *key, size_t key_len, const uint8_t iv[CBC_BLOCK],
                           const uint8_t *bytes, size_t len, uint8_t *text, size_t *text_len,
                           unsigned *padded);

/*
 * Pads and encrypts: `bytes` has room for the next multiple of CBC_BLOCK above `len`, which is returned; or
 * -1: OpenSSL failed.
 */
MUST_CHECK ptrdiff_t cbc_encrypt(const uint8_t *key, size_t key_len, const uint8_t iv[CBC_BLOCK],
                                 const uint8_t *text, size_t len, uint8_t *bytes);

#endif
