/* Declarations for tests, written from the vendor's public documentation: randomness of the non-OS SDK. */
#ifndef STUB_OSAPI_H
#define STUB_OSAPI_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

int os_get_random(unsigned char *buf, size_t len);

#ifdef __cplusplus
}
#endif

#endif
