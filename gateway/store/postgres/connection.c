/*
 * The connection to a server: made with libpq's own parameters (the URL, PG… variables, PGPASSFILE, sslmode,
 * service files), and made again when the server went away and came back.
 */
#include "gateway/lookup.h"
#include "gateway/store/move.h"
#include "gateway/store/postgres/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <netdb.h>
#include <sys/socket.h>

#include <openssl/crypto.h>

#define USE_WAIT   5000 /* milliseconds for which it waits until somebody is through who has it alone */
#define ALONE_WAIT 1000 /* until the server has noticed that others, who had it open, are gone */

/* What a connection is told at its beginning. A batch that waits for longer is rather tried again; a gateway
 * that hangs or is cut off in the middle of a batch keeps nobody waiting for long. What stands in the way of
 * durable commits and exact reading is put right for this connection. */
static const char session[] =
    "SET TimeZone = 'UTC'; SET lock_timeout = 2000; SET idle_in_transaction_session_timeout = 10000;"
    "SET default_transaction_isolation = 'read committed'; SET client_min_messages = 'error';"
    "SET enable_seqscan = off; SET jit = off;"
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'";

/* ---- failures ---- */

static const struct advice {
    const char *state; /* or its first letters */
    bool may_pass;     /* by itself */
    const char *text;
} advices[] = {
    {"25006", true, "the server takes no writes now: it is a standby, or was told to be read only"},
    {"53100", true, "make room on the server's disk"},
    {"53300", true, "raise max_connections of the server"},
    {"53", true, "the server is short of memory or room: see its log"},
    {"55P03", true, "another program holds the rows locked; it is tried again"},
    {"40", true, "it is tried again"},
    {"23505", false, "somebody has entered the same meanwhile: try again"},
    {"42501", false, "the role lacks the rights: make it the owner of the database"},
    {"42P07", false, "something else lies under this name: give bulla a database of its own"},
    {"3F000", false, "make the schema, or take search_path out of the URL"},
    {"57P", true, "the server is being stopped or started; it is tried again"},
    {"08", true, "the connection was lost; it is tried again"},
    {"XX", false, "see the server's log"},
    {"", false, "this is not expected: please report it"},
};

/* Of a server that said nothing. */
static const struct advice silence = {NULL, true, "is the server there?"};

static const struct advice *advice_for(const char *state)
{
    const struct advice *advice = advices;

    if (state == NULL)
        return &silence;
    while (strncmp(state, advice->state, strlen(advice->state)) != 0)
        advice++; /* the last one fits all */
    return advice;
}

/* One line, without a line's end, and without a question of libpq's that is asked here as well. */
static void flatten(const char *message, char *out, size_t size)
{
    static const char question[] = "\n\tIs the server running ";
    size_t len = 0;

    for (const char *at = message; *at != '\0' && len + 1 < size; at++)
        if (strncmp(at, question, sizeof(question) - 1) == 0)
            at += strcspn(at + 2, "\n") + 1;
        else if (*at != '\n' && *at != '\t')
            out[len++] = *at;
        else if (len > 0 && out[len - 1] != ' ')
            out[len++] = ' ';
    while (len > 0 && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
}

int postgres_fail(struct postgres *pg, const PGresult *result, const char *what, struct failure *failure)
{
    const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const struct advice *advice = advice_for(state);
    char text[160];

    pg->may_pass = advice->may_pass;
    snprintf(pg->state, sizeof(pg->state), "%s", state == NULL ? "" : state);
    if (message == NULL)
        message = pg->is_silent      ? "the server did not answer in time"
                  : pg->conn == NULL ? "there is no connection"
                                     : PQerrorMessage(pg->conn);
    flatten(message, text, sizeof(text));
    return fail(failure, "cannot %s: %s; %s (%s)", what, text, advice->text, pg->label);
}

/* ---- what the URL says ---- */

static const char *option_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val;
    return NULL;
}

