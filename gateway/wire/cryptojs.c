#include "gateway/wire/cryptojs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "gateway/wire/cryptojs_text.h"

#define RAW_KEY_SIZE 16
#define SEALED_MAX   BASE64_BYTES_MAX(CRYPTOJS_BODY_MAX)
#define MARK_SIZE    (SALTED_SALT - CRYPTOJS_DRAWN)

static const struct {
    bool sealed;
    const char *text;
} faults[CRYPTOJS_FAULT_COUNT] = {
#define CRYPTOJS_FAULT_ROW(name, sealed, text) [name] = {sealed, text},
    CRYPTOJS_FAULTS(CRYPTOJS_FAULT_ROW)
#undef CRYPTOJS_FAULT_ROW
};

const char *cryptojs_fault_text(enum cryptojs_fault fault)
{
    return faults[fault].text;
}

bool cryptojs_fault_sealed(enum cryptojs_fault fault)
{
    return faults[fault].sealed;
}

/* One message on its way from the body to its text. */
struct work {
    const struct cryptojs_key *key;
    const struct cryptojs_message *message;
    enum cryptojs_fault fault; /* the first one; from there on it is stand-ins that are worked on */
    uint8_t sealed[SEALED_MAX];
    size_t sealed_len;
    uint8_t iv[SEALED_MAX]; /* CBC_BLOCK bytes of it, once it is decoded */
    uint8_t text[SEALED_MAX];
    size_t text_len;
};

static void note(struct work *work, enum cryptojs_fault fault)
{
    if (work->fault == CRYPTOJS_GOOD)
        work->fault = fault;
}

/* ---- answers that come back ---- */

/* The rest of an answer's salt: nobody else can tell it from a random one, or make it. */
static int mark(const struct cryptojs_key *key, const uint8_t drawn[CRYPTOJS_DRAWN], uint8_t out[MARK_SIZE])
{
    static const char label[] = "bulla cryptojs answer";
    uint8_t hashed[sizeof(label) + CRYPTOJS_DRAWN + CRYPTOJS_PASSPHRASE_MAX];
    uint8_t digest[EVP_MAX_MD_SIZE];
    size_t len = sizeof(label) + CRYPTOJS_DRAWN;
    int done;

    memcpy(hashed, label, sizeof(label));
    memcpy(hashed + sizeof(label), drawn, CRYPTOJS_DRAWN);
    memcpy(hashed + len, key->passphrase, key->len);
    done = EVP_Digest(hashed, len + key->len, digest, NULL, EVP_sha256(), NULL) == 1;
    memcpy(out, digest, MARK_SIZE);
    OPENSSL_cleanse(hashed, sizeof(hashed));
    OPENSSL_cleanse(digest, sizeof(digest));
    return done ? 0 : -1;
}

/* An answer has the text of a reset: without this, whoever asks for a number could set it back to that later.
 */
static int look_for_answer(struct work *work)
{
    const uint8_t *salt = work->sealed + SALTED_HEAD - SALTED_SALT;
    uint8_t wanted[MARK_SIZE];

    if (work->message->request != CRYPTOJS_RESET)
        return 0;
    if (mark(work->key, salt, wanted) < 0)
        return -1;
    if (CRYPTO_memcmp(salt + CRYPTOJS_DRAWN, wanted, MARK_SIZE) == 0)
        note(work, CRYPTOJS_REFLECTED);
    return 0;
}

int cryptojs_answer(const struct cryptojs_key *key, int64_t number, const uint8_t drawn[CRYPTOJS_DRAWN],
                    char text[CRYPTOJS_ANSWER_MAX], size_t *len)
{
    char json[CRYPTOJS_ANSWER_TEXT + 1];
    char inner[BASE64_SIZE(CRYPTOJS_ANSWER_TEXT)];
    uint8_t sealed[SALTED_SIZE(sizeof(inner))];
    uint8_t salt[SALTED_SALT];
    size_t inner_len;
    int written = snprintf(json, sizeof(json), "{\"SEQN\":%" PRId64 "}", number);

    if (written < 0 || (size_t)written >= sizeof(json))
        return -1;
    memcpy(salt, drawn, CRYPTOJS_DRAWN);
    if (mark(key, drawn, salt + CRYPTOJS_DRAWN) < 0)
        return -1;
    inner_len = BASE64_SIZE((size_t)written);
    base64_encode(json, (size_t)written, inner);
    if (salted_encrypt(key->passphrase, key->len, salt, (const uint8_t *)inner, inner_len, sealed) < 0)
        return -1;
    *len = BASE64_SIZE(SALTED_SIZE(inner_len));
    base64_encode(sealed, SALTED_SIZE(inner_len), text);
    return 0;
}

/* ---- from the body to the ciphertext ---- */

/* Whether these bytes can be a ciphertext. */
static bool has_form(const struct work *work)
{
    if (work->message->request == CRYPTOJS_UNSEQUENCED)
        return work->sealed_len > 0 && work->sealed_len % CBC_BLOCK == 0;
    return salted_is(work->sealed, work->sealed_len);
}

