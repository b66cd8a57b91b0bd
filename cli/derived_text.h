/*
 * The keys of a counter context as C, for a board that only seals (`bulla device export --derived`).
 */
#ifndef DERIVED_TEXT_H
#define DERIVED_TEXT_H

#include <stddef.h>

#include "device/bulla.h"
#include "gateway/failure.h"

#define DERIVED_TEXT_SIZE 2048 /* bytes of the longest one */

/* Writes it into `text` (DERIVED_TEXT_SIZE bytes). It holds keys: wipe it. Returns the length, or -1. */
MUST_CHECK int derived_text(char *text, const struct bulla_credential *credential, const char *name);

#endif
