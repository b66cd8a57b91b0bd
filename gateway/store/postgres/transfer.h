/* What the two halves of a store's transfer_ops share: reading out, and writing in. */
#ifndef POSTGRES_TRANSFER_H
#define POSTGRES_TRANSFER_H

#include "gateway/store/postgres/postgres.h"

#define PG_TRANSFER_SQL 1024 /* bytes of a statement that is made */

/* What was to be done, for failures. */
extern const char pg_reading_out[];
extern const char pg_writing_in[];

/* One statement: its result, which is the caller's; NULL with the failure. `parameters` NULL: there are none.
 */
PGresult *pg_transfer_execute(struct postgres *pg, const char *sql, const struct pg_parameters *parameters,
                              const char *what, struct failure *failure);

/* The same, where nothing but its success matters: 0, or -1 with the failure. */
MUST_CHECK int pg_transfer_run(struct postgres *pg, const char *sql, const struct pg_parameters *parameters,
                               const char *what, struct failure *failure);

/* A column that is a yes or no here, and one that is a timestamp. */
bool pg_transfer_is_boolean(enum transfer_table table, size_t column);
bool pg_transfer_is_time(enum transfer_table table, size_t column);

/* As transfer_ops have them. */
MUST_CHECK int pg_transfer_write(struct store *store, const struct transfer_rows *rows,
                                 struct failure *failure);
MUST_CHECK int pg_transfer_clear(struct store *store, struct failure *failure);
MUST_CHECK int pg_transfer_note(struct store *store, const char *name, const void *value, size_t len,
                                struct failure *failure);

#endif
