#include "gateway/store/commit_notes.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/store/lost.h"

/* Room for a note of each context; its window begins where the batch found it. */
static int begin(struct commit_notes *notes, const struct commit *commit, struct failure *failure)
{
    if (commit->context_count > notes->room) {
        struct commit_note *items = realloc(notes->items, commit->context_count * sizeof(*items));
        if (items == NULL)
            return fail(failure, "cannot store a batch: no memory is left");
        notes->items = items;
        notes->room = commit->context_count;
    }
    for (size_t i = 0; i < commit->context_count; i++) {
        notes->items[i] = (struct commit_note){.window = commit->contexts[i].before.window};
        notes->items[i].window.lower = commit->contexts[i].after.window.lower;
    }
    return 0;
}

/* Messages stand in the order in which they move the window. */
int commit_notes_take(struct commit_notes *notes, const struct commit *commit, struct failure *failure)
{
    if (begin(notes, commit, failure) != 0)
        return -1;
    for (size_t i = 0; i < commit->message_count; i++) {
        const struct commit_message *message = &commit->messages[i];
        struct commit_note *note = &notes->items[message->context];
        if (message->received > note->seen)
            note->seen = message->received;
        note->lost +=
            window_lost(&note->window, message->piv, commit->contexts[message->context].before.counter);
        if (bulla_window_place(&note->window, message->piv) == BULLA_WINDOW_NEW)
            bulla_window_mark(&note->window, message->piv);
    }
    return 0;
}

void commit_notes_wipe(struct commit_notes *notes)
{
    free(notes->items);
    *notes = (struct commit_notes){0};
}

bool commit_may_be_new(const struct context_row *before)
{
    const struct bulla_window *window = &before->window;

    return !before->counter && window->top == 0 && window->bits == 0 && window->lower == 0;
}

bool commit_is_first(const struct commit_context *context)
{
    return context->after.proven && (!context->before.proven || context->before.window.bits == 0);
}

int commit_compare_rows(const struct context_row *a, const struct context_row *b)
{
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    if (a->counter || b->counter)
        return (int)b->counter - (int)a->counter;
    return memcmp(a->id_context, b->id_context, BULLA_ID_CONTEXT_SIZE);
}

static int compare_places(const void *a, const void *b, void *context)
{
    const struct commit_context *contexts = context;

    return commit_compare_rows(&contexts[*(const size_t *)a].before, &contexts[*(const size_t *)b].before);
}

size_t *commit_order(const struct commit *commit)
{
    size_t *order = calloc(commit->context_count + 1, sizeof(*order));

    for (size_t i = 0; order != NULL && i < commit->context_count; i++)
        order[i] = i;
    if (order != NULL)
        qsort_r(order, commit->context_count, sizeof(*order), compare_places, commit->contexts);
    return order;
}

bool commit_is_move(const struct commit_context *context)
{
    return context->before.proven && context->after.proven;
}

bool commit_is_proof(const struct commit_context *context)
{
    return !context->before.proven && context->after.proven;
}

struct commit_kinds commit_count_kinds(const struct commit *commit, const struct commit_notes *notes)
{
    struct commit_kinds kinds = {0};

    for (size_t i = 0; i < commit->context_count; i++) {
        const struct commit_context *context = &commit->contexts[i];
        kinds.proofs += commit_is_proof(context);
        kinds.lost += notes->items[i].lost > 0;
        kinds.firsts += commit_is_first(context);
        kinds.others +=
            !commit_is_move(context) || context->before.window.lower != context->after.window.lower;
    }
    return kinds;
}

int64_t *commit_series(const struct commit *commit)
{
    size_t room = 1;

    for (size_t i = 0; i < commit->message_count; i++)
        if (commit->messages[i].first + commit->messages[i].count > room)
            room = commit->messages[i].first + commit->messages[i].count;
    return calloc(room, sizeof(int64_t));
}

bool commit_has_series(const struct commit *commit, const int64_t *ids)
{
    for (size_t i = 0; i < commit->message_count; i++)
        for (size_t r = 0; r < commit->messages[i].count; r++)
            if (ids[commit->messages[i].first + r] == 0)
                return false;
    return true;
}
