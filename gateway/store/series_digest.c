#include "gateway/store/series_digest.h"

#include <openssl/evp.h>

static bool hash_part(EVP_MD_CTX *hash, const void *bytes, uint64_t len)
{
    return EVP_DigestUpdate(hash, &len, sizeof(len)) == 1 && EVP_DigestUpdate(hash, bytes, len) == 1;
}

/* Lengths go first, little-endian. */
bool series_digest(const struct series_key *key, const char *type, size_t type_len,
                   uint8_t digest[SERIES_DIGEST])
{
    const uint8_t format[2] = {(uint8_t)(key->format >> 8), (uint8_t)key->format};
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool good = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
                hash_part(hash, key->name, key->name_len) && hash_part(hash, key->unit, key->unit_len) &&
                hash_part(hash, type, type_len) && hash_part(hash, format, sizeof(format)) &&
                EVP_DigestFinal_ex(hash, digest, NULL) == 1;

    EVP_MD_CTX_free(hash);
    return good;
}
