/*
 * OpenSSL's salted form, as `openssl enc -aes-256-cbc -md md5` and CryptoJS's AES.encrypt(text, passphrase)
 * write it: "Salted__", 8 bytes of salt, AES-256-CBC with PKCS#7 padding. Key and IV come from pass-phrase
 * and salt by EVP_BytesToKey: one round of MD5, so the pass-phrase has to be a key, not a word.
 */
#ifndef SALTED_H
#define SALTED_H

#include "gateway/wire/cbc.h"

#define SALTED_SALT 8
#define SALTED_HEAD 16 /* "Salted__" and the salt */
#define SALTED_SIZE(len)                                                                                     \
    (SALTED_HEAD + (len) / CBC_BLOCK * CBC_BLOCK + CBC_BLOCK) /* of `len` bytes of text */

/* Whether bytes have the form: the head, and whole blocks, at least one. */
int salted_is(const uint8_t *bytes, size_t len);

/*
 * Decrypts what has the form. `text` receives `len` - SALTED_HEAD bytes, `*text_len` and `*padded` are
 * cbc_decrypt()'s. Returns 0, or -1: OpenSSL failed.
 */
MUST_CHECK int salted_decrypt(const uint8_t *passphrase, size_t passphrase_len, const uint8_t *bytes,
                              size_t len, uint8_t *text, size_t *text_len, unsigned *padded);

/* Encrypts under a salt, into SALTED_SIZE(len) bytes. Returns 0, or -1: OpenSSL failed. */
MUST_CHECK int salted_encrypt(const uint8_t *passphrase, size_t passphrase_len,
                              const uint8_t salt[SALTED_SALT], const uint8_t *text, size_t len,
                              uint8_t *bytes);

#endif
