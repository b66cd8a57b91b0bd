/*
 * The connection to a server: made as the URL and the client library's option files say, and made again when
 * the server went away and came back.
 */
#include "gateway/lookup.h"
#include "gateway/store/move.h"
#include "gateway/store/mysql/mysql.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <errmsg.h>
#include <mysqld_error.h>

#define LOGIN_PLUGIN 2 /* MYSQL_CLIENT_AUTHENTICATION_PLUGIN: its header is broken in Debian */

#define USE_WAIT     5000    /* milliseconds for which it waits until somebody is through who has it alone */
#define ALONE_WAIT   1000    /* until the server has noticed that others, who had it open, are gone */
#define PACKET_LEAST 4194304 /* of max_allowed_packet */

/*
 * What a connection is told at its beginning. A batch that waits for longer is rather tried again; a gateway
 * that hangs or is cut off in the middle of a batch keeps nobody waiting for long (where the server knows
 * how: MariaDB's own statements, and MySQL's, stand in comments of forms of their own). What stands in the
 * way of exact reading and writing is put right for this connection: a COMMIT, too, ends a transaction here,
 * and begins none.
 */
static const char *const session[] = {
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1,"
    " innodb_lock_wait_timeout = 2, lock_wait_timeout = 10, foreign_key_checks = 1, unique_checks = 1,"
    " sql_safe_updates = 0, sql_big_selects = 1, sql_select_limit = 18446744073709551615, sql_auto_is_null = "
    "0,"
    " completion_type = 0, wait_timeout = 28800",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "/*M! SET SESSION idle_transaction_timeout = 10, max_statement_time = 0 */ ",
    "/*!80000 SET SESSION max_execution_time = 0 */ ",
};

/* ---- failures ---- */

static const struct {
    unsigned error;
    const char *advice;
} advices[] = {
    {ER_OPTION_PREVENTS_STATEMENT,
     "the server takes no writes now: it is a replica, or was told to be read only"},
    {1792 /* ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION */, "the server takes no writes now"},
    {1836 /* ER_READ_ONLY_MODE */, "the server takes no writes now"},
    {ER_DISK_FULL, "make room on the server's disk"},
    {ER_RECORD_FILE_FULL, "make room on the server's disk"},
    {ER_ERROR_ON_WRITE, "make room on the server's disk, or see its log"},
    {1026 /* ER_ERROR_ON_WRITE */, "make room on the server's disk, or see its log"},
    {1030 /* ER_GET_ERRNO */, "see the server's log: its disk may be full"},
    {ER_CON_COUNT_ERROR, "raise max_connections of the server"},
    {ER_TOO_MANY_USER_CONNECTIONS, "raise the number of connections that the user may have"},
    {ER_OUT_OF_RESOURCES, "the server is short of memory: see its log"},
    {ER_LOCK_WAIT_TIMEOUT, "another program holds the rows locked; it is tried again"},
    {3572 /* ER_LOCK_NOWAIT */, "another program holds the rows locked; it is tried again"},
    {ER_LOCK_DEADLOCK, "it is tried again"},
    {ER_DUP_ENTRY, "somebody has entered the same meanwhile: try again"},
    {ER_TABLEACCESS_DENIED_ERROR, "the user lacks rights: GRANT ALL ON its database"},
    {ER_DBACCESS_DENIED_ERROR, "the user lacks rights: GRANT ALL ON its database"},
    {ER_COLUMNACCESS_DENIED_ERROR, "the user lacks rights: GRANT ALL ON its database"},
    {ER_SPECIFIC_ACCESS_DENIED_ERROR, "the user lacks rights: GRANT ALL ON its database"},
    {ER_NET_PACKET_TOO_LARGE, "raise max_allowed_packet of the server"},
    {1665 /* ER_BINLOG_STMT_MODE_AND_ROW_ENGINE */, "set binlog_format of the server to ROW or MIXED"},
    {ER_SERVER_SHUTDOWN, "the server is being stopped; it is tried again"},
    {CR_SERVER_GONE_ERROR, "the connection was lost; it is tried again"},
    {CR_SERVER_LOST, "the connection was lost; it is tried again"},
};

