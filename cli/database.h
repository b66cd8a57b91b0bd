/*
 * The database that a command works on: --db and --key, opening, finding a device.
 */
#ifndef DATABASE_H
#define DATABASE_H

#include "cli/options.h"
#include "gateway/store/store.h"
#include "gateway/vault.h"

struct database_options {
    const char *db;
    const char *key; /* NULL: beside the database */
};

#define DATABASE_DEFAULT "bulla.db"

/* The lines of a command's table; `type` is its struct, which has a member `database`. */
/* clang-format off */
#define DATABASE_OPTIONS(type)                                                             \
    {.name = "db",                                                                         \
     .argument = "FILE",                                                                   \
     .help = "the database: a file, or postgres://USER@HOST/NAME, mysql://USER@HOST/NAME", \
     .fallback = DATABASE_DEFAULT,                                                         \
     .variable = "BULLA_DB",                                                               \
     .parse = option_string,                                                               \
     .offset = offsetof(type, database.db)},                                               \
    {.name = "key",                                                                        \
     .argument = "FILE",                                                                   \
     .help = "its master key (default: beside a file, bulla.key for bulla.db)",            \
     .variable = "BULLA_KEY",                                                              \
     .parse = option_string,                                                               \
     .offset = offsetof(type, database.key)}
/* clang-format on */

MUST_CHECK int database_open(struct store **store, const struct database_options *options,
                             enum store_open_mode mode, struct failure *failure);

/* Whether there is one already. */
bool database_is_there(const struct database_options *options);

MUST_CHECK int database_vault(struct vault *vault, struct store *store,
                              const struct database_options *options, struct failure *failure);

/* 0, or -1 with the failure: `file`, which is to be written, is the master key. */
MUST_CHECK int database_spare_key(const struct database_options *options, const char *file,
                                  struct failure *failure);

/* The device of that name. Returns 0, or -1 with a failure, also where there is none. */
MUST_CHECK int database_device(struct store *store, const char *name, struct device_row *row,
                               struct failure *failure);

/*
 * Says on standard error where no device has this name: for a selection by device that has nothing in it.
 * NULL: nothing.
 */
void database_hint_device(struct store *store, const char *name);

/* As database_device(), with row->last_seen. */
MUST_CHECK int database_device_seen(struct store *store, const char *name, struct device_row *row,
                                    struct failure *failure);

void database_close(struct store *store);

#endif
