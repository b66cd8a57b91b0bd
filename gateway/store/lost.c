#include "gateway/store/lost.h"

#define WINDOW_SIZE 64u
#define RESERVATION 65536u /* numbers that a counter reserves ahead (PROTOCOL 2) */

/* Of the numbers `first` to `last`, all missing, and `next` the lowest stored one above: those that count. */
static uint64_t count_gap(uint64_t first, uint64_t last, uint64_t next, bool counter)
{
    uint64_t multiple = next - next % RESERVATION;

    if (counter && first < multiple)
        first = multiple;
    return first <= last ? last - first + 1 : 0;
}

/* Those of the window itself, from `first` to `last`, both at most its top. */
static uint64_t count_window(const struct bulla_window *window, uint64_t first, uint64_t last, bool counter)
{
    uint64_t next = window->top;
    uint64_t count = 0;

    for (uint64_t piv = window->top;; piv--) {
        if ((window->bits >> (window->top - piv) & 1) != 0)
            next = piv;
        else if (piv >= first && piv <= last)
            count += count_gap(piv, piv, next, counter);
        if (piv == first || window->top - piv == WINDOW_SIZE - 1)
            return count;
    }
}

uint64_t window_lost(const struct bulla_window *window, uint64_t piv, bool counter)
{
    bool empty = window->bits == 0;
    uint64_t first = window->lower; /* that can count */
    uint64_t count = 0;

    if ((!empty && piv <= window->top) || piv < WINDOW_SIZE)
        return 0;
    uint64_t last = piv - WINDOW_SIZE; /* that leaves */
    if (!empty && window->top >= WINDOW_SIZE && window->top - WINDOW_SIZE + 1 > first)
        first = window->top - WINDOW_SIZE + 1;
    if (!empty && first <= window->top && first <= last)
        count = count_window(window, first, last < window->top ? last : window->top, counter);
    if (!empty && first <= window->top)
        first = window->top + 1;
    return first <= last ? count + count_gap(first, last, piv, counter) : count;
}
