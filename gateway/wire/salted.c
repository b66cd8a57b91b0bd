#include "gateway/wire/salted.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define KEY_SIZE 32

static const uint8_t magic[SALTED_HEAD - SALTED_SALT] = {'S', 'a', 'l', 't', 'e', 'd', '_', '_'};

struct keys {
    uint8_t key[KEY_SIZE];
    uint8_t iv[CBC_BLOCK];
};

/* Returns 0, or -1: OpenSSL failed. */
static int derive(struct keys *keys, const uint8_t *passphrase, size_t len, const uint8_t salt[SALTED_SALT])
{
    if (len > INT_MAX)
        return -1;
    return EVP_BytesToKey(EVP_aes_256_cbc(), EVP_md5(), salt, passphrase, (int)len, 1, keys->key, keys->iv) ==
                   KEY_SIZE
               ? 0
               : -1;
}

int salted_is(const uint8_t *bytes, size_t len)
{
    return len >= SALTED_HEAD + CBC_BLOCK && len % CBC_BLOCK == 0 && memcmp(bytes, magic, sizeof(magic)) == 0;
}

int salted_decrypt(const uint8_t *passphrase, size_t passphrase_len, const uint8_t *bytes, size_t len,
                   uint8_t *text, size_t *text_len, unsigned *padded)
{
    struct keys keys;
    int result = -1;

    if (derive(&keys, passphrase, passphrase_len, bytes + sizeof(magic)) == 0)
        result = cbc_decrypt(keys.key, KEY_SIZE, keys.iv, bytes + SALTED_HEAD, len - SALTED_HEAD, text,
                             text_len, padded);
    OPENSSL_cleanse(&keys, sizeof(keys));
    return result;
}

int salted_encrypt(const uint8_t *passphrase, size_t passphrase_len, const uint8_t salt[SALTED_SALT],
                   const uint8_t *text, size_t len, uint8_t *bytes)
{
    struct keys keys;
    ptrdiff_t written = -1;

    memcpy(bytes, magic, sizeof(magic));
    memcpy(bytes + sizeof(magic), salt, SALTED_SALT);
    if (derive(&keys, passphrase, passphrase_len, salt) == 0)
        written = cbc_encrypt(keys.key, KEY_SIZE, keys.iv, text, len, bytes + SALTED_HEAD);
    OPENSSL_cleanse(&keys, sizeof(keys));
    return written < 0 ? -1 : 0;
}
