/*
 * What went wrong, in words for the person who runs the program: what was tried, why it failed, what to do.
 */
#ifndef FAILURE_H
#define FAILURE_H

/* For every function that can fail. */
#define MUST_CHECK __attribute__((warn_unused_result))

struct failure {
    char text[320];
};

/* Writes the text (printf's form) and returns -1, so that a function can end with `return fail(failure, …)`.
 */
__attribute__((format(printf, 2, 3))) int fail(struct failure *failure, const char *format, ...);

#endif
