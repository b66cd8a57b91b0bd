/* Declarations for tests, written from the vendor's public documentation: addresses of the RP2040. */
#ifndef STUB_ADDRESSMAP_H
#define STUB_ADDRESSMAP_H

#define XIP_BASE                 0x10000000u
#define XIP_NOCACHE_NOALLOC_BASE 0x13000000u

#endif
