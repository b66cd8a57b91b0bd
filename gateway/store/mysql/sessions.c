/* Session ids (gateway/wire/wire.h): issued, retired, spent, and let go. Whoever changes them holds the
 * wires' number, so that of several gateways one does it at a time. */
#include "gateway/store/mysql/mysql.h"

#include <string.h>

static const char what[] = "keep the session ids";

static void read_session(const struct mq_result *result, struct session_row *row)
{
    *row = (struct session_row){
        .issued = mq_get_number(result, 1),
        .retired = mq_get_number(result, 2),
        .spent = mq_get_number(result, 3) != 0,
        .has_hash = mq_get_length(result, 4) == WIRE_HASH_SIZE,
    };
    if (mq_get_length(result, 0) == WIRE_SESSION_ID)
        memcpy(row->id, mq_get_text(result, 0), WIRE_SESSION_ID);
    if (row->has_hash)
        memcpy(row->hash, mq_get_text(result, 4), WIRE_HASH_SIZE);
}

int maria_session_list(struct store *store, const char *topic, struct session_row rows[WIRE_SESSIONS_MAX],
                       struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;
    int count = 0;

    mq_text(&parameters, topic);
    mq_number(&parameters, WIRE_SESSIONS_MAX);
    if (mq_read(mysql_of(store), MQ_SESSIONS, &parameters, &result, what, failure) != 0)
        return -1;
    while (count < WIRE_SESSIONS_MAX && mq_next(&result))
        read_session(&result, &rows[count++]);
    mq_clear(&result);
    return count;
}

/* A statement about a topic and a number. */
static int run_topic(struct mysql *my, enum mq_statement id, const char *topic, int64_t value,
                     struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_text(&parameters, topic);
    mq_number(&parameters, value);
    return mq_run(my, id, &parameters, what, failure);
}

static int add(struct mysql *my, const char *topic, const char *id, int64_t now, struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_text(&parameters, topic);
    mq_bytes(&parameters, id, WIRE_SESSION_ID);
    mq_number(&parameters, now);
    return mq_insert(my, MQ_SESSION_ADD, &parameters, NULL, what, failure);
}

int maria_session_issue(struct store *store, const char *topic, const char id[WIRE_SESSION_ID], int64_t now,
                        struct failure *failure)
{
    struct mysql *my = mysql_of(store);

    if (run_topic(my, MQ_SESSION_RETIRE, topic, now, failure) < 0 ||
        run_topic(my, MQ_SESSIONS_PRUNE_FUTURE, topic, now + WIRE_CLOCK_SLACK, failure) < 0)
        return -1;
    int added = add(my, topic, id, now, failure);
    if (added <= 0)
        return added;
    if (run_topic(my, MQ_SESSIONS_PRUNE_UNSPENT, topic, WIRE_SESSIONS_VALID, failure) < 0 ||
        run_topic(my, MQ_SESSIONS_PRUNE_SPENT, topic, WIRE_SESSIONS_SPENT, failure) < 0 ||
        maria_raise_wires(my, what, failure) != 0)
        return -1;
    return 1;
}

int maria_session_spend(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                        const uint8_t *hash, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    struct mq_parameters parameters = {0};

    mq_text(&parameters, topic);
    mq_bytes(&parameters, id, WIRE_SESSION_ID);
    if (hash != NULL)
        mq_bytes(&parameters, hash, WIRE_HASH_SIZE);
    else
        mq_null(&parameters);
    int spent = mq_run(my, MQ_SESSION_SPEND, &parameters, what, failure);
    if (spent > 0 && maria_raise_wires(my, what, failure) != 0)
        return -1;
    return spent;
}
