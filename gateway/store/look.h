/*
 * What a look at a store, or at what is around it, finds: lines for the person who runs it (`bulla check`).
 */
#ifndef STORE_LOOK_H
#define STORE_LOOK_H

#include <stdint.h>

enum look_verdict {
    LOOK_OK,
    LOOK_WARNING, /* it works, and should be seen to */
    LOOK_PROBLEM, /* it does not work, or not for long, or not safely */
};

struct look_line {
    const char *what; /* a word or two: "database", "disk" */
    enum look_verdict verdict;
    const char *text;   /* what was found */
    const char *advice; /* what to do about it; NULL where there is nothing to do */
};

typedef void look_visitor(void *context, const struct look_line *line);

/* A look: what it is told, and what it finds out beside its lines. */
struct look {
    look_visitor *visit;
    void *context;
    int64_t seconds;  /* for which the whole of the data may be read; 0: to its end */
    int64_t owner;    /* out: user id that the store's files belong to; -1: no files, or none there */
    int64_t issued_t; /* out: the highest T that challenges were made of; -1: not known */
};

/* Fills in a line and hands it to the visitor. `advice` may be NULL. */
__attribute__((format(printf, 5, 6))) void look_say(struct look *look, const char *what,
                                                    enum look_verdict verdict, const char *advice,
                                                    const char *format, ...);

#endif
