#include "cli/confirm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int confirm(const char *question, bool yes, struct failure *failure)
{
    char answer[16];

    if (yes)
        return 0;
    if (isatty(STDIN_FILENO) != 1)
        return fail(failure, "there is no terminal to ask on: give --yes. Nothing was changed.");
    fprintf(stderr, "%s Type yes to go on: ", question);
    if (fgets(answer, sizeof(answer), stdin) != NULL && strcmp(answer, "yes\n") == 0)
        return 0;
    return fail(failure, "nothing was changed");
}
