/*
 * The older scheme, for comparison: three values, each AES-128-CBC of one block under a key schedule of its
 * own, HMAC-SHA1 over the ciphertexts, all in hex with separators: 3 * 32 + 40 + 3 = 139 bytes.
 */
#include <string.h>

#include <bearssl/bearssl.h>

#include "tests/cores/cost.h"

static uint8_t *put_hex(uint8_t *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        *out++ = (uint8_t) "0123456789abcdef"[bytes[i] >> 4];
        *out++ = (uint8_t) "0123456789abcdef"[bytes[i] & 15];
    }
    return out;
}

size_t cost_old(uint8_t *out)
{
    static const uint8_t key[16] = {1};
    uint8_t values[3][16] = {"21.5", "temperature", "1"};
    uint8_t mac[20];
    uint8_t *at = out;
    br_hmac_key_context hmac_key;
    br_hmac_context hmac;

    for (unsigned i = 0; i < 3; i++) {
        br_aes_small_cbcenc_keys keys;
        uint8_t iv[16] = {0};
        br_aes_small_cbcenc_init(&keys, key, sizeof(key));
        br_aes_small_cbcenc_run(&keys, iv, values[i], sizeof(values[i]));
        at = put_hex(at, values[i], sizeof(values[i]));
        *at++ = '.';
    }
    br_hmac_key_init(&hmac_key, &br_sha1_vtable, key, sizeof(key));
    br_hmac_init(&hmac, &hmac_key, 0);
    br_hmac_update(&hmac, values, sizeof(values));
    br_hmac_out(&hmac, mac);
    at = put_hex(at, mac, sizeof(mac));
    return (size_t)(at - out);
}
