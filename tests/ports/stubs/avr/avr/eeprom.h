/* Declarations for tests, written from the vendor's public documentation: EEPROM of avr-libc. */
#ifndef STUB_AVR_EEPROM_H
#define STUB_AVR_EEPROM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

uint8_t eeprom_read_byte(const uint8_t *at);
void eeprom_read_block(void *out, const void *at, size_t len);
void eeprom_update_byte(uint8_t *at, uint8_t value);
void eeprom_update_block(const void *data, void *at, size_t len);

#ifdef __cplusplus
}
#endif

#endif
