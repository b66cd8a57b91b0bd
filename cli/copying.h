/*
 * What the commands share that copy a database: progress on standard error, and an end by SIGINT or SIGTERM
 * that leaves nothing behind.
 */
#ifndef COPYING_H
#define COPYING_H

#include "gateway/store/store.h"

/* From now on a signal stops what tells its progress here, and a question. One that is ignored stays so.
 * `unit` is what is counted: "pages". */
struct store_progress copying_begin(const char *unit);

/* 0, or -1 with the failure if a signal has come since: to be asked before what cannot be taken back. */
MUST_CHECK int copying_goes_on(struct failure *failure);

/* Whether a signal has come since. */
bool copying_is_stopped(void);

/* Signals are as they were. */
void copying_end(void);

#endif
