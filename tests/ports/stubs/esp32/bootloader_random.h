/* Declarations for tests, written from the vendor's public documentation: ESP-IDF's entropy without the
 * radio. */
#ifndef STUB_BOOTLOADER_RANDOM_H
#define STUB_BOOTLOADER_RANDOM_H

#ifdef __cplusplus
extern "C" {
#endif

void bootloader_random_enable(void);
void bootloader_random_disable(void);

#ifdef __cplusplus
}
#endif

#endif
