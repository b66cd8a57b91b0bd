/*
 * What the gateway gives up, step by step, so that whoever breaks into it finds little: privileges, core
 * dumps, system calls. The steps stand in one ordered list (hardening.c), each at its moment of the start.
 *
 * Lines of the log about it have the event "hardening": what was left out, and why, is a warning.
 */
#ifndef HARDENING_H
#define HARDENING_H

#include <stdbool.h>

#include "gateway/failure.h"
#include "gateway/log.h"

struct hardening {
    const char *user; /* whom root becomes; NULL: stays who it is */
    bool sandbox;     /* takes only the system calls that a gateway needs */
    bool calls;       /* of which connecting to somebody is one: a broker, a database */
    struct log *log;
};

enum hardening_moment {
    HARDENING_FIRST, /* before anything is opened or read: one thread */
    HARDENING_BOUND, /* the listeners are open, nothing was taken from them: before the store's thread starts
                      */
};

/*
 * Takes the steps of that moment, in their order. Returns 0, or -1 with the failure where a step that was
 * asked for cannot be taken; what this system merely lacks is a warning.
 */
MUST_CHECK int hardening_take(const struct hardening *hardening, enum hardening_moment moment,
                              struct failure *failure);

/* Says in the log that a step was left out. */
void hardening_warn(const struct hardening *hardening, const char *step, const char *detail);

/* ---- the steps (hardening_user.c) ---- */

/*
 * Root becomes hardening->user for good, and keeps for a moment only the right to open ports below 1024
 * (CAP_NET_BIND_SERVICE), until hardening_drop_capabilities().
 */
MUST_CHECK int hardening_become_user(const struct hardening *hardening, struct failure *failure);

/* Gives up every capability, unless this is root's own process. */
MUST_CHECK int hardening_drop_capabilities(const struct hardening *hardening, struct failure *failure);

/* ---- the build's own (hardening_seccomp.c; hardening_none.c for sanitizers) ---- */

/* Nobody may look into this process (ptrace, /proc/PID/mem), but root. */
MUST_CHECK int hardening_hide(const struct hardening *hardening, struct failure *failure);

/*
 * From here on only the system calls of a list are carried out, in every thread; the others fail with EPERM,
 * and the kernel's audit log names them.
 */
MUST_CHECK int hardening_enter_sandbox(const struct hardening *hardening, struct failure *failure);

#endif
