/*
 * What can become of a message (PROTOCOL 4): the words of the journal, the counters and the answers, in one
 * list.
 */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stdbool.h>

/* X(name, word, authentic): authentic ones were opened by the AEAD; the journal keeps them apart from the
 * others. */
#define OUTCOMES(X)                                                                                          \
    X(OUTCOME_STORED, "stored", true)                                                                        \
    X(OUTCOME_DUPLICATE, "duplicate", true)                                                                  \
    X(OUTCOME_CHALLENGED, "challenged", true)                                                                \
    X(OUTCOME_STALE, "stale", true)                                                                          \
    X(OUTCOME_MALFORMED, "malformed", false)                                                                 \
    X(OUTCOME_UNKNOWN, "unknown", false)                                                                     \
    X(OUTCOME_REVOKED, "revoked", false)                                                                     \
    X(OUTCOME_FORGED, "forged", false)                                                                       \
    X(OUTCOME_RESET, "reset", true)        /* an older wire's: the device has set its number */              \
    X(OUTCOME_ANSWERED, "answered", false) /* an older wire's: a question, which changed nothing */          \
    X(OUTCOME_BUSY, "busy", false) /* not stored: the store is down or the queue full; to be sent again */

enum outcome {
#define OUTCOME_ENUM(name, word, authentic) name,
    OUTCOMES(OUTCOME_ENUM)
#undef OUTCOME_ENUM
        OUTCOME_COUNT,

    /* What the journal tells besides, of no message: a reading that is stored, and that a sink never takes.
     */
    OUTCOME_SINK_REFUSED = OUTCOME_COUNT,
};

const char *outcome_word(enum outcome outcome);
bool outcome_authentic(enum outcome outcome);

#endif
