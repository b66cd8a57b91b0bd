#include "esp8266.h"

#include <string.h>

#include <c_types.h>
#include <osapi.h>
#include <spi_flash.h>
#include <user_interface.h>

#define ESP8266_SECTOR_SIZE 4096u
#define ESP8266_SLOT_WORDS  16 /* mark, length, 2 of padding, then the slot */
#define ESP8266_MARK        0xb5

/* ---- callbacks ---- */

static int esp8266_random(void *context, uint8_t *out, size_t len)
{
    uint8_t other[8];

    (void)context;
    if (len > sizeof(other) || wifi_get_opmode() == NULL_MODE)
        return -1; /* no radio, no noise */
    if (os_get_random(out, len) != 0 || os_get_random(other, len) != 0)
        return -1;
    return memcmp(out, other, len) == 0 ? -1 : 0;
}

static int esp8266_load_session(uint8_t *out, size_t len)
{
    uint32_t words[ESP8266_SLOT_WORDS];
    const uint8_t *bytes = (const uint8_t *)words;

    if (len > sizeof(words) - 4 || !system_rtc_mem_read(ESP8266_PORT_RTC_BLOCK, words, sizeof(words)))
        return -1;
    if (bytes[0] != ESP8266_MARK || bytes[1] != len)
        return -1;
    memcpy(out, bytes + 4, len);
    return 0;
}

static int esp8266_store_session(const uint8_t *data, size_t len)
{
    uint32_t words[ESP8266_SLOT_WORDS] = {0};
    uint8_t *bytes = (uint8_t *)words;

    if (len > sizeof(words) - 4)
        return -1;
    bytes[0] = ESP8266_MARK;
    bytes[1] = (uint8_t)len;
    memcpy(bytes + 4, data, len);
    return system_rtc_mem_write(ESP8266_PORT_RTC_BLOCK, words, sizeof(words)) ? 0 : -1;
}

static int esp8266_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    const struct esp8266_port *esp8266 = (const struct esp8266_port *)context;

    if (slot == BULLA_SLOT_SESSION)
        return esp8266_load_session(out, len);
    return esp8266->sector[0] == 0 ? -1 : flash_slots_load(&esp8266->flash, slot, out, len);
}

static int esp8266_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    const struct esp8266_port *esp8266 = (const struct esp8266_port *)context;

    if (slot == BULLA_SLOT_SESSION)
        return esp8266_store_session(data, len);
    return esp8266->sector[0] == 0 ? -1 : flash_slots_store(&esp8266->flash, slot, data, len);
}

/* ---- flash ---- */

static uint32_t esp8266_address(const struct esp8266_port *esp8266, unsigned unit, uint32_t offset)
{
    return esp8266->sector[unit] * ESP8266_SECTOR_SIZE + offset;
}

static int esp8266_read(void *context, unsigned unit, uint32_t offset, uint8_t *out, size_t len)
{
    uint32_t address = esp8266_address((const struct esp8266_port *)context, unit, offset);

    return spi_flash_read(address, (uint32_t *)(void *)out, (uint32_t)len) == SPI_FLASH_RESULT_OK ? 0 : -1;
}

static int esp8266_write(void *context, unsigned unit, uint32_t offset, const uint8_t *bytes, size_t len)
{
    uint32_t address = esp8266_address((const struct esp8266_port *)context, unit, offset);
    uint32_t words[FLASH_CELL_SIZE / 4]; /* the SDK's function takes no const */

    memcpy(words, bytes, len);
    return spi_flash_write(address, words, (uint32_t)len) == SPI_FLASH_RESULT_OK ? 0 : -1;
}

static int esp8266_erase(void *context, unsigned unit)
{
    const struct esp8266_port *esp8266 = (const struct esp8266_port *)context;

    return spi_flash_erase_sector(esp8266->sector[unit]) == SPI_FLASH_RESULT_OK ? 0 : -1;
}

/* ---- */

void esp8266_port_init(struct esp8266_port *esp8266)
{
    memset(esp8266, 0, sizeof(*esp8266));
    esp8266->port.random = esp8266_random;
    esp8266->port.load = esp8266_load;
    esp8266->port.store = esp8266_store;
    esp8266->port.context = esp8266;
    esp8266->flash.read = esp8266_read;
    esp8266->flash.write = esp8266_write;
    esp8266->flash.erase = esp8266_erase;
    esp8266->flash.context = esp8266;
    esp8266->flash.unit_size = ESP8266_SECTOR_SIZE;
}

int esp8266_port_store(struct esp8266_port *esp8266, uint16_t sector_a, uint16_t sector_b)
{
    if (sector_a == 0 || sector_b == 0 || sector_a == sector_b)
        return BULLA_E_ARGUMENT;
    esp8266->sector[0] = sector_a;
    esp8266->sector[1] = sector_b;
    return 0;
}
