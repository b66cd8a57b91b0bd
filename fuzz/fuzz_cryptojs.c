/*
 * Bodies of CryptoJS devices' requests, what is encrypted in them, and key files. The first byte says which:
 * the request, and whether the rest is the body, a plaintext, a text, or a key file.
 */
#include "fuzz/require.h"
#include "tests/unit/invariants.h"

#include <string.h>

#include "gateway/wire/cryptojs.h"

#define RECEIVED INT64_C(1700000000000000)
#define TEXT_MAX 4200

static const struct cryptojs_key key = {.len = 32, .passphrase = "2B7E151628AED2A6ABF7158809CF4F3C"};
static struct readings readings;

static enum cryptojs_fault check(enum cryptojs_request request, const uint8_t *body, size_t size)
{
    const struct cryptojs_message message = {
        .request = request, .body = body, .len = size, .received = RECEIVED, .value_name = "value"};
    struct cryptojs_opened opened;

    readings_reset(&readings);
    require(cryptojs_open(&key, &message, &opened, &readings) == 0);
    require(opened.number >= 0 && opened.number <= CRYPTOJS_NUMBER_MAX);
    if (opened.fault != CRYPTOJS_GOOD || request == CRYPTOJS_RESET)
        require(readings.count == 0);
    else
        require(readings.count > 0 && readings.count <= DECODE_READINGS_MAX);
    for (size_t i = 0; i < readings.count; i++)
        require(reading_broken(&readings.items[i]) == NULL);
    return opened.fault;
}

/* Puts bytes into a body as a ciphertext. Returns the body's size. */
static size_t wrap(enum cryptojs_request request, const uint8_t *sealed, size_t size, char *body)
{
    const char *head = request == CRYPTOJS_UNSEQUENCED ? "{\"data\":\"" : "{\"msg\":\"";
    const char *tail = request == CRYPTOJS_UNSEQUENCED ? "\",\"iv\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}" : "\"}";
    size_t used = strlen(head);

    memcpy(body, head, used);
    base64_encode(sealed, size, body + used);
    used += BASE64_SIZE(size);
    memcpy(body + used, tail, strlen(tail));
    return used + strlen(tail);
}

/* Seals bytes as a device would seal base64, and opens that. */
static enum cryptojs_fault check_plaintext(enum cryptojs_request request, const uint8_t *text, size_t size)
{
    static const uint8_t salt[SALTED_SALT] = "fuzzing";
    static const uint8_t iv[CBC_BLOCK];
    static uint8_t sealed[SALTED_SIZE(BASE64_SIZE(TEXT_MAX))];
    static char body[BASE64_SIZE(sizeof(sealed)) + 64];
    uint8_t raw[16];
    size_t len = SALTED_SIZE(size);

    if (request == CRYPTOJS_UNSEQUENCED) {
        ptrdiff_t written;
        require(cryptojs_key_raw(&key, raw));
        written = cbc_encrypt(raw, sizeof(raw), iv, text, size, sealed);
        require(written > 0);
        len = (size_t)written;
    } else {
        require(salted_encrypt(key.passphrase, key.len, salt, text, size, sealed) == 0);
    }
    return check(request, (const uint8_t *)body, wrap(request, sealed, len, body));
}

static void check_text(enum cryptojs_request request, const uint8_t *text, size_t size)
{
    static char inner[BASE64_SIZE(TEXT_MAX)];
    enum cryptojs_fault fault;

    if (size > TEXT_MAX)
        return;
    base64_encode(text, size, inner);
    fault = check_plaintext(request, (const uint8_t *)inner, BASE64_SIZE(size));
    require(fault == CRYPTOJS_GOOD || fault == CRYPTOJS_NOT_A_REQUEST || fault >= CRYPTOJS_NOT_UTF8);
}

static void check_key(const uint8_t *text, size_t size)
{
    struct cryptojs_key read;
    struct failure failure;
    uint8_t raw[16];

    if (cryptojs_key_read(&read, (const char *)text, size, &failure) != 0)
        return;
    require(read.len >= 1 && read.len <= CRYPTOJS_PASSPHRASE_MAX);
    (void)cryptojs_key_raw(&read, raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum cryptojs_request request;

    if (size == 0)
        return 0;
    request = (enum cryptojs_request)(data[0] % CRYPTOJS_REQUESTS);
    switch (data[0] / CRYPTOJS_REQUESTS % 4) {
    case 0:
        (void)check(request, data + 1, size - 1);
        break;
    case 1:
        if (size - 1 <= TEXT_MAX)
            (void)check_plaintext(request, data + 1, size - 1);
        break;
    case 2:
        check_text(request, data + 1, size - 1);
        break;
    default:
        check_key(data + 1, size - 1);
    }
    return 0;
}
