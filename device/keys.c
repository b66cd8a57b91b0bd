#include "keys.h"

#include <string.h>

#include "cbor.h"
#include "push.h"

#define INFO_MAX 25 /* bytes: the most that the fields below take */

uint8_t bulla_key_size(int alg)
{
    switch (alg) {
    case BULLA_AES_CCM_16_64_128:
    case BULLA_AES_CCM_16_128_128:
        return 16;
    case BULLA_CHACHA20_POLY1305:
        return 32;
    default:
        return 0;
    }
}

uint8_t bulla_nonce_size(int alg)
{
    return alg == BULLA_CHACHA20_POLY1305 ? 12 : 13;
}

BULLA_APART uint8_t bulla_tag_size(int alg)
{
    return alg == BULLA_AES_CCM_16_64_128 ? 8 : 16;
}

/* RFC 8613 3.2.1: info = [id, id_context, alg_aead, type, L]; the Master Salt is empty. The type is "Key"
 * where `is_key`, else "IV". */
int bulla_derive(const struct bulla_schedule *schedule, const uint8_t *id, uint8_t id_len, uint8_t is_key,
                 uint8_t *out)
{
    static const uint8_t types[] = {0x63, 'K', 'e', 'y', 0x62, 'I', 'V'};
    uint8_t info[INFO_MAX];
    uint8_t *end = info + sizeof(info);
    uint8_t out_len = is_key ? bulla_key_size(schedule->alg) : bulla_nonce_size(schedule->alg);
    uint8_t *at = bulla_push_head(end, BULLA_CBOR_UINT << 5, out_len);

    at = is_key ? bulla_push(at, types, 4) : bulla_push(at, types + 4, 3);
    at = bulla_push_head(at, BULLA_CBOR_UINT << 5, (uint8_t)schedule->alg);
    if (schedule->id_context != NULL)
        at = bulla_push_bytes(at, schedule->id_context, BULLA_ID_CONTEXT_SIZE);
    else
        at = bulla_push_byte(at, BULLA_CBOR_SIMPLE << 5 | BULLA_CBOR_NULL);
    at = bulla_push_bytes(at, id, id_len);
    at = bulla_push_byte(at, BULLA_CBOR_ARRAY << 5 | 5);
    return bulla_hkdf_sha256(schedule->crypto, NULL, 0, schedule->secret, BULLA_SECRET_SIZE, at,
                             (uint8_t)(end - at), out, out_len);
}

int bulla_derive_key(const struct bulla_schedule *schedule, const uint8_t *id, size_t id_len, uint8_t *key)
{
    return id_len > BULLA_GATEWAY_ID_SIZE ? BULLA_E_ARGUMENT
                                          : bulla_derive(schedule, id, (uint8_t)id_len, 1, key);
}

int bulla_derive_common_iv(const struct bulla_schedule *schedule, uint8_t *common_iv)
{
    return bulla_derive(schedule, NULL, 0, 0, common_iv);
}

/* RFC 8613 5.2: the id's length, the id and the piv, each padded on its left, XORed with the Common IV. */
void bulla_nonce_of(const struct bulla_derived *keys, const uint8_t *piv, uint8_t nonce[BULLA_NONCE_MAX])
{
    uint8_t *end = nonce + bulla_nonce_size(keys->alg);
    uint8_t *at = bulla_push(bulla_push_piv(end, piv), keys->kid, keys->kid_len);
    const uint8_t *iv = keys->common_iv;

    while (at != nonce)
        *--at = 0;
    *at = keys->kid_len;
    while (at != end)
        *at++ ^= *iv++;
}

void bulla_nonce(int alg, const uint8_t *common_iv, const uint8_t *id, size_t id_len, uint64_t piv,
                 uint8_t nonce[BULLA_NONCE_MAX])
{
    struct bulla_derived keys = {.alg = (uint8_t)alg, .kid_len = (uint8_t)id_len};
    uint8_t bytes[BULLA_PIV_SIZE];

    memcpy(keys.common_iv, common_iv, bulla_nonce_size(alg));
    memcpy(keys.kid, id, id_len);
    bulla_put_le(bytes, piv, sizeof(bytes));
    bulla_nonce_of(&keys, bytes, nonce);
}
