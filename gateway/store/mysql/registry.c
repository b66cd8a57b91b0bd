/* The registry's own values and numbers. */
#include "gateway/store/mysql/mysql.h"

#include "gateway/store/move.h"

#include <string.h>
#include <time.h>

#define HURRY_TRIES 20 /* for a lock on T, 5 milliseconds apart */

/* ---- meta ---- */

int maria_meta_get(struct store *store, const char *name, void *value, size_t *len, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    struct mq_parameters parameters = {0};
    struct mq_result result;

    mq_text(&parameters, name);
    if (mq_read(my, MQ_META_GET, &parameters, &result, "read the registry", failure) != 0)
        return -1;
    int found = mq_next(&result);
    if (found > 0) {
        size_t size;
        const char *bytes = mq_get_bytes(&result, 0, &size);
        if (size > *len)
            found = fail(failure, "the registry's value \"%s\" has %zu bytes, at most %zu were expected (%s)",
                         name, size, *len, my->label);
        else if (size > 0)
            memcpy(value, bytes, size);
        *len = size;
    }
    mq_clear(&result);
    return found;
}

int maria_meta_put(struct store *store, const char *name, const void *value, size_t len,
                   struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_text(&parameters, name);
    mq_bytes(&parameters, value, len);
    return mq_insert(mysql_of(store), MQ_META_PUT, &parameters, NULL, "write the registry", failure);
}

int maria_gateway_id_add(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                         struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_bytes(&parameters, id, GATEWAY_ID_SIZE);
    mq_number(&parameters, now);
    return mq_insert(mysql_of(store), MQ_GATEWAY_ID_ADD, &parameters, NULL, "enter the gateway's id",
                     failure);
}

/* ---- numbers ---- */

int maria_number(struct mysql *my, const char *name, int64_t *value, const char *what,
                 struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;

    *value = 0;
    mq_text(&parameters, name);
    if (mq_read(my, MQ_NUMBER_GET, &parameters, &result, what, failure) != 0)
        return -1;
    bool found = mq_next(&result);
    *value = mq_get_number(&result, 0);
    mq_clear(&result);
    return found ? 0 : fail(failure, "cannot %s: the table numbers is damaged (%s)", what, my->label);
}

int maria_generation(struct store *store, int64_t *generation, struct failure *failure)
{
    return maria_number(mysql_of(store), "generation", generation, "read the registry", failure);
}

static int raise_number(struct mysql *my, const char *name, const char *what, struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_text(&parameters, name);
    return mq_run(my, MQ_NUMBER_RAISE, &parameters, what, failure) < 0 ? -1 : 0;
}

int maria_raise_generation(struct mysql *my, const char *what, struct failure *failure)
{
    return raise_number(my, "generation", what, failure);
}

int maria_probe(struct store *store, struct failure *failure)
{
    return raise_number(mysql_of(store), "probe", "write to the database", failure);
}

/* Readings wait behind it: of a row that somebody holds, it fails at once. */
static int raise_issued_t(struct mysql *my, uint64_t t, const char *what, struct failure *failure)
{
    struct mq_parameters parameters = {0};
    int result;

    mq_unsigned(&parameters, t);
    if (mq_begin(my, what, failure) != 0) {
        mq_drop(&parameters);
        return -1;
    }
    result = mq_run(my, MQ_T_HOLD_NOW, NULL, what, failure);
    if (result >= 0)
        result = mq_run(my, MQ_ISSUED_T_RAISE, &parameters, what, failure);
    mq_drop(&parameters);
    return mq_end(my, result, what, failure);
}

int maria_issued_t(struct store *store, uint64_t t, uint64_t *kept, struct failure *failure)
{
    static const char what[] = "keep the challenges' T";
    struct mysql *my = mysql_of(store);
    int64_t value = 0;

    *kept = 0;
    if (maria_number(my, "issued_t", &value, what, failure) != 0)
        return -1;
    if ((uint64_t)value < t) {
        for (int i = 0; raise_issued_t(my, t, what, failure) < 0; i++) {
            if (!my->conflict || i == HURRY_TRIES)
                return -1;
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        }
        if (maria_number(my, "issued_t", &value, what, failure) != 0)
            return -1;
    }
    *kept = (uint64_t)value;
    return 0;
}

/* ---- a store that came back (PROTOCOL 9) ---- */

static int unprove(struct mysql *my, const void *challenge, size_t len, const char *what,
                   struct failure *failure)
{
    struct mq_parameters parameters = {0};
    int marked = maria_hold_wires(my, what, failure);

    if (marked == 0)
        marked = mq_run(my, MQ_CONTEXTS_UNPROVE, NULL, what, failure);
    if (marked < 0)
        return -1;
    mq_text(&parameters, "challenge");
    mq_bytes(&parameters, challenge, len);
    if (mq_run(my, MQ_META_REPLACE, &parameters, what, failure) < 0 ||
        mq_run(my, MQ_SESSIONS_VOID, NULL, what, failure) < 0 || maria_raise_wires(my, what, failure) != 0 ||
        maria_raise_generation(my, what, failure) != 0 ||
        maria_transfer.note(&my->store, MOVE_LEAVING, NULL, 0, failure) != 0)
        return -1;
    return marked;
}

int maria_restored(struct store *store, const void *challenge, size_t len, int64_t *contexts,
                   struct failure *failure)
{
    static const char what[] = "mark the contexts as unproven";
    struct mysql *my = mysql_of(store);
    int tries = 0, marked;

    do {
        marked = mq_begin(my, what, failure);
        if (marked == 0)
            marked = mq_end(my, unprove(my, challenge, len, what, failure), what, failure);
    } while (marked < 0 && mq_again(my, &tries));
    if (marked < 0)
        return -1;
    *contexts = marked;
    return 0;
}
