/* A look at a server's database, which changes nothing. */
#include "gateway/store/mysql/mysql.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char look_at[] = "look at the database";

/* ---- how it keeps things ---- */

/* What the server is set to, whoever asks: no connection can put it right for itself. */
static const struct {
    const char *setting;
    const char *good; /* digits, each of which is; NULL: any but `bad` */
    const char *bad;
    const char *what_then;
} settings[] = {
    {"innodb_flush_log_at_trx_commit", "13", NULL,
     "a power cut, or a crash, loses the last second's readings"},
    {"innodb_doublewrite", NULL, "OFF", "a power cut can destroy all of it"},
};

/* Where there is a binary log, the last step of a commit is not flushed: what is prepared is looked up in
 * that log after a crash, and taken back if it is not there. */
static const char log_risk[] =
    "SELECT CONCAT('sync_binlog=', @@global.sync_binlog) FROM DUAL WHERE @@global.log_bin != 0"
    " AND @@global.sync_binlog != 1";

/* One value, as text; false where the server does not say. */
static bool ask(struct mysql *my, const char *sql, char *out, size_t size)
{
    struct failure unused;
    struct mq_result result;

    if (mq_text_query(my, sql, &result, look_at, &unused) != 0)
        return false;
    bool good = mq_next(&result) && !mq_is_null(&result, 0) && mq_copy(&result, 0, out, size);
    mq_clear(&result);
    return good;
}

int maria_durability(struct mysql *my, char *text, size_t size, struct failure *failure)
{
    char sql[96], value[64];

    text[0] = '\0';
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && text[0] == '\0'; i++) {
        snprintf(sql, sizeof(sql), "SELECT @@global.%s", settings[i].setting);
        if (!ask(my, sql, value, sizeof(value))) /* a server that has no such setting */
            continue;
        if (settings[i].good != NULL ? strlen(value) != 1 || strchr(settings[i].good, value[0]) == NULL
                                     : strcmp(value, settings[i].bad) == 0 || strcmp(value, "0") == 0)
            snprintf(text, size, "the server has %s=%s: %s", settings[i].setting, value,
                     settings[i].what_then);
    }
    if (text[0] == '\0' && ask(my, log_risk, value, sizeof(value)))
        snprintf(text, size,
                 "the server has %s: after a power cut it, and its replicas, may lack readings that were "
                 "confirmed",
                 value);
    return maria_is_connected(my)
               ? 0
               : fail(failure, "cannot %s: the connection was lost (%s)", look_at, my->label);
}

/* ---- lines ---- */

static void look_at_durability(struct mysql *my, struct look *look)
{
    if (my->caution[0] != '\0')
        look_say(look, "durability", LOOK_PROBLEM,
                 "set innodb_flush_log_at_trx_commit=1, innodb_doublewrite=ON and sync_binlog=1 in the "
                 "server's option file",
                 "%s", my->caution);
    else
        look_say(look, "durability", LOOK_OK, NULL, "a commit is on the disk when it is confirmed");
}

/* Whether the other end of the connection is this machine; writes its address. */
static bool is_local(struct mysql *my, char *address, size_t size)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    const void *at = NULL;

    snprintf(address, size, "the server");
    if (getpeername(mysql_get_socket(my->conn), (struct sockaddr *)&peer, &len) != 0)
        return false;
    if (peer.ss_family == AF_INET)
        at = &((struct sockaddr_in *)&peer)->sin_addr;
    else if (peer.ss_family == AF_INET6)
        at = &((struct sockaddr_in6 *)&peer)->sin6_addr;
    if (at == NULL)
        return true;
    inet_ntop(peer.ss_family, at, address, (socklen_t)size);
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static void look_at_transport(struct mysql *my, struct look *look)
{
    const char *cipher = mysql_get_ssl_cipher(my->conn);
    const char *version = NULL;
    char address[INET6_ADDRSTRLEN];
    bool local = is_local(my, address, sizeof(address));

    if (cipher != NULL) {
        (void)mariadb_get_infov(my->conn, MARIADB_CONNECTION_TLS_VERSION, &version);
        look_say(look, "transport", LOOK_OK, NULL, "%s, %s", version == NULL ? "TLS" : version, cipher);
    } else if (local) {
        look_say(look, "transport", LOOK_OK, NULL, "on this machine");
    } else {
        look_say(look, "transport", LOOK_WARNING, "ssl-mode=verify_identity in the URL",
                 "readings and windows go to %s in the clear, and whoever sits between can change them",
                 address);
    }
}

static void look_at_writing(struct mysql *my, struct look *look)
{
    char answer[16] = "";

    if (ask(my, "SELECT @@global.read_only", answer, sizeof(answer)) && strcmp(answer, "0") != 0 &&
        strcmp(answer, "OFF") != 0)
        look_say(look, "writing", LOOK_PROBLEM, "name the primary server in the URL",
                 "the server is read only: it is a replica, or was told to be");
    else
        look_say(look, "writing", LOOK_OK, NULL, "the server takes writes");
}

static void look_at_size(struct mysql *my, struct look *look, int version)
{
    char size[32] = "?";

    (void)ask(my,
              "SELECT CONCAT(ROUND(SUM(data_length + index_length) / 1048576), ' MB')"
              " FROM information_schema.tables WHERE table_schema = DATABASE()",
              size, sizeof(size));
    look_say(look, "database", LOOK_OK, NULL, "%s: schema %d, %s %s, %s", my->label, version,
             mariadb_connection(my->conn) ? "MariaDB" : "MySQL", mysql_get_server_info(my->conn), size);
}

static int look_inside(struct mysql *my, struct look *look)
{
    struct failure failure;
    int version = maria_schema_version(my, &failure);
    char t[32];

    if (version < 0) {
        look_say(look, "database", LOOK_PROBLEM, NULL, "%s", failure.text);
        return -1;
    }
    look_at_size(my, look, version);
    look_at_writing(my, look);
    look_at_durability(my, look);
    look_at_transport(my, look);
    if (ask(my, "SELECT value FROM numbers WHERE name = 'issued_t'", t, sizeof(t)))
        look->issued_t = strtoll(t, NULL, 10);
    return 0;
}

int maria_look(const char *location, struct look *look)
{
    struct failure failure;
    struct mysql *my = maria_new(location, STORE_EXISTING, &failure);
    int result = -1;

    look->owner = -1;
    look->issued_t = -1;
    if (my == NULL || maria_connect(my, &failure) != 0)
        look_say(look, "database", LOOK_PROBLEM, "give the right one with --db or BULLA_DB", "%s",
                 failure.text);
    else
        result = look_inside(my, look);
    if (my != NULL)
        maria_close(&my->store);
    return result;
}
