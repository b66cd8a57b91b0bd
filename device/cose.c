#include "cose.h"

#include <string.h>

#include "cbor.h"

#define HEADER_ALG          1
#define HEADER_CONTENT_TYPE 3
#define HEADER_KID          4
#define HEADER_PARTIAL_IV   6
#define HEADER_KID_CONTEXT  10
#define COSE_ENCRYPT0       16

void bulla_cose_protect(struct bulla_cose *cose, uint8_t entries, uint16_t content_format)
{
    struct bulla_cbor_writer writer = {cose->aad + BULLA_AAD_PREFIX, BULLA_PROTECTED_MAX, 0, 0};

    bulla_cbor_small(&writer, BULLA_CBOR_MAP, entries);
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, HEADER_ALG);
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, cose->alg);
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, HEADER_CONTENT_TYPE);
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, content_format);
    cose->protected_len = (uint8_t)writer.used;
}

/* Completes the additional data around the protected header. Returns where they begin: a head of one byte
 * begins one later. The header itself, as a string, begins ten further on. */
static uint8_t *complete_aad(struct bulla_cose *cose)
{
    uint8_t *header = cose->aad + BULLA_AAD_PREFIX;
    uint8_t *aad = cose->aad;

    header[cose->protected_len] = BULLA_CBOR_BYTES << 5;
    header[-1] = cose->protected_len;
    if (cose->protected_len < 24) {
        header[-1] |= BULLA_CBOR_BYTES << 5;
        aad++;
    } else {
        header[-2] = BULLA_CBOR_BYTES << 5 | 24;
    }
    memcpy(aad,
           "\x83\x68"
           "Encrypt0",
           10);
    return aad;
}

/* Its length, from where it begins. */
static size_t aad_len(const struct bulla_cose *cose, const uint8_t *aad)
{
    return (size_t)(cose->aad + BULLA_AAD_PREFIX - aad) + cose->protected_len + 1u;
}

/* The Partial IV in the fewest bytes; zero is one zero byte. */
static void write_piv(struct bulla_cbor_writer *writer, const uint8_t *piv)
{
    uint8_t len = BULLA_PIV_SIZE;

    while (len > 1 && piv[len - 1] == 0)
        len--;
    bulla_cbor_small(writer, BULLA_CBOR_BYTES, len);
    while (len > 0)
        bulla_cbor_raw(writer, &piv[--len], 1);
}

size_t bulla_cose_header(struct bulla_cose *cose, uint8_t *content, size_t sealed_len)
{
    const uint8_t *aad = complete_aad(cose);
    struct bulla_cbor_writer writer = {content - BULLA_HEADROOM, BULLA_HEADROOM, 0, 0};

    bulla_cbor_small(&writer, BULLA_CBOR_TAG, COSE_ENCRYPT0);
    bulla_cbor_small(&writer, BULLA_CBOR_ARRAY, 3);
    bulla_cbor_raw(&writer, aad + 10, aad_len(cose, aad) - 11);
    bulla_cbor_small(&writer, BULLA_CBOR_MAP, cose->id_context != NULL ? 3 : 2);
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, HEADER_KID);
    bulla_cbor_bytes(&writer, cose->id, cose->id_len);
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, HEADER_PARTIAL_IV);
    write_piv(&writer, cose->piv);
    if (cose->id_context != NULL) {
        bulla_cbor_small(&writer, BULLA_CBOR_UINT, HEADER_KID_CONTEXT);
        bulla_cbor_bytes(&writer, cose->id_context, BULLA_ID_CONTEXT_SIZE);
    }
    bulla_cbor_small(&writer, BULLA_CBOR_BYTES, (uint16_t)sealed_len);
    memmove(content - writer.used, writer.out, writer.used);
    return writer.used;
}

int bulla_cose_seal(struct bulla_cose *cose, uint8_t *content, size_t len)
{
    uint8_t nonce[BULLA_NONCE_MAX];
    size_t sealed_len = len + bulla_tag_size(cose->alg);
    size_t header_len;
    const uint8_t *aad;
    int error;

    header_len = bulla_cose_header(cose, content, sealed_len);
    if (header_len + sealed_len > BULLA_MESSAGE_MAX)
        return BULLA_E_SPACE;
    aad = complete_aad(cose);
    bulla_nonce_of(cose->alg, cose->common_iv, cose->id, cose->id_len, cose->piv, nonce);
    error = bulla_aead_seal(cose->crypto, cose->alg, cose->key, nonce, aad, aad_len(cose, aad), content, len);
    bulla_wipe(nonce, sizeof(nonce));
    return error < 0 ? error : (int)header_len;
}

int bulla_cose_open(struct bulla_cose *cose, uint8_t *ciphertext, size_t len)
{
    uint8_t nonce[BULLA_NONCE_MAX];
    const uint8_t *aad = complete_aad(cose);
    int error;

    bulla_nonce_of(cose->alg, cose->common_iv, cose->id, cose->id_len, cose->piv, nonce);
    error =
        bulla_aead_open(cose->crypto, cose->alg, cose->key, nonce, aad, aad_len(cose, aad), ciphertext, len);
    bulla_wipe(nonce, sizeof(nonce));
    return error;
}
