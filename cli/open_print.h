/*
 * How `bulla open` shows what it found.
 */
#ifndef OPEN_PRINT_H
#define OPEN_PRINT_H

#include "cli/anatomy.h"
#include "cli/opening.h"
#include "gateway/failure.h"

struct open_report {
    size_t len; /* bytes of the message */
    struct anatomy anatomy;
    bool formed;                     /* it is of the form that the gateway, or the device, takes */
    const struct opening_keys *keys; /* NULL: none were given; then `opening` is empty */
    struct opening opening;
};

MUST_CHECK int open_print_text(const struct open_report *report, struct failure *failure);
MUST_CHECK int open_print_json(const struct open_report *report, struct failure *failure);

#endif
