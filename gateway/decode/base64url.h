/*
 * base64url without padding (RFC 4648 5, 3.2), as SenML's data values have it.
 */
#ifndef BASE64URL_H
#define BASE64URL_H

#include <stddef.h>
#include <stdint.h>

/* Decodes into `out`, which has room for len * 3 / 4 bytes. Returns the bytes written, or -1. */
ptrdiff_t base64url_decode(const char *text, size_t len, uint8_t *out);

/* Encodes into `out`, which has room for BASE64URL_SIZE(len) bytes: that many are written, and no zero. */
#define BASE64URL_SIZE(len) (((len)*4 + 2) / 3)
void base64url_encode(const uint8_t *bytes, size_t len, char *out);

#endif
