/*
 * Rows that go from one database to another, as people see it: a bar on a terminal, else a line now and then,
 * both on standard error.
 */
#ifndef MOVING_H
#define MOVING_H

#include <time.h>

#include "gateway/store/move.h"

struct moving {
    bool quiet;
    bool terminal;
    bool comparing;
    bool begun;
    bool shown;    /* a bar is on the terminal */
    int64_t first; /* rows that were through at the beginning */
    double since;  /* seconds of a clock of its own */
    double last;   /* when it was told last */
};

/* From now on signals stop what tells its progress there (copying.h). `moving` lasts as long. */
struct move_progress moving_begin(struct moving *moving, bool quiet);
void moving_end(struct moving *moving);

#endif
