/*
 * What goes into the journal (PROTOCOL 4, last paragraph): bounded, so that no flood of refusals delays a
 * reading. Of each kind 10 a second are written: for every device apart where the message authenticated, in
 * all where it did not. In all, JOURNAL_GATHERED wait for the store at a time, half of them authentic at most
 * and half of them not. The rest is counted, and told by the next one that is written.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/core/outcome.h"
#include "gateway/store/store.h"

#define JOURNAL_PER_SECOND 10
#define JOURNAL_GATHERED   256
#define JOURNAL_BUCKETS    1024 /* devices that share one share its 10 a second */
#define JOURNAL_SOURCE     96
#define JOURNAL_DETAIL     160

struct journal_entry {
    int64_t time; /* microseconds since 1970 */
    int64_t device;
    enum outcome outcome;
    char source[JOURNAL_SOURCE];
    char detail[JOURNAL_DETAIL];
};

struct journal_bucket {
    int64_t second;
    uint32_t written;
    uint32_t withheld;
};

struct journal {
    struct journal_bucket authentic[JOURNAL_BUCKETS];
    struct journal_bucket others[OUTCOME_COUNT];
    uint64_t withheld;  /* in all */
    size_t gathered[2]; /* of the entries: that did not authenticate, that did */
    size_t count;
    struct journal_entry entries[JOURNAL_GATHERED];
};

/*
 * A place for an event at that time, or NULL if it is only counted. The caller fills in source and detail
 * (which may stand in it already: what was withheld; append).
 */
struct journal_entry *journal_note(struct journal *journal, int64_t time, enum outcome outcome,
                                   int64_t device);

/* Moves what was gathered to `entries` (JOURNAL_GATHERED places). Returns how many. */
size_t journal_take(struct journal *journal, struct journal_entry *entries);

/* Puts back what could not be written, before what was gathered since. Returns how many found no place. */
size_t journal_put_back(struct journal *journal, const struct journal_entry *entries, size_t count);

#endif
