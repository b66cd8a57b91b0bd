/*
 * Messages: what parses is exactly what the fields make when they are written again, opens under no key but
 * its own, and is no reply. Whatever is sealed opens.
 */
#include "require.h"

#include <string.h>

#include "device/crypto_openssl.h"
#include "device/envelope.h"
#include "device/reply_parse.h"

static const uint8_t key[BULLA_KEY_MAX] = "not the key of any vector";
static const uint8_t common_iv[BULLA_NONCE_MAX] = "nor the IV";

static struct bulla_crypto *crypto(void)
{
    static struct bulla_crypto kept;

    if (kept.kdf == NULL)
        require(bulla_crypto_open(&kept) == 0);
    return &kept;
}

static void check_fields(const struct bulla_envelope *envelope, enum bulla_direction direction)
{
    require(envelope->piv <= BULLA_PIV_MAX);
    if (direction == BULLA_TO_DEVICE) {
        require(envelope->id_len == BULLA_GATEWAY_ID_SIZE && envelope->has_re);
        require(envelope->echo == NULL && envelope->id_context == NULL);
        require(envelope->content_format == BULLA_FORMAT_CBOR);
    } else {
        require(envelope->id_len >= 1 && envelope->id_len <= BULLA_KID_MAX);
    }
}

/* The header is the one way to write these fields. */
static void check_header(const struct bulla_envelope *envelope, const uint8_t *data, size_t size)
{
    uint8_t header[BULLA_HEADROOM];
    size_t len;

    if (bulla_key_size(envelope->alg) == 0)
        return; /* another alg may be longer than the writer's */
    len = bulla_envelope_header(envelope, header + sizeof(header), envelope->ciphertext_len);
    require(len + envelope->ciphertext_len == size);
    require(memcmp(header + sizeof(header) - len, data, len) == 0);
    require(bulla_envelope_open(envelope, crypto(), key, common_iv) == BULLA_E_FORGED);
}

/* A device's parser takes the replies that the host's takes, and finds the same in them. */
static void check_reply(uint8_t *bytes, size_t size)
{
    struct bulla_envelope envelope;
    struct bulla_reply_envelope reply;
    int error = bulla_envelope_parse(&envelope, BULLA_TO_DEVICE, bytes, size);

    require(bulla_reply_envelope_parse(&reply, bytes, size) == error);
    if (error < 0)
        return;
    require(reply.cose.protected_bytes == envelope.protected_bytes &&
            reply.cose.protected_len == envelope.protected_len);
    require(reply.id == envelope.id && reply.ciphertext == envelope.ciphertext);
    require(reply.ciphertext_len == envelope.ciphertext_len);
    require(bulla_get_le(reply.re, sizeof(reply.re)) == envelope.re);
    require(bulla_get_le(reply.piv, sizeof(reply.piv)) == envelope.piv);
    if (envelope.alg > 0 && envelope.alg <= UINT8_MAX)
        require(reply.alg == envelope.alg);
    else
        require(bulla_key_size(reply.alg) == 0);
}

static int parses(const uint8_t *data, size_t size, enum bulla_direction direction)
{
    static uint8_t copy[BULLA_MESSAGE_MAX];
    struct bulla_envelope envelope;

    if (size > sizeof(copy))
        return 0;
    memcpy(copy, data, size);
    if (direction == BULLA_TO_DEVICE)
        check_reply(copy, size);
    if (bulla_envelope_parse(&envelope, direction, copy, size) < 0)
        return 0;
    check_fields(&envelope, direction);
    check_header(&envelope, data, size);
    return 1;
}

/* The bytes as a plaintext. */
static void check_seal(const uint8_t *data, size_t size)
{
    static const int32_t algs[] = {BULLA_AES_CCM_16_64_128, BULLA_CHACHA20_POLY1305,
                                   BULLA_AES_CCM_16_128_128};
    static uint8_t buffer[BULLA_HEADROOM + BULLA_MESSAGE_MAX + BULLA_TAG_MAX];
    struct bulla_envelope envelope;
    int header_len;

    if (size == 0 || size > BULLA_MESSAGE_MAX - BULLA_HEADROOM - BULLA_TAG_MAX)
        return;
    memset(&envelope, 0, sizeof(envelope));
    envelope.alg = algs[data[0] % 3];
    envelope.id = data;
    envelope.id_len = 1;
    envelope.piv = size;
    memcpy(buffer + BULLA_HEADROOM, data, size);
    header_len = bulla_envelope_seal(&envelope, crypto(), key, common_iv, buffer + BULLA_HEADROOM, size);
    require(header_len > 0);
    require(bulla_envelope_parse(&envelope, BULLA_TO_GATEWAY, buffer + BULLA_HEADROOM - header_len,
                                 (size_t)header_len + size + bulla_tag_size(envelope.alg)) == 0);
    require(bulla_envelope_open(&envelope, crypto(), key, common_iv) == 0);
    require(memcmp(envelope.ciphertext, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int message = parses(data, size, BULLA_TO_GATEWAY);
    int reply = parses(data, size, BULLA_TO_DEVICE);

    require(!(message && reply));
    check_seal(data, size);
    return 0;
}
