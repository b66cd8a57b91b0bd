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
    const char *unit = context;

    if (isatty(STDERR_FILENO) == 1)
        fprintf(stderr, "\r%3d %% of %" PRId64 " %s%s", all > 0 ? (int)(done * 100 / all) : 100, all, unit,
                done >= all ? "\n" : "");
    return stopped;
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static struct sigaction former[SIGNALS];

struct store_progress copying_begin(const char *unit)
{
    struct sigaction action = {.sa_handler = on_signal}; /* not SA_RESTART: it interrupts a question */

    stopped = 0;
    for (size_t i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], &action, &former[i]);
        if (former[i].sa_handler == SIG_IGN) /* under nohup */
            sigaction(signals[i], &former[i], NULL);
    }
    return (struct store_progress){.tell = tell, .context = (void *)(uintptr_t)unit};
}

int copying_goes_on(struct failure *failure)
{
    return stopped ? fail(failure, "stopped; nothing was changed") : 0;
}

bool copying_is_stopped(void)
{
    return stopped != 0;
}

void copying_end(void)
{
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &former[i], NULL);
}
