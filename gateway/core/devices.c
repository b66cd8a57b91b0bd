#include "gateway/core/devices.h"

#include <stdlib.h>
#include <string.h>

#include <sys/random.h>

#define BUCKETS_AT_FIRST 1024u

/* A keyed hash, so that nobody outside can aim at one bucket. */
static size_t bucket_of(const struct devices *devices, const uint8_t *kid, size_t kid_len)
{
    uint64_t hash = devices->hash_key ^ kid_len;

    for (size_t i = 0; i < kid_len; i++)
        hash = (hash ^ kid[i]) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
    return (size_t)hash & (devices->bucket_count - 1);
}

int devices_init(struct devices *devices, size_t limit, struct bulla_crypto *crypto)
{
    memset(devices, 0, sizeof(*devices));
    devices->limit = limit;
    devices->crypto = crypto;
    secret_pool_init(&devices->device_memory, sizeof(struct device));
    secret_pool_init(&devices->context_memory, sizeof(struct context));
    devices->bucket_count = BUCKETS_AT_FIRST;
    devices->buckets = calloc(devices->bucket_count, sizeof(*devices->buckets));
    if (devices->buckets == NULL || getrandom(&devices->hash_key, sizeof(devices->hash_key), 0) < 0)
        return -1;
    return 0;
}

/* ---- contexts ---- */

static void context_free(struct devices *devices, struct context *context)
{
    secret_give(&devices->context_memory, context);
}

/* Takes a context out of its device's list. */
static void context_unlink(struct context *context)
{
    struct context **link = &context->device->contexts;

    while (*link != context)
        link = &(*link)->next;
    *link = context->next;
}

void context_drop(struct devices *devices, struct context *context)
{
    struct device *device = context->device;

    context_unlink(context);
    if (device->newest == context) {
        device->newest = NULL;
        device->newest_known = false;
    }
    context_free(devices, context);
}

struct context *device_context(struct device *device, const uint8_t *id_context)
{
    struct context *context;

    for (context = device->contexts; context != NULL; context = context->next) {
        if (id_context == NULL || memcmp(context->id_context, id_context, BULLA_ID_CONTEXT_SIZE) == 0)
            break;
    }
    if (context != NULL && context != device->contexts) { /* the one used last stands first */
        context_unlink(context);
        context->next = device->contexts;
        device->contexts = context;
    }
    return context;
}

/* The one used longest ago that may go: of those without a proof, or of all. */
static struct context *last_unpinned(struct device *device, bool proven_too)
{
    struct context *found = NULL;

    for (struct context *context = device->contexts; context != NULL; context = context->next) {
        if (context->pins == 0 && (proven_too || !context->proven))
            found = context;
    }
    return found;
}

static void make_room(struct devices *devices, struct device *device)
{
    unsigned all = 0;
    unsigned unproven = 0;
    struct context *victim = NULL;

    for (struct context *context = device->contexts; context != NULL; context = context->next) {
        all++;
        unproven += !context->proven;
    }
    if (unproven >= UNPROVEN_MAX)
        victim = last_unpinned(device, false);
    else if (all >= SESSIONS_MAX)
        victim = last_unpinned(device, true);
    if (victim != NULL)
        context_drop(devices, victim);
}

struct bulla_schedule context_schedule(const struct context *context, struct bulla_crypto *crypto)
{
    const struct device *device = context->device;

    return (struct bulla_schedule){
        .crypto = crypto,
        .secret = device->secret,
        .id_context = device->kind == BULLA_SESSION ? context->id_context : NULL,
        .alg = device->alg,
    };
}

static int derive(struct devices *devices, struct context *context)
{
    const struct device *device = context->device;
    struct bulla_schedule schedule = context_schedule(context, devices->crypto);

    if (bulla_derive_key(&schedule, device->kid, device->kid_len, context->sender_key) < 0)
        return -1;
    return bulla_derive_common_iv(&schedule, context->common_iv) < 0 ? -1 : 0;
}

struct context *device_add_context(struct devices *devices, struct device *device, const uint8_t *id_context)
{
    struct context *context = secret_take(&devices->context_memory);

    if (context == NULL)
        return NULL;
    context->device = device;
    if (id_context != NULL)
        memcpy(context->id_context, id_context, BULLA_ID_CONTEXT_SIZE);
    if (derive(devices, context) < 0) {
        context_free(devices, context);
        return NULL;
    }
    make_room(devices, device);
    context->next = device->contexts;
    device->contexts = context;
    return context;
}

