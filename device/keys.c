#include "keys.h"

#include <string.h>

#include "cbor.h"

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

uint8_t bulla_tag_size(int alg)
{
    return alg == BULLA_AES_CCM_16_64_128 ? 8 : 16;
}

/* RFC 8613 3.2.1: info = [id, id_context, alg_aead, type, L]; the Master Salt is empty. */
static int derive(const struct bulla_schedule *schedule, const uint8_t *id, size_t id_len, const char *type,
                  uint8_t *out, size_t out_len)
{
    uint8_t info[INFO_MAX];
    struct bulla_cbor_writer writer = {info, sizeof(info), 0, 0};

    bulla_cbor_small(&writer, BULLA_CBOR_ARRAY, 5);
    bulla_cbor_bytes(&writer, id, id_len);
    if (schedule->id_context != NULL)
        bulla_cbor_bytes(&writer, schedule->id_context, BULLA_ID_CONTEXT_SIZE);
    else
        bulla_cbor_small(&writer, BULLA_CBOR_SIMPLE, BULLA_CBOR_NULL);
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, (uint8_t)schedule->alg);
    bulla_cbor_text(&writer, type, strlen(type));
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, (uint16_t)out_len);
    if (writer.overflow)
        return BULLA_E_ARGUMENT;
    return bulla_hkdf_sha256(schedule->crypto, NULL, 0, schedule->secret, BULLA_SECRET_SIZE, info,
                             writer.used, out, out_len);
}

int bulla_derive_key(const struct bulla_schedule *schedule, const uint8_t *id, size_t id_len, uint8_t *key)
{
    return derive(schedule, id, id_len, "Key", key, bulla_key_size(schedule->alg));
}

int bulla_derive_common_iv(const struct bulla_schedule *schedule, uint8_t *common_iv)
{
    return derive(schedule, NULL, 0, "IV", common_iv, bulla_nonce_size(schedule->alg));
}

/* RFC 8613 5.2: the id's length, the id and the piv, each padded on its left, XORed with the Common IV. */
void bulla_nonce_of(int alg, const uint8_t *common_iv, const uint8_t *id, size_t id_len, const uint8_t *piv,
                    uint8_t nonce[BULLA_NONCE_MAX])
{
    uint8_t size = bulla_nonce_size(alg);
    uint8_t *end = nonce + size;
    uint8_t *at = end - BULLA_PIV_SIZE;

    memcpy(nonce, common_iv, size);
    nonce[0] = (uint8_t)(nonce[0] ^ id_len);
    while (id_len > 0)
        *--at ^= id[--id_len];
    for (uint8_t i = 0; i < BULLA_PIV_SIZE; i++)
        *--end ^= piv[i];
}

void bulla_nonce(int alg, const uint8_t *common_iv, const uint8_t *id, size_t id_len, uint64_t piv,
                 uint8_t nonce[BULLA_NONCE_MAX])
{
    uint8_t bytes[BULLA_PIV_SIZE];

    bulla_put_le(bytes, piv, sizeof(bytes));
    bulla_nonce_of(alg, common_iv, id, id_len, bytes, nonce);
}