/* What people call it. Never the user's password, nor anything else of the URL. */
static void make_label(struct postgres *pg, const PQconninfoOption *options)
{
    const char *host = option_of(options, "host");
    const char *port = option_of(options, "port");
    const char *name = option_of(options, "dbname");

    if (host == NULL)
        host = option_of(options, "hostaddr");
    snprintf(pg->label, sizeof(pg->label), "postgres %s%s%s/%s", host == NULL ? "" : host,
             port == NULL ? "" : ":", port == NULL ? "" : port, name == NULL ? "" : name);
}

/* libpq's own words may quote what it did not understand, a password for example: they are not repeated. */
static int read_url(struct postgres *pg, struct failure *failure)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(pg->conninfo, &why);

    if (options == NULL) {
        bool option = why != NULL && strstr(why, "query parameter") != NULL;
        PQfreemem(why);
        return fail(failure,
                    "the URL of the database cannot be read%s; it looks like "
                    "postgres://USER@HOST:5432/DATABASE?sslmode=verify-full (special characters as "
                    "%%40; passwords rather in PGPASSFILE)",
                    option ? ": what stands behind its ? is no option of PostgreSQL's" : "");
    }
    make_label(pg, options);
    PQconninfoFree(options);
    return 0;
}

/* What follows "postgres:" is the rest of a URL, or libpq's other form: host=… dbname=… */
static char *conninfo_of(const char *location)
{
    char *conninfo;

    if (strncmp(location, "//", 2) != 0)
        return strdup(location);
    return asprintf(&conninfo, "postgres:%s", location) < 0 ? NULL : conninfo;
}

static int set_up_registry(struct postgres *pg, struct failure *failure);

struct postgres *postgres_new(const char *location, enum store_open_mode mode, struct failure *failure)
{
    struct postgres *pg = calloc(1, sizeof(*pg));

    if (pg == NULL || (pg->conninfo = conninfo_of(location)) == NULL) {
        fail(failure, "no memory is left to open the database");
        free(pg);
        return NULL;
    }
    pg->mode = mode;
    pg->set_up = set_up_registry;
    series_cache_init(&pg->series);
    if (read_url(pg, failure) == 0)
        return pg;
    postgres_close(&pg->store);
    return NULL;
}

void postgres_close(struct store *store)
{
    struct postgres *pg = postgres_of(store);

    PQclear(pg->transfer.waits);
    PQfinish(pg->conn);
    series_cache_forget(&pg->series);
    commit_notes_wipe(&pg->notes);
    parcels_wipe(&pg->parcels);
    OPENSSL_cleanse(pg->conninfo, strlen(pg->conninfo));
    free(pg->conninfo);
    free(pg);
}

/* ---- before everything else ---- */

/* Names of hosts, and of the user, are looked up by what the system loads for that. Of several hosts one is
 * enough: what is loaded is the same. */
void postgres_prepare(const char *location)
{
    char *conninfo = conninfo_of(location);
    PQconninfoOption *options = conninfo == NULL ? NULL : PQconninfoParse(conninfo, NULL);
    PQconninfoOption *defaults = PQconndefaults(); /* looks the user up */
    char host[NI_MAXHOST] = "";

    if (options != NULL && option_of(options, "host") != NULL)
        snprintf(host, sizeof(host), "%.*s", (int)strcspn(option_of(options, "host"), ","),
                 option_of(options, "host"));
    else if (defaults != NULL && option_of(defaults, "host") != NULL)
        snprintf(host, sizeof(host), "%.*s", (int)strcspn(option_of(defaults, "host"), ","),
                 option_of(defaults, "host"));
    lookup_load(host[0] != '\0' ? host : "localhost");
    PQconninfoFree(defaults);
    PQconninfoFree(options);
    if (conninfo != NULL)
        OPENSSL_cleanse(conninfo, strlen(conninfo));
    free(conninfo);
}

/* ---- connecting ---- */

