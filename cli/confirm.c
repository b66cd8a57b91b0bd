#include "cli/confirm.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* False if a signal came instead, though it be between the question and the wait for its answer. */
static bool ask(const char *question)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    sigset_t held, before;

    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGHUP);
    sigprocmask(SIG_BLOCK, &held, &before);
    fprintf(stderr, "%s Type yes to go on: ", question);
    bool answered = ppoll(&in, 1, NULL, &before) > 0;
    sigprocmask(SIG_SETMASK, &before, NULL);
    return answered;
}

int confirm(const char *question, bool yes, struct failure *failure)
{
    char answer[16];

    if (yes)
        return 0;
    if (isatty(STDIN_FILENO) != 1)
        return fail(failure, "there is no terminal to ask on: give --yes. Nothing was changed.");
    if (ask(question) && fgets(answer, sizeof(answer), stdin) != NULL && strcmp(answer, "yes\n") == 0)
        return 0;
    return fail(failure, "nothing was changed");
}
