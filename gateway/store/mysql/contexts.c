#include "gateway/store/mysql/mysql.h"

#include <string.h>

void maria_read_context(const struct mq_result *result, int first, struct context_row *row)
{
    size_t id_len;
    const char *id = mq_get_bytes(result, first + 1, &id_len);

    *row = (struct context_row){
        .device = mq_get_number(result, first),
        .counter = id_len == 0,
        .proven = mq_get_boolean(result, first + 2),
        .proven_t = (uint64_t)mq_get_number(result, first + 3),
        .closes_at = mq_get_number(result, first + 4),
        .window.top = (uint64_t)mq_get_number(result, first + 5),
        .window.bits = (uint64_t)mq_get_number(result, first + 6),
        .window.lower = (uint64_t)mq_get_number(result, first + 7),
    };
    if (id_len == BULLA_ID_CONTEXT_SIZE)
        memcpy(row->id_context, id, BULLA_ID_CONTEXT_SIZE);
}

/* The first parameters are the device and the clock. */
static int read_with_clock(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters,
                           struct context_row *row, struct store_clock *clock, struct failure *failure)
{
    struct mq_result result;

    if (mq_read(my, id, parameters, &result, "look a context up", failure) != 0)
        return -1;
    bool found = mq_next(&result) && !mq_is_null(&result, 2);
    clock->now = mq_get_number(&result, 0);
    clock->floor = (uint64_t)mq_get_number(&result, 1);
    if (found)
        maria_read_context(&result, 2, row);
    mq_clear(&result);
    return found;
}

int maria_context_find(struct store *store, int64_t device, const uint8_t *id_context,
                       struct context_row *row, struct store_clock *clock, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    struct mq_parameters parameters = {0};

    mq_number(&parameters, device);
    mq_clock(&parameters, my);
    mq_bytes(&parameters, id_context, id_context == NULL ? 0 : BULLA_ID_CONTEXT_SIZE);
    return read_with_clock(my, MQ_CONTEXT_FIND, &parameters, row, clock, failure);
}

int maria_context_newest(struct store *store, int64_t device, struct context_row *row,
                         struct store_clock *clock, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    struct mq_parameters parameters = {0};

    mq_number(&parameters, device);
    mq_clock(&parameters, my);
    return read_with_clock(my, MQ_CONTEXT_NEWEST, &parameters, row, clock, failure);
}

int maria_context_each(struct store *store, int64_t device, context_visitor *visit, void *context,
                       struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    struct mq_parameters parameters = {0};
    struct mq_result result;

    mq_number(&parameters, device);
    mq_clock(&parameters, my);
    if (mq_read(my, MQ_CONTEXTS_OF, &parameters, &result, "list the contexts", failure) != 0)
        return -1;
    while (mq_next(&result)) {
        struct context_row row;
        maria_read_context(&result, 0, &row);
        if (visit(context, &row) != 0)
            break;
    }
    mq_clear(&result);
    return 0;
}

/* ---- closing ---- */

static const char close_it[] = "close sessions";

#define DUE_MOST 1000 /* at a time */

/* Adds the statements that delete the rows and raise F to their T (PROTOCOL 4.4). How many rows. */
static int send_due(struct mq_batch *batch, struct mq_result *due)
{
    struct mq_parameters highest = {0};
    int64_t floor = 0;
    int count = 0;

    for (; mq_next(due); count++) {
        struct mq_parameters row = {0};
        size_t len;
        const char *id = mq_get_bytes(due, 1, &len);
        int64_t t = mq_get_number(due, 2);
        mq_number(&row, mq_get_number(due, 0));
        mq_bytes(&row, id, len);
        mq_batch_add(batch, MQ_CONTEXT_DELETE, &row);
        floor = t > floor ? t : floor;
    }
    mq_number(&highest, floor);
    mq_batch_add(batch, MQ_FLOOR_RAISE, &highest);
    return count;
}

/* Rows that a batch or another gateway holds are left to the next time. How many. */
static int close_due(struct mysql *my, struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result due;
    struct mq_batch batch;

    mq_clock(&parameters, my);
    mq_number(&parameters, DUE_MOST);
    if (mq_query(my, MQ_CONTEXTS_DUE, &parameters, &due, close_it, failure) != 0)
        return -1;
    mq_batch_begin(&batch, my, NULL, NULL, close_it, failure);
    int count = mq_count(&due) > 0 ? send_due(&batch, &due) : 0;
    mq_clear(&due);
    return mq_batch_end(&batch, 0) != 0 ? -1 : count;
}

int maria_contexts_close(struct store *store, int64_t now, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    int all = 0, gone;

    (void)now; /* the database's clock counts */
    do {
        int tries = 0;
        do {
            gone = mq_begin(my, close_it, failure);
            if (gone == 0)
                gone = mq_end(my, close_due(my, failure), close_it, failure);
        } while (gone < 0 && mq_again(my, &tries));
        all += gone > 0 ? gone : 0;
    } while (gone == DUE_MOST);
    return gone < 0 ? -1 : all;
}
