#include "envelope.h"

#include <string.h>

#include "cbor.h"
#include "cose.h"

#define MORE_MAX 26 /* bytes: "re" and "echo" at their longest */

/* ---- writing ---- */

/* What stands around an envelope's content; `piv` is room for its number. */
static void make_cose(struct bulla_cose *cose, const struct bulla_envelope *envelope,
                      uint8_t piv[BULLA_PIV_SIZE])
{
    bulla_put_le(piv, envelope->piv, BULLA_PIV_SIZE);
    cose->piv = piv;
    cose->id = envelope->id;
    cose->id_len = (uint8_t)envelope->id_len;
    cose->id_context = envelope->id_context;
    cose->alg =
        (uint8_t)(envelope->alg > 0 && envelope->alg <= UINT8_MAX ? envelope->alg : 0); /* 0 is none */
}

/* Writes "re" and "echo" into `more`, the entries that some protected headers end with. */
static void write_more(struct bulla_cose *cose, const struct bulla_envelope *envelope, uint8_t more[MORE_MAX])
{
    struct bulla_cbor_writer writer = {more, MORE_MAX, 0, 0};

    if (envelope->has_re) {
        bulla_cbor_text(&writer, "re", 2);
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, envelope->re);
    }
    if (envelope->echo != NULL) {
        bulla_cbor_text(&writer, "echo", 4);
        bulla_cbor_bytes(&writer, envelope->echo, BULLA_CHALLENGE_SIZE);
    }
    cose->content_format = envelope->content_format;
    cose->entries = (uint8_t)(2 + (envelope->has_re != 0) + (envelope->echo != NULL));
    cose->more = more;
    cose->more_len = (uint8_t)writer.used;
}

size_t bulla_envelope_header(const struct bulla_envelope *envelope, uint8_t *content, size_t sealed_len)
{
    uint8_t piv[BULLA_PIV_SIZE];
    uint8_t more[MORE_MAX];
    struct bulla_cose cose;

    make_cose(&cose, envelope, piv);
    write_more(&cose, envelope, more);
    return bulla_cose_header(&cose, content, sealed_len);
}

int bulla_envelope_seal(const struct bulla_envelope *envelope, struct bulla_crypto *crypto,
                        const uint8_t *key, const uint8_t *common_iv, uint8_t *content, size_t len)
{
    uint8_t piv[BULLA_PIV_SIZE];
    uint8_t more[MORE_MAX];
    struct bulla_cose cose;
    size_t sealed_len = len + bulla_tag_size(envelope->alg);

    make_cose(&cose, envelope, piv);
    cose.crypto = crypto;
    cose.key = key;
    cose.common_iv = common_iv;
    write_more(&cose, envelope, more);
    if (sealed_len > BULLA_MESSAGE_MAX ||
        bulla_cose_header(&cose, content, sealed_len) + sealed_len > BULLA_MESSAGE_MAX)
        return BULLA_E_SPACE;
    return bulla_cose_seal(&cose, content, len);
}

int bulla_envelope_open(const struct bulla_envelope *envelope, struct bulla_crypto *crypto,
                        const uint8_t *key, const uint8_t *common_iv)
{
    uint8_t piv[BULLA_PIV_SIZE];
    struct bulla_cose cose;

    make_cose(&cose, envelope, piv);
    cose.crypto = crypto;
    cose.key = key;
    cose.common_iv = common_iv;
    cose.more = envelope->protected_bytes;
    cose.more_len = (uint8_t)envelope->protected_len;
    return bulla_cose_open(&cose, envelope->ciphertext, envelope->ciphertext_len);
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
    if (read_key(&reader, BULLA_HEADER_ALG) < 0 || read_alg(&reader, &envelope->alg) < 0)
        return -1;
    if (read_key(&reader, BULLA_HEADER_CONTENT_TYPE) < 0 ||
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
    if (read_key(reader, BULLA_HEADER_KID) < 0 || read_bytes(reader, id_least, id_most, &item) < 0)
        return -1;
    envelope->id = item.data;
    envelope->id_len = (size_t)item.argument;
    if (read_key(reader, BULLA_HEADER_PARTIAL_IV) < 0 || parse_piv(reader, &envelope->piv) < 0)
        return -1;
    if (entries == 2)
        return 0;
    if (read_key(reader, BULLA_HEADER_KID_CONTEXT) < 0 ||
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
    if (bulla_cbor_expect(&reader, BULLA_CBOR_TAG, &item) < 0 || item.argument != BULLA_COSE_ENCRYPT0)
        return BULLA_E_MALFORMED;
    if (bulla_cbor_expect(&reader, BULLA_CBOR_ARRAY, &item) < 0 || item.argument != 3)
        return BULLA_E_MALFORMED;
    if (read_bytes(&reader, 0, BULLA_PROTECTED_MAX, &item) < 0)
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
