/*
 * Replies (PROTOCOL 5), and the one place where the gateway takes a number to seal with: its id is new at
 * every start, entered in the registry before its first use, and one sequence number runs over all devices
 * and contexts (PROTOCOL 2).
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "gateway/core/devices.h"
#include "gateway/core/inbound.h"

/* A new id is wanted when so many numbers are left, and no reply is sealed once none is. */
#define ANSWER_RESERVE ((uint64_t)1 << 24)

struct answerer {
    struct bulla_crypto *crypto;
    uint64_t next;  /* the next reply's Partial IV */
    uint64_t limit; /* the first that may not be used; 2^40 but in tests */
    uint32_t epoch; /* counts ids, from 1 */
    uint8_t id[GATEWAY_ID_SIZE];
};

void answerer_init(struct answerer *answerer, struct bulla_crypto *crypto);

/* Goes over to an id that stands in the registry. */
void answerer_adopt(struct answerer *answerer, const uint8_t id[GATEWAY_ID_SIZE]);

bool answerer_wants_id(const struct answerer *answerer);

/* What a reply says besides the receipt, which it carries where the context has a stored message. */
struct answer {
    uint64_t re;
    int64_t time;             /* Unix seconds */
    const uint8_t *challenge; /* BULLA_CHALLENGE_SIZE bytes, or NULL */
};

/*
 * Seals a reply in a context. `room` holds it (REPLY_MAX bytes); `*reply` then points into it. Returns its
 * length, or -1: no number left, or the provider failed.
 */
MUST_CHECK int answer_seal(struct answerer *answerer, struct context *context, const struct answer *answer,
                           uint8_t room[REPLY_MAX], const uint8_t **reply);

/*
 * Draws an id and enters it in the registry, again as long as it is taken. On the store's thread.
 */
MUST_CHECK int gateway_id_draw(struct store *store, int64_t now, uint8_t id[GATEWAY_ID_SIZE],
                               struct failure *failure);

#endif
