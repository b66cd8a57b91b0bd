/*
 * base64url without padding (RFC 4648 5, 3.2), as SenML's data values have it.
 */
#ifndef BASE64URL_H
#define BASE64URL_H

#include <stddef.h>
#include <stdint.h>

/* Decodes into `out`, which has room for len * 3 / 4 bytes. Returns the bytes written, or -1. */
ptrdiff_t base64url_decode(const char *text, size_t len, uint8_t *out);

#endif
