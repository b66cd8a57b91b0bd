/*
 * A gateway in a laboratory: pipeline, SQLite store and devices in one thread, under a clock that the test
 * moves. A cycle is taken, run and finished by hand, so a test decides what happens between.
 */
#ifndef BULLA_TEST_LAB_H
#define BULLA_TEST_LAB_H

#include "support.h"
#undef fail /* cmocka's, which fail_msg() needs; failure.h has its own */
#define lab_fail(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

#include <sqlite3.h>

#include "board.h"
#include "gateway/core/pipeline.h"
#include "lab_store.h"

#define LAB_GATEWAYS 2
#define LAB_START    INT64_C(1700000000) /* Unix seconds at which the clock begins */
#define LAB_PACKET   192                 /* bytes of the longest message */
#define SECOND       INT64_C(1000000)
#define T_SECONDS    256 /* that one T of a challenge lasts */

/* ---- messages ---- */

/* A sealed message as somebody on the way may have recorded it. */
struct lab_packet {
    uint8_t bytes[LAB_PACKET];
    size_t len;
    uint64_t piv;
};

/* What became of one copy of a message. */
struct lab_letter {
    struct lab_letter *next;
    unsigned answers; /* how often the pipeline answered it */
    enum outcome outcome;
    size_t reply_len; /* 0: none */
    uint8_t reply[REPLY_MAX];
};

/* The outcome's word, or "waiting". */
const char *lab_fate(const struct lab_letter *letter);

#define assert_fate(letter, word) assert_string_equal(lab_fate(letter), word)

/* ---- gateways ---- */

struct lab_gateway {
    struct lab *lab;
    struct lab_store store;
    struct pipeline pipeline;
    int64_t slow; /* seconds that each cycle takes by the lab's clock */
    bool up;
    uint8_t id[GATEWAY_ID_SIZE]; /* that it started with */
};

struct lab {
    char folder[64];
    char path[96];
    int64_t now; /* microseconds since 1970 */
    uint64_t seed;
    struct store *office; /* the operator's connection */
    sqlite3 *view;        /* looks at the database, and changes it behind everybody's back */
    struct vault vault;
    struct log log;
    uint8_t challenge_key[CHALLENGE_KEY_SIZE];
    size_t queue;   /* of gateways started from now on */
    size_t devices; /* likewise: kept in memory */
    struct lab_gateway gateways[LAB_GATEWAYS];
    struct lab_letter *letters;
    size_t unanswered;
    uint32_t next_kid;
};

/* A database and its first gateway, which runs. */
void lab_open(struct lab *lab, uint64_t seed);
void lab_close(struct lab *lab);

/* The same for cmocka: *state is a struct lab. */
int lab_setup(void **state);
int lab_teardown(void **state);

/* Starts a gateway process on the database. */
void lab_start(struct lab *lab, unsigned gateway);
/* Ends it, with whatever waits in it: nothing of that is answered any more. */
void lab_kill(struct lab *lab, unsigned gateway);
void lab_restart(struct lab *lab);

/* Ends all gateways and closes all connections; opens them again, and starts the first gateway. */
void lab_leave(struct lab *lab);
void lab_return(struct lab *lab);

void lab_forward(struct lab *lab, int64_t seconds);

/* Hands a copy of a message to the first gateway, or to another. The letter is the lab's. */
struct lab_letter *lab_send(struct lab *lab, const struct lab_packet *packet);
struct lab_letter *lab_send_to(struct lab *lab, unsigned gateway, const struct lab_packet *packet);

/* A message of an older wire. Strings outlast it. */
struct lab_older {
    const struct wire_ops *wire;
    const char *route;
    enum wire_request request;
    const void *bytes;
    size_t len;
};

struct lab_letter *lab_send_older(struct lab *lab, unsigned gateway, const struct lab_older *older);

/* A cycle of the first gateway in two steps: the store has done it; the pipeline knows. false: nothing to do.
 */
bool lab_begin(struct lab *lab);
void lab_end(struct lab *lab);
/* The same for another gateway; `idle_work` as in pipeline_take(). */
bool lab_begin_of(struct lab *lab, unsigned gateway, bool idle_work);
void lab_end_of(struct lab *lab, unsigned gateway);
bool lab_cycle_of(struct lab *lab, unsigned gateway);
/* Cycles of all gateways until nothing is left to do. */
void lab_run(struct lab *lab);
/* A second later, one cycle of every gateway with what can wait: events, housekeeping, the registry's news.
 */
void lab_idle(struct lab *lab);

/* Sends, runs until it is answered. */
struct lab_letter *lab_deliver(struct lab *lab, const struct lab_packet *packet);

/* ---- the database ---- */

__attribute__((format(printf, 2, 3))) int64_t lab_number(struct lab *lab, const char *sql, ...);
__attribute__((format(printf, 2, 3))) void lab_sql(struct lab *lab, const char *sql, ...);
/* Messages that stored this value. */
int64_t lab_stored(struct lab *lab, int64_t value);
/* Events of a kind; those gathered are written first (a second passes). */
int64_t lab_events(struct lab *lab, const char *kind);
/* F. */
int64_t lab_floor(struct lab *lab);
/* Now as T. */
uint64_t lab_t(const struct lab *lab);

#endif