/* What the server says last of all to a connection; those of the client library mean the same. */
static bool is_lost(unsigned error)
{
    return (error >= CR_MIN_ERROR && error <= CR_MAX_ERROR) || error == ER_SERVER_SHUTDOWN ||
           error == ER_NEW_ABORTING_CONNECTION || error == ER_NET_READ_ERROR ||
           error == ER_NET_READ_INTERRUPTED || error == ER_NET_ERROR_ON_WRITE ||
           error == ER_NET_WRITE_INTERRUPTED || error == ER_NET_PACKETS_OUT_OF_ORDER ||
           error == ER_NORMAL_SHUTDOWN || error == ER_CONNECTION_KILLED ||
           error == 4031 /* ER_CLIENT_INTERACTION_TIMEOUT */;
}

/* There is no room, too many are connected, or an operator has stopped all writing. */
static bool passes(unsigned error)
{
    static const unsigned errors[] = {
        ER_OPTION_PREVENTS_STATEMENT, 1792 /* ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION */,
        1836 /* ER_READ_ONLY_MODE */, ER_DISK_FULL,
        ER_RECORD_FILE_FULL,          ER_ERROR_ON_WRITE,
        1030 /* ER_GET_ERRNO */,      ER_CON_COUNT_ERROR,
        ER_TOO_MANY_USER_CONNECTIONS, ER_OUT_OF_RESOURCES,
        ER_LOCK_WAIT_TIMEOUT,         ER_LOCK_DEADLOCK,
        3572 /* ER_LOCK_NOWAIT */,
    };

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (errors[i] == error)
            return true;
    return false;
}

bool maria_may_pass(const struct store *store)
{
    const struct mysql *my = (const struct mysql *)store;

    return !maria_is_connected(my) || passes(my->error);
}

static const char *advice_for(unsigned error)
{
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
        if (advices[i].error == error)
            return advices[i].advice;
    return is_lost(error) ? "the connection was lost; it is tried again"
                          : "this is not expected: see the server's log";
}

/* One line, without a line's end. */
static void flatten(const char *message, char *out, size_t size)
{
    size_t len = 0;

    for (const char *at = message; *at != '\0' && len + 1 < size; at++)
        if (*at != '\n' && *at != '\t')
            out[len++] = *at;
        else if (len > 0 && out[len - 1] != ' ')
            out[len++] = ' ';
    while (len > 0 && (out[len - 1] == ' ' || out[len - 1] == '.'))
        len--;
    out[len] = '\0';
}

int maria_fail(struct mysql *my, const char *what, struct failure *failure)
{
    char text[160] = "there is no connection";

    my->error = my->conn == NULL || my->silent ? CR_SERVER_LOST : mysql_errno(my->conn);
    my->conflict = my->error == ER_LOCK_DEADLOCK || my->error == ER_LOCK_WAIT_TIMEOUT ||
                   my->error == 3572 /* ER_LOCK_NOWAIT */;
    if (my->silent)
        snprintf(text, sizeof(text), "the server did not answer for %u s", my->url->read_seconds);
    else if (my->conn != NULL)
        flatten(mysql_error(my->conn), text, sizeof(text));
    if (is_lost(my->error))
        maria_disconnect(my);
    return fail(failure, "cannot %s: %s; %s (%s)", what, text, advice_for(my->error), my->label);
}

/* ---- what the URL says ---- */

static pthread_once_t library = PTHREAD_ONCE_INIT;

/* Some ways to log in are files that the library loads when a server asks for one. They are loaded at once:
 * later the sandbox lets no new code in. Where one is not installed, nothing is lost but that way. */
static void begin_library(void)
{
    static const char *const ways[] = {"caching_sha2_password", "client_ed25519", "sha256_password"};
    MYSQL *conn;

    (void)mysql_library_init(0, NULL, NULL);
    conn = mysql_init(NULL);
    for (size_t i = 0; conn != NULL && i < sizeof(ways) / sizeof(ways[0]); i++)
        (void)mysql_client_find_plugin(conn, ways[i], LOGIN_PLUGIN);
    if (conn != NULL)
        mysql_close(conn);
}

/* What looks names up is loaded when the first one is looked up. */
void maria_prepare(const char *location)
{
    struct failure unused;
    struct mysql_url *url = mysql_url_parse(location, &unused);

    pthread_once(&library, begin_library);
    lookup_load(url != NULL && url->host != NULL ? url->host : "localhost");
    mysql_url_free(url);
}

/* What people call it. Never the user's password, nor anything else of the URL. */
static void make_label(struct mysql *my)
{
    const struct mysql_url *url = my->url;
    char port[16] = "";

    if (url->port != 0)
        snprintf(port, sizeof(port), ":%u", url->port);
    snprintf(my->label, sizeof(my->label), "mysql %s%s/%s",
             url->host != NULL     ? url->host
             : url->socket != NULL ? url->socket
                                   : "",
             port, url->database == NULL ? "" : url->database);
}

