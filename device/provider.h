/*
 * Which provider is built where every file is built and none chosen: by Arduino, and PlatformIO with it.
 * Other builds take one provider's files and leave the others out; there each is whole.
 * BEARSSL_PARTS are the providers of some algorithms alone, which a build chooses by itself.
 */
#ifndef BULLA_PROVIDER_H
#define BULLA_PROVIDER_H

#include <stdint.h>

#if !defined(ARDUINO)
#define BULLA_WITH_BEARSSL       1
#define BULLA_WITH_BEARSSL_PARTS 1
#define BULLA_WITH_MBEDTLS       1
#define BULLA_WITH_OPENSSL       1
#define BULLA_WITH_PSA           1
#define BULLA_WITH_TINY          1
#elif defined(ARDUINO_ARCH_ESP8266) /* BearSSL is in its core */
#define BULLA_WITH_BEARSSL       1
#define BULLA_WITH_BEARSSL_PARTS 0
#define BULLA_WITH_MBEDTLS       0
#define BULLA_WITH_OPENSSL       0
#define BULLA_WITH_PSA           0
#define BULLA_WITH_TINY          0
#elif defined(ARDUINO_ARCH_ESP32) /* mbedTLS is in its core */
#define BULLA_WITH_BEARSSL       0
#define BULLA_WITH_BEARSSL_PARTS 0
#define BULLA_WITH_MBEDTLS       1
#define BULLA_WITH_OPENSSL       0
#define BULLA_WITH_PSA           0
#define BULLA_WITH_TINY          0
#else
#define BULLA_WITH_BEARSSL       0
#define BULLA_WITH_BEARSSL_PARTS 0
#define BULLA_WITH_MBEDTLS       0
#define BULLA_WITH_OPENSSL       0
#define BULLA_WITH_PSA           0
#define BULLA_WITH_TINY          1
#endif

/* Whether `tiny` has its AES by words, or by bytes: for 8-bit parts, and where the first byte is the highest.
 */
#if !defined(BULLA_TINY_WORDS)
#if UINTPTR_MAX > 0xffff && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BULLA_TINY_WORDS 1
#else
#define BULLA_TINY_WORDS 0
#endif
#endif

#endif
