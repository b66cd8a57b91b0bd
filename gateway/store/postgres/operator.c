/*
 * What an operator changes of a device. Whoever takes rights away holds the device's contexts, as a batch
 * does: then a batch is either through before, or sees it.
 */
#include "gateway/store/postgres/postgres.h"

#include <string.h>

static int run_device(struct postgres *pg, enum pg_statement id, int64_t device, const char *what,
                      struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, device);
    return pg_run(pg, id, &parameters, what, failure);
}

/* As run_device(), of a statement that must find the device. */
static int change_device(struct postgres *pg, enum pg_statement id, int64_t device, const char *what,
                         struct failure *failure)
{
    int changed = run_device(pg, id, device, what, failure);

    return changed == 0 ? fail(failure, "cannot %s: it is not in the registry any more", what) : changed;
}

int postgres_end_change(struct postgres *pg, int result, const char *what, struct failure *failure)
{
    if (result > 0 && postgres_raise_generation(pg, what, failure) != 0)
        result = -1;
    return pg_end(pg, result, what, failure);
}

int postgres_device_revoke(struct store *store, int64_t device, struct failure *failure)
{
    static const char what[] = "revoke the device";
    struct postgres *pg = postgres_of(store);

    if (pg_begin(pg, what, failure) != 0)
        return -1;
    int result = postgres_hold_wires(pg, what, failure);
    if (result == 0)
        result = change_device(pg, PG_DEVICE_REVOKE, device, what, failure);
    if (result > 0 && (run_device(pg, PG_DEVICE_CONTEXTS_HOLD, device, what, failure) < 0 ||
                       postgres_raise_wires(pg, what, failure) != 0))
        result = -1;
    return postgres_end_change(pg, result, what, failure) < 0 ? -1 : 0;
}

static int remove_all(struct postgres *pg, int64_t device, const char *what, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    if (postgres_hold_wires(pg, what, failure) != 0 ||
        change_device(pg, PG_DEVICE_HOLD, device, what, failure) < 0 ||
        run_device(pg, PG_DEVICE_CONTEXTS_HOLD, device, what, failure) < 0 ||
        run_device(pg, PG_DEVICE_CONTEXTS_DELETE, device, what, failure) < 0 ||
        run_device(pg, PG_LABELS_DELETE, device, what, failure) < 0 ||
        postgres_remove_wire(pg, device, failure) != 0)
        return -1;
    pg_number(&parameters, device);
    pg_clock(&parameters, pg);
    if (pg_run(pg, PG_DEVICE_BURY, &parameters, what, failure) < 0)
        return -1;
    return change_device(pg, PG_DEVICE_DELETE, device, what, failure);
}

int postgres_device_remove(struct store *store, int64_t device, struct failure *failure)
{
    static const char what[] = "remove the device";
    struct postgres *pg = postgres_of(store);

    if (pg_begin(pg, what, failure) != 0)
        return -1;
    return postgres_end_change(pg, remove_all(pg, device, what, failure), what, failure) < 0 ? -1 : 0;
}

/* How often it was exported, with this time. */
static int64_t count_exports(struct postgres *pg, int64_t device, const char *what, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, device);
    PGresult *result = pg_query(pg, PG_DEVICE_EXPORTED, &parameters, what, failure);
    if (result == NULL)
        return -1;
    int64_t exports = PQntuples(result) > 0 ? pg_get_number(result, 0, 0) : 0;
    PQclear(result);
    return exports > 0 ? exports : fail(failure, "cannot %s: it is not in the registry any more", what);
}

int postgres_device_exported(struct store *store, int64_t device, struct failure *failure)
{
    static const char what[] = "mark the device";
    struct postgres *pg = postgres_of(store);

    if (pg_begin(pg, what, failure) != 0)
        return -1;
    int64_t exports = count_exports(pg, device, what, failure);
    return postgres_end_change(pg, exports < 0 ? -1 : 1, what, failure) < 0 ? -1 : exports == 1;
}

/* 1 proven now, 0 it was proven already. */
static int trust_counter(struct postgres *pg, int64_t device, uint64_t lower, const char *what,
                         struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, device);
    pg_unsigned(&parameters, lower);
    PGresult *state = pg_query(pg, PG_COUNTER_STATE, &parameters, what, failure);
    if (state == NULL)
        return -1;
    bool found = PQntuples(state) > 0;
    bool proven = found && pg_get_boolean(state, 0, 0);
    PQclear(state);
    if (!found)
        return fail(failure, "cannot %s: it has no counter context; a session proves itself by a challenge",
                    what);
    return proven ? 0 : pg_run(pg, PG_COUNTER_TRUST, &parameters, what, failure);
}

int postgres_device_trust(struct store *store, int64_t device, uint64_t lower, struct failure *failure)
{
    static const char what[] = "trust the device";
    struct postgres *pg = postgres_of(store);

    if (pg_begin(pg, what, failure) != 0)
        return -1;
    return postgres_end_change(pg, trust_counter(pg, device, lower, what, failure), what, failure);
}

/* ---- labels ---- */

static const char label_it[] = "label the device";

int postgres_label_put(struct postgres *pg, int64_t device, const struct label *label,
                       struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    if (label_check(label, failure) != 0)
        return -1;
    pg_number(&parameters, device);
    pg_text(&parameters, label->key);
    pg_text(&parameters, label->value);
    return pg_run(pg, PG_LABEL_PUT, &parameters, label_it, failure);
}

/* A key that is none stands on no device. */
static int take_away(struct postgres *pg, int64_t device, const char *key, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    if (!pg_is_text(key, strlen(key)))
        return 0;
    pg_number(&parameters, device);
    pg_text(&parameters, key);
    return pg_run(pg, PG_LABEL_DELETE, &parameters, label_it, failure);
}

int postgres_labels_bounded(struct postgres *pg, int64_t device, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, device);
    PGresult *result = pg_query(pg, PG_LABEL_COUNT, &parameters, label_it, failure);
    if (result == NULL)
        return -1;
    int count = (int)pg_get_number(result, 0, 0);
    PQclear(result);
    if (count > LABELS_MAX)
        return fail(failure, "a device has at most %d labels; this would make %d", LABELS_MAX, count);
    return 0;
}

static int change_labels(struct postgres *pg, int64_t device, const struct label *labels, size_t count,
                         struct failure *failure)
{
    int changed = 0;

    if (change_device(pg, PG_DEVICE_HOLD, device, label_it, failure) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int result = labels[i].value != NULL ? postgres_label_put(pg, device, &labels[i], failure)
                                             : take_away(pg, device, labels[i].key, failure);
        if (result < 0)
            return -1;
        changed |= result > 0;
    }
    return postgres_labels_bounded(pg, device, failure) != 0 ? -1 : changed;
}

int postgres_device_label(struct store *store, int64_t device, const struct label *labels, size_t count,
                          struct failure *failure)
{
    struct postgres *pg = postgres_of(store);

    if (pg_begin(pg, label_it, failure) != 0)
        return -1;
    return pg_end(pg, change_labels(pg, device, labels, count, failure), label_it, failure);
}

int postgres_labels_each(struct store *store, int64_t device, label_visitor *visit, void *context,
                         struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, device);
    PGresult *result = pg_read(postgres_of(store), PG_LABELS, &parameters, "read the labels", failure);
    if (result == NULL)
        return -1;
    for (int i = 0; i < PQntuples(result); i++) { /* libpq ends every value with a zero */
        struct label label = {PQgetvalue(result, i, 0), PQgetvalue(result, i, 1)};
        if (visit(context, &label) != 0)
            break;
    }
    PQclear(result);
    return 0;
}
