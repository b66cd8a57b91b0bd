/*
 * What an operator changes of a device. Whoever takes rights away holds the device's contexts, as a batch
 * does: then a batch is either through before, or sees it.
 */
#include "gateway/store/mysql/mysql.h"

#include <string.h>

static int run_device(struct mysql *my, enum mq_statement id, int64_t device, const char *what,
                      struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_number(&parameters, device);
    return mq_run(my, id, &parameters, what, failure);
}

/* As run_device(), of a statement that must find the device. */
static int change_device(struct mysql *my, enum mq_statement id, int64_t device, const char *what,
                         struct failure *failure)
{
    int changed = run_device(my, id, device, what, failure);

    return changed == 0 ? fail(failure, "cannot %s: it is not in the registry any more", what) : changed;
}

int maria_end_change(struct mysql *my, int result, const char *what, struct failure *failure)
{
    if (result > 0 && maria_raise_generation(my, what, failure) != 0)
        result = -1;
    return mq_end(my, result, what, failure);
}

/* A change of a device, inside a transaction: positive if there is something new, 0, or -1. */
struct change {
    int (*make)(struct mysql *my, const struct change *change, struct failure *failure);
    const char *what;
    int64_t device;
    uint64_t lower;
    const struct label *labels;
    size_t count;
    bool quiet; /* the generation does not rise */
};

/* Makes a change in a transaction, and once more where others are in the way. */
static int carry_out(struct store *store, const struct change *change, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    int tries = 0, result;

    do {
        result = mq_begin(my, change->what, failure);
        if (result == 0)
            result = change->make(my, change, failure);
        if (my->in_transaction)
            result = change->quiet ? mq_end(my, result, change->what, failure)
                                   : maria_end_change(my, result, change->what, failure);
    } while (result < 0 && mq_again(my, &tries));
    return result;
}

/* ---- revoked, removed, exported, trusted ---- */

static int revoke(struct mysql *my, const struct change *change, struct failure *failure)
{
    if (maria_hold_wires(my, change->what, failure) != 0 ||
        change_device(my, MQ_DEVICE_REVOKE, change->device, change->what, failure) < 0 ||
        run_device(my, MQ_DEVICE_CONTEXTS_HOLD, change->device, change->what, failure) < 0 ||
        maria_raise_wires(my, change->what, failure) != 0)
        return -1;
    return 1;
}

int maria_device_revoke(struct store *store, int64_t device, struct failure *failure)
{
    const struct change change = {.make = revoke, .what = "revoke the device", .device = device};

    return carry_out(store, &change, failure) < 0 ? -1 : 0;
}

/* Holds the device's contexts; the highest T of them is `t`. */
static int hold_contexts(struct mysql *my, const struct change *change, int64_t *t, struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;

    *t = 0;
    mq_number(&parameters, change->device);
    if (mq_query(my, MQ_DEVICE_CONTEXTS_HOLD, &parameters, &result, change->what, failure) != 0)
        return -1;
    while (mq_next(&result))
        if (mq_get_number(&result, 0) > *t)
            *t = mq_get_number(&result, 0);
    mq_clear(&result);
    return 0;
}

static int remove_all(struct mysql *my, const struct change *change, struct failure *failure)
{
    const char *what = change->what;
    struct mq_parameters floor = {0}, parameters = {0};
    int64_t t;

    if (maria_hold_wires(my, what, failure) != 0 ||
        change_device(my, MQ_DEVICE_HOLD, change->device, what, failure) < 0 ||
        hold_contexts(my, change, &t, failure) != 0 ||
        run_device(my, MQ_DEVICE_CONTEXTS_DELETE, change->device, what, failure) < 0 ||
        run_device(my, MQ_LABELS_DELETE, change->device, what, failure) < 0 ||
        maria_remove_wire(my, change->device, failure) != 0)
        return -1;
    mq_number(&parameters, change->device);
    mq_clock(&parameters, my);
    if (mq_run(my, MQ_DEVICE_BURY, &parameters, what, failure) < 0 ||
        change_device(my, MQ_DEVICE_DELETE, change->device, what, failure) < 0)
        return -1;
    mq_number(&floor, t);
    return mq_run(my, MQ_FLOOR_RAISE, &floor, what, failure) < 0 ? -1 : 1;
}

int maria_device_remove(struct store *store, int64_t device, struct failure *failure)
{
    const struct change change = {.make = remove_all, .what = "remove the device", .device = device};

    return carry_out(store, &change, failure) < 0 ? -1 : 0;
}

/* The first number of the only row that a query about the device gives; -1 with the failure, also where
 * there is none. */
static int64_t read_of_device(struct mysql *my, enum mq_statement id, int64_t device, const char *what,
                              struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;

    mq_number(&parameters, device);
    if (mq_query(my, id, &parameters, &result, what, failure) != 0)
        return -1;
    bool found = mq_next(&result);
    int64_t number = mq_get_number(&result, 0);
    mq_clear(&result);
    return found ? number : fail(failure, "cannot %s: it is not in the registry any more", what);
}

