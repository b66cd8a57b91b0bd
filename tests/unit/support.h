/*
 * What every test of the device library includes first: cmocka with what it needs before it, hexadecimal, and
 * a random source that gives the same numbers every time.
 */
#ifndef BULLA_TEST_SUPPORT_H
#define BULLA_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Decodes hexadecimal digits; blanks between them are skipped. Fails the test if they are none, or too many.
 * Returns how many bytes. */
size_t from_hex(uint8_t *out, size_t size, const char *hex);

/* Fails unless `bytes` are what the hexadecimal says; prints both. */
void assert_hex(const uint8_t *bytes, size_t len, const char *hex);

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t test_random(uint64_t *state);

/* A number below `limit`. */
uint64_t test_below(uint64_t *state, uint64_t limit);

void test_fill(uint64_t *state, uint8_t *out, size_t len);

#endif
