/*
 * A reading as `bulla send` takes it: name=value[:unit].
 */
#ifndef SEND_VALUE_H
#define SEND_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"

enum send_type { SEND_INTEGER, SEND_FLOAT, SEND_DOUBLE, SEND_BOOLEAN, SEND_TEXT };

struct send_value {
    const char *name;
    const char *unit; /* NULL: none */
    const char *text; /* SEND_TEXT */
    double real;      /* SEND_FLOAT, SEND_DOUBLE */
    int64_t integer;  /* SEND_INTEGER, SEND_BOOLEAN */
    enum send_type type;
};

/*
 * Reads an argument and cuts it up in place. Integers stay integers; other decimal numbers become a single
 * where its shortest decimal is the number that was written, else a double; true and false; anything else is
 * text, and so is what stands in "quotes".
 */
MUST_CHECK int send_value_parse(struct send_value *value, char *argument, struct failure *failure);

#endif
