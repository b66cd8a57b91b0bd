/* The 32-bit cores: marks are two functions whose addresses the emulator watches, and the stack is painted.
 */
#include "tests/cores/core.h"

#define PAINT 0xa5

extern uint8_t __stack_bottom[];

__attribute__((noinline)) void core_begin(void)
{
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) void core_end(void)
{
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) size_t core_stack_of(void (*work)(void))
{
    volatile uint8_t *bottom = __stack_bottom;
    volatile uint8_t *top = (volatile uint8_t *)__builtin_frame_address(0) - 32; /* below this one's frame */

    for (volatile uint8_t *at = bottom; at < top; at++)
        *at = PAINT;
    work();
    while (bottom < top && *bottom == PAINT)
        bottom++;
    return (size_t)((volatile uint8_t *)__builtin_frame_address(0) - bottom);
}
