/*
 * Opening one message with a credential, in every way that the credential allows, to tell what it is or why
 * it does not open. The gateway tries less: what it would say of it is told apart.
 */
#ifndef OPENING_H
#define OPENING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/bulla.h"
#include "device/envelope.h"

#define OPENING_CONTEXTS_MAX 64 /* sessions that are tried */

/* What is there to open it with. */
struct opening_keys {
    struct bulla_credential credential;
    char name[BULLA_NAME_MAX + 1];
    uint8_t sessions[OPENING_CONTEXTS_MAX][BULLA_ID_CONTEXT_SIZE]; /* given, or known to the registry */
    size_t session_count;
    bool revoked;
};

struct opening {
    bool opened;    /* it authenticates under a key of the credential's secret */
    bool authentic; /* and it is what the credential says: the gateway would say so too */
    bool session;   /* opened in a session: id_context */
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];
    uint8_t *plaintext; /* in the caller's bytes */
    size_t plaintext_len;
    unsigned tried; /* contexts */
    char what[128]; /* if it did not open: what was tried */
    char why[400];  /* if it is not authentic: what speaks against it */
};

/*
 * Tries to open `envelope`, which bulla_envelope_parse() has read in this direction; its ciphertext is opened
 * in place. Every key is wiped.
 */
void opening_try(struct opening *opening, const struct opening_keys *keys,
                 const struct bulla_envelope *envelope, enum bulla_direction direction);

#endif
