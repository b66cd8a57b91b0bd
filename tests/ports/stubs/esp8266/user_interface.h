/* Declarations for tests, written from the vendor's public documentation: RTC memory and Wi-Fi's mode of the
 * non-OS SDK. */
#ifndef STUB_USER_INTERFACE_H
#define STUB_USER_INTERFACE_H

#include "c_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NULL_MODE    0x00
#define STATION_MODE 0x01

uint8 wifi_get_opmode(void);
bool system_rtc_mem_read(uint8 src_addr, void *des_addr, uint16 load_size);
bool system_rtc_mem_write(uint8 des_addr, const void *src_addr, uint16 save_size);

#ifdef __cplusplus
}
#endif

#endif
