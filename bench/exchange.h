/* A message that is sent, and what came back: the same over HTTP and over MQTT. */
#ifndef BENCH_EXCHANGE_H
#define BENCH_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"

#define EXCHANGE_REPLY_MAX 80 /* bytes of a reply that are kept */

#define EXCHANGE_ANSWERED 200 /* as HTTP says it; MQTT has no status, and then a reply stands for it */

struct exchange {
    const uint8_t *request; /* what the way puts before a message, and the message */
    uint64_t piv;           /* the sender's, of the message in it */
    uint32_t device;        /* index in the fleet */
    uint32_t request_len;
    uint32_t latency; /* nanoseconds from the first byte sent to the last received; at most 4.29 s */
    uint16_t status;  /* 0: not sent, or not answered */
    uint16_t reply_len;
    uint8_t reply[EXCHANGE_REPLY_MAX];
};

/* How exchanges are carried out. */
struct way {
    /* Writes what a message of so many bytes travels behind. Its length, or -1: no room. NULL: nothing. */
    int (*head)(char *out, size_t room, size_t message_len);
    /* Carries out all of them. 0, or -1 with the failure. */
    int (*run)(void *context, struct exchange *exchanges, size_t count, struct failure *failure);
    void *context;
};

/* Sorts the latencies of the first `count` exchanges: nanoseconds, to be freed. NULL: memory is out. */
uint32_t *exchange_latencies(const struct exchange *exchanges, size_t count);

#endif
