/*
 * What the commands share that copy a database: progress on standard error, and an end by SIGINT or SIGTERM
 * that leaves nothing behind.
 */
#ifndef COPYING_H
#define COPYING_H

#include "gateway/store/store.h"

/* From now on a signal stops what tells its progress here. */
struct store_progress copying_begin(void);

/* Signals are as they were. */
void copying_end(void);

#endif
