/* Parameters, results, statements, transactions and batches. */
#include "gateway/store/mysql/mysql.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <errmsg.h>
#include <mysqld_error.h>

#define PACKET_MOST (1u << 20)   /* bytes of a batch that travel at once, if no statement alone has more */
#define TEXT_MOST   (256u << 20) /* far above any batch, far below what lengths can say */
#define TRIES       5            /* of a transaction */

static const char *const statement_sql[] = {
#define MQ_SQL(id, sql) sql,
    MQ_STATEMENTS_REGISTRY(MQ_SQL) MQ_STATEMENTS_DATA(MQ_SQL) MQ_STATEMENTS_FLAT(MQ_SQL)
#undef MQ_SQL
};

/* ---- text that grows ---- */

/* Room for so many more bytes, or NULL. */
static char *make_room(char **text, size_t used, size_t *room, size_t len)
{
    if (len > TEXT_MOST || used + len > TEXT_MOST)
        return NULL;
    if (used + len > *room) {
        size_t wanted = (used + len) * 2;
        char *grown = realloc(*text, wanted);
        if (grown == NULL)
            return NULL;
        *text = grown;
        *room = wanted;
    }
    return *text + used;
}

/* ---- parameters ---- */

void mq_drop(struct mq_parameters *parameters)
{
    free(parameters->text);
    *parameters = (struct mq_parameters){0};
}

static char *add_room(struct mq_parameters *parameters, size_t len)
{
    char *at = parameters->failed
                   ? NULL
                   : make_room(&parameters->text, parameters->used, &parameters->room, len + 1);

    if (at == NULL) {
        parameters->failed = true;
        return NULL;
    }
    if (parameters->comma) {
        *at++ = ',';
        parameters->used++;
    }
    parameters->used += len;
    return at;
}

/* What was added is a parameter, or one more value of a list. */
static void added(struct mq_parameters *parameters)
{
    parameters->comma = parameters->in_list;
    if (parameters->in_list)
        return;
    if (parameters->count == MQ_PARAMETERS_MAX) {
        parameters->failed = true;
        return;
    }
    parameters->ends[parameters->count++] = parameters->used;
}

static void add(struct mq_parameters *parameters, const char *sql, size_t len)
{
    char *at = add_room(parameters, len);

    if (at != NULL)
        memcpy(at, sql, len);
    added(parameters);
}

void mq_number(struct mq_parameters *parameters, int64_t value)
{
    char digits[24];

    add(parameters, digits, (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)value));
}

void mq_last_id(struct mq_parameters *parameters, int64_t below)
{
    char sql[48];

    add(parameters, sql, (size_t)snprintf(sql, sizeof(sql), "LAST_INSERT_ID()-%lld", (long long)below));
}

void mq_unsigned(struct mq_parameters *parameters, uint64_t value)
{
    mq_number(parameters, (int64_t)value);
}

void mq_boolean(struct mq_parameters *parameters, bool value)
{
    add(parameters, value ? "1" : "0", 1);
}

/* With an exponent it is a DOUBLE there; without one, it would be a DECIMAL. 17 digits say all of it. */
void mq_real(struct mq_parameters *parameters, double value)
{
    char digits[40];

    if (!isfinite(value))
        mq_null(parameters);
    else
        add(parameters, digits, (size_t)snprintf(digits, sizeof(digits), "%.16e", value));
}

void mq_bytes(struct mq_parameters *parameters, const void *bytes, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    char *at = len > TEXT_MOST ? NULL : add_room(parameters, 2 * len + 3);

    if (at == NULL) {
        parameters->failed = true;
        return;
    }
    *at++ = 'X';
    *at++ = '\'';
    for (size_t i = 0; i < len; i++) {
        *at++ = hex[from[i] >> 4];
        *at++ = hex[from[i] & 15];
    }
    *at = '\'';
    added(parameters);
}

void mq_null(struct mq_parameters *parameters)
{
    add(parameters, "NULL", 4);
}

void mq_text(struct mq_parameters *parameters, const char *text)
{
    if (text == NULL)
        mq_null(parameters);
    else
        mq_bytes(parameters, text, strlen(text));
}

