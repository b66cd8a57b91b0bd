#include "cose.h"

#include "cbor.h"
#include "push.h"

/* A header's number and the byte string that is its value. */
static uint8_t *push_entry(uint8_t *at, uint8_t number, const uint8_t *bytes, uint8_t len)
{
    at = bulla_push_bytes(at, bytes, len);
    return bulla_push_byte(at, number);
}

/* The Partial IV, in the fewest bytes; zero is one zero byte. */
static uint8_t *push_partial_iv(uint8_t *at, const uint8_t *piv)
{
    uint8_t head = BULLA_CBOR_BYTES << 5 | BULLA_PIV_SIZE;

    at = bulla_push_piv(at, piv);
    for (; *at == 0 && head != (BULLA_CBOR_BYTES << 5 | 1); head--)
        at++;
    at = bulla_push_byte(at, head);
    return bulla_push_byte(at, BULLA_HEADER_PARTIAL_IV);
}

void bulla_cose_protect(struct bulla_cose *cose, uint8_t room[BULLA_PROTECTED_SENT], uint16_t content_format,
                        const uint8_t *challenge)
{
    static const uint8_t echo[5] = {0x64, 'e', 'c', 'h', 'o'};
    uint8_t *end = room + BULLA_PROTECTED_SENT;
    uint8_t *at = end;
    uint8_t map = BULLA_CBOR_MAP << 5 | 2;

    if (challenge != NULL) {
        at = bulla_push_bytes(at, challenge, BULLA_CHALLENGE_SIZE);
        at = bulla_push(at, echo, sizeof(echo));
        map++;
    }
    at = bulla_push_head(at, BULLA_CBOR_UINT << 5, content_format);
    at = bulla_push_byte(at, BULLA_HEADER_CONTENT_TYPE);
    at = bulla_push_head(at, BULLA_CBOR_UINT << 5, cose->keys->alg);
    at = bulla_push_byte(at, BULLA_HEADER_ALG);
    at = bulla_push_byte(at, map);
    cose->protected_bytes = at;
    cose->protected_len = (uint8_t)(end - at);
}

size_t bulla_cose_header(const struct bulla_cose *cose, uint8_t *content, size_t sealed_len)
{
    uint8_t *at = bulla_push_head(content, BULLA_CBOR_BYTES << 5, (uint16_t)sealed_len);
    uint8_t map = BULLA_CBOR_MAP << 5 | 2;

    if (cose->id_context != NULL) {
        at = push_entry(at, BULLA_HEADER_KID_CONTEXT, cose->id_context, BULLA_ID_CONTEXT_SIZE);
        map++;
    }
    at = push_partial_iv(at, cose->piv);
    at = push_entry(at, BULLA_HEADER_KID, cose->keys->kid, cose->keys->kid_len);
    at = bulla_push_byte(at, map);
    at = bulla_push_bytes(at, cose->protected_bytes, cose->protected_len);
    at = bulla_push_byte(at, BULLA_CBOR_ARRAY << 5 | 3);
    at = bulla_push_byte(at, BULLA_CBOR_TAG << 5 | BULLA_COSE_ENCRYPT0);
    return (size_t)(content - at);
}

/* Writes the Enc_structure (RFC 9052 5.3) before `end`: "Encrypt0", the protected header as a string, and the
 * empty external AAD. Returns where it begins. */
static uint8_t *push_aad(const struct bulla_cose *cose, uint8_t *end)
{
    static const uint8_t begin[10] = {0x83, 0x68, 'E', 'n', 'c', 'r', 'y', 'p', 't', '0'};

    *--end = BULLA_CBOR_BYTES << 5;
    return bulla_push(bulla_push_bytes(end, cose->protected_bytes, cose->protected_len), begin,
                      sizeof(begin));
}

/* Both ways are one, but for the last step. */
static int crypt(const struct bulla_cose *cose, uint8_t way, uint8_t *spare, uint8_t *text, size_t len)
{
    const struct bulla_derived *keys = cose->keys;
    uint8_t nonce[BULLA_NONCE_MAX];
    uint8_t *aad = push_aad(cose, spare);

    bulla_nonce_of(keys, cose->piv, nonce);
    return bulla_aead(cose->crypto, keys->alg, keys->key, nonce, aad, (size_t)(spare - aad), text, len, way);
}

/* The additional data take the header's place until the content is sealed. */
int bulla_cose_seal(const struct bulla_cose *cose, uint8_t *content, size_t len)
{
    return crypt(cose, BULLA_SEAL, content, content, len);
}

int bulla_cose_open(const struct bulla_cose *cose, uint8_t *spare, uint8_t *ciphertext, size_t len)
{
    return crypt(cose, BULLA_OPEN, spare, ciphertext, len);
}
