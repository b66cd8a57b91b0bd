/*
 * What a program on an emulated core has of its host: bytes in and out, an end, and marks between which the
 * host counts. One file a core carries it out.
 */
#ifndef BULLA_TEST_CORE_H
#define BULLA_TEST_CORE_H

#include <stddef.h>
#include <stdint.h>

void core_write(const void *bytes, size_t len);

/* Waits for `len` bytes. Ends the program, with status 0, where the host has no more. */
void core_read(void *bytes, size_t len);

/* Ends the program; the emulator exits with `status`. */
void core_stop(int status) __attribute__((noreturn));

/* Instructions (AVR: cycles) between the two are counted by the emulator. */
void core_begin(void);
void core_end(void);

/* Bytes of stack that `work` takes, its callers' not counted. */
size_t core_stack_of(void (*work)(void));

#endif
