/*
 * Devices and contexts in memory: a bounded cache of the registry, loaded on demand, owned by the event loop.
 * What is durable is in `stored`; what a batch under way will make of it is in `pending`.
 */
#ifndef DEVICES_H
#define DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/keys.h"
#include "device/window.h"
#include "gateway/secret.h"
#include "gateway/store/store.h"

#define UNPROVEN_MAX 2 /* contexts without a row that are kept for one device (PROTOCOL 4.4) */
#define SESSIONS_MAX 4 /* contexts of any kind that are kept for one device */

struct context {
    struct context *next; /* of the same device, the one used last first */
    struct device *device;
    struct bulla_window stored;
    struct bulla_window pending;
    uint64_t proven_t;
    uint64_t proving_t;     /* T of the challenge in the message that proves it */
    int64_t closes_at;      /* Unix seconds; 0: open */
    uint32_t gateway_epoch; /* whose id gateway_key is for; 0: none yet */
    uint32_t pins;          /* messages in batches: it stays in memory */
    uint32_t slot;          /* 1 + its place in the gathering batch, 0: not in it */
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];
    uint8_t sender_key[BULLA_KEY_MAX];  /* the device's */
    uint8_t gateway_key[BULLA_KEY_MAX]; /* ours */
    uint8_t common_iv[BULLA_NONCE_MAX];
    bool row_known; /* the registry's row was read: proven, stored and the rest are what it says */
    bool proven;
    bool proving;   /* a message that proves it is in a batch */
    bool authentic; /* it opened a message: a context that never did is not worth keeping */
};

struct device {
    struct device *hash_next;
    struct device *newer; /* in the order of use */
    struct device *older;
    struct context *contexts;
    struct context *newest; /* newest proven session, if newest_known; NULL: there is none */
    int64_t id;
    uint8_t kid[BULLA_KID_MAX];
    uint8_t kid_len;
    uint8_t alg;
    uint8_t kind;
    char name[BULLA_NAME_MAX + 1];
    bool revoked;
    bool dirty; /* the registry changed: read it anew before the next use */
    bool newest_known;
    uint8_t secret[BULLA_SECRET_SIZE];
};

struct devices {
    struct device **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    size_t limit; /* devices that are kept */
    struct device *newest;
    struct device *oldest;
    uint64_t hash_key;
    struct bulla_crypto *crypto;
    struct secret_pool device_memory;
    struct secret_pool context_memory;
};

/* Returns 0, or -1 when memory is out. */
MUST_CHECK int devices_init(struct devices *devices, size_t limit, struct bulla_crypto *crypto);
void devices_wipe(struct devices *devices);

/* A device in memory, or NULL. */
struct device *devices_find(struct devices *devices, const uint8_t *kid, size_t kid_len);

/* Enters a device read from the registry; `secret` is opened. NULL when memory is out. */
struct device *devices_add(struct devices *devices, const struct device_row *row,
                           const uint8_t secret[BULLA_SECRET_SIZE]);

/* Forgets a device and its contexts, unless one of them is in a batch. */
void devices_drop(struct devices *devices, struct device *device);
bool device_pinned(const struct device *device);

/* Everything is to be read anew before its next use. */
void devices_mark_dirty(struct devices *devices);

/* A device's context in memory (id_context NULL: the counter's), or NULL. */
struct context *device_context(struct device *device, const uint8_t *id_context);

/* Enters a context and derives its keys; nothing of its row is known yet. NULL if memory or the provider
 * fails. */
struct context *device_add_context(struct devices *devices, struct device *device, const uint8_t *id_context);

/* The key schedule of a context's device (PROTOCOL 2). */
struct bulla_schedule context_schedule(const struct context *context, struct bulla_crypto *crypto);

/* What the registry says of it: `row` NULL: it has no row. Not for a context with messages in a batch. */
void context_install(struct context *context, const struct context_row *row);

/* Forgets a context that has no message in a batch. */
void context_drop(struct devices *devices, struct context *context);

#endif
