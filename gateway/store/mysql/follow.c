/*
 * New readings are those whose number is above the last one shown. Numbers are taken under a lock that is
 * held until the transaction ends, so they become visible in their order, however late a transaction commits:
 * each reading once, whatever its time. Where the highest one has not moved, that costs one short query.
 */
#include "gateway/store/mysql/listing.h"

#include <stdlib.h>
#include <string.h>

static const char what[] = "follow the readings";

struct follower {
    char *device; /* selection; NULL: all */
    char *name;
    int64_t seen; /* the number up to which everything was shown */
};

/* ---- looking ---- */

/* Shows a page of those up to `newest`. Returns how many there were. */
static int show_page(struct mysql *my, struct follower *follower, int64_t newest, reading_visitor *visit,
                     void *context, struct failure *failure)
{
    const struct reading_filter filter = {.device = follower->device, .name = follower->name};
    struct mq_parameters parameters = {0};
    struct mq_result result;
    int64_t reached = follower->seen;

    maria_selection(&parameters, &filter);
    mq_number(&parameters, follower->seen);
    mq_number(&parameters, newest);
    if (mq_read(my, MQ_FOLLOW_NEW, &parameters, &result, what, failure) != 0)
        return -1;
    int count = mq_count(&result);
    while (mq_next(&result)) {
        int64_t n = maria_point_number(&result);
        reached = n > reached ? n : reached;
        if (maria_show(my, &result, visit, context, failure) < 0)
            count = -1;
    }
    mq_clear(&result);
    follower->seen = count < MQ_FOLLOW_MOST ? newest : reached;
    return count;
}

int maria_follow_next(struct store *store, struct follower *follower, reading_visitor *visit, void *context,
                      struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    int64_t newest;

    if (maria_number(my, "points", &newest, what, failure) != 0)
        return -1;
    return newest <= follower->seen ? 0 : show_page(my, follower, newest, visit, context, failure);
}

/* ---- opening, closing ---- */

static char *copy(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

static struct follower *new_follower(const struct reading_filter *filter)
{
    struct follower *follower = calloc(1, sizeof(*follower));

    if (follower == NULL)
        return NULL;
    follower->device = copy(filter->device);
    follower->name = copy(filter->name);
    if ((follower->device == NULL) == (filter->device == NULL) &&
        (follower->name == NULL) == (filter->name == NULL))
        return follower;
    maria_follow_close(follower);
    return NULL;
}

int maria_follow_open(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                      void *context, struct follower **follower, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    struct reading_filter newest = {.device = filter->device,
                                    .name = filter->name,
                                    .since = INT64_MIN,
                                    .until = INT64_MAX,
                                    .limit = filter->limit};

    *follower = new_follower(filter);
    if (*follower == NULL)
        return fail(failure, "cannot %s: no memory is left", what);
    if (maria_number(my, "points", &(*follower)->seen, what, failure) == 0 &&
        maria_list(my, &newest, (*follower)->seen, visit, context, failure) == 0)
        return 0;
    maria_follow_close(*follower);
    *follower = NULL;
    return -1;
}

void maria_follow_close(struct follower *follower)
{
    if (follower == NULL)
        return;
    free(follower->device);
    free(follower->name);
    free(follower);
}
