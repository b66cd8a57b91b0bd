/* Declarations for tests, written from the vendor's public documentation: Zephyr's kernel. */
#ifndef STUB_ZEPHYR_KERNEL_H
#define STUB_ZEPHYR_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

uint32_t k_uptime_get_32(void);
int32_t k_msleep(int32_t ms);

#ifdef __cplusplus
}
#endif

#endif
