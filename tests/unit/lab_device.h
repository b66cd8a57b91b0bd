/*
 * Devices of the laboratory: the device library on a board that exists only in the test, and messages made by
 * hand with a device's keys.
 */
#ifndef BULLA_TEST_LAB_DEVICE_H
#define BULLA_TEST_LAB_DEVICE_H

#include "lab.h"

struct lab_device {
    struct lab *lab;
    struct bulla_credential credential;
    struct board board;
    struct bulla bulla;
    struct bulla_message message; /* the one sealed last */
    uint8_t buffer[LAB_PACKET];
    int64_t id; /* in the registry */
    char name[BULLA_NAME_MAX + 1];
};

/* Enters a device in the registry and boots it. `proven`: of a counter context. */
void lab_add(struct lab *lab, struct lab_device *device, const char *name, enum bulla_kind kind);
void lab_add_as(struct lab *lab, struct lab_device *device, const char *name, enum bulla_kind kind,
                enum bulla_alg alg, bool proven);

/* Gives the device of that row on an older wire a native credential, as `bulla device upgrade` does, and
 * boots it: what the store said. */
int lab_upgrade(struct lab *lab, struct lab_device *device, int64_t id, enum bulla_kind kind, bool at_once);

/* The device starts anew: a session device begins a session, a counter device goes on. */
void lab_boot(struct lab_device *device);

/* Seals a message with the reading n = value. */
struct lab_packet lab_seal(struct lab_device *device, int64_t value);
/* The message sealed last, sent again; sealed again. */
struct lab_packet lab_resend(struct lab_device *device);
struct lab_packet lab_seal_again(struct lab_device *device);

/* From now on the device names its session in every message. */
void lab_keep_kid_context(struct lab_device *device);

/* The device opens the reply, which must be one. */
struct bulla_reply lab_accept(struct lab_device *device, const struct lab_letter *letter);

/* Brings a reading home: seals, answers the challenge, until the device knows that it is stored. */
void lab_tell(struct lab_device *device, int64_t value);

/* The device's session, or NULL for a counter. */
const uint8_t *lab_session(const struct lab_device *device);

/* ---- made by hand ---- */

struct lab_craft {
    uint64_t piv;
    int64_t value;
    const uint8_t *id_context; /* the session; NULL: a counter's */
    bool bare;                 /* the header does not name it */
    const uint8_t *says;       /* the header names this one instead */
    const uint8_t *echo;
    const uint8_t *kid; /* another one, of as many bytes; NULL: the device's */
    int32_t alg;        /* that the header says; 0: the device's */
};

/* A message sealed with the device's keys and any numbers. */
struct lab_packet lab_craft(const struct lab_device *device, const struct lab_craft *craft);

/* A message of a counter device (or of the session that runs) with a number of its own. */
struct lab_packet lab_numbered(const struct lab_device *device, uint64_t piv, int64_t value);

/* The challenge for a context under T. */
void lab_challenge(const struct lab_device *device, const uint8_t *id_context, uint64_t t,
                   uint8_t challenge[BULLA_CHALLENGE_SIZE]);

/* ---- replies, read without the device library's state ---- */

struct lab_reply {
    uint8_t gateway[GATEWAY_ID_SIZE];
    uint64_t piv;
    uint64_t re;
    unsigned keys; /* bit k: key k is there */
    uint64_t top;
    uint64_t bits;
    uint64_t time;
    uint8_t challenge[BULLA_CHALLENGE_SIZE];
};

#define KEY(k) (1u << (k))

/* Opens the reply under the context's keys and checks its whole form (PROTOCOL 5). */
struct lab_reply lab_read(const struct lab_device *device, const uint8_t *id_context,
                          const struct lab_letter *letter);

/* The reply carries exactly keys 0 to 2: this receipt, and the time. */
void assert_receipt(const struct lab_reply *reply, uint64_t top, uint64_t bits);

#endif
