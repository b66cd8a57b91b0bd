#include "gateway/store/commit_notes.h"

#include <stdlib.h>

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
