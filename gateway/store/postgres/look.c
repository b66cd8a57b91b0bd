/* A look at a server's database, which changes nothing. */
#include "gateway/store/postgres/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char look_at[] = "look at the database";

/* ---- how it keeps things ---- */

/* What the server is set to, whoever asks; the rest is put right by every connection for itself. */
static const struct {
    const char *setting;
    const char *bad;
    const char *what_then;
} settings[] = {
    {"fsync", "off", "a power cut can destroy all of it"},
    {"full_page_writes", "off", "a power cut can destroy all of it"},
};

int postgres_durability(struct postgres *pg, char *text, size_t size, struct failure *failure)
{
    text[0] = '\0';
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const char *values[] = {settings[i].setting};
        PGresult *result = postgres_last_result(
            pg,
            PQsendQueryParams(pg->conn, "SELECT current_setting($1)", 1, NULL, values, NULL, NULL, 0) == 1,
            PG_ANSWER_WAIT);
        if (PQresultStatus(result) != PGRES_TUPLES_OK) {
            postgres_fail(pg, result, look_at, failure);
            PQclear(result);
            return -1;
        }
        if (text[0] == '\0' && strcmp(PQgetvalue(result, 0, 0), settings[i].bad) == 0)
            snprintf(text, size, "the server has %s=%s: %s", settings[i].setting, settings[i].bad,
                     settings[i].what_then);
        PQclear(result);
    }
    return 0;
}

/* ---- lines ---- */

/* One value, as text; false where the server does not say. */
static bool ask(struct postgres *pg, const char *sql, char *out, size_t size)
{
    PGresult *result = postgres_execute(pg, sql, PG_ANSWER_WAIT);
    bool good = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
                !PQgetisnull(result, 0, 0) && pg_copy(result, 0, 0, out, size);

    PQclear(result);
    return good;
}

static void look_at_durability(struct postgres *pg, struct look *look)
{
    char commit[32] = "";

    if (pg->caution[0] != '\0')
        look_say(look, "durability", LOOK_PROBLEM, "set it to on in postgresql.conf, and reload the server",
                 "%s", pg->caution);
    else if (ask(pg, "SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'", commit,
                 sizeof(commit)) &&
             strcmp(commit, "off") == 0)
        look_say(look, "durability", LOOK_WARNING, "set it to on, for whatever else writes to the server",
                 "the server has synchronous_commit=off; bulla switches it on for itself");
    else
        look_say(look, "durability", LOOK_OK, NULL, "a commit is on the disk when it is confirmed");
}

static void look_at_transport(struct postgres *pg, struct look *look)
{
    const char *address = PQhostaddr(pg->conn);
    bool local = address == NULL || address[0] == '\0' || strncmp(address, "127.", 4) == 0 ||
                 strcmp(address, "::1") == 0;

    if (PQsslInUse(pg->conn))
        look_say(look, "transport", LOOK_OK, NULL, "%s, %s", PQsslAttribute(pg->conn, "protocol"),
                 PQsslAttribute(pg->conn, "cipher"));
    else if (local)
        look_say(look, "transport", LOOK_OK, NULL, "on this machine");
    else
        look_say(look, "transport", LOOK_WARNING, "sslmode=verify-full in the URL",
                 "readings and windows go to %s in the clear, and whoever sits between can change them",
                 address);
}

static void look_at_writing(struct postgres *pg, struct look *look)
{
    char answer[16] = "";

    if (ask(pg, "SELECT pg_is_in_recovery()", answer, sizeof(answer)) && answer[0] == 't')
        look_say(look, "writing", LOOK_PROBLEM, "name the primary too: target_session_attrs=read-write",
                 "the server is a standby, which takes no writes");
    else if (ask(pg, "SHOW default_transaction_read_only", answer, sizeof(answer)) &&
             strcmp(answer, "on") == 0)
        look_say(look, "writing", LOOK_PROBLEM, "set it to off for this role and database",
                 "default_transaction_read_only is on: nothing is stored");
    else
        look_say(look, "writing", LOOK_OK, NULL, "the server takes writes");
}

static void look_at_size(struct postgres *pg, struct look *look, int version)
{
    char size[32] = "?", server[64] = "?";

    (void)ask(pg, "SELECT pg_size_pretty(pg_database_size(current_database()))", size, sizeof(size));
    (void)ask(pg, "SHOW server_version", server, sizeof(server));
    look_say(look, "database", LOOK_OK, NULL, "%s: schema %d, PostgreSQL %s, %s", pg->label, version, server,
             size);
}

static int look_inside(struct postgres *pg, struct look *look)
{
    struct failure failure;
    int version = postgres_schema_version(pg, &failure);
    char t[32];

    if (version < 0) {
        look_say(look, "database", LOOK_PROBLEM, NULL, "%s", failure.text);
        return -1;
    }
    look_at_size(pg, look, version);
    look_at_writing(pg, look);
    look_at_durability(pg, look);
    look_at_transport(pg, look);
    if (ask(pg, "SELECT value FROM numbers WHERE name = 'issued_t'", t, sizeof(t)))
        look->issued_t = strtoll(t, NULL, 10);
    return 0;
}

int postgres_look(const char *location, struct look *look)
{
    struct failure failure;
    struct postgres *pg = postgres_new(location, STORE_EXISTING, &failure);
    int result = -1;

    look->owner = -1;
    look->issued_t = -1;
    if (pg == NULL || postgres_connect(pg, &failure) != 0)
        look_say(look, "database", LOOK_PROBLEM, "give the right one with --db or BULLA_DB", "%s",
                 failure.text);
    else
        result = look_inside(pg, look);
    if (pg != NULL)
        postgres_close(&pg->store);
    return result;
}
