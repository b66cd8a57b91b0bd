/*
 * The supply of a modelled chip: work is done until a given step, where the power goes. Models call
 * power_step() before each change of memory that outlives it; on the last step they leave the change half
 * done and call power_off(), which does not return.
 */
#ifndef BULLA_TEST_POWER_H
#define BULLA_TEST_POWER_H

#include <stdint.h>

/* What models draw their half changes and their randomness from. */
extern uint64_t power_seed;

/* Does `work` with power for `steps` steps (0: for ever). Returns 1 if the power went, 0 if the work was
 * done. */
int power_while(unsigned steps, void (*work)(void *), void *context);

/* 1 if this is the step in which the power goes. */
int power_step(void);

/* Likewise, for a step that takes long and comes seldom: every second one is cut, while the power is limited.
 */
int power_long_step(void);

/* How many steps there were since power_while() was called. */
unsigned power_steps(void);

_Noreturn void power_off(void);

#endif
