/*
 * Chance, from a seed: SplitMix64 (Steele, Lea, Flood 2014). It decides what happens in a simulated world and
 * nothing else: no key, secret or session id is ever drawn here, except in the in-process test, whose
 * database dies with it (sim/board.h, struct sim_entropy).
 */
#ifndef SIM_DRAW_H
#define SIM_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct draw {
    uint64_t state;
};

static inline uint64_t draw_next(struct draw *draw)
{
    uint64_t z = draw->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* A stream of its own for each thing, so that what happens to one changes nothing for another. */
static inline struct draw draw_stream(uint64_t seed, uint64_t number)
{
    struct draw draw = {seed ^ (number + 1) * 0xd1342543de82ef95u};

    draw.state = draw_next(&draw);
    return draw;
}

/* A number below `limit` (at least 1). */
static inline uint64_t draw_below(struct draw *draw, uint64_t limit)
{
    return draw_next(draw) % limit;
}

/* From 0 up to, but not, 1. */
static inline double draw_share(struct draw *draw)
{
    return (double)(draw_next(draw) >> 11) * 0x1p-53;
}

static inline bool draw_chance(struct draw *draw, double probability)
{
    return probability > 0 && draw_share(draw) < probability;
}

static inline void draw_fill(struct draw *draw, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)draw_next(draw);
}

#endif
