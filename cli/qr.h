/*
 * QR codes, drawn with characters. A code is dark on a light ground, and a terminal mostly light on dark:
 * what is light in the code is drawn, what is dark is left blank; `invert` is for the other terminals.
 */
#ifndef QR_H
#define QR_H

#include <stdbool.h>
#include <stdio.h>

#include "gateway/failure.h"

#define QR_QUIET 4 /* modules around a code that stay light (ISO/IEC 18004) */

enum qr_look {
    QR_BLOCKS, /* two modules a character, one above the other: U+2580, U+2584, U+2588 */
    QR_ASCII,  /* two characters a module: ## */
};

/* Whether the locale's characters are UTF-8. */
bool qr_locale_is_utf8(void);

/* Draws the text as lines. Returns 0, or -1 where it is too long for a code, or memory is out. */
MUST_CHECK int qr_draw(FILE *out, const char *text, enum qr_look look, bool invert);

#endif