static void ignore_notice(void *context, const char *message)
{
    (void)context, (void)message;
}

/* The URL goes before what stands above it here, and what stands below goes before the URL. Of the former,
 * libpq's variables say more than we do where they are set. */
static PGconn *dial(const struct postgres *pg)
{
    static const struct {
        const char *keyword;
        const char *value;
        const char *variable;
    } defaults[] = {
        {"connect_timeout", "5", "PGCONNECT_TIMEOUT"},
        {"gssencmode", "disable", "PGGSSENCMODE"}, /* or it looks for tickets before each connection */
        {"keepalives_idle", "10", NULL},           /* a server that has silently gone is found out */
        {"keepalives_interval", "5", NULL},
        {"keepalives_count", "3", NULL},
        {"tcp_user_timeout", "15000", NULL},
        {"fallback_application_name", "bulla", NULL},
    };
    const size_t count = sizeof(defaults) / sizeof(defaults[0]);
    const char *keywords[sizeof(defaults) / sizeof(defaults[0]) + 3];
    const char *values[sizeof(defaults) / sizeof(defaults[0]) + 3];
    size_t used = 0;

    for (size_t i = 0; i < count; i++)
        if (defaults[i].variable == NULL || getenv(defaults[i].variable) == NULL) {
            keywords[used] = defaults[i].keyword;
            values[used++] = defaults[i].value;
        }
    keywords[used] = "dbname";
    values[used++] = pg->conninfo;
    keywords[used] = "client_encoding";
    values[used++] = "UTF8";
    keywords[used] = NULL;
    values[used] = NULL;
    return PQconnectdbParams(keywords, values, 1);
}

static int begin_session(struct postgres *pg, struct failure *failure)
{
    PGresult *result = postgres_execute(pg, session, PG_ANSWER_WAIT);
    const char *encoding = PQparameterStatus(pg->conn, "server_encoding");
    int status = 0;

    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        status = postgres_fail(pg, result, "use the database", failure);
    else if (PQserverVersion(pg->conn) < 130000)
        status = fail(failure, "the server of %s is PostgreSQL %d; bulla needs 13 or newer", pg->label,
                      PQserverVersion(pg->conn) / 10000);
    else if (encoding == NULL || strcmp(encoding, "UTF8") != 0)
        status = fail(failure,
                      "the encoding of the database is %s; bulla needs UTF8: createdb --encoding UTF8 "
                      "--template template0 (%s)",
                      encoding == NULL ? "not known" : encoding, pg->label);
    PQclear(result);
    return status;
}

/* ---- who uses it ---- */

static int fail_used(struct postgres *pg, struct failure *failure)
{
    PGresult *result = pg_query(pg, PG_USERS, NULL, "use the database", failure);
    char address[64] = "", program[64] = "";

    if (result == NULL)
        return -1;
    if (PQntuples(result) == 1) {
        pg_copy(result, 0, 2, address, sizeof(address));
        pg_copy(result, 0, 3, program, sizeof(program));
    }
    long long count = PQntuples(result) == 1 ? (long long)pg_get_number(result, 0, 0) : 0;
    long long pid = PQntuples(result) == 1 ? (long long)pg_get_number(result, 0, 1) : 0;
    PQclear(result);
    if (store_is_alone(pg->mode))
        return fail(failure,
                    "the database %.90s is in use by %lld connection%s, one of them %s of %s (server process "
                    "%lld); end all gateways and commands first. Nothing was changed.",
                    pg->label, count, count == 1 ? "" : "s", program, address, pid);
    fail(failure, "the database %s is just used by a command that needs it alone; try again later",
         pg->label);
    return STORE_AWAY;
}