void mq_time(struct mq_parameters *parameters, int64_t moment)
{
    char text[64];
    struct tm date;

    if (moment < MQ_EARLIEST)
        moment = MQ_EARLIEST;
    if (moment > MQ_LATEST)
        moment = MQ_LATEST;
    int64_t micro = moment % 1000000 < 0 ? moment % 1000000 + 1000000 : moment % 1000000;
    const time_t seconds = (time_t)((moment - micro) / 1000000);
    gmtime_r(&seconds, &date);
    int len = snprintf(text, sizeof(text), "'%04d-%02d-%02d %02d:%02d:%02d.%06d'", date.tm_year + 1900,
                       date.tm_mon + 1, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec, (int)micro);
    add(parameters, text, (size_t)len);
}

void mq_clock(struct mq_parameters *parameters, const struct mysql *my)
{
    if (my->store.now == NULL)
        mq_null(parameters);
    else
        mq_number(parameters, my->store.now(my->store.now_context));
}

void mq_id_context(struct mq_parameters *parameters, const struct context_row *row)
{
    mq_bytes(parameters, row->id_context, row->counter ? 0 : BULLA_ID_CONTEXT_SIZE);
}

/* ---- lists ---- */

static void add_mark(struct mq_parameters *parameters, const char *mark, size_t len)
{
    char *at =
        parameters->failed ? NULL : make_room(&parameters->text, parameters->used, &parameters->room, len);

    if (at == NULL) {
        parameters->failed = true;
        return;
    }
    memcpy(at, mark, len);
    parameters->used += len;
}

void mq_list(struct mq_parameters *parameters)
{
    parameters->in_list = true;
    parameters->in_row = false;
    parameters->comma = false;
}

void mq_row(struct mq_parameters *parameters)
{
    if (parameters->in_row)
        add_mark(parameters, "),(", 3);
    else
        add_mark(parameters, "(", 1);
    parameters->in_row = true;
    parameters->comma = false;
}

void mq_list_end(struct mq_parameters *parameters)
{
    bool empty = !parameters->comma && !parameters->in_row;

    if (empty)
        add_mark(parameters, "NULL", 4);
    else if (parameters->in_row)
        add_mark(parameters, ")", 1);
    parameters->in_list = false;
    added(parameters);
}

bool mq_is_long(const struct mq_parameters *parameters)
{
    return parameters->used >= MQ_LIST_MOST;
}

/* ---- a statement's text ---- */

/* The number behind a $, and how many characters it and the $ take. */
static int place_at(const char *at, size_t *taken)
{
    int place = at[1] - '0';

    *taken = 2;
    if (at[2] >= '0' && at[2] <= '9') {
        place = place * 10 + (at[2] - '0');
        *taken = 3;
    }
    return place;
}

static bool append(char **text, size_t *used, size_t *room, const char *from, size_t len)
{
    char *at = make_room(text, *used, room, len);

    if (at == NULL)
        return false;
    memcpy(at, from, len);
    *used += len;
    return true;
}

/* Appends the statement with its parameters in their places. */
static bool render(char **text, size_t *used, size_t *room, const char *sql,
                   const struct mq_parameters *parameters)
{
    bool good = parameters == NULL || !parameters->failed;

    while (good && *sql != '\0') {
        size_t plain = strcspn(sql, "$");
        good = append(text, used, room, sql, plain);
        sql += plain;
        if (*sql != '$' || !good)
            continue;
        size_t taken;
        int place = place_at(sql, &taken);
        if (parameters == NULL || place < 1 || place > parameters->count)
            return false;
        size_t begin = place == 1 ? 0 : parameters->ends[place - 2];
        good = append(text, used, room, parameters->text + begin, parameters->ends[place - 1] - begin);
        sql += taken;
    }
    return good;
}

/* ---- results ---- */

bool mq_next(struct mq_result *result)
{
    if (result->rows == NULL)
        return false;
    result->row = mysql_fetch_row(result->rows);
    result->lengths = result->row == NULL ? NULL : mysql_fetch_lengths(result->rows);
    return result->row != NULL;
}

