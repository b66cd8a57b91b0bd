/*
 * UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>

/* Whether these bytes are text: valid UTF-8 without a zero byte, which databases and C strings would cut. */
int utf8_is_text(const char *at, size_t len);

/* Whether these bytes are text without control characters (U+0001 to U+001F, U+007F to U+009F). */
int utf8_is_plain(const char *at, size_t len);

#endif
