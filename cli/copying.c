#include "cli/copying.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

/* A line that is written over on a terminal; nowhere else. */
static int tell(void *context, int64_t done, int64_t all)
{
    (void)context;
    if (isatty(STDERR_FILENO) == 1)
        fprintf(stderr, "\r%3d %% of %" PRId64 " pages%s", all > 0 ? (int)(done * 100 / all) : 100, all,
                done >= all ? "\n" : "");
    return stopped;
}

static void handle(void (*handler)(int))
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction action = {.sa_handler = handler};
        sigaction(signals[i], &action, NULL);
    }
}

struct store_progress copying_begin(void)
{
    stopped = 0;
    handle(on_signal);
    return (struct store_progress){.tell = tell};
}

void copying_end(void)
{
    handle(SIG_DFL);
}
