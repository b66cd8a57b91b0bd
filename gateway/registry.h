/*
 * What a gateway has to know of its registry before it takes a message: opened in one go, on whichever
 * thread.
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "gateway/core/challenge.h"
#include "gateway/core/outbox.h"
#include "gateway/core/roster.h"
#include "gateway/vault.h"

struct registry {
    struct store *store;
    struct vault vault;
    uint8_t identity[32]; /* for sources that call somebody: secret, for ever the same */
    uint8_t challenge_key[CHALLENGE_KEY_SIZE];
    uint8_t gateway_id[GATEWAY_ID_SIZE]; /* drawn for this process (PROTOCOL 2) */
    struct roster *roster;               /* of older wires, or NULL */
};

/*
 * Opens the store at `db` (and makes or migrates it), its master key (`key`: a file; NULL: where it lies by
 * default), reads what stands above, and enters the sinks of `outbox`. `now` is in Unix seconds. Returns 0;
 * STORE_AWAY with the failure where it may go well later, be it that no server answers or that it takes no
 * writes now; or -1 with the failure. Where it is not 0 nothing is open.
 */
MUST_CHECK int registry_open(struct registry *registry, const char *db, const char *key, int64_t now,
                             struct outbox *outbox, struct failure *failure);

/* Closes the store and wipes what is secret; the roster is not looked at. */
void registry_close(struct registry *registry);

#endif
