/*
 * The outbox: parcels in one row each, and where each sink is. Whoever writes parcels moves the one row of
 * `outbox_end`, which is held until the transaction ends: so rows become visible in the order of n.
 */
#include "gateway/store/mysql/mysql.h"

#define READ_MOST (INT64_C(1) << 40) /* bytes: as good as no bound */

static const char look[] = "look at the sinks";
static const char change_it[] = "note what sinks have confirmed";
static const char empty_it[] = "empty the outbox";

/* ---- writing parcels ---- */

void maria_outbox_send(struct mq_batch *batch, const struct parcels *parcels)
{
    for (size_t i = 0; i < parcels->count; i++) {
        const struct parcel *parcel = &parcels->items[i];
        struct mq_parameters parameters = {0};
        mq_number(&parameters, parcel->points);
        mq_number(&parameters, (int64_t)parcel->len);
        mq_number(&parameters, i > 0 || batch->my->outbox_leapt ? 0 : OUTBOX_LEAP);
        mq_batch_add(batch, MQ_OUTBOX_TAKE, &parameters);
        mq_number(&parameters, parcel->received);
        mq_number(&parameters, parcel->points);
        mq_bytes(&parameters, parcels->bytes + parcel->at, parcel->len);
        mq_batch_add(batch, MQ_OUTBOX_ADD, &parameters);
    }
}

int maria_outbox_add(struct mysql *my, const char *what, struct failure *failure)
{
    struct mq_batch batch;

    if (my->parcels.count == 0)
        return 0;
    mq_batch_begin(&batch, my, NULL, NULL, what, failure);
    maria_outbox_send(&batch, &my->parcels);
    return mq_batch_end(&batch, 0);
}

/* ---- reading them ---- */

int maria_outbox_read(struct store *store, int64_t after, size_t bytes, outbox_visitor *visit, void *context,
                      struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;
    int count = 0;
    int more = 0;

    mq_number(&parameters, after);
    mq_number(&parameters, bytes > (size_t)READ_MOST ? READ_MOST : (int64_t)bytes);
    if (mq_read(mysql_of(store), MQ_OUTBOX_AFTER, &parameters, &result, "read the outbox", failure) != 0)
        return -1;
    while (more == 0 && mq_next(&result)) {
        struct outbox_row row = {
            .place = {mq_get_number(&result, 0), mq_get_number(&result, 3), mq_get_number(&result, 4)},
            .received = mq_get_number(&result, 1),
            .points = (uint32_t)mq_get_number(&result, 2),
        };
        row.parcel = (const uint8_t *)mq_get_bytes(&result, 5, &row.len);
        count++;
        more = visit(context, &row);
    }
    mq_clear(&result);
    return count;
}

/* ---- sinks ---- */

static int check_room(struct mysql *my, const char *what, struct failure *failure)
{
    struct mq_result result;

    if (mq_query(my, MQ_SINK_COUNT, NULL, &result, what, failure) != 0)
        return -1;
    int64_t count = mq_next(&result) ? mq_get_number(&result, 0) : 0;
    mq_clear(&result);
    return count <= SINKS_MAX ? 0 : sinks_fail_full(failure);
}

/* The end is held, so that of two who add the last ones the second sees the first's. */
static int add_sink(struct mysql *my, const char *name, int64_t now, const char *what,
                    struct failure *failure)
{
    struct mq_parameters parameters = {0};

    if (mq_run(my, MQ_OUTBOX_HOLD, NULL, what, failure) < 0)
        return -1;
    mq_text(&parameters, name);
    mq_number(&parameters, now);
    int added = mq_insert(my, MQ_SINK_ADD, &parameters, NULL, what, failure);
    if (added > 0 && check_room(my, what, failure) != 0)
        return -1;
    return added;
}

int maria_sink_add(struct store *store, const char *name, int64_t now, struct failure *failure)
{
    static const char what[] = "enter a sink";
    struct mysql *my = mysql_of(store);
    int tries = 0, result;

    do {
        result = mq_begin(my, what, failure);
        if (result == 0)
            result = mq_end(my, add_sink(my, name, now, what, failure), what, failure);
    } while (result < 0 && mq_again(my, &tries));
    return result;
}