int mq_count(const struct mq_result *result)
{
    return result->rows == NULL ? 0 : (int)mysql_num_rows(result->rows);
}

bool mq_is_null(const struct mq_result *result, int column)
{
    return result->row == NULL || result->row[column] == NULL;
}

size_t mq_get_length(const struct mq_result *result, int column)
{
    return mq_is_null(result, column) ? 0 : result->lengths[column];
}

const char *mq_get_text(const struct mq_result *result, int column)
{
    return mq_is_null(result, column) ? "" : result->row[column];
}

const char *mq_get_bytes(const struct mq_result *result, int column, size_t *len)
{
    *len = mq_get_length(result, column);
    return mq_get_text(result, column);
}

int64_t mq_get_number(const struct mq_result *result, int column)
{
    return strtoll(mq_get_text(result, column), NULL, 10);
}

bool mq_get_boolean(const struct mq_result *result, int column)
{
    return mq_get_number(result, column) != 0;
}

double mq_get_real(const struct mq_result *result, int column)
{
    return strtod(mq_get_text(result, column), NULL);
}

int64_t mq_get_time(const struct mq_result *result, int column)
{
    struct tm date = {0};
    int micro = 0;

    if (sscanf(mq_get_text(result, column), "%d-%d-%d %d:%d:%d.%6d", &date.tm_year, &date.tm_mon,
               &date.tm_mday, &date.tm_hour, &date.tm_min, &date.tm_sec, &micro) < 6)
        return 0;
    date.tm_year -= 1900;
    date.tm_mon -= 1;
    return (int64_t)timegm(&date) * 1000000 + micro;
}

bool mq_copy(const struct mq_result *result, int column, char *out, size_t size)
{
    size_t len = mq_get_length(result, column);

    if (len >= size)
        return false;
    memcpy(out, mq_get_text(result, column), len);
    out[len] = '\0';
    return true;
}

void mq_clear(struct mq_result *result)
{
    mysql_free_result(result->rows);
    *result = (struct mq_result){0};
}

/* What the server has just answered. False: that was an error, or it broke off. */
static bool take_result(struct mysql *my, struct mq_result *result)
{
    *result = (struct mq_result){.rows = mysql_store_result(my->conn)};
    if (result->rows == NULL && mysql_field_count(my->conn) != 0)
        return false;
    result->changed = result->rows != NULL ? mq_count(result) : (int64_t)mysql_affected_rows(my->conn);
    result->id = (int64_t)mysql_insert_id(my->conn);
    return true;
}

/* ---- one statement ---- */

static int fail_memory(const char *what, struct failure *failure)
{
    return fail(failure, "cannot %s: no memory is left", what);
}

/* Waits until the server says something, or ends the connection. False: it was silent for so long. */
static bool wait_for_answer(struct mysql *my, bool unhurried)
{
    struct pollfd socket = {.fd = mysql_get_socket(my->conn), .events = POLLIN};
    int64_t patience = (int64_t)my->url->read_seconds * 1000;
    int64_t until = store_milliseconds() + patience;
    int ready;

    do {
        int64_t left = until - store_milliseconds();
        ready = poll(&socket, 1, unhurried ? -1 : left > 0 ? (int)left : 0);
    } while (ready < 0 && errno == EINTR);
    return ready != 0; /* an error is one that reading finds, too */
}

/* Sends statements and waits for the first answer: an error, or there is a result to be taken. */
static bool send_text(struct mysql *my, const char *sql, size_t len, bool unhurried)
{
    if (mysql_send_query(my->conn, sql, len) != 0)
        return false;
    my->silent = !wait_for_answer(my, unhurried || my->unhurried);
    return !my->silent && mysql_read_query_result(my->conn) == 0;
}

static void begin_statement(struct mysql *my)
{
    my->silent = false;
    my->conflict = false;
    my->error = 0;
}

