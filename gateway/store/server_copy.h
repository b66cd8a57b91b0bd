/*
 * Backups of a database on a server, and their way back (PROTOCOL 9). A backup is a file as that of SQLite
 * is, whatever it was made of; so it can be put back anywhere, and looked into by every command.
 */
#ifndef SERVER_COPY_H
#define SERVER_COPY_H

#include "gateway/store/store.h"

/* ops->backup(): what the database holds at one moment, row by row. */
int server_backup(struct store *store, const struct store_backup *backup, struct failure *failure);

/*
 * ops->restore_begin() of the stores of that kind. The copy is one of SQLite's, in a folder of its own for
 * temporary files (TMPDIR); finishing writes it to the server, in place of all there is, in one transaction.
 * Unless `discard` says that it is not kept, what is replaced is saved first, as a backup beside `file`.
 */
int server_restore_begin(const struct store_ops *ops, struct store **copy, const char *location,
                         const char *file, const struct store_progress *progress, struct failure *failure);

#endif
