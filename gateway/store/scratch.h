/*
 * A folder for what is temporary, under TMPDIR, that no killed process leaves for long: who uses one holds a
 * lock on it, which is the kernel's and goes with the process, and who makes one first removes those of the
 * same user, name and place that nobody holds any more.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "gateway/failure.h"

struct scratch {
    char *path; /* NULL: it is not open */
    int lock;
};

/*
 * Makes a folder (mode 0700) called `name`, a dot and six letters or digits. 0, and the caller closes it; or
 * -1 with the failure, and it is not open.
 */
MUST_CHECK int scratch_open(struct scratch *scratch, const char *name, struct failure *failure);

/* Removes it, with the files in it. One that is not open is left alone. */
void scratch_close(struct scratch *scratch);

#endif
