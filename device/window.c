#include "window.h"

#define WINDOW_SIZE 64u

enum bulla_window_place bulla_window_place(const struct bulla_window *window, uint64_t piv)
{
    if (window->bits != 0 && piv <= window->top) {
        uint64_t behind = window->top - piv;
        if (behind < WINDOW_SIZE && (window->bits >> behind & 1) != 0)
            return BULLA_WINDOW_DUPLICATE;
        if (behind >= WINDOW_SIZE)
            return BULLA_WINDOW_STALE;
    }
    return piv < window->lower ? BULLA_WINDOW_STALE : BULLA_WINDOW_NEW;
}

void bulla_window_mark(struct bulla_window *window, uint64_t piv)
{
    if (window->bits != 0 && piv <= window->top) {
        window->bits |= (uint64_t)1 << (window->top - piv);
        return;
    }
    /* A shift by 64 or more is undefined: such a jump leaves nothing of the old window. */
    if (window->bits != 0 && piv - window->top < WINDOW_SIZE)
        window->bits <<= piv - window->top;
    else
        window->bits = 0;
    window->bits |= 1;
    window->top = piv;
}

uint64_t bulla_window_receipt_bits(const struct bulla_window *window)
{
    return window->bits >> 1;
}

int bulla_receipt_holds(uint64_t top, uint64_t bits, uint64_t piv)
{
    if (piv > top)
        return 0;
    if (piv == top)
        return 1;
    return top - 1 - piv < WINDOW_SIZE - 1 && (bits >> (top - 1 - piv) & 1) != 0;
}