static int set_up_registry(struct mysql *my, struct failure *failure);

struct mysql *maria_new(const char *location, enum store_open_mode mode, struct failure *failure)
{
    struct mysql *my = calloc(1, sizeof(*my));

    pthread_once(&library, begin_library);
    if (my == NULL) {
        fail(failure, "no memory is left to open the database");
        return NULL;
    }
    my->mode = mode;
    my->set_up = set_up_registry;
    my->url = mysql_url_parse(location, failure);
    if (my->url == NULL) {
        free(my);
        return NULL;
    }
    make_label(my);
    series_cache_init(&my->series);
    return my;
}

void maria_disconnect(struct mysql *my)
{
    if (my->transfer.result.rows != NULL) /* it would have the connection read to its end */
        my->transfer.result.rows->handle = NULL;
    if (my->conn != NULL)
        mysql_close(my->conn);
    my->conn = NULL;
}

void maria_close(struct store *store)
{
    struct mysql *my = mysql_of(store);

    maria_disconnect(my);
    series_cache_forget(&my->series);
    commit_notes_wipe(&my->notes);
    parcels_wipe(&my->parcels);
    mysql_url_free(my->url);
    free(my);
}

/* ---- connecting ---- */

static void set_tls(MYSQL *conn, const struct mysql_url *url)
{
    const my_bool yes = 1, no = 0;

    (void)mysql_ssl_set(conn, url->ssl_key, url->ssl_cert, url->ssl_ca, url->ssl_capath, NULL);
    if (url->tls_version != NULL)
        mysql_optionsv(conn, MARIADB_OPT_TLS_VERSION, url->tls_version);
    if (url->ssl == MYSQL_SSL_UNSAID)
        return;
    mysql_optionsv(conn, MYSQL_OPT_SSL_ENFORCE, url->ssl == MYSQL_SSL_DISABLED ? &no : &yes);
    mysql_optionsv(conn, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, url->ssl == MYSQL_SSL_IDENTITY ? &yes : &no);
}

/*
 * A server must not be able to ask for files of this machine (LOCAL INFILE), and a connection that the
 * library makes anew by itself would have neither its settings nor its locks. The library reads option files
 * while it connects, and lets them overrule what it was told before: so it is told afterwards as well.
 */
static void forbid(MYSQL *conn)
{
    const unsigned no_files = 0;
    const my_bool no = 0;

    mysql_optionsv(conn, MYSQL_OPT_LOCAL_INFILE, &no_files);
    mysql_optionsv(conn, MYSQL_OPT_RECONNECT, &no);
}