static int run_text(struct mysql *my, const char *sql, size_t len, bool unhurried, struct mq_result *result,
                    const char *what, struct failure *failure)
{
    *result = (struct mq_result){0};
    begin_statement(my);
    if (maria_connect(my, failure) != 0)
        return -1;
    if (!send_text(my, sql, len, unhurried) || !take_result(my, result))
        return maria_fail(my, what, failure);
    return 0;
}

int mq_text_query(struct mysql *my, const char *sql, struct mq_result *result, const char *what,
                  struct failure *failure)
{
    return run_text(my, sql, strlen(sql), false, result, what, failure);
}

int mq_text_run(struct mysql *my, const char *sql, const char *what, struct failure *failure)
{
    struct mq_result result;
    int status = mq_text_query(my, sql, &result, what, failure);

    mq_clear(&result);
    return status;
}

int mq_text_with(struct mysql *my, const char *sql, struct mq_parameters *parameters, enum mq_taking taking,
                 struct mq_result *result, const char *what, struct failure *failure)
{
    char *text = NULL;
    size_t used = 0, room = 0;
    int status = -1;

    *result = (struct mq_result){0};
    if (!render(&text, &used, &room, sql, parameters))
        fail_memory(what, failure);
    else if (taking == MQ_WHOLE)
        status = run_text(my, text, used, true, result, what, failure);
    else if (maria_connect(my, failure) == 0) {
        begin_statement(my);
        if (send_text(my, text, used, true))
            result->rows = mysql_use_result(my->conn);
        status = result->rows != NULL ? 0 : maria_fail(my, what, failure);
    }
    free(text);
    if (parameters != NULL)
        mq_drop(parameters);
    return status;
}

/* What reads much: the more there is, the longer it takes, and nobody waits behind it. */
static bool is_unhurried(enum mq_statement id)
{
    switch (id) {
    case MQ_SERIES_RANGE:
    case MQ_SERIES_SELECTED:
    case MQ_POINTS_START:
    case MQ_POINTS_START_OF:
    case MQ_POINTS_COUNT_OF:
    case MQ_POINTS_PAGE:
    case MQ_POINTS_PAGE_OF:
    case MQ_FOLLOW_NEW:
    case MQ_EVENTS_START:
    case MQ_EVENTS_AFTER:
        return true;
    default:
        return false;
    }
}

/* `times`: 2 if it may be run once more where the connection was lost. */
static int run_statement(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters, int times,
                         struct mq_result *result, const char *what, struct failure *failure)
{
    char *text = NULL;
    size_t used = 0, room = 0;
    int status = -1;

    *result = (struct mq_result){0};
    if (!render(&text, &used, &room, statement_sql[id], parameters))
        fail_memory(what, failure);
    else
        for (int i = 0; i < times && status != 0 && (i == 0 || (!maria_is_connected(my) && !my->silent)); i++)
            status = run_text(my, text, used, is_unhurried(id), result, what, failure);
    free(text);
    if (parameters != NULL)
        mq_drop(parameters);
    return status;
}

int mq_query(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters,
             struct mq_result *result, const char *what, struct failure *failure)
{
    return run_statement(my, id, parameters, 1, result, what, failure);
}

int mq_read(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters,
            struct mq_result *result, const char *what, struct failure *failure)
{
    return run_statement(my, id, parameters, my->in_transaction ? 1 : 2, result, what, failure);
}

int mq_run(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters, const char *what,
           struct failure *failure)
{
    struct mq_result result;
    int status = mq_query(my, id, parameters, &result, what, failure);
    int changed = (int)result.changed;

    mq_clear(&result);
    return status != 0 ? -1 : changed;
}

int mq_insert(struct mysql *my, enum mq_statement id, struct mq_parameters *parameters, int64_t *row_id,
              const char *what, struct failure *failure)
{
    struct mq_result result;
    int status = mq_query(my, id, parameters, &result, what, failure);

    if (status != 0)
        return my->error == ER_DUP_ENTRY ? 0 : -1;
    if (row_id != NULL)
        *row_id = result.id;
    mq_clear(&result);
    return 1;
}

/* ---- transactions ---- */