static struct outbox_place read_place(const struct mq_result *result, int column)
{
    return (struct outbox_place){mq_get_number(result, column), mq_get_number(result, column + 1),
                                 mq_get_number(result, column + 2)};
}

static int read_sink(const struct mysql *my, const struct mq_result *result, struct sink_row *row,
                     struct failure *failure)
{
    *row = (struct sink_row){
        .cursor = read_place(result, 1),
        .added = mq_get_number(result, 4),
        .confirmed = mq_get_number(result, 5),
        .lost = (uint64_t)mq_get_number(result, 6),
        .refused = (uint64_t)mq_get_number(result, 7),
        .lease = mq_get_number(result, 9),
        .end = read_place(result, 10),
        .oldest = mq_get_number(result, 13),
    };
    if (mq_copy(result, 0, row->name, sizeof(row->name)) &&
        mq_copy(result, 8, row->holder, sizeof(row->holder)))
        return 0;
    return fail(failure, "a sink's row is damaged; see docs/gateway.md, Damage (%s)", my->label);
}

int maria_sinks_each(struct store *store, sink_visitor *visit, void *context, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    struct mq_result result;
    int good = mq_read(my, MQ_SINKS, NULL, &result, look, failure);

    while (good == 0 && mq_next(&result)) {
        struct sink_row row;
        good = read_sink(my, &result, &row, failure);
        if (good == 0 && visit(context, &row) != 0)
            break;
    }
    mq_clear(&result);
    return good;
}

int maria_sink_forget(struct store *store, const char *name, struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_text(&parameters, name);
    return mq_run(mysql_of(store), MQ_SINK_DELETE, &parameters, "forget a sink", failure);
}

static int update_sink(struct mysql *my, const char *holder, struct sink_update *update,
                       struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_text(&parameters, update->name);
    mq_text(&parameters, holder);
    mq_number(&parameters, update->cursor.n);
    mq_number(&parameters, update->cursor.points);
    mq_number(&parameters, update->cursor.bytes);
    mq_unsigned(&parameters, update->lost);
    mq_unsigned(&parameters, update->refused);
    mq_clock(&parameters, my);
    mq_number(&parameters, update->lease);
    int changed = mq_run(my, MQ_SINK_UPDATE, &parameters, change_it, failure);
    update->held = changed > 0;
    return changed < 0 ? -1 : 0;
}

static int update_sinks(struct mysql *my, const char *holder, struct sink_update *updates, size_t count,
                        struct failure *failure)
{
    for (size_t i = 0; i < count; i++)
        if (update_sink(my, holder, &updates[i], failure) != 0)
            return -1;
    return 0;
}

int maria_sinks_update(struct store *store, const char *holder, struct sink_update *updates, size_t count,
                       int64_t now, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    int tries = 0, result;

    (void)now; /* the database's clock counts */
    do {
        result = mq_begin(my, change_it, failure);
        if (result == 0)
            result = mq_end(my, update_sinks(my, holder, updates, count, failure), change_it, failure);
    } while (result < 0 && mq_again(my, &tries));
    return result;
}

/* ---- letting go ---- */

/* The oldest rows that all sinks have passed, and that nobody else is deleting, as a list. How many, or -1.
 */
static int oldest_rows(struct mysql *my, size_t most, struct mq_parameters *list, struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;

    mq_number(&parameters, (int64_t)most);
    if (mq_query(my, MQ_OUTBOX_OLDEST, &parameters, &result, empty_it, failure) != 0)
        return -1;
    mq_list(list);
    while (mq_next(&result))
        mq_number(list, mq_get_number(&result, 0));
    mq_list_end(list);
    int count = mq_count(&result);
    mq_clear(&result);
    return count;
}

static int delete_rows(struct mysql *my, size_t most, struct failure *failure)
{
    struct mq_parameters list = {0};
    int count = oldest_rows(my, most, &list, failure);

    if (count > 0)
        return mq_run(my, MQ_OUTBOX_DELETE, &list, empty_it, failure);
    mq_drop(&list);
    return count;
}

int maria_outbox_trim(struct store *store, size_t most, struct failure *failure)
{
    struct mysql *my = mysql_of(store);

    if (mq_begin(my, empty_it, failure) != 0)
        return -1;
    return mq_end(my, delete_rows(my, most, failure), empty_it, failure);
}
