/*
 * Posting messages to a gateway (PROTOCOL 8, HTTP). What an answer's status says is not to be believed; only
 * its reply can be.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

#include "device/bulla.h"
#include "gateway/failure.h"

struct client {
    CURL *curl;
    struct curl_slist *headers;
    char *url;
    bool (*stopped)(void *context); /* asked about every second while a message is posted, or NULL */
    void *context;
    char error[CURL_ERROR_SIZE];
};

struct client_answer {
    long status;      /* 0: silence, see client->error */
    long retry_after; /* seconds that it asks to wait; 0: it does not say */
    size_t len;
    uint8_t body[BULLA_MESSAGE_MAX];
};

/* Takes a URL with or without a path; /d is put where there is none. */
MUST_CHECK int client_open(struct client *client, const char *url, struct failure *failure);
/* Also closes what did not open, or is all zeros. */
void client_close(struct client *client);

/* Posts one message and waits at most `timeout` milliseconds. The connection is kept for the next one. */
void client_post(struct client *client, const void *message, size_t len, long timeout,
                 struct client_answer *answer);

#endif