int mq_begin(struct mysql *my, const char *what, struct failure *failure)
{
    struct mq_result result;
    int status = mq_read(my, MQ_BEGIN, NULL, &result, what, failure); /* nothing was begun where it is lost */

    mq_clear(&result);
    my->in_transaction = status == 0;
    return status;
}

/* A connection that is not at rest afterwards is of no use any more. */
void mq_rollback(struct mysql *my)
{
    bool begun = my->in_transaction;

    my->in_transaction = false;
    if (begun && maria_is_connected(my) && !send_text(my, "ROLLBACK", 8, false))
        maria_disconnect(my);
}

int mq_end(struct mysql *my, int result, const char *what, struct failure *failure)
{
    if (result < 0) {
        mq_rollback(my);
        return -1;
    }
    int committed = mq_run(my, MQ_COMMIT, NULL, what, failure);
    if (committed < 0)
        mq_rollback(my);
    my->in_transaction = false;
    return committed < 0 ? -1 : result;
}

/* Not all of those that were in each other's way at the same time. Who has waited long does not wait much
 * longer. */
bool mq_again(struct mysql *my, int *tries)
{
    *tries += my->error == ER_LOCK_WAIT_TIMEOUT ? TRIES - 1 : 1;
    if (!my->conflict || *tries >= TRIES)
        return false;
    nanosleep(&(struct timespec){.tv_nsec = 1000000L * *tries + random() % 4000000}, NULL);
    return true;
}

/* ---- batches ---- */

void mq_batch_begin(struct mq_batch *batch, struct mysql *my, mq_taker *take, void *context, const char *what,
                    struct failure *failure)
{
    *batch = (struct mq_batch){.my = my, .take = take, .context = context, .what = what, .failure = failure};
}

static void fail_batch(struct mq_batch *batch)
{
    maria_fail(batch->my, batch->what, batch->failure);
    batch->failed = true;
}

/* Results in order; after the first that is an error there are no others. Where the connection is lost in the
 * middle of one, the library may say that there are no more: so they are counted. */
static void take_results(struct mq_batch *batch)
{
    struct mysql *my = batch->my;

    do {
        struct mq_result result;
        if (!take_result(my, &result)) {
            fail_batch(batch);
            return;
        }
        if (batch->take != NULL)
            batch->take(batch->context, batch->taken, &result);
        batch->taken++;
        mq_clear(&result);
    } while (mysql_next_result(my->conn) == 0);
    if (batch->taken != batch->count)
        fail_batch(batch);
}

static void send_batch(struct mq_batch *batch)
{
    struct mysql *my = batch->my;
    size_t len = batch->used;

    batch->used = 0;
    if (batch->failed || len == 0)
        return;
    if (maria_connect(my, batch->failure) != 0)
        batch->failed = true;
    else if (!send_text(my, batch->text, len, false))
        fail_batch(batch);
    else
        take_results(batch);
}

/* From BEGIN on it is a transaction, even while the statement is still on its way. */
static void note_transaction(struct mq_batch *batch, enum mq_statement id)
{
    if (id != MQ_BEGIN)
        return;
    if (maria_connect(batch->my, batch->failure) != 0)
        batch->failed = true;
    else
        batch->my->in_transaction = true;
}

void mq_batch_add(struct mq_batch *batch, enum mq_statement id, struct mq_parameters *parameters)
{
    size_t before = batch->used;

    if (batch->count == 0)
        begin_statement(batch->my);
    if (before + (parameters == NULL ? 0 : parameters->used) > PACKET_MOST)
        send_batch(batch);
    note_transaction(batch, id);
    if (!batch->failed &&
        ((batch->used > 0 && !append(&batch->text, &batch->used, &batch->room, ";", 1)) ||
         !render(&batch->text, &batch->used, &batch->room, statement_sql[id], parameters))) {
        fail_memory(batch->what, batch->failure);
        batch->failed = true;
    }
    batch->count++;
    if (parameters != NULL)
        mq_drop(parameters);
}

int mq_batch_end(struct mq_batch *batch, int result)
{
    if (result >= 0) {
        send_batch(batch);
        result = batch->failed ? -1 : 0;
    }
    free(batch->text);
    batch->text = NULL;
    return result;
}
