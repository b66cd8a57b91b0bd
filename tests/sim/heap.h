/*
 * A heap for SQLite where AddressSanitizer's would take most of the time: a world opens a dozen connections,
 * and each reads the whole schema. Pieces come in powers of two from lists of free ones. What is free, and
 * what lies behind a piece's end, is poisoned: touching it ends the test as it would on the usual heap.
 */
#ifndef BULLA_TEST_HEAP_H
#define BULLA_TEST_HEAP_H

/* Before anything else is asked of SQLite. */
void heap_use(void);

#endif
