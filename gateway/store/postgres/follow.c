/*
 * New readings are those that one snapshot of the server's transactions does not see, and the next one does:
 * each once, whatever its time, and however late its transaction committed. A snapshot that has not moved
 * costs one short query.
 */
#include "gateway/store/postgres/listing.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY 86400 /* seconds */

static const char what[] = "follow the readings";

struct follower {
    char *device; /* selection; NULL: all */
    char *name;
    char *seen; /* the snapshot of which everything was shown */
    char *next; /* the one that is being shown; NULL: none */
    int64_t begun;
    /* the last one shown of `next` */
    int64_t received;
    int64_t time;
    int64_t tx;
    int64_t k;
};

/* The text of the present snapshot, the caller's to free. */
static char *take_snapshot(struct postgres *pg, struct failure *failure)
{
    PGresult *result = pg_read(pg, PG_SNAPSHOT, NULL, what, failure);
    char *text = result == NULL ? NULL : strdup(PQgetvalue(result, 0, 0));

    if (result != NULL && text == NULL)
        fail(failure, "cannot %s: no memory is left", what);
    PQclear(result);
    return text;
}

/* ---- looking ---- */

static PGresult *read_new(struct postgres *pg, const struct follower *follower, struct failure *failure)
{
    const struct reading_filter filter = {.device = follower->device, .name = follower->name};
    struct pg_parameters parameters = {.count = 0};

    (void)postgres_selection(&parameters, &filter);
    pg_text(&parameters, follower->seen);
    pg_text(&parameters, follower->next);
    pg_number(&parameters, follower->begun);
    pg_number(&parameters, follower->received);
    pg_number(&parameters, follower->time);
    pg_number(&parameters, follower->tx);
    pg_number(&parameters, follower->k);
    return pg_read(pg, PG_FOLLOW_NEW, &parameters, what, failure);
}

/* Shows a page of `next`. Returns how many there were. */
static int show_page(struct postgres *pg, struct follower *follower, reading_visitor *visit, void *context,
                     struct failure *failure)
{
    PGresult *result = read_new(pg, follower, failure);
    int count = result == NULL ? -1 : PQntuples(result);

    for (int i = 0; i < count; i++) {
        follower->time = pg_get_number(result, i, 0);
        follower->tx = pg_get_number(result, i, 1);
        follower->k = pg_get_number(result, i, 2);
        follower->received = pg_get_number(result, i, 4);
        if (postgres_show(pg, result, i, visit, context, failure) < 0)
            count = -1;
    }
    PQclear(result);
    return count;
}

static void begin_next(struct follower *follower, char *snapshot)
{
    follower->next = snapshot;
    follower->received = INT64_MIN;
    follower->time = INT64_MIN;
    follower->tx = -1;
    follower->k = -1;
}

static void end_next(struct follower *follower)
{
    free(follower->seen);
    follower->seen = follower->next;
    follower->next = NULL;
}

/* Begins with the present snapshot. 1, or 0 where nothing has happened since. */
static int look_anew(struct postgres *pg, struct follower *follower, struct failure *failure)
{
    char *snapshot = take_snapshot(pg, failure);

    if (snapshot == NULL)
        return -1;
    if (strcmp(snapshot, follower->seen) == 0) {
        free(snapshot);
        return 0;
    }
    begin_next(follower, snapshot);
    return 1;
}

int postgres_follow_next(struct store *store, struct follower *follower, reading_visitor *visit,
                         void *context, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    int count = 0;

    for (int i = 0; i < 2 && count == 0; i++) { /* a full page may have been the last */
        if (follower->next == NULL && (count = look_anew(pg, follower, failure)) <= 0)
            return count;
        count = show_page(pg, follower, visit, context, failure);
        if (count >= 0 && count < PG_FOLLOW_MOST)
            end_next(follower);
    }
    return count;
}

/* ---- opening, closing ---- */

static char *copy(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

static struct follower *new_follower(struct postgres *pg, const struct reading_filter *filter,
                                     struct failure *failure)
{
    struct follower *follower = calloc(1, sizeof(*follower));
    struct pg_parameters unused = {.count = 0};

    if (follower == NULL) {
        fail(failure, "cannot %s: no memory is left", what);
        return NULL;
    }
    follower->device = copy(filter->device);
    follower->name = copy(filter->name);
    if ((follower->device == NULL) != (filter->device == NULL) ||
        (follower->name == NULL) != (filter->name == NULL))
        fail(failure, "cannot %s: no memory is left", what);
    else if (!postgres_selection(&unused, filter))
        fail(failure, "cannot %s: no device or reading is named so, because it is not UTF-8", what);
    else if ((follower->seen = take_snapshot(pg, failure)) != NULL)
        return follower;
    postgres_follow_close(follower);
    return NULL;
}

/* What was received longer ago than any commit takes counts as seen. */
static int64_t begun_at(const struct postgres *pg)
{
    int64_t now = pg->store.now == NULL ? time(NULL) : pg->store.now(pg->store.now_context);

    return pg_time_of((now - DAY) * 1000000);
}

int postgres_follow_open(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                         void *context, struct follower **follower, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct reading_filter newest = {.device = filter->device,
                                    .name = filter->name,
                                    .since = INT64_MIN,
                                    .until = INT64_MAX,
                                    .limit = filter->limit};

    *follower = new_follower(pg, filter, failure);
    if (*follower == NULL)
        return -1;
    (*follower)->begun = begun_at(pg);
    const struct postgres_view view = {(*follower)->seen, (*follower)->begun};
    if (postgres_list(pg, &newest, &view, visit, context, failure) == 0)
        return 0;
    postgres_follow_close(*follower);
    *follower = NULL;
    return -1;
}

void postgres_follow_close(struct follower *follower)
{
    if (follower == NULL)
        return;
    free(follower->device);
    free(follower->name);
    free(follower->seen);
    free(follower->next);
    free(follower);
}
