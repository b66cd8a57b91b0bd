/*
 * What this machine can do at most, apart from everything else: the cryptography alone, the store alone, the
 * disk alone. Each measures for about `seconds` and gives a rate a second.
 */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

#include <stddef.h>

#include "gateway/failure.h"

/* Seconds since any moment. */
double limit_clock(void);

/* Messages of 24 bytes sealed, and opened, with AES-128-CCM: one core, another device's key each time. */
__attribute__((warn_unused_result)) int limit_aead(double seconds, double *seals, double *opens,
                                                   struct failure *failure);

/*
 * Readings a second that the SQLite store commits, durably, in batches: each of another of 1,000 devices.
 * The database is made in `folder` and removed.
 */
__attribute__((warn_unused_result)) int limit_store(const char *folder, size_t batch, double seconds,
                                                    double *readings, struct failure *failure);

/* The same for the store at a URL, where devices of its own and their readings stay. */
__attribute__((warn_unused_result)) int limit_store_at(const char *url, size_t batch, double seconds,
                                                       double *readings, struct failure *failure);

/* Pages of 4,096 bytes written over and made durable one after the other (fdatasync) on that file system. */
__attribute__((warn_unused_result)) int limit_sync(const char *folder, double seconds, double *syncs,
                                                   struct failure *failure);

#endif
