/* Declarations for tests, written from the vendor's public documentation: Zephyr's randomness. */
#ifndef STUB_ZEPHYR_RANDOM_H
#define STUB_ZEPHYR_RANDOM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

int sys_csrand_get(void *dst, size_t len);

#ifdef __cplusplus
}
#endif

#endif
