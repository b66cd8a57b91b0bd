/* bulla check: the host: its clock, its limits, its memory. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>

#include "cli/check.h"
#include "cli/when.h"
#include "gateway/serve.h"

#define SECOND        INT64_C(1000000)
#define YEAR_2026     (INT64_C(1767225600) * SECOND)
#define YEAR_2100     (INT64_C(4102444800) * SECOND)
#define T_SECONDS     256 /* PROTOCOL 4.4 */
#define KIB_OF_MIB    1024
#define MEMORY_LEAST  (32 * KIB_OF_MIB) /* KiB */
#define MEMORY_LITTLE (128 * KIB_OF_MIB)

/* ---- clock ---- */

static void check_time(struct check *check, int64_t now)
{
    char text[WHEN_TEXT_SIZE];
    char other[WHEN_TEXT_SIZE];
    int64_t issued = check->look.issued_t;

    when_format(text, now);
    if (now < YEAR_2026 || now >= YEAR_2100)
        look_say(&check->look, "clock", LOOK_PROBLEM, "set it, and have a time service keep it",
                 "it shows %s, which cannot be", text);
    if (check->newest_reading > now + T_SECONDS * SECOND) {
        when_format(other, check->newest_reading);
        look_say(
            &check->look, "clock", LOOK_PROBLEM, "set it; readings since then would stand before older ones",
            "it shows %s, but a reading was received at %s: it was set back, or was ahead then", text, other);
    }
    if (issued > now / SECOND / T_SECONDS + 1 && issued < INT64_MAX / T_SECONDS / SECOND) {
        when_format(other, issued * T_SECONDS * SECOND);
        look_say(&check->look, "clock", LOOK_PROBLEM,
                 "set it right; where it was ahead, challenges stay the same until that time",
                 "it shows %s, but a challenge was made at about %s: it was set back, or was ahead then",
                 text, other);
    }
}

static void check_synchronised(struct check *check, int64_t now)
{
    struct timex timex = {.modes = 0};
    char text[WHEN_TEXT_SIZE];
    int state = adjtimex(&timex);

    when_format(text, now);
    if (state < 0 || state == TIME_ERROR || (timex.status & STA_UNSYNC) != 0)
        look_say(&check->look, "clock", LOOK_WARNING,
                 "have a time service keep it: chrony, systemd-timesyncd (timedatectl set-ntp true)",
                 "it shows %s, and the kernel does not know of a time service that keeps it", text);
    else
        look_say(&check->look, "clock", LOOK_OK, NULL, "%s, kept by a time service to within %ld ms", text,
                 timex.maxerror / 1000);
}

void check_clock(struct check *check)
{
    int64_t now = when_now();

    check_time(check, now);
    check_synchronised(check, now);
}

/* ---- limits ---- */

void check_limits(struct check *check)
{
    struct rlimit limit;
    uint64_t needed = (uint64_t)check->options->max_connections + SERVE_OWN_DESCRIPTORS;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < needed)
        look_say(&check->look, "limits", LOOK_WARNING,
                 "raise it (LimitNOFILE= of the service; ulimit -Hn), or lower --max-connections",
                 "a process may open %" PRIu64 " files, and %" PRId64 " connections need %" PRIu64
                 ": the gateway takes fewer",
                 (uint64_t)limit.rlim_max, check->options->max_connections, needed);
    else
        look_say(&check->look, "limits", LOOK_OK, NULL,
                 "files enough for %" PRId64 " connections, where the service has the limits of this process",
                 check->options->max_connections);
}

/* ---- memory ---- */

/* KiB that programs can still get, or -1. */
static int64_t available_memory(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    int64_t available = -1;

    if (file == NULL)
        return -1;
    while (available < 0 && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "MemAvailable: %" SCNd64 " kB", &available) != 1)
            available = -1;
    }
    fclose(file);
    return available;
}

void check_memory(struct check *check)
{
    int64_t available = available_memory();
    enum look_verdict verdict = available < MEMORY_LEAST    ? LOOK_PROBLEM
                                : available < MEMORY_LITTLE ? LOOK_WARNING
                                                            : LOOK_OK;

    if (available < 0)
        return;
    look_say(&check->look, "memory", verdict,
             verdict == LOOK_OK ? NULL : "end what else runs there: the gateway takes 20 to 60 MiB",
             "%" PRId64 " MiB are free for programs", available / KIB_OF_MIB);
}
