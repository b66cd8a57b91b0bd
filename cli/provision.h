/*
 * Many devices that are entered in one go: read from a table or from credential lines, checked, every problem
 * told with its row, then entered all together or not at all.
 */
#ifndef PROVISION_H
#define PROVISION_H

#include <stdbool.h>
#include <stddef.h>

#include "device/bulla.h"
#include "gateway/store/store.h"
#include "gateway/vault.h"

#define PROVISION_SIZE_MAX (64 << 20) /* bytes of a file of devices */

struct provision_row {
    size_t line; /* in its file, from 1 */
    char name[BULLA_NAME_MAX + 1];
    struct bulla_credential credential; /* kid_len 0: to be drawn */
    struct label *labels;               /* strings in the file's bytes */
    size_t label_count;
    bool drawn; /* its secret was drawn for it, so a counter is proven (PROTOCOL 4.4) */
    bool done;  /* entered by an earlier run: nothing is left to do */
};

struct provision {
    const char *source; /* what the problems name: the file */
    struct provision_row *rows;
    size_t count;
    size_t room;
    size_t problems;
    bool quiet; /* they are only counted */
};

/* Makes room for another row, all zero, and returns it; NULL: memory is out. */
struct provision_row *provision_add(struct provision *provision, size_t line);
void provision_wipe(struct provision *provision);

/*
 * Tells a problem on standard error: the file, its row, its column (or NULL), what is wrong. The first 100
 * are told, all are counted.
 */
__attribute__((format(printf, 4, 5))) void provision_problem(struct provision *provision, size_t line,
                                                             const char *column, const char *format, ...);

/* Fails if there were problems; `what` is what was not done: "nothing was added". */
MUST_CHECK int provision_end(const struct provision *provision, const char *what, struct failure *failure);

/* Whether a name is one (PROTOCOL 1): 1 to 64 bytes of UTF-8 without control characters. */
MUST_CHECK int provision_check_name(const char *name, size_t len, struct failure *failure);

/* Reads a table of devices (RFC 4180): see the manual for its columns. `bytes` has room for one more. */
MUST_CHECK int provision_read_csv(struct provision *provision, char *bytes, size_t len,
                                  struct failure *failure);

/* Reads credential lines; empty lines are skipped. */
MUST_CHECK int provision_read_lines(struct provision *provision, const char *text, size_t len,
                                    struct failure *failure);

/* Tells names and kids that stand twice in the list, or are taken in the registry. */
MUST_CHECK int provision_check_rows(struct provision *provision, struct store *store,
                                    struct failure *failure);

/* Draws the kids and secrets that are not given. */
MUST_CHECK int provision_draw(struct provision *provision, struct store *store, struct failure *failure);

/* Enters all rows that are not done, in one transaction. -1: none was entered. */
MUST_CHECK int provision_enter(struct provision *provision, struct store *store, const struct vault *vault,
                               struct failure *failure);

#endif
