/*
 * PROTOCOL 4, step by step, for one message; and its answer. Private to the pipeline.
 */
#ifndef STEPS_H
#define STEPS_H

#include "gateway/core/pipeline.h"

/* Begins, or begins anew, with the first step. The message is answered, gathered, or waits afterwards. */
void steps_run(struct pipeline *pipeline, struct inbound *inbound);

/* Unix seconds, by the store's clock. */
int64_t current_seconds(const struct pipeline *pipeline);

/* Whom a context's challenges are for. */
struct challenge_subject challenge_subject_of(const struct context *context);

/* T now (PROTOCOL 4.4): by the store's clock, above the floor, and never below what was used before. */
uint64_t current_t(const struct pipeline *pipeline);

/* Whether a message is taken now, which is counted as waiting already; else it is to come again. */
bool pipeline_has_room(const struct pipeline *pipeline);

/* Whether one more message that has not authenticated may wait: they fill half of the queue, rounded up, and
 * leave the rest to the others. */
bool has_room_for_strangers(const struct pipeline *pipeline);

/* Puts what a lookup found into memory. false: it cannot, now or (a damaged row) ever. */
bool steps_install(struct pipeline *pipeline, const struct lookup *lookup);

/* Answers: counts, writes the journal, seals the reply that is due. `detail` (printf's form) is for the
 * operator only. */
__attribute__((format(printf, 5, 6))) void settle(struct pipeline *pipeline, struct inbound *inbound,
                                                  enum outcome outcome, struct context *context,
                                                  const char *detail, ...);

/* Answers a refusal that waited for its cycle. */
void settle_refused(struct pipeline *pipeline, struct inbound *inbound);

/* What settle() does with what was judged elsewhere (core/older.c): counts and answers; and writes the
 * journal. */
void settle_answer(struct pipeline *pipeline, struct inbound *inbound, enum outcome outcome,
                   const uint8_t *reply, size_t len);
struct journal_entry *settle_note(struct pipeline *pipeline, const struct inbound *inbound,
                                  enum outcome outcome, int64_t device, const char *detail);

/* Answers "try again". */
void settle_busy(struct pipeline *pipeline, struct inbound *inbound);

#endif
