/* What cost.c is told by the build (a credential, and a reply to it made by the reference), and the older
 * scheme. */
#ifndef BULLA_TEST_COST_H
#define BULLA_TEST_COST_H

#include <stddef.h>
#include <stdint.h>

#include "cost_values.h"

size_t cost_old(uint8_t *out);

#endif
