#include "power.h"

#include <setjmp.h>
#include <stdlib.h>

#include "support.h"

uint64_t power_seed = 1;

static jmp_buf off;
static unsigned left;
static unsigned done;
static int on;

int power_while(unsigned steps, void (*work)(void *), void *context)
{
    int gone;

    left = steps;
    done = 0;
    on = 1;
    gone = setjmp(off);
    if (gone == 0)
        work(context);
    on = 0;
    left = 0;
    return gone;
}

int power_step(void)
{
    done++;
    return left > 0 && --left == 0;
}

int power_long_step(void)
{
    if (left > 1 && test_below(&power_seed, 2) == 0)
        left = 1;
    return power_step();
}

unsigned power_steps(void)
{
    return done;
}

_Noreturn void power_off(void)
{
    if (!on)
        abort();
    longjmp(off, 1);
}