/* A ciphertext of zeros in place of what is none, about as long as the body could have held. */
static void stand_in_sealed(struct work *work, enum cryptojs_fault fault)
{
    size_t len = BASE64_BYTES_MAX(work->message->len) / CBC_BLOCK * CBC_BLOCK;

    note(work, fault);
    if (len < SALTED_HEAD + CBC_BLOCK)
        len = SALTED_HEAD + CBC_BLOCK;
    if (len > sizeof(work->sealed))
        len = sizeof(work->sealed);
    memset(work->sealed, 0, sizeof(work->sealed));
    work->sealed_len = len;
}

/* Decodes what the body carries, at most CRYPTOJS_BODY_MAX characters. */
static void unwrap(struct work *work, const struct cryptojs_body *body)
{
    ptrdiff_t sealed_len = -1;
    ptrdiff_t iv_len = CBC_BLOCK;

    if (body->root == NULL) {
        stand_in_sealed(work, CRYPTOJS_NOT_A_REQUEST);
        return;
    }
    sealed_len = base64_decode(body->sealed, body->sealed_len, work->sealed);
    if (body->iv != NULL)
        iv_len = base64_decode(body->iv, body->iv_len, work->iv);
    work->sealed_len = sealed_len < 0 ? 0 : (size_t)sealed_len;
    if (sealed_len < 0 || iv_len < 0)
        stand_in_sealed(work, CRYPTOJS_NOT_BASE64);
    else if (iv_len != CBC_BLOCK || !has_form(work))
        stand_in_sealed(work, CRYPTOJS_NOT_CIPHERTEXT);
}

/* ---- from the ciphertext to the text ---- */

static int decrypt(struct work *work)
{
    uint8_t raw[RAW_KEY_SIZE];
    unsigned padded = 0;
    int result;

    if (work->message->request == CRYPTOJS_UNSEQUENCED) {
        if (!cryptojs_key_raw(work->key, raw))
            note(work, CRYPTOJS_NO_RAW_KEY);
        result = cbc_decrypt(raw, RAW_KEY_SIZE, work->iv, work->sealed, work->sealed_len, work->text,
                             &work->text_len, &padded);
    } else {
        result = salted_decrypt(work->key->passphrase, work->key->len, work->sealed, work->sealed_len,
                                work->text, &work->text_len, &padded);
    }
    OPENSSL_cleanse(raw, sizeof(raw));
    if (result == 0 && !padded)
        note(work, CRYPTOJS_BAD_PADDING);
    return result;
}

/* Where something is wrong: a good text, with spaces behind it to the length of what was there. */
static void stand_in_text(struct work *work)
{
    const char *dummy = cryptojs_text_dummy(work->message->request);
    size_t len = strlen(dummy);

    memset(work->text, ' ', sizeof(work->text));
    memcpy(work->text, dummy, len);
    if (work->text_len < len)
        work->text_len = len;
}

/* What was encrypted is base64 of the text. */
static void unwrap_text(struct work *work)
{
    ptrdiff_t len = base64_decode(work->text, work->text_len, work->text);

    if (len < 0)
        note(work, CRYPTOJS_NO_BASE64_INSIDE);
    work->text_len = BASE64_BYTES_MAX(work->text_len);
    if (len >= 0)
        work->text_len = (size_t)len;
    if (work->fault != CRYPTOJS_GOOD)
        stand_in_text(work);
}

/* Reads the text, and if it is not good the stand-in. Readings of neither are left unless all is well. */
static int read_text(struct work *work, struct readings *readings, int64_t *number)
{
    const size_t before = readings->count;
    enum cryptojs_fault fault = CRYPTOJS_GOOD;
    int result = cryptojs_text_read(work->message, work->text, work->text_len, readings, number, &fault);

    if (result == 0 && fault != CRYPTOJS_GOOD) {
        note(work, fault);
        stand_in_text(work);
        readings->count = before;
        result = cryptojs_text_read(work->message, work->text, work->text_len, readings, number, &fault);
    }
    if (result < 0 || work->fault != CRYPTOJS_GOOD) {
        readings->count = before;
        *number = 0;
    }
    return result;
}

/* ---- all of it ---- */

static int open_body(struct work *work, const struct cryptojs_body *body, struct cryptojs_opened *opened,
                     struct readings *readings)
{
    unwrap(work, body);
    if (EVP_Digest(work->sealed, work->sealed_len, opened->hash, NULL, EVP_sha256(), NULL) != 1 ||
        look_for_answer(work) < 0 || decrypt(work) < 0)
        return -1;
    unwrap_text(work);
    return read_text(work, readings, &opened->number);
}

int cryptojs_open(const struct cryptojs_key *key, const struct cryptojs_message *message,
                  struct cryptojs_opened *opened, struct readings *readings)
{
    struct work work = {.key = key, .message = message};
    struct cryptojs_body body;
    int result;

    *opened = (struct cryptojs_opened){0};
    if (cryptojs_body_read(&body, message) < 0)
        return -1;
    result = open_body(&work, &body, opened, readings);
    opened->fault = work.fault;
    cryptojs_body_free(&body);
    OPENSSL_cleanse(&work, sizeof(work));
    return result;
}
