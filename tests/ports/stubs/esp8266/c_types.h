/* Declarations for tests, written from the vendor's public documentation: the non-OS SDK's types. */
#ifndef STUB_C_TYPES_H
#define STUB_C_TYPES_H

#include <stdbool.h>
#include <stdint.h>

typedef uint8_t uint8;
typedef uint16_t uint16;
typedef uint32_t uint32;

#endif
