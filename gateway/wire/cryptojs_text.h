/*
 * What stands in CryptoJS devices' messages: JSON. Private to cryptojs.c.
 */
#ifndef CRYPTOJS_TEXT_H
#define CRYPTOJS_TEXT_H

#include "gateway/wire/cryptojs.h"

/* What a request's body carries: base64 that was not decoded yet. Points into `root`. */
struct cryptojs_body {
    void *root; /* NULL: it is no such body */
    const char *sealed;
    size_t sealed_len;
    const char *iv; /* of CRYPTOJS_UNSEQUENCED alone */
    size_t iv_len;
};

/* Reads the object that a route takes: exactly its members, strings. Returns 0, also for one that is not it;
 * -1 when memory is out. */
MUST_CHECK int cryptojs_body_read(struct cryptojs_body *body, const struct cryptojs_message *message);
void cryptojs_body_free(struct cryptojs_body *body);

/* A text that the route takes: stands in for one that is not to be had. Zero-terminated. */
const char *cryptojs_text_dummy(enum cryptojs_request request);

/*
 * Reads the text: appends its readings, and gives its number. `*fault` receives CRYPTOJS_GOOD or what is
 * wrong with it; then what was appended is to be taken back. Returns 0, or -1 when memory is out.
 */
MUST_CHECK int cryptojs_text_read(const struct cryptojs_message *message, const uint8_t *text, size_t len,
                                  struct readings *readings, int64_t *number, enum cryptojs_fault *fault);

#endif
