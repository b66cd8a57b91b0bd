#include "cli/elsewhere.h"

#include <stdio.h>
#include <string.h>

#include "cli/database.h"
#include "cli/text.h"

#define SECOND INT64_C(1000000)
#define BEHIND (60 * SECOND) /* that a device's clock may be */
#define APART  (2 * SECOND)  /* that the clocks of gateways' hosts may be from this one's */
#define NEWEST 100           /* readings by their time that are looked at */

/* ---- what is here ---- */

static int note(void *context, const struct reading_row *row)
{
    (void)row;
    *(bool *)context = true;
    return 1;
}

/* Whether a selection has readings here; also true where that cannot be told. */
static bool is_here(struct store *store, const struct reading_filter *filter)
{
    struct reading_filter newest = *filter;
    struct failure unsaid;
    bool here = false;

    newest.limit = 1;
    return store->ops->readings_each(store, &newest, note, &here, &unsaid) < 0 || here;
}

/* ---- where they go ---- */

struct telling {
    const char *what; /* before the first name */
    size_t count;
};

static int name_sink(void *context, const struct sink_row *row)
{
    struct telling *telling = context;

    if (telling->count++ == 0)
        fprintf(stderr, "bulla: %s; readings go to ", telling->what);
    else
        fputs(", ", stderr);
    text_print(stderr, row->name, strlen(row->name), TEXT_WHOLE);
    return 0;
}

/* A sink's name has no passwords. */
static bool tell(struct store *store, const char *what)
{
    struct telling telling = {.what = what};
    struct failure unsaid;

    if (store->ops->sinks_each == NULL)
        return false;
    (void)!store->ops->sinks_each(store, name_sink, &telling, &unsaid);
    if (telling.count == 0)
        return false;
    fputs(" (bulla serve --sink), and stay here too only with --keep-here\n", stderr);
    return true;
}

bool elsewhere_tell(struct store *store, const struct reading_filter *filter)
{
    if (is_here(store, filter))
        return false;
    database_hint_device(store, filter->device);
    return tell(store, "there are none here");
}

/* ---- those that come ---- */

static int note_out(void *context, const struct sink_row *row)
{
    *(int64_t *)context = row->end.points;
    return 1;
}

struct arrival {
    int64_t since;
    bool came;
};

static int note_arrival(void *context, const struct reading_row *row)
{
    struct arrival *arrival = context;

    arrival->came = row->received >= arrival->since;
    return arrival->came;
}

/* Whether any reading has come here since then; also true where that cannot be told. */
static bool has_come(struct store *store, int64_t since)
{
    const struct reading_filter lately = {.since = since - BEHIND, .until = INT64_MAX, .limit = NEWEST};
    struct arrival arrival = {.since = since - APART};
    struct failure unsaid;

    return store->ops->readings_each(store, &lately, note_arrival, &arrival, &unsaid) < 0 || arrival.came;
}

/* Readings that have gone to sinks, ever; -1: not known, or no sink. */
static int64_t gone_out(struct store *store)
{
    struct failure unsaid;
    int64_t out = -1;

    if (store->ops->sinks_each == NULL || store->ops->sinks_each(store, note_out, &out, &unsaid) < 0)
        return -1;
    return out;
}

void elsewhere_watch(struct elsewhere *elsewhere, struct store *store)
{
    int64_t out;

    if (elsewhere->done || (out = gone_out(store)) < 0)
        return;
    if (elsewhere->out < 0)
        elsewhere->out = out;
    if (out <= elsewhere->out)
        return;
    if (!has_come(store, elsewhere->begun))
        (void)tell(store, "readings come, and are not kept here");
    elsewhere->done = true;
}
