#include "envelope.h"

#include <string.h>

#include "cbor.h"

#define PROTECTED_MAX 34 /* map, alg, content type, "re", "echo" at their longest */
#define PARSED_MAX    41 /* likewise, with any integer for alg: that is forged, but well-formed */
#define AAD_MAX       (12 + PARSED_MAX + 1)

#define HEADER_ALG          1
#define HEADER_CONTENT_TYPE 3
#define HEADER_KID          4
#define HEADER_PARTIAL_IV   6
#define HEADER_KID_CONTEXT  10
#define COSE_ENCRYPT0       16

/* ---- writing ---- */

static void write_protected(struct bulla_cbor_writer *writer, const struct bulla_envelope *envelope)
{
    uint64_t entries = 2u + (envelope->has_re != 0) + (envelope->echo != NULL);

    bulla_cbor_head(writer, BULLA_CBOR_MAP, entries);
    bulla_cbor_head(writer, BULLA_CBOR_UINT, HEADER_ALG);
    bulla_cbor_integer(writer, envelope->alg);
    bulla_cbor_head(writer, BULLA_CBOR_UINT, HEADER_CONTENT_TYPE);
    bulla_cbor_head(writer, BULLA_CBOR_UINT, envelope->content_format);
    if (envelope->has_re) {
        bulla_cbor_text(writer, "re", 2);
        bulla_cbor_head(writer, BULLA_CBOR_UINT, envelope->re);
    }
    if (envelope->echo != NULL) {
        bulla_cbor_text(writer, "echo", 4);
        bulla_cbor_bytes(writer, envelope->echo, BULLA_CHALLENGE_SIZE);
    }
}

/* The Partial IV in the fewest bytes; zero is one zero byte. */
static void write_piv(struct bulla_cbor_writer *writer, uint64_t piv)
{
    uint8_t bytes[BULLA_PIV_SIZE];
    size_t first = 0;

    for (size_t i = 0; i < BULLA_PIV_SIZE; i++)
        bytes[BULLA_PIV_SIZE - 1 - i] = (uint8_t)(piv >> (8 * i));
    while (first < BULLA_PIV_SIZE - 1 && bytes[first] == 0)
        first++;
    bulla_cbor_bytes(writer, bytes + first, BULLA_PIV_SIZE - first);
}

static void write_unprotected(struct bulla_cbor_writer *writer, const struct bulla_envelope *envelope)
{
    bulla_cbor_head(writer, BULLA_CBOR_MAP, envelope->id_context != NULL ? 3 : 2);
    bulla_cbor_head(writer, BULLA_CBOR_UINT, HEADER_KID);
    bulla_cbor_bytes(writer, envelope->id, envelope->id_len);
    bulla_cbor_head(writer, BULLA_CBOR_UINT, HEADER_PARTIAL_IV);
    write_piv(writer, envelope->piv);
    if (envelope->id_context != NULL) {
        bulla_cbor_head(writer, BULLA_CBOR_UINT, HEADER_KID_CONTEXT);
        bulla_cbor_bytes(writer, envelope->id_context, BULLA_ID_CONTEXT_SIZE);
    }
}

size_t bulla_envelope_header(const struct bulla_envelope *envelope, uint8_t *content, size_t sealed_len)
{
    uint8_t protected_bytes[PROTECTED_MAX];
    uint8_t header[BULLA_HEADROOM];
    struct bulla_cbor_writer protected_writer = {protected_bytes, sizeof(protected_bytes), 0, 0};
    struct bulla_cbor_writer writer = {header, sizeof(header), 0, 0};

    write_protected(&protected_writer, envelope);
    bulla_cbor_head(&writer, BULLA_CBOR_TAG, COSE_ENCRYPT0);
    bulla_cbor_head(&writer, BULLA_CBOR_ARRAY, 3);
    bulla_cbor_bytes(&writer, protected_bytes, protected_writer.used);
    write_unprotected(&writer, envelope);
    bulla_cbor_head(&writer, BULLA_CBOR_BYTES, sealed_len);
    memcpy(content - writer.used, header, writer.used);
    return writer.used;
}

/* Enc_structure of RFC 9052 5.3; the external AAD is empty (PROTOCOL 3). Returns its length. */
static size_t write_aad(uint8_t aad[AAD_MAX], const uint8_t *protected_bytes, size_t protected_len)
{
    struct bulla_cbor_writer writer = {aad, AAD_MAX, 0, 0};

    bulla_cbor_head(&writer, BULLA_CBOR_ARRAY, 3);
    bulla_cbor_text(&writer, "Encrypt0", 8);
    bulla_cbor_bytes(&writer, protected_bytes, protected_len);
    bulla_cbor_bytes(&writer, NULL, 0);
    return writer.used;
}

