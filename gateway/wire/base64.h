/*
 * Base64 (RFC 4648 4), as strictly as it can be read: the standard alphabet, padded, no white space, and the
 * bits behind the last byte are zero, so that no two texts give the same bytes.
 */
#ifndef BASE64_H
#define BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"

#define BASE64_SIZE(len)       (((len) + 2) / 3 * 4) /* characters that encode `len` bytes */
#define BASE64_BYTES_MAX(size) ((size) / 4 * 3)      /* bytes that `size` characters can give */

/*
 * Decodes `size` characters into `out` (BASE64_BYTES_MAX(size) bytes, which may be where the text is).
 * Returns how many bytes, or -1. Which characters they are does not show in the time, nor where the wrong one
 * is: the text may be a secret.
 */
MUST_CHECK ptrdiff_t base64_decode(const void *text, size_t size, uint8_t *out);

/* Writes BASE64_SIZE(len) characters, no zero behind them. */
void base64_encode(const void *bytes, size_t len, char *text);

#endif
