/*
 * Lost messages: numbers that a device sealed with, and that were not stored before the replay window left
 * them behind. Whatever comes under such a number later is stale.
 */
#ifndef LOST_H
#define LOST_H

#include <stdbool.h>
#include <stdint.h>

#include "device/window.h"

/*
 * How many numbers are lost for good when `piv`, which is new, is marked in `window`: those that it pushes
 * out of the window unset. Numbers below the lower limit were challenged, not lost.
 *
 * A counter skips numbers at a reboot, up to the next multiple of 65,536 (PROTOCOL 2). So of the numbers
 * missing right below a stored one, those below a multiple of 65,536 among them are not counted: nobody knows
 * whether they were sealed with. What is counted is certain, except where a counter was raised past a
 * receipt's top (PROTOCOL 3) since its last multiple and reboots then: up to 65,535 numbers, once.
 */
uint64_t window_lost(const struct bulla_window *window, uint64_t piv, bool counter);

#endif
