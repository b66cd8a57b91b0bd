/*
 * mbedTLS on an emulated core: what device/crypto_mbedtls.c needs, its tables in flash, and a heap that the
 * tests bound (heap.c).
 */
#ifndef BULLA_TEST_MBEDTLS_CONFIG_H
#define BULLA_TEST_MBEDTLS_CONFIG_H

#include <stddef.h>

#define MBEDTLS_AES_C
#define MBEDTLS_AES_FEWER_TABLES
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_CCM_C
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_CHACHAPOLY_C
#define MBEDTLS_CIPHER_C
#define MBEDTLS_MD_C
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_CALLOC_MACRO core_calloc
#define MBEDTLS_PLATFORM_FREE_MACRO   core_free
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_POLY1305_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA256_SMALLER

void *core_calloc(size_t count, size_t size);
void core_free(void *block);

#include "mbedtls/check_config.h"

#endif
