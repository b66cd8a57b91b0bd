/*
 * The topic filters that a client wants, whatever becomes of its connections.
 */
#ifndef MQTT_SUBSCRIPTIONS_H
#define MQTT_SUBSCRIPTIONS_H

#include "gateway/failure.h"
#include "gateway/mqtt/packet.h"

#define SUBSCRIPTIONS_MAX 4096

struct subscription {
    struct mqtt_subscription wanted; /* its filter is our own copy */
    uint16_t asked;                  /* by the SUBSCRIBE of that identifier, not answered yet; 0: none */
    bool done;                       /* subscribed on this connection */
    bool gone;                       /* not wanted any more; goes once its SUBSCRIBE is answered */
};

struct subscriptions {
    struct subscription *items;
    size_t count;
    size_t capacity;
};

void subscriptions_wipe(struct subscriptions *list);

/* Wants it; one with the same filter takes the other's place. Returns 0, or -1 with the failure. */
MUST_CHECK int subscriptions_add(struct subscriptions *list, const struct mqtt_subscription *subscription,
                                 struct failure *failure);

/* Wants it no longer. Whether it was wanted. */
bool subscriptions_remove(struct subscriptions *list, const char *filter);

/* A new connection: nothing was asked for on it. */
void subscriptions_restart(struct subscriptions *list);

/* Whether there is one that is to be asked for. */
bool subscriptions_want(const struct subscriptions *list);

/* The next that are to be asked for, at most `most`, under that identifier: copied to `out`. How many. */
size_t subscriptions_ask(struct subscriptions *list, uint16_t id, struct mqtt_subscription *out, size_t most);

/*
 * SUBACK came. 0; or 1 if the broker refused one, the first of which is *refused with *code (the first that
 * is not optional, if there is one); or -1: nothing was asked for under that identifier, or not so many.
 */
int subscriptions_answer(struct subscriptions *list, const struct mqtt_packet *suback,
                         const struct subscription **refused, uint8_t *code);

/* Whether one is of a shared subscription (4.8.2). */
bool subscriptions_share(const struct subscriptions *list);

/* Whether an answer is waited for. */
bool subscriptions_wait(const struct subscriptions *list);

#endif
