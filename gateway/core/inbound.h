/*
 * One message on its way through the gateway. A source makes it, hands it to the pipeline, and gets it back
 * by answer(), once, at once or after the commit. Until then the source keeps it, and its bytes, where they
 * are.
 */
#ifndef INBOUND_H
#define INBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/envelope.h"
#include "gateway/core/outcome.h"
#include "gateway/wire/wire.h"

#define REPLY_MAX (BULLA_HEADROOM + 64 + BULLA_TAG_MAX) /* bytes of a whole reply with keys 0 to 3 */

struct inbound;

struct inbound_ops {
    /* The message's fate. `reply` (NULL: none) lasts until the call returns. May free the inbound. */
    void (*answer)(struct inbound *inbound, enum outcome outcome, const uint8_t *reply, size_t reply_len);
    /* Writes where it came from, for the journal: "http 192.0.2.7". Zero-terminated. */
    void (*describe)(const struct inbound *inbound, char *out, size_t size);
};

struct inbound {
    /* the source's */
    const struct inbound_ops *ops;
    uint8_t *bytes; /* opened in place */
    size_t len;
    const struct wire_ops *wire; /* of a message for pipeline_receive_older(); otherwise NULL */
    const char *route; /* of that: the topic it came on, the id in its path; NULL: it came without one */
    enum wire_request request; /* of that */

    /* the pipeline's */
    struct inbound *next; /* in the list that it waits in */
    struct bulla_envelope envelope;
    struct context *context; /* while it is in a batch */
    int64_t received;        /* microseconds since 1970 */
    size_t plaintext_len;
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE]; /* of the session that opened it, where it names none */
    uint64_t proof_t;                          /* T of the valid challenge in it, if it proves its context */
    uint8_t tries;                             /* how often it began anew */
    bool opened;    /* it authenticated: the plaintext stands in envelope.ciphertext */
    bool absent;    /* the registry was asked: no such device */
    bool confirmed; /* the registry's own row was read for it */
    bool waited;    /* a cycle went by since it came in */
    bool is_refused;
    enum outcome refused; /* if it is: to be answered once a cycle went by */
};

#endif
