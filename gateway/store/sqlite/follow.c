#include <stdlib.h>
#include <string.h>

#include "gateway/store/sqlite/sqlite.h"

/*
 * Whoever follows remembers the keys of what it has seen, and glances at the same stretch again and again:
 * what is there and was not seen is new. Two stretches: by time, for readings whose reception is near it; and
 * by reception, through an index, for the others. A stretch begins where nothing can come any more: commits
 * become visible in another order than that of reception, but not later than FOLLOW_SLACK.
 */

#define SLACK    (FOLLOW_SLACK * INT64_C(1000000))
#define NEW_MOST 4096    /* readings visited by one call, of each stretch */
#define SEEN_MAX 2097152 /* keys in memory; then the older half is forgotten, and its stretch with it */

struct keys {
    struct reading_key *at;
    size_t count;
    size_t room;
};

/* What of a stretch was seen, in the order of the keys. */
struct stretch {
    struct keys seen;
    int64_t from;
};

struct follower {
    struct stretch timely; /* by time */
    struct stretch late;   /* by reception */
    char *device;          /* selection; NULL: all */
    char *name;
    int64_t looked; /* when, by the store's clock, in microseconds */
    int64_t data_version;
    int64_t changes; /* this connection's own */
    bool more;       /* the last look ended before its stretch did */
};

/* ---- keys ---- */

