#include "gateway/core/challenge.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "device/cbor.h"
#include "device/crypto.h"

#define STEP 256 /* seconds that one T lasts */

uint64_t challenge_t(int64_t now, uint64_t floor)
{
    uint64_t t = now > 0 ? (uint64_t)now / STEP : 0;

    return t > floor + 2 ? t : floor + 2;
}

int challenge_make(const uint8_t key[CHALLENGE_KEY_SIZE], const struct challenge_subject *subject, uint64_t t,
                   uint8_t challenge[BULLA_CHALLENGE_SIZE])
{
    uint8_t input[32];
    uint8_t mac[EVP_MAX_MD_SIZE];
    struct bulla_cbor_writer writer = {input, sizeof(input), 0, 0};

    bulla_cbor_head(&writer, BULLA_CBOR_ARRAY, 3);
    bulla_cbor_bytes(&writer, subject->kid, subject->kid_len);
    if (subject->id_context != NULL)
        bulla_cbor_bytes(&writer, subject->id_context, BULLA_ID_CONTEXT_SIZE);
    else
        bulla_cbor_head(&writer, BULLA_CBOR_SIMPLE, BULLA_CBOR_NULL);
    bulla_cbor_head(&writer, BULLA_CBOR_UINT, t);
    if (writer.overflow || HMAC(EVP_sha256(), key, CHALLENGE_KEY_SIZE, input, writer.used, mac, NULL) == NULL)
        return -1;
    memcpy(challenge, mac, BULLA_CHALLENGE_SIZE);
    bulla_wipe(mac, sizeof(mac));
    return 0;
}

bool challenge_valid(const uint8_t key[CHALLENGE_KEY_SIZE], const struct challenge_subject *subject,
                     uint64_t t, const uint8_t echo[BULLA_CHALLENGE_SIZE], uint64_t *proof_t)
{
    uint8_t expected[BULLA_CHALLENGE_SIZE];
    bool valid = false;

    for (uint64_t candidate = t - 1; candidate <= t + 1; candidate++) {
        if (challenge_make(key, subject, candidate, expected) < 0)
            return false;
        if (bulla_equal(expected, echo, sizeof(expected))) {
            *proof_t = candidate;
            valid = true;
        }
    }
    return valid;
}
