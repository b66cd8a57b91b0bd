#include "envelope.h"

#include <string.h>

#include "cbor.h"
#include "cose.h"

/* ---- writing ---- */

/* What a struct bulla_cose of an envelope points to. It holds keys: to be wiped. */
struct around {
    struct bulla_cose cose;
    struct bulla_derived keys;
    uint8_t piv[BULLA_PIV_SIZE];
    uint8_t protected_bytes[BULLA_PROTECTED_MAX];
};

static uint8_t alg_of(const struct bulla_envelope *envelope)
{
    return (uint8_t)(envelope->alg > 0 && envelope->alg <= UINT8_MAX ? envelope->alg : 0); /* 0 is none */
}

/* What stands around an envelope's content. `key` and `common_iv` may be NULL where only its header is
 * written. */
static void make_around(struct around *around, const struct bulla_envelope *envelope, const uint8_t *key,
                        const uint8_t *common_iv)
{
    memset(around, 0, sizeof(*around));
    around->keys.alg = alg_of(envelope);
    around->keys.kid_len = (uint8_t)envelope->id_len;
    memcpy(around->keys.kid, envelope->id, envelope->id_len);
    if (key != NULL) {
        memcpy(around->keys.key, key, bulla_key_size(around->keys.alg));
        memcpy(around->keys.common_iv, common_iv, bulla_nonce_size(around->keys.alg));
    }
    bulla_put_le(around->piv, envelope->piv, BULLA_PIV_SIZE);
    around->cose.keys = &around->keys;
    around->cose.piv = around->piv;
    around->cose.id_context = envelope->id_context;
}

/* Writes the protected header: a device's, or with "re" a gateway's. */
static void write_protected(struct around *around, const struct bulla_envelope *envelope)
{
    struct bulla_cbor_writer writer = {around->protected_bytes, sizeof(around->protected_bytes), 0, 0};

    bulla_cbor_small(&writer, BULLA_CBOR_MAP,
                     (uint16_t)(2 + (envelope->has_re != 0) + (envelope->echo != NULL)));
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, BULLA_HEADER_ALG);
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, around->keys.alg);
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, BULLA_HEADER_CONTENT_TYPE);
    bulla_cbor_small(&writer, BULLA_CBOR_UINT, envelope->content_format);
    if (envelope->has_re) {
        bulla_cbor_text(&writer, "re", 2);
        bulla_cbor_head(&writer, BULLA_CBOR_UINT, envelope->re);
    }
    if (envelope->echo != NULL) {
        bulla_cbor_text(&writer, "echo", 4);
        bulla_cbor_bytes(&writer, envelope->echo, BULLA_CHALLENGE_SIZE);
    }
    around->cose.protected_bytes = around->protected_bytes;
    around->cose.protected_len = (uint8_t)writer.used;
}

size_t bulla_envelope_header(const struct bulla_envelope *envelope, uint8_t *content, size_t sealed_len)
{
    struct around around;

    make_around(&around, envelope, NULL, NULL);
    write_protected(&around, envelope);
    return bulla_cose_header(&around.cose, content, sealed_len);
}

int bulla_envelope_seal(const struct bulla_envelope *envelope, struct bulla_crypto *crypto,
                        const uint8_t *key, const uint8_t *common_iv, uint8_t *content, size_t len)
{
    struct around around;
    size_t sealed_len = len + bulla_tag_size(envelope->alg);
    int result = BULLA_E_SPACE;

    make_around(&around, envelope, key, common_iv);
    around.cose.crypto = crypto;
    write_protected(&around, envelope);
    if (sealed_len <= BULLA_MESSAGE_MAX &&
        bulla_cose_header(&around.cose, content, sealed_len) + sealed_len <= BULLA_MESSAGE_MAX)
        result = bulla_cose_seal(&around.cose, content, len);
    if (result == 0)
        result = (int)bulla_cose_header(&around.cose, content, sealed_len);
    bulla_wipe(&around.keys, sizeof(around.keys));
    return result;
}

int bulla_envelope_open(const struct bulla_envelope *envelope, struct bulla_crypto *crypto,
                        const uint8_t *key, const uint8_t *common_iv)
{
    struct around around;
    uint8_t spare[BULLA_AAD_MAX];
    int result;

    make_around(&around, envelope, key, common_iv);
    around.cose.crypto = crypto;
    around.cose.protected_bytes = envelope->protected_bytes;
    around.cose.protected_len = (uint8_t)envelope->protected_len;
    result =
        bulla_cose_open(&around.cose, spare + sizeof(spare), envelope->ciphertext, envelope->ciphertext_len);
    bulla_wipe(&around.keys, sizeof(around.keys));
    return result;
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