int bulla_envelope_seal(const struct bulla_envelope *envelope, struct bulla_crypto *crypto,
                        const uint8_t *key, const uint8_t *common_iv, uint8_t *content, size_t len)
{
    uint8_t protected_bytes[PROTECTED_MAX];
    uint8_t aad[AAD_MAX];
    uint8_t nonce[BULLA_NONCE_MAX];
    struct bulla_cbor_writer writer = {protected_bytes, sizeof(protected_bytes), 0, 0};
    size_t sealed_len = len + bulla_tag_size(envelope->alg);
    size_t aad_len;
    size_t header_len;
    int error;

    write_protected(&writer, envelope);
    aad_len = write_aad(aad, protected_bytes, writer.used);
    bulla_nonce(envelope->alg, common_iv, envelope->id, envelope->id_len, envelope->piv, nonce);
    header_len = bulla_envelope_header(envelope, content, sealed_len);
    if (header_len + sealed_len > BULLA_MESSAGE_MAX)
        return BULLA_E_SPACE;
    error = bulla_aead_seal(crypto, envelope->alg, key, nonce, aad, aad_len, content, len);
    bulla_wipe(nonce, sizeof(nonce));
    return error < 0 ? error : (int)header_len;
}

int bulla_envelope_open(const struct bulla_envelope *envelope, struct bulla_crypto *crypto,
                        const uint8_t *key, const uint8_t *common_iv)
{
    uint8_t aad[AAD_MAX];
    uint8_t nonce[BULLA_NONCE_MAX];
    size_t aad_len = write_aad(aad, envelope->protected_bytes, envelope->protected_len);
    int error;

    bulla_nonce(envelope->alg, common_iv, envelope->id, envelope->id_len, envelope->piv, nonce);
    error = bulla_aead_open(crypto, envelope->alg, key, nonce, aad, aad_len, envelope->ciphertext,
                            envelope->ciphertext_len);
    bulla_wipe(nonce, sizeof(nonce));
    return error;
}

/* ---- parsing: each function returns 0, or -1 if what stands there is not what must ---- */

static int read_key(struct bulla_cbor_reader *reader, uint64_t key)
{
    struct bulla_cbor_item item;

    return bulla_cbor_expect(reader, BULLA_CBOR_UINT, &item) < 0 || item.argument != key ? -1 : 0;
}

/* 1 and a step forward if the text key stands there; 0 if something else does. */
static int read_text_key(struct bulla_cbor_reader *reader, const char *key)
{
    struct bulla_cbor_reader ahead = *reader;
    struct bulla_cbor_item item;

    if (bulla_cbor_expect(&ahead, BULLA_CBOR_TEXT, &item) < 0 || item.argument != strlen(key) ||
        memcmp(item.data, key, strlen(key)) != 0)
        return 0;
    *reader = ahead;
    return 1;
}

static int read_bytes(struct bulla_cbor_reader *reader, size_t least, size_t most,
                      struct bulla_cbor_item *item)
{
    if (bulla_cbor_expect(reader, BULLA_CBOR_BYTES, item) < 0)
        return -1;
    return item->argument < least || item->argument > most ? -1 : 0;
}

/* Any integer: a number that is not the credential's algorithm is forged, not malformed (PROTOCOL 3). */
static int read_alg(struct bulla_cbor_reader *reader, int32_t *alg)
{
    struct bulla_cbor_item item;

    if (bulla_cbor_expect(reader, BULLA_CBOR_UINT, &item) == 0) {
        *alg = item.argument <= INT32_MAX ? (int32_t)item.argument : 0;
        return 0;
    }
    *alg = 0; /* none of ours is negative */
    return bulla_cbor_expect(reader, BULLA_CBOR_NINT, &item);
}

