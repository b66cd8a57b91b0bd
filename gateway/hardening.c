#include "gateway/hardening.h"

#include <errno.h>
#include <string.h>

#include <sys/prctl.h>
#include <sys/resource.h>

void hardening_warn(const struct hardening *hardening, const char *step, const char *detail)
{
    char quoted[320];

    log_line(hardening->log, LOG_LEVEL_WARN, "hardening", "step=%s detail=%s", step,
             log_quote(quoted, sizeof(quoted), detail));
}

/* Nothing that it could run has more rights than it has itself. */
static int no_new_privileges(const struct hardening *hardening, struct failure *failure)
{
    (void)hardening;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        return 0;
    return fail(failure, "cannot give up new privileges (PR_SET_NO_NEW_PRIVS): %s", strerror(errno));
}

/* A core would hold the keys. */
static int no_core_dumps(const struct hardening *hardening, struct failure *failure)
{
    const struct rlimit none = {0, 0};

    (void)failure;
    if (setrlimit(RLIMIT_CORE, &none) != 0) /* a container's filter may refuse it */
        hardening_warn(hardening, "no-core-dumps",
                       "a limit for them (RLIMIT_CORE) cannot be set; ulimit -c 0 does");
    return 0;
}

/* Whoever may lock memory may lock as much as the system allows this process. */
static int more_locked_memory(const struct hardening *hardening, struct failure *failure)
{
    struct rlimit limit;

    (void)hardening, (void)failure;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_MEMLOCK, &limit);
    }
    return 0; /* what cannot be locked is warned of where it is */
}

static const struct step {
    const char *name;
    enum hardening_moment moment;
    int (*take)(const struct hardening *hardening, struct failure *failure);
} steps[] = {
    {"no-new-privileges", HARDENING_FIRST, no_new_privileges},
    {"no-core-dumps", HARDENING_FIRST, no_core_dumps},
    {"locked-memory", HARDENING_FIRST, more_locked_memory},
    {"user", HARDENING_FIRST, hardening_become_user},
    {"hide", HARDENING_FIRST, hardening_hide}, /* becoming another user would take it back */
    {"capabilities", HARDENING_BOUND, hardening_drop_capabilities},
    {"sandbox", HARDENING_BOUND, hardening_enter_sandbox},
};

int hardening_take(const struct hardening *hardening, enum hardening_moment moment, struct failure *failure)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (steps[i].moment != moment)
            continue;
        if (steps[i].take(hardening, failure) < 0)
            return -1;
        log_line(hardening->log, LOG_LEVEL_DEBUG, "hardening", "step=%s", steps[i].name);
    }
    return 0;
}