/* How often it was exported, with this time. */
static int count_exports(struct mysql *my, const struct change *change, struct failure *failure)
{
    if (change_device(my, MQ_DEVICE_EXPORTED, change->device, change->what, failure) < 0)
        return -1;
    int64_t exports = read_of_device(my, MQ_DEVICE_EXPORTS, change->device, change->what, failure);
    return exports < 0 ? -1 : exports == 1 ? 1 : 2;
}

int maria_device_exported(struct store *store, int64_t device, struct failure *failure)
{
    const struct change change = {.make = count_exports, .what = "mark the device", .device = device};
    int result = carry_out(store, &change, failure);

    return result < 0 ? -1 : result == 1;
}

/* 1 proven now, 0 it was proven already. */
static int trust_counter(struct mysql *my, const struct change *change, struct failure *failure)
{
    struct mq_parameters parameters = {0}, trusted = {0};
    struct mq_result state;

    mq_number(&parameters, change->device);
    mq_unsigned(&parameters, change->lower);
    if (mq_query(my, MQ_COUNTER_STATE, &parameters, &state, change->what, failure) != 0)
        return -1;
    bool found = mq_next(&state);
    bool proven = found && mq_get_boolean(&state, 0);
    mq_clear(&state);
    if (!found)
        return fail(failure, "cannot %s: it has no counter context; a session proves itself by a challenge",
                    change->what);
    if (proven)
        return 0;
    mq_number(&trusted, change->device);
    mq_unsigned(&trusted, change->lower);
    return mq_run(my, MQ_COUNTER_TRUST, &trusted, change->what, failure) < 0 ? -1 : 1;
}

int maria_device_trust(struct store *store, int64_t device, uint64_t lower, struct failure *failure)
{
    const struct change change = {
        .make = trust_counter, .what = "trust the device", .device = device, .lower = lower};

    return carry_out(store, &change, failure);
}

/* ---- labels ---- */

static const char label_it[] = "label the device";

/* 1 the device has that label with that value, 0 not. */
static int has_label(struct mysql *my, int64_t device, const struct label *label, struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;
    size_t len;

    mq_number(&parameters, device);
    mq_text(&parameters, label->key);
    if (mq_query(my, MQ_LABEL_GET, &parameters, &result, label_it, failure) != 0)
        return -1;
    bool found = mq_next(&result);
    const char *value = mq_get_bytes(&result, 0, &len);
    int same = found && len == strlen(label->value) && memcmp(value, label->value, len) == 0;
    mq_clear(&result);
    return same;
}

int maria_label_put(struct mysql *my, int64_t device, const struct label *label, struct failure *failure)
{
    struct mq_parameters parameters = {0};

    if (label_check(label, failure) != 0)
        return -1;
    int same = has_label(my, device, label, failure);
    if (same != 0)
        return same < 0 ? -1 : 0;
    mq_number(&parameters, device);
    mq_text(&parameters, label->key);
    mq_text(&parameters, label->value);
    return mq_run(my, MQ_LABEL_PUT, &parameters, label_it, failure) < 0 ? -1 : 1;
}

static int take_away(struct mysql *my, int64_t device, const char *key, struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_number(&parameters, device);
    mq_text(&parameters, key);
    return mq_run(my, MQ_LABEL_DELETE, &parameters, label_it, failure);
}

int maria_labels_bounded(struct mysql *my, int64_t device, struct failure *failure)
{
    int64_t count = read_of_device(my, MQ_LABEL_COUNT, device, label_it, failure);

    if (count > LABELS_MAX)
        return fail(failure, "a device has at most %d labels; this would make %d", LABELS_MAX, (int)count);
    return count < 0 ? -1 : 0;
}

static int change_labels(struct mysql *my, const struct change *change, struct failure *failure)
{
    int changed = 0;

    if (change_device(my, MQ_DEVICE_HOLD, change->device, label_it, failure) < 0)
        return -1;
    for (size_t i = 0; i < change->count; i++) {
        const struct label *label = &change->labels[i];
        int result = label->value != NULL ? maria_label_put(my, change->device, label, failure)
                                          : take_away(my, change->device, label->key, failure);
        if (result < 0)
            return -1;
        changed |= result > 0;
    }
    return maria_labels_bounded(my, change->device, failure) != 0 ? -1 : changed;
}

int maria_device_label(struct store *store, int64_t device, const struct label *labels, size_t count,
                       struct failure *failure)
{
    const struct change change = {.make = change_labels,
                                  .what = label_it,
                                  .device = device,
                                  .labels = labels,
                                  .count = count,
                                  .quiet = true};

    return carry_out(store, &change, failure);
}

int maria_labels_each(struct store *store, int64_t device, label_visitor *visit, void *context,
                      struct failure *failure)
{
    struct mq_parameters parameters = {0};
    struct mq_result result;

    mq_number(&parameters, device);
    if (mq_read(mysql_of(store), MQ_LABELS, &parameters, &result, "read the labels", failure) != 0)
        return -1;
    while (mq_next(&result)) {
        struct label label = {mq_get_text(&result, 0), mq_get_text(&result, 1)};
        if (visit(context, &label) != 0)
            break;
    }
    mq_clear(&result);
    return 0;
}
