/*
 * A new native credential (PROTOCOL 1): made, entered in the registry under a kid that is free, and printed
 * or written into a file. For `bulla device add` and `bulla device upgrade`.
 */
#ifndef CREDENTIAL_NEW_H
#define CREDENTIAL_NEW_H

#include "cli/options.h"
#include "gateway/store/store.h"

struct credential_options {
    const char *kid;    /* NULL: drawn */
    const char *alg;    /* a number */
    const char *secret; /* @FILE or "-" to import one; NULL: drawn */
    const char *out;    /* NULL: standard output */
    bool counter;
};

extern const char *const credential_algs[];

/* The rows of a command's table; `type` is its struct, which has a member `credential`. */
/* clang-format off */
#define CREDENTIAL_OPTIONS(type)                                                                        \
    {.name = "kid",                                                                                     \
     .argument = "HEX",                                                                                 \
     .help = "the device's name on the wire, 1 to 5 bytes (default: 4 random bytes)",                   \
     .parse = option_string,                                                                            \
     .offset = offsetof(type, credential.kid)},                                                         \
    {.name = "alg",                                                                                     \
     .argument = "N",                                                                                   \
     .help = "COSE algorithm: 10 AES-CCM with a tag of 8 bytes, 30 the same with 16, 24 "               \
             "ChaCha20/Poly1305",                                                                       \
     .fallback = "10",                                                                                  \
     .parse = option_word,                                                                              \
     .words = credential_algs,                                                                          \
     .offset = offsetof(type, credential.alg)},                                                         \
    {.name = "counter",                                                                                 \
     .help = "for a board without a random source, or one that cannot hear replies: it counts in "      \
             "flash instead",                                                                           \
     .parse = option_flag,                                                                              \
     .offset = offsetof(type, credential.counter)}
/* clang-format on */

/* Draws or imports it. The kid is only set if it was given. Returns what a command returns. */
MUST_CHECK int credential_new(const struct credential_options *options, struct bulla_credential *credential,
                              struct failure *failure);

/* Enters a credential once, under its kid: 1 entered, 0 the kid is taken, -1 with the failure. */
typedef int credential_enterer(void *context, const struct bulla_credential *credential,
                               struct failure *failure);

/*
 * Has it entered, under other kids where one that was drawn is taken, and prints its line or writes the file,
 * which is made first: where it cannot be, nothing is entered. `done`: "was added". Returns 0 or -1.
 */
MUST_CHECK int credential_enter(const struct credential_options *options, const char *name, const char *done,
                                struct bulla_credential *credential, credential_enterer *enter, void *context,
                                struct failure *failure);

#endif
