/*
 * A wire is the form in which a device's messages come. The native one is PROTOCOL.md and has the whole
 * pipeline for itself; what stands here are the older ones, which devices in the field already speak: one
 * file per wire, behind the vtable below, listed in wires[] (wire.c): that line is all that the rest of the
 * program knows of it.
 *
 * A device on an older wire never weakens a native one: it has keys of its own and a route of its own (a
 * topic, an id in a path), and is never looked up by a kid. Few messages come that way, so nothing of it is
 * kept in memory: the registry's rows are the truth, read, judged and moved on the store's thread in one
 * transaction (core/older_judge.c).
 *
 * What a wire does is pure: no I/O, no clock, no random source, no database. It decrypts, authenticates,
 * gives readings, and says what storing the message is to change.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/core/outcome.h"
#include "gateway/decode/decode.h"
#include "gateway/failure.h"

#define WIRE_NAME_MAX    15  /* bytes of a wire's name */
#define WIRE_KEYS_MAX    512 /* bytes of a device's keys, packed */
#define WIRE_ROUTE_MAX   255 /* bytes of a route: a topic, an id in a path */
#define WIRE_NODE_MAX    62  /* bytes of a node's id: NAME/ID is at most 64 */
#define WIRE_READING_MAX 255 /* bytes of a reading's name */
#define WIRE_DETAIL_MAX  128 /* bytes of a reason for the journal, with the terminating zero */
#define WIRE_REPLY_MAX   128 /* bytes of a reply */
#define WIRE_HASH_SIZE   32  /* SHA-256 */
#define WIRE_RANDOM_SIZE 16
#define WIRE_CANDIDATES  64 /* devices of one route, at most */

#define WIRE_SESSION_ID     32 /* characters: hex digits in lower case; no terminating zero */
#define WIRE_SESSIONS_SPENT 64 /* the last ones of a session topic are kept */
#define WIRE_SESSIONS_VALID 8  /* unspent ones: the current one, and replaced ones in their grace time */
#define WIRE_SESSIONS_MAX   (WIRE_SESSIONS_SPENT + WIRE_SESSIONS_VALID)

/* What an operator allowed, or asked for, when the device was added. They stand in the registry: never change
 * one. */
enum wire_flag {
    WIRE_ALLOW_RESET = 1,       /* the device may set its number */
    WIRE_ALLOW_UNSEQUENCED = 2, /* messages without a number are taken */
    WIRE_STRICT = 4,            /* whatever comes on the topic spends the current session id */
};

/* What a message asks for. A wire takes those that are its own; a source never asks another. */
enum wire_request {
    WIRE_READING,    /* to store readings: nodemcu's messages, POST /data/:id */
    WIRE_GET_NUMBER, /* what the device's number is: GET /wsn/:id; no bytes come with it */
    WIRE_SET_NUMBER, /* to set it: POST /wsn/:id */
    WIRE_SET_DATA,   /* to store readings without a number: POST /setdata/:id, POST /setdata */
};

/* ---- what a wire judges ---- */

struct wire_message {
    enum wire_request request;
    uint8_t *bytes; /* as the source handed them over; may be overwritten, and are not kept */
    size_t len;
    int64_t received;                 /* microseconds since 1970: the time of its readings */
    uint8_t random[WIRE_RANDOM_SIZE]; /* fresh ones of the system's source, for a reply's salt or the like */
};

/* A session id that a message may name, as far as the registry remembers it. */
struct wire_session {
    bool spent;    /* used up: what names it is a duplicate or stale; else the message may spend it */
    bool has_hash; /* of a spent one: a message spent it; else it was voided */
    uint8_t hash[WIRE_HASH_SIZE]; /* of that message */
};

/*
 * A device that the message may be from: all that are open on its route, those of one node id before groups;
 * a revoked one is among them. Pointers last until open() returns.
 */
struct wire_candidate {
    const uint8_t *keys; /* as keys_parse() packed them; in memory that is wiped when open() has returned */
    size_t keys_len;
    const char *node;         /* the only node id that is taken; "": any, it is a group */
    const char *reading_name; /* what a bare value is to be called */
    unsigned flags;           /* of enum wire_flag */
    uint64_t number;          /* the last one that was accepted or set; 0: none was */
    bool hashes_full;         /* no more ciphertexts can be remembered: what would rely on that is refused */
    /* Session ids of the device's session topic: the valid ones first, newest first, then the spent ones.
     * `ids` and `sessions` are parallel. Several candidates may share them. */
    const char (*ids)[WIRE_SESSION_ID];
    const struct wire_session *sessions;
    size_t session_count; /* at most WIRE_SESSIONS_MAX */
};

