/*
 * Headers are written backwards, from the content on: a string's length is known by then, and nothing has to
 * be moved. Every function takes where the bytes written so far begin, and returns where they begin then.
 */
#include "cose.h"

#include <string.h>

#include "cbor.h"

/* The Enc_structure (RFC 9052 5.3): "Encrypt0", the protected header as a string, and the empty external AAD.
 */
#define AAD_MAX (10 + 2 + BULLA_PROTECTED_MAX + 1)

static uint8_t *push_head(uint8_t *at, uint8_t initial, uint16_t argument)
{
    if (argument > 23) {
        *--at = (uint8_t)argument;
        argument >>= 8;
        initial |= 24;
        if (argument != 0) {
            *--at = (uint8_t)argument;
            initial |= 25;
        }
        argument = 0;
    }
    *--at = (uint8_t)(initial | argument);
    return at;
}

/* Bytes as they are. */
BULLA_APART static uint8_t *push(uint8_t *at, const uint8_t *bytes, uint8_t len)
{
    while (len > 0)
        *--at = bytes[--len];
    return at;
}

/* A header's number and the byte string that is its value. */
static uint8_t *push_entry(uint8_t *at, uint8_t number, const uint8_t *bytes, uint8_t len)
{
    at = push(at, bytes, len);
    *--at = (uint8_t)(BULLA_CBOR_BYTES << 5 | len);
    *--at = number;
    return at;
}

/* The protected header, as a string. */
static uint8_t *push_protected(uint8_t *at, const struct bulla_cose *cose)
{
    uint8_t *end = at;

    at = push(at, cose->more, cose->more_len);
    at = push_head(at, BULLA_CBOR_UINT << 5, cose->content_format);
    *--at = BULLA_HEADER_CONTENT_TYPE;
    at = push_head(at, BULLA_CBOR_UINT << 5, cose->alg);
    *--at = BULLA_HEADER_ALG;
    *--at = (uint8_t)(BULLA_CBOR_MAP << 5 | cose->entries);
    return push_head(at, BULLA_CBOR_BYTES << 5, (uint16_t)(end - at));
}

/* What stands before the protected header in the Enc_structure (RFC 9052 5.3). */
static uint8_t *push_aad_begin(uint8_t *at)
{
    static const uint8_t begin[10] = {0x83, 0x68, 'E', 'n', 'c', 'r', 'y', 'p', 't', '0'};

    return push(at, begin, sizeof(begin));
}

/* The Partial IV, in the fewest bytes; zero is one zero byte. */
static uint8_t *push_piv(uint8_t *at, const uint8_t *piv)
{
    uint8_t len = BULLA_PIV_SIZE;

    while (len > 1 && piv[len - 1] == 0)
        len--;
    for (uint8_t i = 0; i < len; i++)
        *--at = piv[i];
    *--at = (uint8_t)(BULLA_CBOR_BYTES << 5 | len);
    *--at = BULLA_HEADER_PARTIAL_IV;
    return at;
}

size_t bulla_cose_header(const struct bulla_cose *cose, uint8_t *content, size_t sealed_len)
{
    uint8_t *at = push_head(content, BULLA_CBOR_BYTES << 5, (uint16_t)sealed_len);

    if (cose->id_context != NULL)
        at = push_entry(at, BULLA_HEADER_KID_CONTEXT, cose->id_context, BULLA_ID_CONTEXT_SIZE);
    at = push_piv(at, cose->piv);
    at = push_entry(at, BULLA_HEADER_KID, cose->id, cose->id_len);
    *--at = BULLA_CBOR_MAP << 5 | (cose->id_context != NULL ? 3 : 2);
    at = push_protected(at, cose);
    *--at = BULLA_CBOR_ARRAY << 5 | 3;
    *--at = BULLA_CBOR_TAG << 5 | BULLA_COSE_ENCRYPT0;
    return (size_t)(content - at);
}

/* The additional data take the header's place until the content is sealed. */
int bulla_cose_seal(const struct bulla_cose *cose, uint8_t *content, size_t len)
{
    uint8_t nonce[BULLA_NONCE_MAX];
    uint8_t *aad = content - 1;
    int error;

    *aad = BULLA_CBOR_BYTES << 5;
    aad = push_aad_begin(push_protected(aad, cose));
    bulla_nonce_of(cose->alg, cose->common_iv, cose->id, cose->id_len, cose->piv, nonce);
    error = bulla_aead_seal(cose->crypto, cose->alg, cose->key, nonce, aad, (size_t)(content - aad), content,
                            len);
    bulla_wipe(nonce, sizeof(nonce));
    return error < 0 ? error : (int)bulla_cose_header(cose, content, len + bulla_tag_size(cose->alg));
}

int bulla_cose_open(const struct bulla_cose *cose, uint8_t *ciphertext, size_t len)
{
    uint8_t bytes[AAD_MAX];
    uint8_t nonce[BULLA_NONCE_MAX];
    uint8_t *end = bytes + sizeof(bytes);
    uint8_t *aad = end - 1;
    int error;

    *aad = BULLA_CBOR_BYTES << 5;
    aad = push(aad, cose->more, cose->more_len);
    aad = push_aad_begin(push_head(aad, BULLA_CBOR_BYTES << 5, cose->more_len));
    bulla_nonce_of(cose->alg, cose->common_iv, cose->id, cose->id_len, cose->piv, nonce);
    error =
        bulla_aead_open(cose->crypto, cose->alg, cose->key, nonce, aad, (size_t)(end - aad), ciphertext, len);
    bulla_wipe(nonce, sizeof(nonce));
    return error;
}
