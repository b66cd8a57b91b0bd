/*
 * Taking messages to a gateway and bringing its replies back, as a device does (PROTOCOL 8): over HTTP, or
 * over MQTT through a broker. Whatever comes back is not to be believed; only its reply can be.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "device/bulla.h"
#include "gateway/failure.h"

#define CLIENT_ERROR_SIZE 320 /* bytes of a reason, with the terminating zero */

struct client_answer {
    bool came;        /* something did; otherwise client->error says why not */
    long status;      /* HTTP's; 0: there is none */
    long retry_after; /* seconds that it asks to wait; 0: it does not say */
    size_t len;
    uint8_t body[BULLA_MESSAGE_MAX];
};

struct client_ops;

/* First member of every carrier's own struct. */
struct client {
    const struct client_ops *ops;
    const char *name;               /* where messages go, for people: without a password */
    bool (*stopped)(void *context); /* asked about every second while an answer is waited for, or NULL */
    /* Whether this is what was waited for. Where anybody can send answers, it waits on for another one if
     * not. NULL: it is. */
    bool (*settled)(void *context, const struct client_answer *answer);
    void *context;
    char error[CLIENT_ERROR_SIZE];
    const char *advice; /* where nothing came: what to look at */
};

/* A way to a gateway. client.c lists them. */
struct client_ops {
    /* Whether that is an address of this way. */
    bool (*takes)(const char *to);
    /* Opens a client without connecting, or returns -1 with the failure and nothing open. */
    int (*open)(struct client **client, const char *to, struct failure *failure);
    void (*close)(struct client *client);
    /* As client_post(); what `answer` begins with is all zeros. */
    void (*post)(struct client *client, const void *message, size_t len, long timeout,
                 struct client_answer *answer);
};

extern const struct client_ops client_http;
extern const struct client_ops client_mqtt;

/* Opens what the address asks for. Returns 0, or -1 with the failure. */
MUST_CHECK int client_open(struct client **client, const char *to, struct failure *failure);
/* NULL is nothing. */
void client_close(struct client *client);

/* Sends one message and waits at most `timeout` milliseconds. The connection is kept for the next one. */
void client_post(struct client *client, const void *message, size_t len, long timeout,
                 struct client_answer *answer);

#endif
