#include "gateway/core/steps.h"

#include <inttypes.h>
#include <string.h>

#define TRIES_MAX 32 /* a message begins anew after a lookup, a conflict, or what it waited for */

int64_t current_seconds(const struct pipeline *pipeline)
{
    return pipeline->config.clock(pipeline->config.clock_context) / 1000000 + pipeline->clock_offset;
}

struct challenge_subject challenge_subject_of(const struct context *context)
{
    const struct device *device = context->device;

    return (struct challenge_subject){
        .kid = device->kid,
        .kid_len = device->kid_len,
        .id_context = device->kind == BULLA_SESSION ? context->id_context : NULL,
    };
}

uint64_t current_t(const struct pipeline *pipeline)
{
    uint64_t t = challenge_t(current_seconds(pipeline), pipeline->floor);

    return t > pipeline->kept_t ? t : pipeline->kept_t;
}

/* ---- waiting ---- */

bool has_room_for_strangers(const struct pipeline *pipeline)
{
    return pipeline->waiting <= (pipeline->config.queue + 1) / 2;
}

static void park(struct pipeline *pipeline, struct inbound *inbound)
{
    inbound_push(&pipeline->gathered->parked, inbound);
}

/* Asks the registry for the message's device and context; afterwards the message begins anew. */
static void look_up(struct pipeline *pipeline, struct inbound *inbound)
{
    struct cycle *cycle = pipeline->gathered;
    const struct bulla_envelope *envelope = &inbound->envelope;
    struct lookup *lookup;

    if (!inbound->opened && !has_room_for_strangers(pipeline)) {
        settle_busy(pipeline, inbound);
        return;
    }
    if (cycle->lookup_count == CYCLE_LOOKUPS) {
        inbound->tries--; /* it has not had its turn yet */
        park(pipeline, inbound);
        return;
    }
    lookup = &cycle->lookups[cycle->lookup_count++];
    lookup->inbound = inbound;
    memcpy(lookup->kid, envelope->id, envelope->id_len);
    lookup->kid_len = (uint8_t)envelope->id_len;
    lookup->named = envelope->id_context != NULL;
    if (lookup->named)
        memcpy(lookup->id_context, envelope->id_context, BULLA_ID_CONTEXT_SIZE);
}

/*
 * Whether the batch that gathers takes this message too; otherwise it waits for the next one. Nobody
 * overtakes who waits already: a device's messages keep their order, or the window would leave some of them
 * behind.
 */
static bool find_room(struct pipeline *pipeline, struct inbound *inbound)
{
    struct cycle *cycle = pipeline->gathered;

    if (pipeline->crowd.count == 0 && cycle->message_count < cycle->capacity &&
        (cycle->message_count == 0 || cycle->message_bytes + inbound->plaintext_len <= CYCLE_BYTES))
        return true;
    inbound->tries--; /* it has not had its turn yet */
    inbound_push(&pipeline->crowd, inbound);
    return false;
}

/* Puts a message into the batch that gathers, which has room; its number counts as taken from now on. */
static void gather(struct pipeline *pipeline, struct inbound *inbound, struct context *context)
{
    struct cycle *cycle = pipeline->gathered;

    if (context->slot == 0) {
        cycle->touched[cycle->context_count++] = context;
        context->slot = (uint32_t)cycle->context_count;
    }
    bulla_window_mark(&context->pending, inbound->envelope.piv);
    cycle->messages[cycle->message_count] = (struct commit_message){
        .context = context->slot - 1,
        .piv = inbound->envelope.piv,
        .received = inbound->received,
    };
    cycle->inbounds[cycle->message_count++] = inbound;
    cycle->message_bytes += inbound->plaintext_len;
    inbound->context = context;
    context->pins++;
}

/* ---- PROTOCOL 4.2: find the device by kid ---- */

static struct device *find_device(struct pipeline *pipeline, struct inbound *inbound)
{
    struct device *device = devices_find(&pipeline->devices, inbound->envelope.id, inbound->envelope.id_len);

    if (device != NULL && device->dirty) {
        if (device_pinned(device)) {
            park(pipeline, inbound);
            return NULL;
        }
        devices_drop(&pipeline->devices, device);
        device = NULL;
    }
    if (device == NULL) {
        if (inbound->absent)
            settle(pipeline, inbound, OUTCOME_UNKNOWN, NULL, "no device has this kid");
        else
            look_up(pipeline, inbound);
        return NULL;
    }
    if (device->revoked) {
        settle(pipeline, inbound, OUTCOME_REVOKED, NULL, "the device was revoked");
        return NULL;
    }
    return device;
}

/* ---- PROTOCOL 4.2: find the context ---- */

/* The context that a kid context names, or the counter's: made, without its row, if it is not in memory. */
static struct context *named_context(struct pipeline *pipeline, struct inbound *inbound,
                                     struct device *device)
{
    const uint8_t *id_context = inbound->envelope.id_context;
    struct context *context = device_context(device, id_context);

