/* Parameters, results, statements, transactions and pipelines. */
#include "gateway/store/postgres/postgres.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/decode/utf8.h"

static const char *const statement_sql[] = {
#define PG_SQL(id, sql) sql,
    PG_STATEMENTS_PREPARED(PG_SQL) PG_STATEMENTS_FLAT(PG_SQL) PG_STATEMENTS_PLANNED(PG_SQL)
#undef PG_SQL
};

static const char *const statement_names[] = {
#define PG_NAME(id, sql) #id,
    PG_STATEMENTS_PREPARED(PG_NAME) PG_STATEMENTS_FLAT(PG_NAME)
#undef PG_NAME
};

/* ---- numbers as they travel ---- */

static void put_32(uint8_t *at, uint32_t value)
{
    for (int i = 3; i >= 0; i--, value >>= 8)
        at[i] = (uint8_t)value;
}

static void put_64(uint8_t *at, uint64_t value)
{
    put_32(at, (uint32_t)(value >> 32));
    put_32(at + 4, (uint32_t)value);
}

static uint64_t get_bits(const char *at, int len)
{
    uint64_t value = 0;

    for (int i = 0; i < len; i++)
        value = value << 8 | (uint8_t)at[i];
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* ---- parameters ---- */

static void add(struct pg_parameters *parameters, const void *value, size_t len)
{
    parameters->values[parameters->count] = value;
    parameters->lengths[parameters->count] = (int)len;
    parameters->count++;
}

void pg_unsigned(struct pg_parameters *parameters, uint64_t value)
{
    uint8_t *at = parameters->scratch[parameters->count];

    put_64(at, value);
    add(parameters, at, 8);
}

void pg_number(struct pg_parameters *parameters, int64_t value)
{
    pg_unsigned(parameters, (uint64_t)value);
}

void pg_boolean(struct pg_parameters *parameters, bool value)
{
    uint8_t *at = parameters->scratch[parameters->count];

    at[0] = value;
    add(parameters, at, 1);
}

void pg_bytes(struct pg_parameters *parameters, const void *bytes, size_t len)
{
    add(parameters, len == 0 ? "" : bytes, len); /* NULL and no bytes are an empty value, not SQL's NULL */
}

void pg_text(struct pg_parameters *parameters, const char *text)
{
    add(parameters, text, text == NULL ? 0 : strlen(text));
}

void pg_null(struct pg_parameters *parameters)
{
    add(parameters, NULL, 0);
}

void pg_clock(struct pg_parameters *parameters, const struct postgres *pg)
{
    if (pg->store.now == NULL)
        pg_null(parameters);
    else
        pg_number(parameters, pg->store.now(pg->store.now_context));
}

void pg_id_context(struct pg_parameters *parameters, const struct context_row *row)
{
    pg_bytes(parameters, row->id_context, row->counter ? 0 : BULLA_ID_CONTEXT_SIZE);
}

bool pg_is_text(const char *text, size_t len)
{
    return len == 0 || utf8_is_text(text, len);
}

/* ---- arrays ---- */

#define ARRAY_HEADER 20
#define ARRAY_MOST   (256u << 20) /* bytes: far above any batch, far below what a parameter can have */

static uint8_t *array_room(struct pg_array *array, size_t len)
{
    if (array->used + len > array->room) {
        size_t room = (array->used + len) * 2;
        uint8_t *at =
            array->failed || len > ARRAY_MOST || room > ARRAY_MOST ? NULL : realloc(array->at, room);
        if (at == NULL) {
            array->failed = true;
            return NULL;
        }
        array->at = at;
        array->room = room;
    }
    uint8_t *place = array->at + array->used;
    array->used += len;
    return place;
}

/* One dimension, which may hold NULLs and begins at 1; its length is entered in the end. */
void pg_array_begin(struct pg_array *array, enum pg_type type)
{
    array->used = 0;
    array->count = 0;
    array->nulls = 0;
    array->failed = false;
    uint8_t *at = array_room(array, ARRAY_HEADER);
    if (at == NULL)
        return;
    put_32(at, 1);
    put_32(at + 4, 1);
    put_32(at + 8, (uint32_t)type);
    put_32(at + 12, 0);
    put_32(at + 16, 1);
}

void pg_array_bytes(struct pg_array *array, const void *bytes, size_t len)
{
    uint8_t *at = len > ARRAY_MOST ? NULL : array_room(array, 4 + len);

    if (at == NULL) {
        array->failed = true;
        return;
    }
    put_32(at, (uint32_t)len);
    if (len > 0)
        memcpy(at + 4, bytes, len);
    array->count++;
}

void pg_array_number(struct pg_array *array, int64_t value)
{
    uint8_t bytes[8];

    put_64(bytes, (uint64_t)value);
    pg_array_bytes(array, bytes, sizeof(bytes));
}

void pg_array_real(struct pg_array *array, double value)
{
    pg_array_number(array, (int64_t)bits_of(value));
}

void pg_array_null(struct pg_array *array)
{
    uint8_t *at = array_room(array, 4);

    if (at == NULL)
        return;
    put_32(at, UINT32_MAX);
    array->count++;
    array->nulls++;
}

void pg_array_wipe(struct pg_array *array)
{
    free(array->at);
    *array = (struct pg_array){0};
}

int pg_array_add(struct pg_parameters *parameters, struct pg_array *array, struct failure *failure)
{
    if (array->failed)
        return fail(failure, "cannot use the database: no memory is left");
    put_32(array->at + 12, array->count);
    add(parameters, array->at, array->used);
    return 0;
}

/* ---- results ---- */

int64_t pg_get_number(const PGresult *result, int row, int column)
{
    if (PQgetlength(result, row, column) == 4)
        return (int32_t)get_bits(PQgetvalue(result, row, column), 4);
    if (PQgetlength(result, row, column) != 8)
        return 0;
    return (int64_t)get_bits(PQgetvalue(result, row, column), 8);
}

bool pg_get_boolean(const PGresult *result, int row, int column)
{
    return PQgetlength(result, row, column) == 1 && PQgetvalue(result, row, column)[0] != 0;
}

double pg_get_real(const PGresult *result, int row, int column)
{
    uint64_t bits = (uint64_t)pg_get_number(result, row, column);
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

bool pg_copy(const PGresult *result, int row, int column, char *out, size_t size)
{
    size_t len = (size_t)PQgetlength(result, row, column);

    if (len >= size)
        return false;
    memcpy(out, PQgetvalue(result, row, column), len);
    out[len] = '\0';
    return true;
}

/* ---- one statement ---- */

static const int all_binary[PG_PARAMETERS_MAX] = {[0 ... PG_PARAMETERS_MAX - 1] = 1};

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* 0, or -1 with the result that says why in `result`. */
static int prepare(struct postgres *pg, enum pg_statement id, PGresult **result)
{
    if (id >= PG_PREPARED_COUNT || pg->prepared[id])
        return 0;
    *result = postgres_last_result(
        pg, PQsendPrepare(pg->conn, statement_names[id], statement_sql[id], 0, NULL) == 1, PG_ANSWER_WAIT);
    if (!is_good(*result))
        return -1;
    PQclear(*result);
    *result = NULL;
    pg->prepared[id] = true;
    return 0;
}

int pg_prepare(struct postgres *pg, const enum pg_statement *ids, size_t count, const char *what,
               struct failure *failure)
{
    PGresult *result = NULL;

    if (postgres_connect(pg, failure) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (prepare(pg, ids[i], &result) != 0) {
            postgres_fail(pg, result, what, failure);
            PQclear(result);
            return -1;
        }
    return 0;
}

/* People's selections may take their time. */
static int64_t patience_for(enum pg_statement id)
{
    return id < PG_PREPARED_COUNT || id == PG_USE || id == PG_USERS ? PG_ANSWER_WAIT : PG_FOR_EVER;
}

static PGresult *execute(struct postgres *pg, enum pg_statement id, const struct pg_parameters *parameters)
{
    static const struct pg_parameters none;
    PGresult *result = NULL;
    int sent;

    if (parameters == NULL)
        parameters = &none;
    if (prepare(pg, id, &result) != 0)
        return result;
    if (id < PG_PREPARED_COUNT)
        sent = PQsendQueryPrepared(pg->conn, statement_names[id], parameters->count, parameters->values,
                                   parameters->lengths, all_binary, 1);
    else
        sent = PQsendQueryParams(pg->conn, statement_sql[id], parameters->count, NULL, parameters->values,
                                 parameters->lengths, all_binary, 1);
    return postgres_last_result(pg, sent == 1, patience_for(id));
}

PGresult *pg_query(struct postgres *pg, enum pg_statement id, const struct pg_parameters *parameters,
                   const char *what, struct failure *failure)
{
    if (postgres_connect(pg, failure) != 0)
        return NULL;
    PGresult *result = execute(pg, id, parameters);
    pg->may_pass = false;
    if (is_good(result))
        return result;
    postgres_fail(pg, result, what, failure);
    PQclear(result);
    return NULL;
}

PGresult *pg_read(struct postgres *pg, enum pg_statement id, const struct pg_parameters *parameters,
                  const char *what, struct failure *failure)
{
    PGresult *result = pg_query(pg, id, parameters, what, failure);

    if (result == NULL && !postgres_is_connected(pg))
        result = pg_query(pg, id, parameters, what, failure);
    return result;
}

int pg_run(struct postgres *pg, enum pg_statement id, const struct pg_parameters *parameters,
           const char *what, struct failure *failure)
{
    PGresult *result = pg_query(pg, id, parameters, what, failure);

    if (result == NULL)
        return -1;
    int changed = PQresultStatus(result) == PGRES_TUPLES_OK ? PQntuples(result) : atoi(PQcmdTuples(result));
    PQclear(result);
    return changed;
}

/* ---- transactions ---- */

int pg_begin(struct postgres *pg, const char *what, struct failure *failure)
{
    PGresult *result = pg_read(pg, PG_BEGIN, NULL, what, failure); /* nothing was begun where it is lost */

    PQclear(result);
    return result == NULL ? -1 : 0;
}

/* A connection that is not at rest afterwards is of no use any more. */
void pg_rollback(struct postgres *pg)
{
    if (postgres_is_connected(pg) && PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
        PQclear(execute(pg, PG_ROLLBACK, NULL));
    if (pg->conn != NULL && PQtransactionStatus(pg->conn) != PQTRANS_IDLE) {
        PQfinish(pg->conn);
        pg->conn = NULL;
    }
}

int pg_end(struct postgres *pg, int result, const char *what, struct failure *failure)
{
    if (result < 0) {
        pg_rollback(pg);
        return -1;
    }
    PGresult *committed = execute(pg, PG_COMMIT, NULL);
    /* A transaction that has failed answers a COMMIT with ROLLBACK, and calls that no error. */
    bool done = is_good(committed) && strcmp(PQcmdStatus(committed), "COMMIT") == 0;
    if (!done)
        postgres_fail(pg, committed, what, failure);
    PQclear(committed);
    if (!done)
        pg_rollback(pg);
    return done ? result : -1;
}

/* ---- pipelines ---- */

int pg_pipeline_begin(struct pg_pipeline *pipeline, struct postgres *pg, const char *what,
                      struct failure *failure)
{
    *pipeline = (struct pg_pipeline){.pg = pg, .what = what, .failure = failure};
    if (postgres_connect(pg, failure) != 0)
        return -1;
    return PQenterPipelineMode(pg->conn) == 1 ? 0 : postgres_fail(pg, NULL, what, failure);
}

void pg_pipeline_send(struct pg_pipeline *pipeline, enum pg_statement id,
                      const struct pg_parameters *parameters)
{
    static const struct pg_parameters none;
    struct postgres *pg = pipeline->pg;
    int sent;

    if (parameters == NULL)
        parameters = &none;
    if (id < PG_PREPARED_COUNT && pg->prepared[id])
        sent = PQsendQueryPrepared(pg->conn, statement_names[id], parameters->count, parameters->values,
                                   parameters->lengths, all_binary, 1);
    else
        sent = PQsendQueryParams(pg->conn, statement_sql[id], parameters->count, NULL, parameters->values,
                                 parameters->lengths, all_binary, 1);
    if (sent != 1)
        pipeline->failed = true;
    pipeline->count++;
}

static void note_failure(struct pg_pipeline *pipeline, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    snprintf(pipeline->state, sizeof(pipeline->state), "%s", state == NULL ? "" : state);
    postgres_fail(pipeline->pg, result, pipeline->what, pipeline->failure);
}

/* One statement's results; false at the first that is an error. */
static bool take_results(struct pg_pipeline *pipeline, int number, pg_taker *take, void *context)
{
    struct postgres *pg = pipeline->pg;
    bool good = true;
    PGresult *result;

    while ((result = postgres_result(pg, PG_ANSWER_WAIT)) != NULL) {
        if (is_good(result) && take != NULL && !pipeline->failed)
            take(context, number, result);
        if (!is_good(result)) {
            if (good && !pipeline->failed)
                note_failure(pipeline, result);
            good = false;
        }
        PQclear(result);
    }
    return good;
}

/* Takes everything up to the end of the pipeline. */
static void drain(struct pg_pipeline *pipeline)
{
    PGresult *result = postgres_result(pipeline->pg, PG_ANSWER_WAIT);

    if (PQresultStatus(result) != PGRES_PIPELINE_SYNC && !pipeline->failed) {
        postgres_fail(pipeline->pg, result, pipeline->what, pipeline->failure);
        pipeline->failed = true;
    }
    PQclear(result);
}

int pg_pipeline_end(struct pg_pipeline *pipeline, pg_taker *take, void *context)
{
    struct postgres *pg = pipeline->pg;

    if (pipeline->failed || PQpipelineSync(pg->conn) != 1) {
        pipeline->failed = true;
        postgres_fail(pg, NULL, pipeline->what, pipeline->failure);
    }
    for (int i = 0; i < pipeline->count && postgres_is_connected(pg); i++)
        if (!take_results(pipeline, i, take, context))
            pipeline->failed = true;
    if (postgres_is_connected(pg))
        drain(pipeline);
    else if (!pipeline->failed) {
        postgres_fail(pg, NULL, pipeline->what, pipeline->failure);
        pipeline->failed = true;
    }
    if (pg->conn != NULL &&
        PQexitPipelineMode(pg->conn) != 1) { /* something is left in it: it cannot be used any more */
        if (!pipeline->failed)
            postgres_fail(pg, NULL, pipeline->what, pipeline->failure);
        pipeline->failed = true;
        PQfinish(pg->conn);
        pg->conn = NULL;
    }
    return pipeline->failed ? -1 : 0;
}
