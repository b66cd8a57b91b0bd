/*
 * The number that was meant by a half or a single: a sensor that measures 23.4 and sends a single sends
 * 23.3999996185302734375. The shortest decimal that gives that single is 23.4.
 */
#ifndef SHORTEST_H
#define SHORTEST_H

/*
 * The double nearest to the decimal of the fewest digits that rounds to this half (given as a double that is
 * one) or single. Whole numbers below 2^53 are left as they are: encoders shrink 8208.0 to a half because it
 * is the same number, and the shorter 8210, which gives the same half, was not meant. NaN and infinities are
 * left alone too.
 */
double shortest_half(double half);
double shortest_single(float single);

#endif