    if (context != NULL && context->closes_at != 0 && context->closes_at <= current_seconds(pipeline) &&
        context->pins == 0) {
        context_drop(&pipeline->devices, context);
        context = NULL;
    }
    if (context == NULL)
        context = device_add_context(&pipeline->devices, device, id_context);
    if (context == NULL)
        settle_busy(pipeline, inbound);
    return context;
}

static struct context *find_context(struct pipeline *pipeline, struct inbound *inbound, struct device *device)
{
    const struct bulla_envelope *envelope = &inbound->envelope;

    if (envelope->alg != device->alg) {
        settle(pipeline, inbound, OUTCOME_FORGED, NULL, "algorithm %" PRId32 ", but the credential says %u",
               envelope->alg, device->alg);
        return NULL;
    }
    if (device->kind == BULLA_COUNTER && envelope->id_context != NULL) {
        settle(pipeline, inbound, OUTCOME_FORGED, NULL,
               "a kid context, but the device has a counter context");
        return NULL;
    }
    if (device->kind == BULLA_COUNTER || envelope->id_context != NULL)
        return named_context(pipeline, inbound, device);
    if (!device->newest_known) {
        look_up(pipeline, inbound);
        return NULL;
    }
    if (device->newest == NULL)
        settle(pipeline, inbound, OUTCOME_FORGED, NULL,
               "no kid context, and no session of the device is proven");
    return device->newest;
}

/* ---- PROTOCOL 4.3: open the AEAD ---- */

/*
 * A message that names no session belongs to the one that opened it, also when it has to begin anew and
 * another session is the newest by then.
 */
static void note_opened(struct inbound *inbound, struct context *context)
{
    inbound->opened = true;
    inbound->plaintext_len = inbound->envelope.ciphertext_len - bulla_tag_size(inbound->envelope.alg);
    context->authentic = true;
    if (context->device->kind == BULLA_SESSION && inbound->envelope.id_context == NULL) {
        memcpy(inbound->id_context, context->id_context, BULLA_ID_CONTEXT_SIZE);
        inbound->envelope.id_context = inbound->id_context;
    }
}

static bool open_message(struct pipeline *pipeline, struct inbound *inbound, struct context *context)
{
    int error;

    if (inbound->opened)
        return true;
    error = bulla_envelope_open(&inbound->envelope, pipeline->config.crypto, context->sender_key,
                                context->common_iv);
    if (error == 0) {
        note_opened(inbound, context);
        return true;
    }
    if (error == BULLA_E_FORGED)
        settle(pipeline, inbound, OUTCOME_FORGED, NULL, "it does not authenticate under the device's key");
    else
        settle_busy(pipeline, inbound);
    if (context->device->kind == BULLA_SESSION && !context->proven && !context->authentic &&
        context->pins == 0)
        context_drop(&pipeline->devices, context);
    return false;
}

/* ---- PROTOCOL 4.4: is the context proven? ---- */

static void settle_replayed(struct pipeline *pipeline, struct inbound *inbound, struct context *context,
                            enum bulla_window_place place)
{
    uint64_t piv = inbound->envelope.piv;

    if (place == BULLA_WINDOW_DUPLICATE)
        settle(pipeline, inbound, OUTCOME_DUPLICATE, context, "seq %" PRIu64 " is stored already", piv);
    else
        settle(pipeline, inbound, OUTCOME_STALE, context,
               "seq %" PRIu64 " is below the window (top %" PRIu64 ", lower limit %" PRIu64 ")", piv,
               context->stored.top, context->stored.lower);
}

static bool carries_proof(struct pipeline *pipeline, struct inbound *inbound, const struct context *context)
{
    const struct bulla_envelope *envelope = &inbound->envelope;
    struct challenge_subject subject = challenge_subject_of(context);

    if (envelope->echo == NULL || pipeline->kept_t == 0)
        return false; /* before the registry has said which T was the highest, the clock alone may be any */
    return challenge_valid(pipeline->challenge_key, &subject, current_t(pipeline), envelope->echo,
                           &inbound->proof_t);
}

/*
 * A message with a valid challenge proves its context in the transaction that stores it. One that the
 * (restored) window already holds, or has left behind, stores nothing, and so proves nothing.
 */
