/*
 * The log: logfmt lines on stderr. `event` is a fixed word; the rest are key=value pairs in printf's form,
 * whose values the caller quotes with log_quote() if they come from outside. Never a secret.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>

/* X(name, word), the most talkative last. */
#define LOG_LEVELS(X)                                                                                        \
    X(LOG_LEVEL_ERROR, "error")                                                                              \
    X(LOG_LEVEL_WARN, "warn")                                                                                \
    X(LOG_LEVEL_INFO, "info")                                                                                \
    X(LOG_LEVEL_DEBUG, "debug")

enum log_level {
#define LOG_LEVEL_ENUM(name, word) name,
    LOG_LEVELS(LOG_LEVEL_ENUM)
#undef LOG_LEVEL_ENUM
};

/* One thread's. A line that would block (nobody reads the pipe) is dropped, and the next one tells how many
 * were. */
struct log {
    enum log_level level;
    unsigned long dropped;
};

/* Reads a level's word. Returns 0 or -1. */
int log_level_parse(const char *word, enum log_level *level);

bool log_wants(const struct log *log, enum log_level level);

/* time=… level=… event=… and the formatted pairs (NULL: none). */
__attribute__((format(printf, 4, 5))) void log_line(struct log *log, enum log_level level, const char *event,
                                                    const char *pairs, ...);

/* Quotes text from outside as a logfmt value, control characters escaped, cut to what fits. Returns `out`. */
const char *log_quote(char *out, size_t size, const char *text);

#endif