void context_install(struct context *context, const struct context_row *row)
{
    context->row_known = true;
    context->proven = row != NULL && row->proven;
    context->proven_t = row != NULL ? row->proven_t : 0;
    context->closes_at = row != NULL ? row->closes_at : 0;
    if (row != NULL)
        context->stored = row->window;
    else
        memset(&context->stored, 0, sizeof(context->stored));
    context->pending = context->stored;
}

/* ---- devices ---- */

static void use_unlink(struct devices *devices, struct device *device)
{
    *(device->newer != NULL ? &device->newer->older : &devices->newest) = device->older;
    *(device->older != NULL ? &device->older->newer : &devices->oldest) = device->newer;
}

static void use_push(struct devices *devices, struct device *device)
{
    device->newer = NULL;
    device->older = devices->newest;
    *(devices->newest != NULL ? &devices->newest->newer : &devices->oldest) = device;
    devices->newest = device;
}

struct device *devices_find(struct devices *devices, const uint8_t *kid, size_t kid_len)
{
    struct device *device = devices->buckets[bucket_of(devices, kid, kid_len)];

    while (device != NULL && (device->kid_len != kid_len || memcmp(device->kid, kid, kid_len) != 0))
        device = device->hash_next;
    if (device != NULL && device != devices->newest) {
        use_unlink(devices, device);
        use_push(devices, device);
    }
    return device;
}

bool device_pinned(const struct device *device)
{
    for (const struct context *context = device->contexts; context != NULL; context = context->next) {
        if (context->pins > 0)
            return true;
    }
    return false;
}

static void device_free(struct devices *devices, struct device *device)
{
    while (device->contexts != NULL)
        context_drop(devices, device->contexts);
    secret_give(&devices->device_memory, device);
}

void devices_drop(struct devices *devices, struct device *device)
{
    struct device **link = &devices->buckets[bucket_of(devices, device->kid, device->kid_len)];

    if (device_pinned(device))
        return;
    while (*link != device)
        link = &(*link)->hash_next;
    *link = device->hash_next;
    use_unlink(devices, device);
    devices->count--;
    device_free(devices, device);
}

/* Doubles the buckets once they hold a device each on average. Without memory the lists just grow longer. */
static void grow(struct devices *devices)
{
    size_t count = devices->bucket_count * 2;
    struct device **buckets = calloc(count, sizeof(*buckets));

    if (buckets == NULL)
        return;
    free(devices->buckets);
    devices->buckets = buckets;
    devices->bucket_count = count;
    for (struct device *device = devices->newest; device != NULL; device = device->older) {
        size_t bucket = bucket_of(devices, device->kid, device->kid_len);
        device->hash_next = buckets[bucket];
        buckets[bucket] = device;
    }
}

/* Lets the devices go that were used longest ago, and looks at a few only: pinned ones are skipped. */
static void evict(struct devices *devices)
{
    struct device *device = devices->oldest;

    for (unsigned looked = 0; looked < 16 && device != NULL && devices->count >= devices->limit; looked++) {
        struct device *newer = device->newer;
        devices_drop(devices, device);
        device = newer;
    }
}

struct device *devices_add(struct devices *devices, const struct device_row *row,
                           const uint8_t secret[BULLA_SECRET_SIZE])
{
    struct device *device;
    size_t bucket;

    evict(devices);
    device = secret_take(&devices->device_memory);
    if (device == NULL)
        return NULL;
    device->id = row->id;
    memcpy(device->kid, row->kid, row->kid_len);
    device->kid_len = row->kid_len;
    device->alg = row->alg;
    device->kind = row->kind;
    device->revoked = row->revoked;
    memcpy(device->name, row->name, sizeof(device->name));
    memcpy(device->secret, secret, BULLA_SECRET_SIZE);
    if (devices->count >= devices->bucket_count)
        grow(devices);
    bucket = bucket_of(devices, device->kid, device->kid_len);
    device->hash_next = devices->buckets[bucket];
    devices->buckets[bucket] = device;
    use_push(devices, device);
    devices->count++;
    return device;
}

void devices_mark_dirty(struct devices *devices)
{
    for (struct device *device = devices->newest; device != NULL; device = device->older)
        device->dirty = true;
}

void devices_wipe(struct devices *devices)
{
    while (devices->newest != NULL) {
        struct device *device = devices->newest;
        devices->newest = device->older;
        device_free(devices, device);
    }
    secret_pool_wipe(&devices->context_memory);
    secret_pool_wipe(&devices->device_memory);
    free(devices->buckets);
    memset(devices, 0, sizeof(*devices));
}
