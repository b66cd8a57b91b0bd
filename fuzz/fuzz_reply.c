/*
 * Replies to a device: any bytes as a reply, and any bytes as the body of one that authenticates. What is
 * refused changes nothing of the context; what is accepted takes nothing back. The device is the one of the
 * vectors, so that they open.
 */
#include "require.h"

#include <string.h>

#include "device/context.h"
#include "device/crypto_openssl.h"
#include "device/envelope.h"
#include "device/window.h"

#define SEALED   6 /* messages 0 to 5 wait */
#define BODY_MAX 1024

static const struct bulla_credential credential = {
    {0x5b, 0xaf, 0xfb, 0xaa, 0xa4, 0x77, 0xf1, 0xd8, 0x6d, 0x63, 0xb7, 0x54, 0xaf, 0x0d, 0xed, 0x80,
     0xe9, 0xb6, 0x30, 0x60, 0xc6, 0xdc, 0x72, 0x27, 0x0c, 0xa6, 0x05, 0x8b, 0xe7, 0xd3, 0x72, 0x02},
    {0x0a, 0x1b, 0x2c, 0x3d},
    4,
    BULLA_AES_CCM_16_64_128,
    BULLA_SESSION};
static const uint8_t session[BULLA_ID_CONTEXT_SIZE] = {0xa6, 0xf9, 0x88, 0x70, 0xaa, 0xd9, 0xc4, 0xc2};
static const uint8_t gateway_id[BULLA_GATEWAY_ID_SIZE] = {1, 2, 3, 4, 5, 6};

static struct bulla_crypto kept;
static struct bulla_port port;
static struct bulla opened; /* the device before each input */
static uint8_t gateway_key[BULLA_KEY_MAX];

static int give_session(void *context, uint8_t *out, size_t len)
{
    (void)context;
    require(len == sizeof(session));
    memcpy(out, session, len);
    return 0;
}

static uint32_t stand_still(void *context)
{
    (void)context;
    return 1000;
}

static void open_device(void)
{
    struct bulla_schedule schedule;

    require(bulla_crypto_open(&kept) == 0);
    port.random = give_session;
    port.timer = stand_still;
    port.crypto = &kept;
    require(bulla_open(&opened, &credential, &port) == 0);
    for (unsigned i = 0; i < SEALED; i++) {
        uint8_t buffer[128];
        struct bulla_message message;

        bulla_begin(&message, buffer, sizeof(buffer));
        require(bulla_seal(&opened, &message) == 0);
    }
    bulla_schedule_of(&opened, &schedule);
    require(bulla_derive_key(&schedule, gateway_id, sizeof(gateway_id), gateway_key) == 0);
}

static uint64_t number_of(const uint8_t number[BULLA_NUMBER_SIZE])
{
    return bulla_get_le(number, BULLA_NUMBER_SIZE);
}

static void check_accepted(struct bulla *device, const struct bulla_reply *reply)
{
    require(reply->re < SEALED);
    require(number_of(device->next) >= number_of(opened.next) &&
            number_of(device->next) <= BULLA_PIV_MAX + 1);
    require(number_of(device->answered) == reply->re + 1);
    require(reply->challenged == ((device->flags & BULLA_F_CHALLENGED) != 0));
    require(reply->has_time == 0 || reply->time >= 0);
    require(!reply->has_receipt || (reply->top <= BULLA_PIV_MAX && (device->flags & BULLA_F_RECEIPT) != 0));
    for (unsigned i = 0; i < BULLA_TRACKED; i++) {
        uint64_t piv = number_of(opened.next) - 1 - i;
        uint8_t bytes[BULLA_NUMBER_SIZE];
        int stored;

        bulla_put_le(bytes, piv, sizeof(bytes));
        if (i >= SEALED || bulla_sent_find(device, bytes) != &device->sent[i])
            continue; /* a far jump forgets */
        stored = (device->sent[i].marks & BULLA_M_STORED) != 0;
        require(stored == (reply->has_receipt && bulla_receipt_holds(reply->top, reply->bits, piv)));
        require(((device->sent[i].marks & BULLA_M_REFUSED) != 0) == (piv == reply->re && !stored));
    }
}

/* Opens it, and the same once more: a receipt may come any number of times. */
static void answer(uint8_t *bytes, size_t len)
{
    struct bulla device = opened;
    struct bulla_reply reply;

    if (bulla_open_reply(&device, bytes, len, &reply) == 0)
        check_accepted(&device, &reply);
    else
        require(memcmp(&device, &opened, sizeof(device)) == 0);
}

/* The bytes as a body: the first picks the message that it answers. */
static void answer_with_body(const uint8_t *data, size_t size)
{
    static uint8_t buffer[BULLA_HEADROOM + BODY_MAX + BULLA_TAG_MAX];
    struct bulla_envelope envelope;
    int header_len;

    if (size == 0 || size > BODY_MAX)
        return;
    memset(&envelope, 0, sizeof(envelope));
    envelope.id = gateway_id;
    envelope.id_len = sizeof(gateway_id);
    envelope.alg = credential.alg;
    envelope.content_format = BULLA_FORMAT_CBOR;
    envelope.re = data[0] % (SEALED + 1);
    envelope.has_re = 1;
    memcpy(buffer + BULLA_HEADROOM, data + 1, size - 1);
    header_len = bulla_envelope_seal(&envelope, &kept, gateway_key, opened.own.common_iv,
                                     buffer + BULLA_HEADROOM, size - 1);
    require(header_len > 0);
    answer(buffer + BULLA_HEADROOM - header_len,
           (size_t)header_len + size - 1 + bulla_tag_size(credential.alg));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t copy[2 * BULLA_MESSAGE_MAX];

    if (opened.port == NULL)
        open_device();
    if (size <= sizeof(copy)) {
        memcpy(copy, data, size);
        answer(copy, size);
    }
    answer_with_body(data, size);
    return 0;
}
