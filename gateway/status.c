#include "gateway/status.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void status_init(struct status *status, const struct pipeline *pipeline, uint64_t now)
{
    memset(status, 0, sizeof(*status));
    status->shown = now;
    status->readings = pipeline->counters.readings;
}

/* A line's end in it would begin another assignment (sd_notify(3)). */
static void make_one_line(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ')
            *text = ' ';
    }
}

static void say_failing(struct status *status, const struct pipeline *pipeline)
{
    time_t since = (time_t)pipeline->failing_since;
    struct tm utc;
    char when[32];

    gmtime_r(&since, &utc);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
    snprintf(status->words, sizeof(status->words), "STATUS=store failing since %s: %s", when,
             pipeline->failure.text);
}

static void say_speed(struct status *status, const struct pipeline *pipeline, uint64_t now)
{
    uint64_t readings = pipeline->counters.readings - status->readings;
    uint64_t elapsed = now > status->shown ? now - status->shown : 1;

    snprintf(status->words, sizeof(status->words), "STATUS=%.1f readings/s, %zu messages wait for the store",
             (double)readings * 1000 / (double)elapsed, pipeline->waiting);
}

bool status_update(struct status *status, const struct pipeline *pipeline, uint64_t now)
{
    if (pipeline->failing_since == status->failing_since && now - status->shown < STATUS_EVERY)
        return false;
    if (pipeline->failing_since != 0)
        say_failing(status, pipeline);
    else
        say_speed(status, pipeline, now);
    make_one_line(status->words);
    status->shown = now;
    status->readings = pipeline->counters.readings;
    status->failing_since = pipeline->failing_since;
    return true;
}

void store_watch_submit(struct store_watch *watch, uint64_t now)
{
    watch->since = now;
}

bool store_watch_look(struct store_watch *watch, bool running, uint64_t now, bool *changed)
{
    bool hangs = running && now - watch->since > watch->patience;

    *changed = hangs != watch->hangs;
    watch->hangs = hangs;
    return hangs;
}
