/*
 * The messages of CryptoJS devices, opened: what Node-RED flows and ESP8266 programs with CryptoJS's
 * AES.encrypt(text, passphrase) send over HTTP. Pure: keys and bytes in, readings and a number out; what may
 * be believed of them (was it there before, is its number above the last) is for who keeps the registry.
 *
 *     {"msg": base64(Salted__ ‖ salt ‖ AES-256-CBC(base64(text)))}       CRYPTOJS_DATA, CRYPTOJS_RESET
 *     {"data": base64(AES-128-CBC(base64(text))), "iv": base64(IV)}      CRYPTOJS_UNSEQUENCED
 *
 * CBC without a MAC authenticates nothing by itself: what opens to base64 of JSON is taken for the device's.
 * Whatever is wrong, the same work is done: a step that fails goes on with stand-in data, so neither the
 * time nor the answer tells which one it was.
 */
#ifndef CRYPTOJS_H
#define CRYPTOJS_H

#include <stdbool.h>

#include "gateway/decode/decode.h"
#include "gateway/wire/base64.h"
#include "gateway/wire/salted.h"

#define CRYPTOJS_PASSPHRASE_MAX 256                      /* bytes */
#define CRYPTOJS_BODY_MAX       8192                     /* bytes of a request's body */
#define CRYPTOJS_HASH           32                       /* SHA-256 of a ciphertext */
#define CRYPTOJS_NUMBER_MAX     ((INT64_C(1) << 53) - 1) /* JavaScript's largest safe integer */
#define CRYPTOJS_DRAWN          5                        /* random bytes of an answer's salt */
#define CRYPTOJS_ANSWER_TEXT    (sizeof("{\"SEQN\":9007199254740991}") - 1)
#define CRYPTOJS_ANSWER_MAX     BASE64_SIZE(SALTED_SIZE(BASE64_SIZE(CRYPTOJS_ANSWER_TEXT)))

/* ---- keys ---- */

/* Wiped by whoever is done with it. */
struct cryptojs_key {
    size_t len; /* of the pass-phrase: 1 to CRYPTOJS_PASSPHRASE_MAX */
    uint8_t passphrase[CRYPTOJS_PASSPHRASE_MAX];
};

/*
 * Reads a key file: one line `passphrase=` and the pass-phrase as it stands there, UTF-8 without control
 * characters; empty lines and lines that begin with # do not count. Anything else is a failure that says
 * which line.
 */
MUST_CHECK int cryptojs_key_read(struct cryptojs_key *key, const char *text, size_t len,
                                 struct failure *failure);

/* The raw key of CRYPTOJS_UNSEQUENCED: a pass-phrase of 32 hex digits, as 16 bytes. False: it is none, and
 * `raw` is zeros. */
bool cryptojs_key_raw(const struct cryptojs_key *key, uint8_t raw[16]);

/* ---- messages ---- */

enum cryptojs_request {
    CRYPTOJS_DATA,        /* {"data":{"value":300},"SEQN":121}; further members are left alone */
    CRYPTOJS_RESET,       /* {"SEQN":120} and nothing else, so that no other message is one */
    CRYPTOJS_UNSEQUENCED, /* a JSON object or number; an object's member `data`, if it is an object, stands
                             for it */
    CRYPTOJS_REQUESTS,
};

/* X(name, sealed, text): what is wrong with a message, in the order in which it is looked for. `sealed`: only
 * who has the key can see it. */
#define CRYPTOJS_FAULTS(X)                                                                                   \
    X(CRYPTOJS_GOOD, false, "")                                                                              \
    X(CRYPTOJS_NOT_A_REQUEST, false, "its body is not the JSON object that this route takes")                \
    X(CRYPTOJS_NOT_BASE64, false, "what its body carries is not base64")                                     \
    X(CRYPTOJS_NOT_CIPHERTEXT, false, "what its body carries does not have the form of a ciphertext")        \
    X(CRYPTOJS_REFLECTED, true, "it is an answer of the gateway, sent back")                                 \
    X(CRYPTOJS_NO_RAW_KEY, true, "the device's pass-phrase is not 32 hex digits, so it has no raw key")      \
    X(CRYPTOJS_BAD_PADDING, true, "it does not open under the device's key: the padding is wrong")           \
    X(CRYPTOJS_NO_BASE64_INSIDE, true, "it does not open under the device's key: no base64 is in it")        \
    X(CRYPTOJS_NOT_UTF8, true, "what it holds is not UTF-8")                                                 \
    X(CRYPTOJS_NOT_JSON, true, "what it holds is not JSON")                                                  \
    X(CRYPTOJS_NOT_THIS, true, "what it holds is not what this route takes")                                 \
    X(CRYPTOJS_BAD_NUMBER, true, "its SEQN is not an integer from 0 to 9007199254740991")

enum cryptojs_fault {
#define CRYPTOJS_FAULT_ENUM(name, sealed, text) name,
    CRYPTOJS_FAULTS(CRYPTOJS_FAULT_ENUM)
#undef CRYPTOJS_FAULT_ENUM
        CRYPTOJS_FAULT_COUNT
};

const char *cryptojs_fault_text(enum cryptojs_fault fault);
bool cryptojs_fault_sealed(enum cryptojs_fault fault);

struct cryptojs_opened {
    enum cryptojs_fault fault;
    int64_t number;              /* SEQN; 0 in CRYPTOJS_UNSEQUENCED, and where there is a fault */
    uint8_t hash[CRYPTOJS_HASH]; /* of the ciphertext as bytes: of the salted form all of it, otherwise
                                    without the IV */
};

/* A request as it came. */
struct cryptojs_message {
    enum cryptojs_request request;
    const uint8_t *body; /* at most CRYPTOJS_BODY_MAX bytes; a longer one is CRYPTOJS_NOT_A_REQUEST */
    size_t len;
    int64_t received;       /* microseconds since 1970: the time of its readings */
    const char *value_name; /* what a bare number is called */
};

/*
 * Opens a request. The readings of a good one are appended, with their strings in the list's arena; `data`
 * that is no flat object is one reading of type READING_UNDECODED that holds the text as it came. Returns 0,
 * or -1 when memory is out or OpenSSL failed, with nothing appended.
 */
MUST_CHECK int cryptojs_open(const struct cryptojs_key *key, const struct cryptojs_message *message,
                             struct cryptojs_opened *opened, struct readings *readings);

/*
 * Seals {"SEQN":number}, 0 to CRYPTOJS_NUMBER_MAX, as the device would: base64, `*len` characters, at most
 * CRYPTOJS_ANSWER_MAX, no zero behind them. `drawn` are random bytes, new each time. The salt is made of them
 * so that the answer, should somebody send it back as a reset, is known for what it is (CRYPTOJS_REFLECTED;
 * one device's reset in 2^24 is taken for one). Returns 0, or -1: OpenSSL failed.
 */
MUST_CHECK int cryptojs_answer(const struct cryptojs_key *key, int64_t number,
                               const uint8_t drawn[CRYPTOJS_DRAWN], char text[CRYPTOJS_ANSWER_MAX],
                               size_t *len);

#endif
