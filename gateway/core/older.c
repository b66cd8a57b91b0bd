#include "gateway/core/older.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/core/steps.h"

/* ---- the event loop's part ---- */

void pipeline_receive_older(struct pipeline *pipeline, struct inbound *inbound)
{
    pipeline->waiting++;
    inbound->received = pipeline->config.clock(pipeline->config.clock_context);
    if (!pipeline_has_room(pipeline) || pipeline->older.count >= OLDER_WAITING)
        settle_busy(pipeline, inbound);
    else
        inbound_push(&pipeline->older, inbound);
}

const struct roster *pipeline_roster(const struct pipeline *pipeline)
{
    return pipeline->roster;
}

void older_gather(struct pipeline *pipeline, struct cycle *cycle)
{
    struct older *older = &cycle->older;
    struct inbound *inbound;

    older->vault = pipeline->config.vault;
    older->way = pipeline->outbox.way;
    older->version = pipeline->roster != NULL ? pipeline->roster->version : 0;
    older->since = pipeline->roster != NULL ? pipeline->roster->since : 0;
    older->due = pipeline->roster != NULL ? pipeline->roster->due : INT64_MAX;
    while (older->count < CYCLE_OLDER && (inbound = inbound_pop(&pipeline->older)) != NULL)
        older->messages[older->count++] = (struct older_message){.inbound = inbound};
}

static void log_judged(struct pipeline *pipeline, const struct older_message *message,
                       const struct journal_entry *entry)
{
    char device[2 * sizeof(message->name)];
    char source[2 * JOURNAL_SOURCE];
    char detail[2 * JOURNAL_DETAIL];

    if (!log_wants(pipeline->config.log, LOG_LEVEL_INFO))
        return;
    log_line(pipeline->config.log, LOG_LEVEL_INFO, "refused", "kind=%s wire=%s device=%s source=%s detail=%s",
             outcome_word(entry->outcome), message->inbound->wire->name,
             log_quote(device, sizeof(device), message->name),
             log_quote(source, sizeof(source), entry->source),
             log_quote(detail, sizeof(detail), entry->detail));
}

static void settle_older(struct pipeline *pipeline, const struct older_message *message)
{
    bool is_told = message->outcome != OUTCOME_STORED && message->outcome != OUTCOME_ANSWERED &&
                   message->outcome != OUTCOME_BUSY;
    const struct journal_entry *entry = NULL;

    if (is_told)
        entry = settle_note(pipeline, message->inbound, message->outcome, message->device, message->detail);
    if (entry != NULL && message->outcome != OUTCOME_RESET)
        log_judged(pipeline, message, entry);
    pipeline->counters.readings += message->readings;
    settle_answer(pipeline, message->inbound, message->outcome,
                  message->reply_len > 0 ? message->reply : NULL, message->reply_len);
}

/* What the cycle had no time for goes first in the next one. */
static void begin_anew(struct pipeline *pipeline, struct older *older)
{
    struct inbound_list left = {0};

    for (size_t i = older->judged; i < older->count; i++)
        inbound_push(&left, older->messages[i].inbound);
    inbound_append(&left, &pipeline->older);
    pipeline->older = left;
}

void older_finish(struct pipeline *pipeline, struct cycle *cycle)
{
    struct older *older = &cycle->older;

    if (older->roster != NULL) {
        roster_free(pipeline->roster);
        pipeline->roster = older->roster;
        older->roster = NULL;
    }
    for (size_t i = 0; older->failed && i < older->count; i++)
        settle_busy(pipeline, older->messages[i].inbound);
    for (size_t i = 0; !older->failed && i < older->judged; i++)
        settle_older(pipeline, &older->messages[i]);
    if (!older->failed)
        begin_anew(pipeline, older);
}

int older_read_roster(struct store *store, int64_t now, struct roster **roster, struct failure *failure)
{
    struct older *older = calloc(1, sizeof(*older));
    int result;

    *roster = NULL;
    if (older == NULL)
        return fail(failure, "no memory is left for the roster of older wires");
    older->due = INT64_MAX;
    result = older_run(older, store, now, true);
    if (result < 0)
        *failure = older->failure;
    *roster = older->roster;
    free(older);
    return result < 0 ? -1 : 0;
}
