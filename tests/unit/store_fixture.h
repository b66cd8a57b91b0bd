/*
 * What the tests of the store share: a place with a store of its own, whose clock they set. Which kind of
 * store the environment's BULLA_TEST_STORE says; SQLite where it says none. The same tests, with the same
 * expectations, run over every kind (tests/CMakeLists.txt).
 */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* cmocka's; failure.h has its own */

#include "gateway/store/store.h"

#define SECOND INT64_C(1000000)
#define NOW    INT64_C(1700000000)

struct fixture;

/* A kind of store under test. */
struct store_kind {
    const char *name;
    void (*make)(struct fixture *f); /* an empty place, with nothing in it yet */
    int (*open)(struct fixture *f, enum store_open_mode mode, struct store **store);
    void (*clear)(struct fixture *f); /* takes the place away, whatever it holds; nobody has it open */
    /* Of databases, which others can look into as well; NULL of the others. */
    void (*run_sql)(struct fixture *f, const char *sql);
    int64_t (*number)(struct fixture *f, const char *sql); /* the first column of the only row */
    void (*text)(struct fixture *f, const char *sql, char *out, size_t size);
};

extern const struct store_kind store_kind_sqlite;
extern const struct store_kind store_kind_postgres;
extern const struct store_kind store_kind_mysql;
extern const struct store_kind store_kind_memory;
extern const struct store_kind store_kind_faulty;

struct fixture {
    const struct store_kind *kind;
    void *place; /* the kind's own */
    char folder[64];
    char path[160]; /* of a database: its URL, or its path */
    struct store *store;
    struct failure failure;
    int64_t now; /* what the store's clock says */
};

#define ok(expression)     assert_int_equal(expression, 0)
#define says(f, words)     assert_non_null(strstr((f)->failure.text, words))
#define call(f, slot, ...) (f)->store->ops->slot((f)->store, __VA_ARGS__, &(f)->failure)

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int64_t fake_clock(void *context);
struct store *open_store(struct fixture *f, enum store_open_mode mode);
int store_setup(void **state);
void reopen(struct fixture *f);
int store_teardown(void **state);

/* Closes the store and takes its place away: an empty one is there again. */
void empty_place(struct fixture *f);

struct device_row add_device(struct fixture *f, const char *name, uint8_t kid, uint8_t kind, bool proven);
struct context_row session(int64_t device, uint8_t id);
struct reading real(const char *name, double value, int64_t time);
int commit_one(struct fixture *f, struct store *store, struct commit_context *context, uint64_t piv);
void assert_same_row(const struct context_row *a, const struct context_row *b);
struct context_row prove(struct fixture *f, int64_t device, uint8_t id, uint64_t t, uint64_t piv);
enum commit_verdict verdict_of_proof(struct fixture *f, int64_t device, uint8_t id, uint64_t t);
int find(struct fixture *f, int64_t device, uint8_t id, struct context_row *row, struct store_clock *clock);
uint64_t floor_of(struct fixture *f);
int count_row(void *context, const struct reading_row *row);
int64_t count_readings(struct fixture *f, const char *device);
void run_sql(struct fixture *f, const char *sql);
int64_t number(struct fixture *f, const char *sql);

#endif
