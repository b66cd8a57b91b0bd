#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gateway/core/steps.h"

static void hex(char *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sprintf(out + 2 * i, "%02x", bytes[i]);
    out[2 * len] = '\0';
}

static void log_refusal(struct pipeline *pipeline, const struct inbound *inbound,
                        const struct journal_entry *entry)
{
    char kid[2 * BULLA_KID_MAX + 1];
    char source[2 * JOURNAL_SOURCE];
    char detail[2 * JOURNAL_DETAIL];

    if (!log_wants(pipeline->config.log, LOG_LEVEL_INFO))
        return;
    hex(kid, inbound->envelope.id, inbound->envelope.id_len);
    log_line(pipeline->config.log, LOG_LEVEL_INFO, "refused", "kind=%s kid=%s source=%s detail=%s",
             outcome_word(entry->outcome), kid, log_quote(source, sizeof(source), entry->source),
             log_quote(detail, sizeof(detail), entry->detail));
}

/* The entry that it becomes, or NULL if it is only counted. `detail` is behind what stands in it already. */
__attribute__((format(printf, 5, 0))) static struct journal_entry *
write_entry(struct pipeline *pipeline, const struct inbound *inbound, enum outcome outcome, int64_t device,
            const char *detail, va_list arguments)
{
    struct journal_entry *entry = journal_note(&pipeline->journal, inbound->received, outcome, device);
    size_t used;

    pipeline->counters.events_withheld = pipeline->journal.withheld;
    if (entry == NULL)
        return NULL;
    inbound->ops->describe(inbound, entry->source, sizeof(entry->source));
    used = strlen(entry->detail);
    vsnprintf(entry->detail + used, sizeof(entry->detail) - used, detail, arguments);
    return entry;
}

__attribute__((format(printf, 5, 6))) static struct journal_entry *
write_words(struct pipeline *pipeline, const struct inbound *inbound, enum outcome outcome, int64_t device,
            const char *detail, ...)
{
    struct journal_entry *entry;
    va_list arguments;

    va_start(arguments, detail);
    entry = write_entry(pipeline, inbound, outcome, device, detail, arguments);
    va_end(arguments);
    return entry;
}

struct journal_entry *settle_note(struct pipeline *pipeline, const struct inbound *inbound,
                                  enum outcome outcome, int64_t device, const char *detail)
{
    return write_words(pipeline, inbound, outcome, device, "%s", detail);
}

__attribute__((format(printf, 4, 0))) static void note(struct pipeline *pipeline,
                                                       const struct inbound *inbound, enum outcome outcome,
                                                       const char *detail, va_list arguments)
{
    const struct device *device = NULL;
    const struct journal_entry *entry;

    if (inbound->envelope.id != NULL)
        device = devices_find(&pipeline->devices, inbound->envelope.id, inbound->envelope.id_len);
    entry = write_entry(pipeline, inbound, outcome, device != NULL ? device->id : 0, detail, arguments);
    if (entry != NULL)
        log_refusal(pipeline, inbound, entry);
}

void pipeline_note_sink(struct pipeline *pipeline, int64_t device, const char *sink, const char *detail)
{
    int64_t now = pipeline->config.clock(pipeline->config.clock_context);
    struct journal_entry *entry = journal_note(&pipeline->journal, now, OUTCOME_SINK_REFUSED, device);
    size_t used;

    pipeline->counters.events_withheld = pipeline->journal.withheld;
    if (entry == NULL)
        return;
    used = strlen(entry->detail);
    snprintf(entry->source, sizeof(entry->source), "%.*s", JOURNAL_SOURCE - 1, sink);
    snprintf(entry->detail + used, sizeof(entry->detail) - used, "%.*s", JOURNAL_DETAIL - 1, detail);
}

void settle_answer(struct pipeline *pipeline, struct inbound *inbound, enum outcome outcome,
                   const uint8_t *reply, size_t len)
{
    pipeline->counters.outcomes[outcome]++;
    pipeline->waiting--;
    inbound->ops->answer(inbound, outcome, reply, len);
}

void settle_busy(struct pipeline *pipeline, struct inbound *inbound)
{
    settle_answer(pipeline, inbound, OUTCOME_BUSY, NULL, 0);
}

void settle_refused(struct pipeline *pipeline, struct inbound *inbound)
{
    settle_answer(pipeline, inbound, inbound->refused, NULL, 0);
}

/*
 * To the network, unknown, revoked and forged look the same (PROTOCOL 4), in time too: an unknown kid costs a
 * question to the registry, so the others wait for the store as well, as long as they do not fill the queue.
 */
static bool must_wait(const struct pipeline *pipeline, const struct inbound *inbound, enum outcome outcome)
{
    return !inbound->waited && has_room_for_strangers(pipeline) &&
           (outcome == OUTCOME_UNKNOWN || outcome == OUTCOME_REVOKED || outcome == OUTCOME_FORGED);
}

/*
 * The challenge that a reply of outcome challenged carries. It is made of a T that the registry keeps
 * already: a lookup came before it, and raised that.
 */
static int make_challenge(const struct pipeline *pipeline, const struct context *context,
                          uint8_t challenge[BULLA_CHALLENGE_SIZE])
{
    struct challenge_subject subject = challenge_subject_of(context);

    return challenge_make(pipeline->challenge_key, &subject, pipeline->kept_t, challenge);
}

/* A reply in the context, for an outcome that deserves one. Returns its length, or -1. */
static int seal_reply(struct pipeline *pipeline, const struct inbound *inbound, enum outcome outcome,
                      struct context *context, uint8_t room[REPLY_MAX], const uint8_t **reply)
{
    uint8_t challenge[BULLA_CHALLENGE_SIZE];
    struct answer answer = {
        .re = inbound->envelope.piv, .time = current_seconds(pipeline), .challenge = NULL};

    if (outcome == OUTCOME_CHALLENGED) {
        if (make_challenge(pipeline, context, challenge) < 0)
            return -1;
        answer.challenge = challenge;
    }
    return answer_seal(&pipeline->answerer, context, &answer, room, reply);
}

void settle(struct pipeline *pipeline, struct inbound *inbound, enum outcome outcome, struct context *context,
            const char *detail, ...)
{
    uint8_t room[REPLY_MAX];
    const uint8_t *reply = NULL;
    int len = 0;
    va_list arguments;

    if (outcome != OUTCOME_STORED) {
        va_start(arguments, detail);
        note(pipeline, inbound, outcome, detail, arguments);
        va_end(arguments);
    }
    if (outcome_authentic(outcome)) {
        len = seal_reply(pipeline, inbound, outcome, context, room, &reply);
        if (len < 0) { /* what is stored stays stored: the message sent again is a duplicate */
            settle_busy(pipeline, inbound);
            return;
        }
    }
    if (must_wait(pipeline, inbound, outcome)) {
        inbound->is_refused = true;
        inbound->refused = outcome;
        inbound_push(&pipeline->gathered->parked, inbound);
        return;
    }
    settle_answer(pipeline, inbound, outcome, reply, (size_t)len);
}
