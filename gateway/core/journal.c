#include "gateway/core/journal.h"

#include <stdio.h>
#include <string.h>

static struct journal_bucket *bucket_of(struct journal *journal, enum outcome outcome, int64_t device)
{
    uint64_t hash;

    if (!outcome_authentic(outcome))
        return &journal->others[outcome];
    hash = ((uint64_t)device * OUTCOME_COUNT + outcome) * 0x9e3779b97f4a7c15u;
    return &journal->authentic[hash >> 54]; /* the top 10 bits: JOURNAL_BUCKETS */
}

struct journal_entry *journal_note(struct journal *journal, int64_t time, enum outcome outcome,
                                   int64_t device)
{
    struct journal_bucket *bucket = bucket_of(journal, outcome, device);
    size_t *gathered = &journal->gathered[outcome_authentic(outcome)];
    struct journal_entry *entry;

    if (bucket->second != time / 1000000) {
        bucket->second = time / 1000000;
        bucket->written = 0;
    }
    if (bucket->written >= JOURNAL_PER_SECOND || *gathered >= JOURNAL_GATHERED / 2) {
        bucket->withheld++;
        journal->withheld++;
        return NULL;
    }
    bucket->written++;
    (*gathered)++;
    entry = &journal->entries[journal->count++];
    entry->time = time;
    entry->device = device;
    entry->outcome = outcome;
    entry->source[0] = '\0';
    entry->detail[0] = '\0';
    if (bucket->withheld > 0)
        snprintf(entry->detail, sizeof(entry->detail), "%u more since the last one; ", bucket->withheld);
    bucket->withheld = 0;
    return entry;
}

size_t journal_take(struct journal *journal, struct journal_entry *entries)
{
    size_t count = journal->count;

    memcpy(entries, journal->entries, count * sizeof(*entries));
    memset(journal->gathered, 0, sizeof(journal->gathered));
    journal->count = 0;
    return count;
}

size_t journal_put_back(struct journal *journal, const struct journal_entry *entries, size_t count)
{
    struct journal_entry later[JOURNAL_GATHERED];
    size_t later_count = journal_take(journal, later);
    size_t lost = 0;

    for (size_t i = 0; i < count + later_count; i++) {
        const struct journal_entry *entry = i < count ? &entries[i] : &later[i - count];
        size_t *gathered = &journal->gathered[outcome_authentic(entry->outcome)];
        if (*gathered >= JOURNAL_GATHERED / 2) {
            lost++;
            continue;
        }
        (*gathered)++;
        journal->entries[journal->count++] = *entry;
    }
    return lost;
}