static int parse_protected(struct bulla_envelope *envelope)
{
    struct bulla_cbor_reader reader = {envelope->protected_bytes,
                                       envelope->protected_bytes + envelope->protected_len};
    struct bulla_cbor_item item;
    uint64_t entries;

    if (bulla_cbor_expect(&reader, BULLA_CBOR_MAP, &item) < 0)
        return -1;
    entries = item.argument;
    if (read_key(&reader, HEADER_ALG) < 0 || read_alg(&reader, &envelope->alg) < 0)
        return -1;
    if (read_key(&reader, HEADER_CONTENT_TYPE) < 0 ||
        bulla_cbor_expect(&reader, BULLA_CBOR_UINT, &item) < 0 || item.argument > UINT16_MAX)
        return -1;
    envelope->content_format = (uint16_t)item.argument;
    if (read_text_key(&reader, "re")) {
        if (bulla_cbor_expect(&reader, BULLA_CBOR_UINT, &item) < 0)
            return -1;
        envelope->re = item.argument;
        envelope->has_re = 1;
    }
    if (read_text_key(&reader, "echo")) {
        if (read_bytes(&reader, BULLA_CHALLENGE_SIZE, BULLA_CHALLENGE_SIZE, &item) < 0)
            return -1;
        envelope->echo = item.data;
    }
    return reader.at == reader.end && entries == 2u + envelope->has_re + (envelope->echo != NULL) ? 0 : -1;
}

static int parse_piv(struct bulla_cbor_reader *reader, uint64_t *piv)
{
    struct bulla_cbor_item item;

    if (read_bytes(reader, 1, BULLA_PIV_SIZE, &item) < 0 || (item.argument > 1 && item.data[0] == 0))
        return -1;
    *piv = 0;
    for (size_t i = 0; i < item.argument; i++)
        *piv = *piv << 8 | item.data[i];
    return 0;
}

static int parse_unprotected(struct bulla_cbor_reader *reader, enum bulla_direction direction,
                             struct bulla_envelope *envelope)
{
    struct bulla_cbor_item item;
    uint64_t entries;
    size_t id_least = direction == BULLA_TO_GATEWAY ? 1 : BULLA_GATEWAY_ID_SIZE;
    size_t id_most = direction == BULLA_TO_GATEWAY ? BULLA_KID_MAX : BULLA_GATEWAY_ID_SIZE;

    if (bulla_cbor_expect(reader, BULLA_CBOR_MAP, &item) < 0)
        return -1;
    entries = item.argument;
    if (entries != 2 && (entries != 3 || direction == BULLA_TO_DEVICE))
        return -1;
    if (read_key(reader, HEADER_KID) < 0 || read_bytes(reader, id_least, id_most, &item) < 0)
        return -1;
    envelope->id = item.data;
    envelope->id_len = (size_t)item.argument;
    if (read_key(reader, HEADER_PARTIAL_IV) < 0 || parse_piv(reader, &envelope->piv) < 0)
        return -1;
    if (entries == 2)
        return 0;
    if (read_key(reader, HEADER_KID_CONTEXT) < 0 ||
        read_bytes(reader, BULLA_ID_CONTEXT_SIZE, BULLA_ID_CONTEXT_SIZE, &item) < 0)
        return -1;
    envelope->id_context = item.data;
    return 0;
}

/* What PROTOCOL 5 asks of a reply beyond the common form. */
static int is_reply(const struct bulla_envelope *envelope)
{
    return envelope->content_format == BULLA_FORMAT_CBOR && envelope->has_re && envelope->echo == NULL;
}

int bulla_envelope_parse(struct bulla_envelope *envelope, enum bulla_direction direction, uint8_t *bytes,
                         size_t len)
{
    struct bulla_cbor_reader reader = {bytes, bytes + len};
    struct bulla_cbor_item item;

    memset(envelope, 0, sizeof(*envelope));
    if (len > BULLA_MESSAGE_MAX)
        return BULLA_E_MALFORMED;
    if (bulla_cbor_expect(&reader, BULLA_CBOR_TAG, &item) < 0 || item.argument != COSE_ENCRYPT0)
        return BULLA_E_MALFORMED;
    if (bulla_cbor_expect(&reader, BULLA_CBOR_ARRAY, &item) < 0 || item.argument != 3)
        return BULLA_E_MALFORMED;
    if (read_bytes(&reader, 0, PARSED_MAX, &item) < 0)
        return BULLA_E_MALFORMED;
    envelope->protected_bytes = item.data;
    envelope->protected_len = (size_t)item.argument;
    if (parse_protected(envelope) < 0 || parse_unprotected(&reader, direction, envelope) < 0)
        return BULLA_E_MALFORMED;
    if (direction == BULLA_TO_DEVICE && !is_reply(envelope))
        return BULLA_E_MALFORMED;
    if (bulla_cbor_expect(&reader, BULLA_CBOR_BYTES, &item) < 0 || reader.at != reader.end)
        return BULLA_E_MALFORMED;
    envelope->ciphertext = bytes + (item.data - bytes);
    envelope->ciphertext_len = (size_t)item.argument;
    return 0;
}
