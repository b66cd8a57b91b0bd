/*
 * Hex digits of either case.
 */
#ifndef HEX_H
#define HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether all of them are hex digits. */
bool hex_is(const void *text, size_t len);

/* Reads `len` digits, an even number of them, into half as many bytes. false: they are not all hex digits. */
bool hex_read(const void *text, size_t len, uint8_t *out);

#endif
