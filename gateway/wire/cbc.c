#include "gateway/wire/cbc.h"

#include <limits.h>

#include <openssl/evp.h>

static const EVP_CIPHER *cipher_of(size_t key_len)
{
    return key_len == 32 ? EVP_aes_256_cbc() : EVP_aes_128_cbc();
}

/* 1 if a > b, for both below 2^31. */
static uint32_t above(uint32_t a, uint32_t b)
{
    return (b - a) >> 31;
}

/* The last byte says how many bytes have its value: 1 to 16. All of the last block is looked at in any case.
 */
static unsigned unpad(const uint8_t *text, size_t len, size_t *text_len)
{
    const uint32_t count = text[len - 1];
    uint32_t bad = above(1, count) | above(count, CBC_BLOCK);

    for (uint32_t i = 0; i < CBC_BLOCK; i++)
        bad |= (0 - above(count, i)) & (text[len - 1 - i] ^ count);
    bad = above(bad, 0);
    *text_len = len - (count & (bad - 1)) - (CBC_BLOCK & (0 - bad));
    return 1 - bad;
}

int cbc_decrypt(const uint8_t *key, size_t key_len, const uint8_t iv[CBC_BLOCK], const uint8_t *bytes,
                size_t len, uint8_t *text, size_t *text_len, unsigned *padded)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int written;
    int done = cipher != NULL && len > 0 && len % CBC_BLOCK == 0 && len <= INT_MAX &&
               EVP_DecryptInit_ex2(cipher, cipher_of(key_len), key, iv, NULL) == 1 &&
               EVP_CIPHER_CTX_set_padding(cipher, 0) == 1 &&
               EVP_DecryptUpdate(cipher, text, &written, bytes, (int)len) == 1 && (size_t)written == len;

    EVP_CIPHER_CTX_free(cipher);
    if (!done)
        return -1;
    *padded = unpad(text, len, text_len);
    return 0;
}

ptrdiff_t cbc_encrypt(const uint8_t *key, size_t key_len, const uint8_t iv[CBC_BLOCK], const uint8_t *text,
                      size_t len, uint8_t *bytes)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int written = 0;
    int last = 0;
    int done = cipher != NULL && len <= INT_MAX - CBC_BLOCK &&
               EVP_EncryptInit_ex2(cipher, cipher_of(key_len), key, iv, NULL) == 1 &&
               EVP_EncryptUpdate(cipher, bytes, &written, text, (int)len) == 1 &&
               EVP_EncryptFinal_ex(cipher, bytes + written, &last) == 1;

    EVP_CIPHER_CTX_free(cipher);
    return done ? written + last : -1;
}
