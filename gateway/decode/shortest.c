#include "gateway/decode/shortest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define EXACT_LIMIT 9007199254740992.0 /* 2^53: doubles below it hold every whole number */

/* The powers of ten that a double holds exactly, so that n / power[k] is rounded only once. */
static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                               1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#define POWERS ((int)(sizeof(power) / sizeof(power[0])))

/* Rounds to the nearest half, ties to even; of what is no half already and below 1024. */
static double round_to_half(double value)
{
    int exponent;

    (void)frexp(value, &exponent);
    exponent = exponent - 11 < -24 ? -24 : exponent - 11; /* of the last of 11 bits; subnormals have fewer */
    return ldexp(nearbyint(ldexp(value, -exponent)), exponent);
}

static double round_to_single(double value)
{
    return (float)value;
}

/* Tries 1, 2, … decimals. Returns the shortest that `round` takes back to `value` (positive), or NaN if none
 * was found. */
static double fewest_decimals(double value, double (*round_to)(double))
{
    for (int k = 1; k < POWERS; k++) {
        double whole = nearbyint(value * power[k]);
        double candidate = whole / power[k];
        if (whole >= EXACT_LIMIT)
            break;
        if (round_to(candidate) == value)
            return candidate;
    }
    return NAN;
}

/* For magnitudes where the above is not exact. Nine digits give every single. */
static double fewest_digits(double value)
{
    char digits[32];
    double candidate = value;

    for (int p = 1; p <= 9; p++) {
        (void)snprintf(digits, sizeof(digits), "%.*e", p - 1, value);
        candidate = strtod(digits, NULL);
        if (round_to_single(candidate) == value)
            break;
    }
    return candidate;
}

static int is_left_alone(double value)
{
    return !isfinite(value) || (fabs(value) < EXACT_LIMIT && trunc(value) == value);
}

double shortest_half(double half)
{
    if (is_left_alone(half))
        return half;
    return copysign(fewest_decimals(fabs(half), round_to_half), half);
}

double shortest_single(float single)
{
    double value = (double)single;
    double found;

    if (is_left_alone(value))
        return value;
    found = fewest_decimals(fabs(value), round_to_single);
    return copysign(isnan(found) ? fewest_digits(fabs(value)) : found, value);
}