/*
 * What open() found. It is empty (zeros, candidate WIRE_NONE, outcome OUTCOME_FORGED) when open() is called.
 *
 * `outcome` is one of
 * - OUTCOME_STORED: it authenticates under the candidate's keys, is new as far as the wire can tell, and its
 *   readings (at least one) were appended: the claim below is carried out with them
 * - OUTCOME_RESET: the same for a message that sets the device's number and has no readings
 * - OUTCOME_ANSWERED: `reply` is all there is to it: nothing changes, nothing is written to the journal
 * - OUTCOME_DUPLICATE, OUTCOME_STALE: it authenticates, but nothing is stored
 * - OUTCOME_MALFORMED, OUTCOME_UNKNOWN, OUTCOME_FORGED: it does not authenticate
 *
 * For the first five `candidate` is set; for others it may be (the journal then has the device's name).
 * Whoever called it may still turn stored, reset or stale into duplicate (`remembers`), revoked, or busy.
 */
#define WIRE_NONE SIZE_MAX

struct wire_opened {
    enum outcome outcome;
    size_t candidate;
    char detail[WIRE_DETAIL_MAX]; /* the exact reason for the journal, zero-terminated UTF-8; no key, no
                                     session id */

    /* the claim: what storing it changes, all of it in the transaction that stores the readings, or none */
    bool sets_number; /* the device's number becomes `number`, which stands as seq with the readings;
                         otherwise a count of the device's messages does */
    uint64_t number;  /* at most 2^53 - 1 */
    uint64_t lost;    /* messages that the number says are missing before this one */
    bool spends; /* the session id of that index, which is not spent yet, is spent by the message of `hash` */
    size_t session;
    bool remembers; /* `hash` is looked for among the ciphertexts that were ever accepted from this device: if
                       it is there the outcome becomes duplicate, otherwise it is put there */
    uint8_t hash[WIRE_HASH_SIZE];
    char node[WIRE_NODE_MAX + 2]; /* the node id in the message, zero-terminated; "": the wire has none. Of a
                                     group it says which of its nodes sent the message, and is one without
                                     control characters, valid UTF-8, else the message is malformed */

    uint8_t
        reply[WIRE_REPLY_MAX]; /* for the device, if the outcome stays what it is: sent after the commit */
    size_t reply_len;
};

/* ---- vtable ---- */

struct wire_ops {
    const char
        *name; /* in the registry and on the command line; at most WIRE_NAME_MAX bytes: never change one */
    const char *route_word;   /* what a route is called there: "topic", "id" */
    size_t devices_per_route; /* 1, or up to WIRE_CANDIDATES */
    bool has_sessions;     /* a device has a session topic, lifetime, grace time; strict may be asked for */
    bool has_groups;       /* a device without a node id is a group, whose nodes are entered as they come */
    unsigned flags;        /* of enum wire_flag that a device may have */
    const char *keys_help; /* lines of a key file, for --help and messages: "ivkey=, datakey=, …" */
    /* What it does not protect against: lines for a person, each a sentence; NULL at the end. The first ones
     * hold for every device. */
    const char *const *gaps;
    /* The same for a flag, a sentence each, NULL if there is nothing to say: allow-reset, allow-unsequenced.
     */
    const char *gap_of_reset;
    const char *gap_of_unsequenced;

    /*
     * Reads the text of a key file for a device with these flags: packs the keys into `keys` (WIRE_KEYS_MAX
     * bytes) and their length, at least 1, into *len. 0, or -1 with a failure that says what to do and shows
     * nothing of a value; nothing secret is left in `keys` then.
     */
    int (*keys_parse)(const char *text, size_t len, unsigned flags, uint8_t keys[WIRE_KEYS_MAX],
                      size_t *keys_len, struct failure *failure);

    /* Whether a route can be one: 0, or -1 with what is wrong. It has 1 to WIRE_ROUTE_MAX bytes of UTF-8
     * without control characters. */
    int (*route_check)(const char *route, struct failure *failure);

    /*
     * Judges a message. With no candidate (count 0) it does the same work with keys of its own making, so
     * that a route that does not exist cannot be told apart by time, and says OUTCOME_UNKNOWN. Readings are
     * appended to `readings`, strings in its arena, only for OUTCOME_STORED. Returns 0 with `opened` filled
     * in, or -1 when memory or the provider fails (nothing is known of the message then: it is answered
     * busy). Every secret that it made is wiped before it returns.
     */
    int (*open)(const struct wire_message *message, const struct wire_candidate *candidates, size_t count,
                struct readings *readings, struct wire_opened *opened);
};

extern const struct wire_ops *const wires[]; /* NULL at the end */
extern const char *const wire_names[];       /* of all of them, for completion; likewise */

/* The wire of that name, or NULL. */
const struct wire_ops *wire_find(const char *name);

#endif