/* Everybody who has it open holds a lock of the server's, shared, which goes with the connection. */
static int take_use(struct postgres *pg, struct failure *failure)
{
    enum pg_statement id = store_is_alone(pg->mode) ? PG_USE_ALONE : PG_USE;
    int64_t until = store_milliseconds() + (store_is_alone(pg->mode) ? ALONE_WAIT : USE_WAIT);

    for (;;) {
        PGresult *result = pg_query(pg, id, NULL, "use the database", failure);
        if (result == NULL)
            return -1;
        bool taken = PQntuples(result) == 1 && pg_get_boolean(result, 0, 0);
        PQclear(result);
        if (taken)
            return 0;
        if (store_milliseconds() >= until)
            return fail_used(pg, failure);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

/* ---- a server that is away ---- */

/* Refusals that another attempt does not change. */
static bool is_refusal(const char *message)
{
    static const char *const words[] = {"authentication failed", "does not exist", "no pg_hba.conf entry",
                                        "no password supplied",  "certificate",    "not permitted to log in",
                                        "does not support SSL"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(message, words[i]) != NULL)
            return true;
    return false;
}

/* The server is there, and has no database of that name. */
static bool is_missing(const char *message)
{
    return strstr(message, "database \"") != NULL && strstr(message, "does not exist") != NULL;
}

static int fail_away(struct postgres *pg, struct failure *failure)
{
    const char *message = pg->conn == NULL ? "no memory is left" : PQerrorMessage(pg->conn);
    bool refused = is_refusal(message);
    char text[200];

    flatten(message, text, sizeof(text));
    fail(failure, "cannot reach the database (%s): %s; %s", pg->label, text,
         is_missing(message) ? "is its name right? On the server, createdb makes a new one"
         : refused ? "check the URL, the role, its password (PGPASSFILE) and pg_hba.conf of the server"
                   : "is the server running, and the URL right?");
    return refused ? -1 : STORE_AWAY;
}

bool postgres_may_pass(const struct store *store)
{
    const struct postgres *pg = (const struct postgres *)store;

    return pg->may_pass || !postgres_is_connected(pg);
}

bool postgres_is_connected(const struct postgres *pg)
{
    return pg->conn != NULL && PQstatus(pg->conn) == CONNECTION_OK;
}

/* The lock and the schema are on the connection. */
static int set_up_registry(struct postgres *pg, struct failure *failure)
{
    int result = postgres_schema_there(pg, failure);

    if (result == 0)
        result = take_use(pg, failure);
    if (result == 0)
        result = postgres_schema_open(pg, failure);
    if (result == 0)
        result = move_allows(&pg->store, postgres_meta_get, pg->mode, pg->label, failure);
    if (result == 0)
        result = postgres_durability(pg, pg->caution, sizeof(pg->caution), failure);
    if (result == 0)
        result = postgres_hypertable_open(pg, failure);
    return result;
}

static int set_up(struct postgres *pg, struct failure *failure)
{
    int result = begin_session(pg, failure);

    return result == 0 ? pg->set_up(pg, failure) : result;
}

int postgres_connect(struct postgres *pg, struct failure *failure)
{
    int result;

    if (postgres_is_connected(pg))
        return 0;
    if (store_away_still(&pg->away, failure))
        return STORE_AWAY;
    PQfinish(pg->conn);
    memset(pg->prepared, 0, sizeof(pg->prepared));
    pg->series_known = false;
    pg->outbox_leapt = false;
    pg->may_pass = false;
    pg->is_silent = false;
    pg->conn = dial(pg);
    if (postgres_is_connected(pg) && PQsetnonblocking(pg->conn, 1) == 0) {
        PQsetNoticeProcessor(pg->conn, ignore_notice, NULL);
        result = set_up(pg, failure);
        if (result != 0 && (!postgres_is_connected(pg) || pg->may_pass))
            result = STORE_AWAY; /* lost again meanwhile, or it takes no writes now */
    } else {
        result = fail_away(pg, failure);
    }
    if (result == 0) {
        store_away_end(&pg->away);
        return 0;
    }
    store_away_longer(&pg->away, failure);
    PQfinish(pg->conn);
    pg->conn = NULL;
    return result;
}
