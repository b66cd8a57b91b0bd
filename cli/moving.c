#include "cli/moving.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/copying.h"

#define BAR_WIDTH   24
#define BAR_EVERY   0.1 /* seconds */
#define LINE_EVERY  10.0
#define RATE_SETTLE 0.5 /* seconds before what is left can be estimated */

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* "2:05", "1:02:05"; "" while nothing is known. */
static void time_left(char text[24], double rate, int64_t rows, double elapsed)
{
    double left = rate > 0 && elapsed >= RATE_SETTLE ? (double)rows / rate : -1;
    int seconds = left > 359999 ? 359999 : (int)left;

    if (left < 0)
        text[0] = '\0';
    else if (seconds >= 3600)
        snprintf(text, 24, "%d:%02d:%02d left", seconds / 3600, seconds / 60 % 60, seconds % 60);
    else
        snprintf(text, 24, "%d:%02d left", seconds / 60, seconds % 60);
}

static void show(struct moving *moving, enum transfer_table table, int64_t done, int64_t all, double now)
{
    double elapsed = now - moving->since;
    double rate = elapsed > 0 ? (double)(done - moving->first) / elapsed : 0;
    int percent = all > 0 ? (int)(100.0 * (double)done / (double)all) : 100;
    const char *what = moving->comparing ? "comparing" : "copying";
    char bar[BAR_WIDTH + 1], left[24];

    percent = percent > 100 ? 100 : percent;
    memset(bar, '-', BAR_WIDTH);
    memset(bar, '#', (size_t)(percent * BAR_WIDTH / 100));
    bar[BAR_WIDTH] = '\0';
    time_left(left, rate, all - done, elapsed);
    if (moving->terminal)
        fprintf(stderr, "\r\033[K%s [%s] %3d %%  %" PRId64 " of %" PRId64 " rows  %.0f/s  %s  %s", what, bar,
                percent, done, all, rate, left, transfer_shapes[table].name);
    else
        fprintf(stderr, "%s: %d %%, %" PRId64 " of %" PRId64 " rows, %.0f/s, %s%s%s\n", what, percent, done,
                all, rate, left, left[0] == '\0' ? "" : ", ", transfer_shapes[table].name);
    fflush(stderr);
    moving->shown = moving->terminal;
    moving->last = now;
}

static void end_bar(struct moving *moving)
{
    if (moving->shown)
        fputc('\n', stderr);
    moving->shown = false;
}

static int tell(void *context, bool comparing, enum transfer_table table, int64_t done, int64_t all)
{
    struct moving *moving = context;
    double now = seconds_now();

    if (!moving->begun || comparing != moving->comparing) {
        end_bar(moving);
        moving->begun = true;
        moving->comparing = comparing;
        moving->first = comparing ? 0 : done;
        moving->since = now;
        moving->last = now - (moving->terminal ? LINE_EVERY : 0);
    }
    if (!moving->quiet && (now - moving->last >= (moving->terminal ? BAR_EVERY : LINE_EVERY) ||
                           (moving->terminal && done >= all)))
        show(moving, table, done, all, now);
    return copying_is_stopped();
}

struct move_progress moving_begin(struct moving *moving, bool quiet)
{
    *moving = (struct moving){.quiet = quiet, .terminal = isatty(STDERR_FILENO) == 1};
    (void)copying_begin("");
    return (struct move_progress){.tell = tell, .context = moving};
}

void moving_end(struct moving *moving)
{
    end_bar(moving);
    copying_end();
}