static int compare(const void *a, const void *b)
{
    const struct reading_key *x = a;
    const struct reading_key *y = b;

    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

static int push(struct keys *keys, const struct reading_key *key, struct failure *failure)
{
    if (keys->count == keys->room) {
        size_t room = keys->room == 0 ? 1024 : keys->room * 2;
        struct reading_key *at = realloc(keys->at, room * sizeof(*at));
        if (at == NULL)
            return fail(failure, "cannot follow the readings: no memory is left");
        keys->at = at;
        keys->room = room;
    }
    keys->at[keys->count++] = *key;
    return 0;
}

/* Forgets the first keys. */
static void forget_first(struct keys *keys, size_t count)
{
    if (count == 0)
        return;
    memmove(keys->at, keys->at + count, (keys->count - count) * sizeof(*keys->at));
    keys->count -= count;
}

/* How many keys come before that one. */
static size_t count_before(const struct keys *keys, const struct reading_key *key)
{
    size_t low = 0;
    size_t high = keys->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&keys->at[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The stretch begins later from now on, never earlier. */
static void advance(struct stretch *stretch, int64_t from)
{
    struct reading_key first = {.order = from, .time = INT64_MIN, .n = INT64_MIN};

    if (from <= stretch->from)
        return;
    stretch->from = from;
    forget_first(&stretch->seen, count_before(&stretch->seen, &first));
}

/* Enters a key where it belongs; one that is there already, or lies before the stretch, is left out. */
static int insert(struct stretch *stretch, const struct reading_key *key, struct failure *failure)
{
    struct keys *seen = &stretch->seen;
    size_t place = count_before(seen, key);

    if (key->order < stretch->from || (place < seen->count && compare(&seen->at[place], key) == 0))
        return 0;
    if (push(seen, key, failure) != 0)
        return -1;
    memmove(&seen->at[place + 1], &seen->at[place], (seen->count - 1 - place) * sizeof(*key));
    seen->at[place] = *key;
    return 0;
}

/* ---- looking ---- */

/* A look at a stretch: what was seen of it before, and what is found. */
struct glance {
    struct stretch *stretch;
    enum statement_id statement;
    int64_t until;
    struct keys found; /* seen before or new */
    struct keys *news; /* sorted by reception later; NULL: all counts as seen */
    size_t passed;     /* of the keys seen before */
    int64_t reached;   /* order of the last row */
    bool ended;        /* the stretch was looked at to its end */
};

static int keep(struct glance *glance, const struct reading_key *key, struct failure *failure)
{
    if (glance->found.count >= SEEN_MAX) {
        forget_first(&glance->found, SEEN_MAX / 2);
        glance->stretch->from = glance->found.at[0].order;
    }
    return push(&glance->found, key, failure);
}

static int take_row(struct glance *glance, sqlite3_stmt *query, struct failure *failure)
{
    const struct keys *seen = &glance->stretch->seen;
    struct reading_key key = {.order = sqlite3_column_int64(query, 0),
                              .time = sqlite3_column_int64(query, 1),
                              .n = sqlite3_column_int64(query, 2)};
    int order = 1;

    glance->reached = key.order;
    /* What was seen and is gone was deleted. */
    while (glance->passed < seen->count && (order = compare(&seen->at[glance->passed], &key)) < 0)
        glance->passed++;
    if (keep(glance, &key, failure) != 0)
        return -1;
    if (glance->passed < seen->count && order == 0) {
        glance->passed++;
        return 0;
    }
    if (glance->news == NULL)
        return 0;
    key.order = sqlite3_column_int64(query, 3);
    return push(glance->news, &key, failure);
}

/* What was found takes the place of what was seen; where the look ended early, the rest of that stays. */
static int keep_found(struct glance *glance, struct failure *failure)
{
    struct keys *seen = &glance->stretch->seen;
    int result = 0;

    while (result == 0 && !glance->ended && glance->passed < seen->count)
        result = push(&glance->found, &seen->at[glance->passed++], failure);
    free(seen->at);
    *seen = glance->found;
    return result;
}

static int look_at(struct sqlite *sqlite, const struct follower *follower, struct glance *glance,
                   struct failure *failure)
{
    sqlite3_stmt *query = sqlite_statement(sqlite, glance->statement, failure);
    size_t most = glance->news == NULL ? SIZE_MAX : glance->news->count + NEW_MOST;
    int found = 1;

    if (query == NULL)
        return -1;
    bind_text_or_null(query, 1, follower->device);
    bind_text_or_null(query, 2, follower->name);
    bind_number(query, 3, glance->stretch->from);
    bind_number(query, 4, glance->until);
    while (found > 0 && (glance->news == NULL || glance->news->count < most)) {
        found = sqlite_row(sqlite, query, "follow the readings", failure);
        if (found > 0 && take_row(glance, query, failure) != 0)
            found = -1;
    }
    sqlite3_reset(query);
    glance->ended = found == 0;
    if (found < 0) {
        free(glance->found.at);
        return -1;
    }
    return keep_found(glance, failure);
}

/* Looks at both stretches. Readings before `settled`, in microseconds of reception, come no more. */
static int look_at_both(struct sqlite *sqlite, struct follower *follower, int64_t now, int64_t settled,
                        struct keys *news, struct failure *failure)
{
    struct glance glances[] = {
        {.stretch = &follower->timely, .statement = ST_FOLLOW_TIMELY, .until = now + SLACK + TIMELY},
        {.stretch = &follower->late, .statement = ST_FOLLOW_LATE, .until = INT64_MAX},
    };
    const int64_t settles[] = {settled - TIMELY, settled};

    follower->more = false;
    for (size_t i = 0; i < sizeof(glances) / sizeof(glances[0]); i++) {
        struct glance *glance = &glances[i];
        glance->news = news;
        if (look_at(sqlite, follower, glance, failure) != 0)
            return -1;
        follower->more = follower->more || !glance->ended;
        advance(glance->stretch,
                glance->ended || settles[i] < glance->reached ? settles[i] : glance->reached);
    }
    return 0;
}

/* Whether anybody has written since the last look; remembers it. 1 or 0. */
static int has_changed(struct sqlite *sqlite, struct follower *follower, struct failure *failure)
{
    int64_t changes = sqlite3_total_changes64(sqlite->db);
    int64_t version;

    if (sqlite_data_version(sqlite, &version, "follow the readings", failure) < 0)
        return -1;
    bool changed = version != follower->data_version || changes != follower->changes;
    follower->data_version = version;
    follower->changes = changes;
    return changed;
}

static int64_t clock_of(struct sqlite *sqlite)
{
    return sqlite->store.now(sqlite->store.now_context) * 1000000;
}

/* What is there counts as seen. */
static int begin_anew(struct sqlite *sqlite, struct follower *follower, int64_t now, struct failure *failure)
{
    follower->timely.seen.count = 0;
    follower->late.seen.count = 0;
    follower->timely.from = now - SLACK - TIMELY;
    follower->late.from = now - SLACK;
    follower->looked = now;
    return look_at_both(sqlite, follower, now, now - SLACK, NULL, failure);
}

int sqlite_follow_next(struct store *store, struct follower *follower, reading_visitor *visit, void *context,
                       struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    struct keys news = {0};
    int64_t now = clock_of(sqlite);
    int result = has_changed(sqlite, follower, failure);

    if (result < 0)
        return -1;
    if (now < follower->looked - SLACK) /* the clock was set back */
        return begin_anew(sqlite, follower, now, failure);
    if (result == 0 && !follower->more)
        return 0;
    result = look_at_both(sqlite, follower, now, now - SLACK, &news, failure);
    follower->looked = now > follower->looked ? now : follower->looked;
    if (result == 0 && news.count > 0) {
        qsort(news.at, news.count, sizeof(*news.at), compare);
        result = sqlite_readings_at(sqlite, news.at, news.count, visit, context, failure);
        result = result < 0 ? -1 : (int)news.count;
    }
    free(news.at);
    return result;
}

/* ---- opening, closing ---- */

static int note_seen(void *context, const struct reading_key *key, int64_t received, struct failure *failure)
{
    struct follower *follower = context;
    struct reading_key late = {.order = received, .time = key->time, .n = key->n};
    int64_t delay = (int64_t)((uint64_t)received - (uint64_t)key->time);
    bool is_timely = delay >= -TIMELY && delay <= TIMELY;

    return is_timely ? insert(&follower->timely, key, failure) : insert(&follower->late, &late, failure);
}

static struct follower *new_follower(const struct reading_filter *filter)
{
    struct follower *follower = calloc(1, sizeof(*follower));

    if (follower == NULL)
        return NULL;
    follower->device = filter->device == NULL ? NULL : strdup(filter->device);
    follower->name = filter->name == NULL ? NULL : strdup(filter->name);
    if ((follower->device == NULL) == (filter->device == NULL) &&
        (follower->name == NULL) == (filter->name == NULL))
        return follower;
    sqlite_follow_close(follower);
    return NULL;
}

/* What comes between the first look and the visit of the newest is noted by that visit: shown once. */
int sqlite_follow_open(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                       void *context, struct follower **follower, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    struct reading_filter newest = {.device = filter->device,
                                    .name = filter->name,
                                    .since = INT64_MIN,
                                    .until = INT64_MAX,
                                    .limit = filter->limit};

    *follower = new_follower(filter);
    if (*follower == NULL)
        return fail(failure, "cannot follow the readings: no memory is left");
    if (has_changed(sqlite, *follower, failure) >= 0 &&
        begin_anew(sqlite, *follower, clock_of(sqlite), failure) == 0 &&
        sqlite_readings_noted(sqlite, &newest, visit, context, note_seen, *follower, failure) == 0)
        return 0;
    sqlite_follow_close(*follower);
    *follower = NULL;
    return -1;
}

void sqlite_follow_close(struct follower *follower)
{
    if (follower == NULL)
        return;
    free(follower->timely.seen.at);
    free(follower->late.seen.at);
    free(follower->device);
    free(follower->name);
    free(follower);
}