static void set_options(MYSQL *conn, const struct mysql_url *url)
{
    const unsigned tcp = MYSQL_PROTOCOL_TCP;

    forbid(conn);
    mysql_optionsv(conn, MYSQL_OPT_CONNECT_TIMEOUT, &url->connect_seconds);
    mysql_optionsv(conn, MYSQL_OPT_READ_TIMEOUT, &url->read_seconds);
    mysql_optionsv(conn, MYSQL_OPT_WRITE_TIMEOUT, &url->write_seconds);
    mysql_optionsv(conn, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_optionsv(conn, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "bulla");
    if (url->option_file != NULL)
        mysql_optionsv(conn, MYSQL_READ_DEFAULT_FILE, url->option_file);
    mysql_optionsv(conn, MYSQL_READ_DEFAULT_GROUP, "bulla");
    if (url->port != 0 && url->socket == NULL) /* "localhost" alone is the unix socket there */
        mysql_optionsv(conn, MYSQL_OPT_PROTOCOL, &tcp);
    set_tls(conn, url);
}

/* A server that has silently gone is found out, though its answers may take long. Of a unix socket this does
 * nothing. */
static void keep_alive(MYSQL *conn)
{
    static const struct {
        int option;
        int value;
    } options[] = {{TCP_KEEPIDLE, 10}, {TCP_KEEPINTVL, 5}, {TCP_KEEPCNT, 3}, {TCP_USER_TIMEOUT, 15000}};
    const int yes = 1;
    int socket = mysql_get_socket(conn);

    (void)setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        (void)setsockopt(socket, IPPROTO_TCP, options[i].option, &options[i].value, sizeof(options[i].value));
}

/* Rows that a statement found count as changed, whether they were different before or not. */
static bool dial(struct mysql *my)
{
    const struct mysql_url *url = my->url;
    const char *password = url->password != NULL ? url->password : getenv("BULLA_MYSQL_PASSWORD");
    const char *host = url->host == NULL && url->socket != NULL ? "localhost" : url->host;

    my->conn = mysql_init(NULL);
    if (my->conn == NULL)
        return false;
    set_options(my->conn, url);
    if (mysql_real_connect(my->conn, host, url->user, password, url->database, url->port, url->socket,
                           CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS) == NULL)
        return false;
    forbid(my->conn);
    keep_alive(my->conn);
    return true;
}

static const char use_it[] = "use the database";

/* One value of the server's, as text; "" where it says none. -1 with the failure. */
static int ask(struct mysql *my, const char *sql, char *out, size_t size, struct failure *failure)
{
    struct mq_result result;

    if (mq_text_query(my, sql, &result, use_it, failure) != 0)
        return -1;
    if (!mq_next(&result) || !mq_copy(&result, 0, out, size))
        out[0] = '\0';
    mq_clear(&result);
    return 0;
}

static int check_server(struct mysql *my, struct failure *failure)
{
    char database[128], packet[32], storage[16];
    bool is_mariadb = mariadb_connection(my->conn);
    unsigned long version = mysql_get_server_version(my->conn);

    if (ask(my, "SELECT DATABASE()", database, sizeof(database), failure) != 0 ||
        ask(my, "SELECT @@max_allowed_packet", packet, sizeof(packet), failure) != 0 ||
        ask(my,
            "SELECT COUNT(*) FROM information_schema.engines WHERE engine = 'InnoDB'"
            " AND support IN ('YES', 'DEFAULT')",
            storage, sizeof(storage), failure) != 0)
        return -1;
    if (version < (is_mariadb ? 100600UL : 80000UL))
        return fail(failure, "the server of %s is %s %s; bulla needs MariaDB 10.6 or MySQL 8.0, or newer",
                    my->label, is_mariadb ? "MariaDB" : "MySQL", mysql_get_server_info(my->conn));
    if (database[0] == '\0')
        return fail(failure, "the URL names no database: mysql://USER@HOST/DATABASE (%s)", my->label);
    if (strtoll(packet, NULL, 10) < PACKET_LEAST)
        return fail(failure, "max_allowed_packet of the server is %s; bulla needs %d or more (%s)", packet,
                    PACKET_LEAST, my->label);
    return storage[0] == '1' ? 0 : fail(failure, "the server has no InnoDB (%s)", my->label);
}

static bool is_same_text(MYSQL *conn, enum mysql_option option, const char *said)
{
    const char *used = NULL;

    return said == NULL ||
           (mysql_get_optionv(conn, option, &used) == 0 && used != NULL && strcmp(used, said) == 0);
}

/* Whether an option file overruled how the URL has the server verified. */
static bool is_overruled(MYSQL *conn, const struct mysql_url *url)
{
    my_bool verified = 0;

    if (url->ssl == MYSQL_SSL_IDENTITY &&
        (mysql_get_optionv(conn, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verified) != 0 || !verified))
        return true;
    return !is_same_text(conn, MYSQL_OPT_SSL_CA, url->ssl_ca) ||
           !is_same_text(conn, MYSQL_OPT_SSL_CAPATH, url->ssl_capath);
}

static int check_tls(struct mysql *my, struct failure *failure)
{
    const char *wrong = NULL;

    if (my->url->ssl <= MYSQL_SSL_DISABLED)
        return 0;
    if (mysql_get_ssl_cipher(my->conn) == NULL)
        wrong = "the connection is not encrypted, as ssl-mode in the URL demands";
    else if (is_overruled(my->conn, my->url))
        wrong = "an option file of the client library says otherwise than the URL how the server is "
                "verified (ssl-verify-server-cert, ssl-ca, ssl-capath): take that out of one of them";
    return wrong == NULL ? 0 : fail(failure, "cannot use the database: %s (%s)", wrong, my->label);
}

static int begin_session(struct mysql *my, struct failure *failure)
{
    if (check_tls(my, failure) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(session) / sizeof(session[0]); i++)
        if (mq_text_run(my, session[i], use_it, failure) != 0)
            return -1;
    return check_server(my, failure);
}

/* ---- who uses it ---- */

/*
 * The server's locks by name (GET_LOCK) are exclusive, and go with the connection. So everybody who has it
 * open takes a free one of many; who needs it alone takes all of them.
 */
#define USERS_MOST 512

static const char lock_of[] = "CONCAT('bulla.', LEFT(SHA2(DATABASE(), 256), 24), '.use.%u')";

/* 1 taken, 0 somebody has it. */
static int take_one(struct mysql *my, unsigned number, struct failure *failure)
{
    char sql[128], lock[96], taken[8];

    snprintf(lock, sizeof(lock), lock_of, number);
    snprintf(sql, sizeof(sql), "SELECT GET_LOCK(%s, 0)", lock);
    return ask(my, sql, taken, sizeof(taken), failure) != 0 ? -1 : taken[0] == '1';
}

static int take_any(struct mysql *my, struct failure *failure)
{
    unsigned begin = (unsigned)(mysql_thread_id(my->conn) % USERS_MOST);
    int taken = 0;

    for (unsigned i = 0; i < USERS_MOST && taken == 0; i++)
        taken = take_one(my, (begin + i) % USERS_MOST, failure);
    return taken;
}

/* For a failure: how many others have it open, and one of them. */
struct users {
    int count;
    long long connection;
    char who[160];
};

/* 1 all taken; 0 somebody has one of them: those that were taken are given back. */
static int take_all(struct mysql *my, struct users *users, struct failure *failure)
{
    int taken = 1;

    users->count = 0;
    for (unsigned i = 0; i < USERS_MOST && taken >= 0; i++) {
        taken = take_one(my, i, failure);
        if (taken == 0) {
            char sql[128], lock[96], connection[24];
            snprintf(lock, sizeof(lock), lock_of, i);
            snprintf(sql, sizeof(sql), "SELECT IS_USED_LOCK(%s)", lock);
            users->count++;
            if (ask(my, sql, connection, sizeof(connection), failure) == 0)
                users->connection = strtoll(connection, NULL, 10);
        }
    }
    if (taken < 0 || users->count == 0)
        return taken < 0 ? -1 : 1;
    return mq_text_run(my, "SELECT RELEASE_ALL_LOCKS()", use_it, failure);
}

static void name_user(struct mysql *my, struct users *users)
{
    struct failure unused;
    char sql[128];

    snprintf(sql, sizeof(sql),
             "SELECT CONCAT(user, '@', host) FROM information_schema.processlist WHERE id = %lld",
             users->connection);
    if (ask(my, sql, users->who, sizeof(users->who), &unused) != 0)
        users->who[0] = '\0';
}

static int fail_used(struct mysql *my, struct users *users, struct failure *failure)
{
    if (!store_is_alone(my->mode)) {
        fail(failure, "the database %s is just used by a command that needs it alone; try again later",
             my->label);
        return STORE_AWAY;
    }
    name_user(my, users);
    return fail(failure,
                "the database %.90s is in use by %d connection%s, one of them %.60s (server connection "
                "%lld); end all gateways and commands first. Nothing was changed.",
                my->label, users->count, users->count == 1 ? "" : "s", users->who, users->connection);
}

static int take_use(struct mysql *my, struct failure *failure)
{
    int64_t until = store_milliseconds() + (store_is_alone(my->mode) ? ALONE_WAIT : USE_WAIT);
    struct users users = {0};

    for (;;) {
        int taken = store_is_alone(my->mode) ? take_all(my, &users, failure) : take_any(my, failure);
        if (taken != 0)
            return taken < 0 ? -1 : 0;
        if (store_milliseconds() >= until)
            return fail_used(my, &users, failure);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

/* ---- a server that is away ---- */

/* A server that is stopped in the middle of it breaks a TLS handshake off as well: that is no refusal. */
static bool is_tls_refusal(const char *message)
{
    static const char *const words[] = {"ertificate", "not support", "No such file", "private key", "PEM"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(message, words[i]) != NULL)
            return true;
    return false;
}

/* Refusals that another attempt does not change. */
static bool is_refusal(unsigned error)
{
    static const unsigned refusals[] = {
        ER_ACCESS_DENIED_ERROR,
        ER_DBACCESS_DENIED_ERROR,
        ER_BAD_DB_ERROR,
        ER_HOST_NOT_PRIVILEGED,
        ER_MUST_CHANGE_PASSWORD,
        CR_AUTH_PLUGIN_CANNOT_LOAD,
        1698 /* ER_ACCESS_DENIED_NO_PASSWORD_ERROR */,
        1251 /* ER_NOT_SUPPORTED_AUTH_MODE */,
        3118 /* ER_ACCOUNT_HAS_BEEN_LOCKED */,
        4151 /* the same of MariaDB */,
    };

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (refusals[i] == error)
            return true;
    return false;
}

static bool is_unreached(unsigned error)
{
    return error == CR_CONNECTION_ERROR || error == CR_CONN_HOST_ERROR;
}

/* "… socket '/run/x.sock' (2)": the number's words in its place. Of a host it is that of a connection that
 * was under way, whatever became of it, and is left out. */
static void name_number(char *text, size_t size)
{
    char *number = strrchr(text, '(');
    int error = number == NULL ? 0 : atoi(number + 1);

    if (error <= 0 || number == text)
        return;
    number[-1] = '\0';
    if (error != EINPROGRESS)
        snprintf(number - 1, size - (size_t)(number - 1 - text), ": %s", strerror(error));
}

/* What to do about a server that says no, or nothing. */
static const char *away_advice(const struct mysql_url *url, unsigned error, bool refused)
{
    if (error == ER_BAD_DB_ERROR)
        return "is its name right? On the server, CREATE DATABASE makes a new one";
    if (refused)
        return "check the URL, the user, its password (BULLA_MYSQL_PASSWORD or an option file) and its "
               "rights on "
               "the server";
    if (error == CR_CONNECTION_ERROR && url->socket == NULL && url->port == 0 && url->host != NULL &&
        strcmp(url->host, "localhost") == 0)
        return "is the server running? localhost means this socket; 127.0.0.1 goes by TCP";
    return "is the server running, and the URL right?";
}

/* The library's words for a time-out are the number of ETIMEDOUT, at their end: "(110)", "error: 110". */
static void describe(const struct mysql *my, char *text, size_t size)
{
    size_t len;

    flatten(my->conn == NULL ? "no memory is left" : mysql_error(my->conn), text, size);
    len = strlen(text);
    if (len > 0 && text[len - 1] == ')')
        len--;
    if (len > 3 && memcmp(text + len - 3, "110", 3) == 0)
        snprintf(text, size, "it did not answer for %u s", my->url->connect_seconds);
    else if (my->conn != NULL && is_unreached(mysql_errno(my->conn)))
        name_number(text, size);
}

static int fail_away(struct mysql *my, struct failure *failure)
{
    unsigned error = my->conn == NULL ? 0 : mysql_errno(my->conn);
    bool refused =
        error == CR_SSL_CONNECTION_ERROR ? is_tls_refusal(mysql_error(my->conn)) : is_refusal(error);
    char text[160];

    describe(my, text, sizeof(text));
    fail(failure, "cannot reach the database %.80s: %s; %s", my->label, text,
         away_advice(my->url, error, refused));
    return refused ? -1 : STORE_AWAY;
}

bool maria_is_connected(const struct mysql *my)
{
    return my->conn != NULL;
}

bool maria_is_at_rest(const struct mysql *my)
{
    struct pollfd socket = {.fd = my->conn == NULL ? -1 : mysql_get_socket(my->conn), .events = POLLIN};

    return my->conn != NULL && poll(&socket, 1, 0) == 0;
}

/* The lock and the schema are on the connection. */
static int set_up_registry(struct mysql *my, struct failure *failure)
{
    int result = take_use(my, failure);

    if (result == 0)
        result = maria_schema_open(my, failure);
    if (result == 0)
        result = move_allows(&my->store, maria_meta_get, my->mode, my->label, failure);
    if (result == 0)
        result = maria_durability(my, my->caution, sizeof(my->caution), failure);
    return result;
}

static int set_up(struct mysql *my, struct failure *failure)
{
    int result = begin_session(my, failure);

    return result == 0 ? my->set_up(my, failure) : result;
}

static int connect_anew(struct mysql *my, struct failure *failure)
{
    my->series_known = false;
    my->outbox_leapt = false;
    if (!dial(my))
        return fail_away(my, failure);
    my->setting_up = true;
    int result = set_up(my, failure);
    my->setting_up = false;
    return result != 0 && maria_may_pass(&my->store) ? STORE_AWAY : result; /* or lost again meanwhile */
}

int maria_connect(struct mysql *my, struct failure *failure)
{
    if (maria_is_connected(my))
        return 0;
    if (my->in_transaction || my->setting_up)
        return fail(failure, "cannot use the database: the connection was lost; it is tried again (%s)",
                    my->label);
    if (store_away_still(&my->away, failure))
        return STORE_AWAY;
    int result = connect_anew(my, failure);
    if (result == 0) {
        store_away_end(&my->away);
        return 0;
    }
    maria_disconnect(my);
    store_away_longer(&my->away, failure);
    return result;
}
