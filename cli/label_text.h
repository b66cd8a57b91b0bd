/*
 * Labels as they are typed: key=value.
 */
#ifndef LABEL_TEXT_H
#define LABEL_TEXT_H

#include <stdio.h>

#include "gateway/store/store.h"

/* Labels that were typed. The values point into what was typed. */
struct label_list {
    struct label labels[LABELS_MAX];
    char keys[LABELS_MAX][LABEL_KEY_MAX + 1];
    size_t count;
};

/* How one without '=' is taken. */
enum label_form {
    LABEL_ONLY,   /* not at all */
    LABEL_ANY,    /* "key": any value of it (value NULL) */
    LABEL_CHANGE, /* "key-": it is taken away (value NULL) */
};

/* Reads them; no key twice. Returns 0, or COMMAND_USAGE with the failure. */
MUST_CHECK int label_list_parse(struct label_list *list, const char *const *texts, size_t count,
                                enum label_form form, struct failure *failure);

/* Prints a device's labels: "site=roof floor=2", and as a JSON object. */
MUST_CHECK int labels_print(FILE *out, struct store *store, int64_t device, struct failure *failure);
MUST_CHECK int labels_json(FILE *out, struct store *store, int64_t device, struct failure *failure);

#endif
