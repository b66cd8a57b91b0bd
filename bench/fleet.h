/*
 * A fleet: devices of the registry, each a context of the device library, as the board would run it.
 *
 *     fleet_load()       their credentials, out of the database
 *     fleet_introduce()  each sends one message, answers the challenge, and is proven
 *     fleet_seal()       a load of messages, sealed before it is sent
 *     fleet_verify()     the replies, opened by the contexts that the messages came from
 */
#ifndef BENCH_FLEET_H
#define BENCH_FLEET_H

#include "bench/exchange.h"
#include "cli/database.h"
#include "device/crypto_openssl.h"

#define FLEET_SLOTS 2 /* the counter's copies */

struct fleet_device {
    struct bulla bulla;
    struct bulla_port port; /* its context is this struct */
    uint8_t slots[FLEET_SLOTS][BULLA_SLOT_SIZE];
    bool written[FLEET_SLOTS];
};

struct fleet {
    struct bulla_crypto crypto; /* of all devices: they run on one thread */
    struct fleet_device *devices;
    size_t count;
    uint64_t sealed; /* readings so far: each is another value */
};

/* A load: exchange i is of device i modulo the fleet's size. */
struct load {
    struct exchange *exchanges;
    size_t count;
    uint8_t *requests;       /* their bytes */
    struct bulla *snapshots; /* of each device after every 16th message: a context answers for that many */
};

/* How a load went. */
struct load_verdict {
    size_t stored;     /* the reply opens, answers this message and says that it is stored */
    size_t unverified; /* status 200, but the reply does not say so */
    size_t refused;    /* another status */
    unsigned status;   /* of the first refusal */
};

/*
 * Opens the devices whose names begin with `prefix`. A counter begins at 0, so a fleet of counter devices is
 * good for one process. Returns 0, or -1 with the failure; fleet_wipe() serves after both.
 */
MUST_CHECK int fleet_load(struct fleet *fleet, const struct database_options *database, const char *prefix,
                          struct failure *failure);
void fleet_wipe(struct fleet *fleet);

/* Every device sends until a reply says that its message is stored: once, and again with the challenge. */
MUST_CHECK int fleet_introduce(struct fleet *fleet, const struct way *way, struct failure *failure);

/*
 * Seals `count` messages of one temperature, device after device. `bare`: as a session's messages are once
 * its first receipt came, without kid context. Returns 0, or -1 with the failure; load_free() serves after
 * both.
 */
MUST_CHECK int fleet_seal(struct fleet *fleet, const struct way *way, struct load *load, size_t count,
                          bool bare, struct failure *failure);
void load_free(struct load *load);

/* Opens the replies to the first `done` messages. The replies are overwritten. */
void fleet_verify(const struct fleet *fleet, struct load *load, size_t done, struct load_verdict *verdict);

#endif
