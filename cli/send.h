/*
 * What the files of `bulla send` share: its options, and the way of one message to the gateway.
 */
#ifndef SEND_H
#define SEND_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/options.h"
#include "device/bulla.h"
#include "gateway/failure.h"

#define SEND_ATTEMPT_LEAST 3000 /* milliseconds: also when the time is out, a last try gets a fair chance */

enum send_format { SEND_SENML, SEND_JSON, SEND_PLAIN };

struct send_options {
    const char *to;
    const char *credential;
    const char *state;
    const char *record;
    const char *raw;
    struct option_time time;
    int64_t age;     /* seconds; 0: not given, or now, which is the same */
    int64_t timeout; /* seconds */
    unsigned format; /* enum send_format */
    bool new_state;
    bool verbose;
};

/* Builds the content that the arguments say. Cuts them up in place. */
MUST_CHECK int send_build(struct bulla_message *message, uint8_t *buffer, size_t size,
                          const struct send_options *options, int argc, char **argv, struct failure *failure);

/*
 * Seals the message and sends it until its fate is proven, the gateway refuses it, or time is out. Returns 0
 * only if an authentic reply said that it is stored.
 */
MUST_CHECK int send_deliver(struct bulla *bulla, struct bulla_message *message,
                            const struct send_options *options, struct failure *failure);

/* --raw: sends messages that were sealed before, as they are. */
MUST_CHECK int send_raw(const struct send_options *options, struct failure *failure);

#endif
