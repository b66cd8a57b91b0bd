/*
 * A device with its board, and a gateway that knows it.
 */
#ifndef BULLA_TEST_DEVICE_FIXTURE_H
#define BULLA_TEST_DEVICE_FIXTURE_H

#include "device/context.h"

#include "board.h"
#include "peer.h"
#include "support.h"

#define FIXTURE_BUFFER 160

struct fixture {
    struct bulla_credential credential;
    struct board board;
    struct bulla bulla;
    struct peer peer;
};

/* A message with its own buffer. */
struct sent {
    struct bulla_message message;
    uint8_t buffer[FIXTURE_BUFFER];
};

/* A device that has just been opened; a counter is provisioned first. */
void fixture_open(struct fixture *fixture, enum bulla_kind kind);
void fixture_close(struct fixture *fixture);

/* Builds a message of one record, seals it, and says its number. */
uint64_t fixture_seal(struct fixture *fixture, struct sent *sent);

/* Makes a reply to `re` with this body and has the device open it. Returns what bulla_open_reply() does. */
int fixture_answer(struct fixture *fixture, uint64_t re, struct peer_body body, struct bulla_reply *reply);

/* Bodies. Every one has the peer's time. */
struct peer_body body_time(const struct fixture *fixture);
struct peer_body body_receipt(const struct fixture *fixture, uint64_t top, uint64_t bits);
struct peer_body body_challenge(const struct fixture *fixture, const uint8_t *challenge);

/* What the sealed message says of itself. */
int sent_has_kid_context(const struct sent *sent);
int sent_has_echo(const struct sent *sent, const uint8_t *challenge);

#endif
