/*
 * Before something that cannot be taken back: --yes, or a question on a terminal.
 */
#ifndef CONFIRM_H
#define CONFIRM_H

#include <stdbool.h>

#include "gateway/failure.h"

/* 0 to go on; -1 with the failure: the answer was no, or there is nobody to ask. */
MUST_CHECK int confirm(const char *question, bool yes, struct failure *failure);

#endif
