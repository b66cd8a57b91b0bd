/*
 * What a move notes in its source and in its target (move.h): a text of a few lines among the registry's
 * values. Pure.
 */
#ifndef MOVE_NOTE_H
#define MOVE_NOTE_H

#include "gateway/store/move.h"

#define MOVE_ID_SIZE   32  /* hex digits */
#define MOVE_OTHER_MAX 400 /* bytes of a URL that are kept */

enum move_state {
    MOVE_IS_LEAVING,  /* source: under way */
    MOVE_HAS_LEFT,    /* source: done */
    MOVE_IS_ARRIVING, /* target */
};

struct move_note {
    enum move_state state;
    char id[MOVE_ID_SIZE + 1];      /* of the move: random, the same in source and target */
    int64_t begun;                  /* Unix seconds */
    char other[MOVE_OTHER_MAX + 1]; /* the other one's URL, as it may be shown */

    /* How far it is, in a target: rows of all tables, and where in which table. */
    int64_t rows;
    enum transfer_table table; /* TRANSFER_TABLES: all are copied */
    struct transfer_key key;   /* of its last row; count 0: none of it yet */
};

/* Writes a note; returns its length. */
size_t move_note_encode(const struct move_note *note, char text[MOVE_NOTE_MAX]);

/* Reads one: 0, or -1 if it is none that a program like this has written. */
MUST_CHECK int move_note_decode(struct move_note *note, const char *text, size_t len);

#endif
