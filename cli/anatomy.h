/*
 * What a message's headers say, read with patience: also of what the gateway refuses as malformed, as far as
 * it can be read, and where it stops being of the form that PROTOCOL 3 (to the gateway) and 5 (to the device)
 * allow. It only explains: what decides is bulla_envelope_parse(), which finds the same messages well formed.
 */
#ifndef ANATOMY_H
#define ANATOMY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/cbor.h"

/* The headers, in the order in which they must stand, and the ciphertext. */
enum anatomy_part {
    ANATOMY_ALG,
    ANATOMY_CONTENT_TYPE,
    ANATOMY_RE,
    ANATOMY_ECHO,
    ANATOMY_KID,
    ANATOMY_PIV,
    ANATOMY_KID_CONTEXT,
    ANATOMY_CIPHERTEXT,
    ANATOMY_PARTS
};

enum anatomy_direction {
    ANATOMY_UNKNOWN,    /* its kid could not be read */
    ANATOMY_TO_GATEWAY, /* a device's message */
    ANATOMY_TO_DEVICE,  /* a gateway's reply: its id has 6 bytes */
};

struct anatomy {
    enum anatomy_direction direction;
    bool found[ANATOMY_PARTS];
    struct bulla_cbor_item parts[ANATOMY_PARTS]; /* of those found; strings point into the bytes */
    size_t at[ANATOMY_PARTS];                    /* offsets of their values */
    size_t where;                                /* offset of the first thing that is wrong */
    char why[128];                               /* what is wrong there; empty: nothing */
};

/* Reads `len` bytes of anything. */
void anatomy_read(struct anatomy *anatomy, const uint8_t *bytes, size_t len);

/* The Partial IV of parts[ANATOMY_PIV], which may have up to 8 bytes; UINT64_MAX if it is longer. */
uint64_t anatomy_piv(const struct bulla_cbor_item *item);

#endif
