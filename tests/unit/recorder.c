#include "recorder.h"

#include <stdlib.h>
#include <string.h>

#include "device/crypto.h"
#include "device/keys.h"
#include "support.h"

struct pair {
    uint8_t used;
    uint8_t key[BULLA_KEY_MAX];
    uint8_t nonce[BULLA_NONCE_MAX];
};

/* An open hash table; its size is a power of two. */
static struct pair *table;
static size_t table_size;
static size_t table_used;
static unsigned fail_seal_in;
static unsigned fail_hkdf_in;
struct recorded_hkdf recorded_hkdf;

int __real_bulla_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
                      const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len, uint8_t way);
int __wrap_bulla_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
                      const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len, uint8_t way);
int __real_bulla_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len,
                             const uint8_t *ikm, size_t ikm_len, const uint8_t *info, size_t info_len,
                             uint8_t *out, size_t out_len);
int __wrap_bulla_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len,
                             const uint8_t *ikm, size_t ikm_len, const uint8_t *info, size_t info_len,
                             uint8_t *out, size_t out_len);

void recorder_reset(void)
{
    free(table);
    table = NULL;
    table_size = 0;
    table_used = 0;
    fail_seal_in = 0;
    fail_hkdf_in = 0;
}

size_t recorder_count(void)
{
    return table_used;
}

void recorder_fail_seal(unsigned in)
{
    fail_seal_in = in;
}

void recorder_fail_hkdf(unsigned in)
{
    fail_hkdf_in = in;
}

/* FNV-1a. */
static size_t hash(const struct pair *pair)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < sizeof(*pair); i++)
        h = (h ^ ((const uint8_t *)pair)[i]) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

/* The pair's place, or the free one where it belongs. */
static struct pair *find(const struct pair *pair)
{
    size_t i = hash(pair) & (table_size - 1);

    while (table[i].used && memcmp(&table[i], pair, sizeof(*pair)) != 0)
        i = (i + 1) & (table_size - 1);
    return &table[i];
}

static void grow(void)
{
    struct pair *old = table;
    size_t old_size = table_size;

    table_size = old_size == 0 ? 4096 : old_size * 2;
    table = calloc(table_size, sizeof(*table));
    assert_non_null(table);
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].used)
            *find(&old[i]) = old[i];
    }
    free(old);
}

static void note(int alg, const uint8_t *key, const uint8_t *nonce)
{
    struct pair pair;
    struct pair *place;

    memset(&pair, 0, sizeof(pair));
    pair.used = 1;
    memcpy(pair.key, key, bulla_key_size(alg));
    memcpy(pair.nonce, nonce, bulla_nonce_size(alg));
    if (table_used * 2 >= table_size)
        grow();
    place = find(&pair);
    if (place->used)
        fail_msg("a key and nonce came twice, after %zu pairs", table_used);
    *place = pair;
    table_used++;
}

int __wrap_bulla_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
                      const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len, uint8_t way)
{
    if (way == BULLA_SEAL) {
        note(alg, key, nonce); /* one that fails too: who knows what it wrote before */
        if (fail_seal_in > 0 && --fail_seal_in == 0) {
            memset(text, 0, len); /* as PSA does */
            return BULLA_E_CRYPTO;
        }
    }
    return __real_bulla_aead(crypto, alg, key, nonce, aad, aad_len, text, len, way);
}

int __wrap_bulla_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len,
                             const uint8_t *ikm, size_t ikm_len, const uint8_t *info, size_t info_len,
                             uint8_t *out, size_t out_len)
{
    if (fail_hkdf_in > 0 && --fail_hkdf_in == 0)
        return BULLA_E_CRYPTO;
    recorded_hkdf.salt_len = salt_len;
    recorded_hkdf.ikm_len = ikm_len;
    recorded_hkdf.info_len = info_len;
    recorded_hkdf.out_len = out_len;
    if (info_len > 0 && info_len <= sizeof(recorded_hkdf.info))
        memcpy(recorded_hkdf.info, info, info_len);
    return __real_bulla_hkdf_sha256(crypto, salt, salt_len, ikm, ikm_len, info, info_len, out, out_len);
}