static void prove(struct pipeline *pipeline, struct inbound *inbound, struct context *context)
{
    enum bulla_window_place place;

    if (context->proving) {
        park(pipeline, inbound);
        return;
    }
    if (!carries_proof(pipeline, inbound, context)) {
        /* The registry's own row is read, not a cache; and it keeps the T that the challenge will be made of.
         */
        if (!inbound->confirmed || current_t(pipeline) > pipeline->kept_t)
            look_up(pipeline, inbound);
        else
            settle(pipeline, inbound, OUTCOME_CHALLENGED, context, "seq %" PRIu64 ": %s",
                   inbound->envelope.piv,
                   inbound->envelope.echo != NULL ? "its challenge is not valid (any more)"
                                                  : "the context is not proven yet");
        return;
    }
    place = bulla_window_place(&context->stored, inbound->envelope.piv);
    if (place != BULLA_WINDOW_NEW) {
        settle_replayed(pipeline, inbound, context, place);
        return;
    }
    if (!find_room(pipeline, inbound))
        return;
    context->proving = true;
    context->proving_t = inbound->proof_t;
    context->pending.lower = inbound->envelope.piv;
    gather(pipeline, inbound, context);
}

/* ---- PROTOCOL 4.5: the replay window ---- */

/*
 * What is stored decides. What is only under way may still fail: a message that clashes with it waits, and
 * begins anew when the commit is through, or shares its failure.
 */
static void replay(struct pipeline *pipeline, struct inbound *inbound, struct context *context)
{
    enum bulla_window_place stored = bulla_window_place(&context->stored, inbound->envelope.piv);

    if (stored != BULLA_WINDOW_NEW)
        settle_replayed(pipeline, inbound, context, stored);
    else if (bulla_window_place(&context->pending, inbound->envelope.piv) != BULLA_WINDOW_NEW)
        park(pipeline, inbound);
    else if (find_room(pipeline, inbound))
        gather(pipeline, inbound, context);
}

void steps_run(struct pipeline *pipeline, struct inbound *inbound)
{
    struct device *device;
    struct context *context;

    if (inbound->is_refused) {
        settle_refused(pipeline, inbound);
        return;
    }
    if (++inbound->tries > TRIES_MAX) {
        settle_busy(pipeline, inbound);
        return;
    }
    device = find_device(pipeline, inbound);
    if (device == NULL)
        return;
    context = find_context(pipeline, inbound, device);
    if (context == NULL || !open_message(pipeline, inbound, context))
        return;
    if (!context->row_known)
        look_up(pipeline, inbound);
    else if (!context->proven)
        prove(pipeline, inbound, context);
    else
        replay(pipeline, inbound, context);
}

/* ---- what lookups bring ---- */

/* A row that does not open: anybody who knows its kid can cause the line, so it is written once a second. */
static void log_damage(struct pipeline *pipeline, const struct failure *failure)
{
    char quoted[sizeof(failure->text) * 2];

    if (pipeline->damage_logged == current_seconds(pipeline))
        return;
    pipeline->damage_logged = current_seconds(pipeline);
    log_line(pipeline->config.log, LOG_LEVEL_ERROR, "device", "detail=%s",
             log_quote(quoted, sizeof(quoted), failure->text));
}

static struct device *install_device(struct pipeline *pipeline, const struct lookup *lookup)
{
    struct device *device = devices_find(&pipeline->devices, lookup->kid, lookup->kid_len);
    uint8_t secret[BULLA_SECRET_SIZE];
    struct failure failure;

    if (device != NULL && device->dirty && !device_pinned(device)) {
        devices_drop(&pipeline->devices, device);
        device = NULL;
    }
    if (device != NULL)
        return device;
    if (vault_open_device(pipeline->config.vault, &lookup->device, secret, &failure) < 0) {
        log_damage(pipeline, &failure);
        return NULL;
    }
    device = devices_add(&pipeline->devices, &lookup->device, secret);
    bulla_wipe(secret, sizeof(secret));
    return device;
}

/* The context that was asked for, in memory; NULL if there is none, or no memory for it. */
static struct context *context_for(struct pipeline *pipeline, struct device *device,
                                   const struct lookup *lookup)
{
    const uint8_t *id_context = NULL;
    struct context *context;

    if (lookup->named)
        id_context = lookup->id_context;
    else if (device->kind == BULLA_SESSION && lookup->context_found)
        id_context = lookup->context.id_context;
    else if (device->kind == BULLA_SESSION)
        return NULL;
    context = device_context(device, id_context);
    return context != NULL ? context : device_add_context(&pipeline->devices, device, id_context);
}

bool steps_install(struct pipeline *pipeline, const struct lookup *lookup)
{
    struct device *device;
    struct context *context = NULL;

    lookup->inbound->absent = !lookup->device_found;
    lookup->inbound->confirmed = lookup->device_found;
    if (!lookup->device_found)
        return true;
    device = install_device(pipeline, lookup);
    if (device == NULL)
        return false;
    if (device->kind == BULLA_COUNTER && lookup->named)
        return true;
    context = context_for(pipeline, device, lookup);
    if (context != NULL && context->pins == 0)
        context_install(context, lookup->context_found ? &lookup->context : NULL);
    if (device->kind == BULLA_SESSION && !lookup->named) {
        device->newest = context;
        device->newest_known = true;
    }
    return true;
}
