#include "store_moves.h"

#include <stdio.h>
#include <stdlib.h>

void prepare_moves(struct moves *moves, uint64_t piv)
{
    moves->commit = (struct commit){.contexts = moves->contexts,
                                    .context_count = MOVES,
                                    .messages = moves->messages,
                                    .message_count = MOVES,
                                    .readings = moves->readings,
                                    .generation = -1};
    for (size_t i = 0; i < MOVES; i++) {
        struct commit_context *context = &moves->contexts[i];
        context->after = context->before;
        bulla_window_mark(&context->after.window, piv);
        moves->readings[i] = real("t", (double)piv, NOW * SECOND);
        moves->messages[i] = (struct commit_message){
            .context = i, .piv = piv, .received = NOW * SECOND + (int64_t)piv, .first = i, .count = 1};
    }
}

int commit_moves(struct fixture *f, struct moves *moves, uint64_t piv)
{
    prepare_moves(moves, piv);
    return call(f, commit, &moves->commit, f->now);
}

void go_on(struct moves *moves)
{
    for (size_t i = 0; i < MOVES; i++)
        if (moves->contexts[i].verdict == COMMIT_DONE)
            moves->contexts[i].before = moves->contexts[i].after;
}

struct moves *make_moves(struct fixture *f)
{
    static const char *const names[MOVES] = {"c", "a", "d", "b"};
    struct moves *moves = calloc(1, sizeof(*moves));

    assert_non_null(moves);
    for (size_t i = MOVES; i-- > 0;) {
        bool counter = i % 2 == 0;
        moves->devices[i] =
            add_device(f, names[i], (uint8_t)(i + 1), counter ? BULLA_COUNTER : BULLA_SESSION, counter).id;
        moves->contexts[i].before =
            counter ? (struct context_row){.device = moves->devices[i], .counter = true, .proven = true}
                    : prove(f, moves->devices[i], (uint8_t)i, 5, 0);
    }
    for (uint64_t piv = 1; piv <= 2; piv++) {
        ok(commit_moves(f, moves, piv));
        go_on(moves);
    }
    return moves;
}

void assert_stored_but(const struct moves *moves, unsigned conflicts)
{
    for (size_t i = 0; i < MOVES; i++)
        assert_int_equal(moves->contexts[i].verdict, conflicts >> i & 1 ? COMMIT_CONFLICT : COMMIT_DONE);
}

int64_t readings_of(struct fixture *f, const char *device, uint64_t piv)
{
    char sql[120];

    snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM readings WHERE device = '%s' AND seq = %u", device,
             (unsigned)piv);
    return number(f, sql);
}
