#include "avr.h"

#include <string.h>

#include <avr/eeprom.h>

#define AVR_MARK   0xb5 /* first byte of a valid cell; its sequence follows, then the record */
#define AVR_SPENT  0x00
#define AVR_HEAD   2
#define AVR_RECORD (AVR_PORT_CELL - AVR_HEAD) /* room for one */
#define AVR_NO_ONE 0xff

static uint8_t *avr_cell(const struct avr_port *avr, enum bulla_slot slot, uint8_t i)
{
    return (uint8_t *)(uintptr_t)(avr->base + ((unsigned)slot * AVR_PORT_CELLS + i) * AVR_PORT_CELL);
}

/* The valid cell with the newest sequence (they differ by less than 128), or AVR_NO_ONE. */
static uint8_t avr_newest(const struct avr_port *avr, enum bulla_slot slot, uint8_t *sequence)
{
    uint8_t newest = AVR_NO_ONE;

    for (uint8_t i = 0; i < AVR_PORT_CELLS; i++) {
        const uint8_t *cell = avr_cell(avr, slot, i);
        uint8_t its;

        if (eeprom_read_byte(cell) != AVR_MARK)
            continue;
        its = eeprom_read_byte(cell + 1);
        if (newest == AVR_NO_ONE || (uint8_t)(its - *sequence) < 128) {
            newest = i;
            *sequence = its;
        }
    }
    return newest;
}

static int avr_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    const struct avr_port *avr = (const struct avr_port *)context;
    uint8_t sequence = 0;
    uint8_t newest;

    if (slot > BULLA_SLOT_COUNTER_B || len > AVR_RECORD)
        return -1;
    newest = avr_newest(avr, slot, &sequence);
    if (newest == AVR_NO_ONE)
        return -1;
    eeprom_read_block(out, avr_cell(avr, slot, newest) + AVR_HEAD, len);
    return 0;
}

/* Writes a record to a cell that is not valid, makes it valid, and reads all of it back. */
static int avr_write(uint8_t *cell, uint8_t sequence, const uint8_t *data, size_t len)
{
    eeprom_update_byte(cell, AVR_SPENT);
    eeprom_update_byte(cell + 1, sequence);
    eeprom_update_block(data, cell + AVR_HEAD, len);
    eeprom_update_byte(cell, AVR_MARK);
    if (eeprom_read_byte(cell) != AVR_MARK || eeprom_read_byte(cell + 1) != sequence)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (eeprom_read_byte(cell + AVR_HEAD + i) != data[i])
            return -1;
    }
    return 0;
}

/* Clears every other valid cell: if the new one is ever lost, no older number must come back. */
static int avr_spend_others(const struct avr_port *avr, enum bulla_slot slot, uint8_t keep)
{
    for (uint8_t i = 0; i < AVR_PORT_CELLS; i++) {
        uint8_t *cell = avr_cell(avr, slot, i);

        if (i == keep || eeprom_read_byte(cell) != AVR_MARK)
            continue;
        eeprom_update_byte(cell, AVR_SPENT);
        if (eeprom_read_byte(cell) == AVR_MARK)
            return -1;
    }
    return 0;
}

static int avr_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    const struct avr_port *avr = (const struct avr_port *)context;
    uint8_t sequence = 0;
    uint8_t newest;

    if (slot > BULLA_SLOT_COUNTER_B || len > AVR_RECORD)
        return -1;
    newest = avr_newest(avr, slot, &sequence);
    if (newest == AVR_NO_ONE)
        newest = AVR_PORT_CELLS - 1;                        /* the ring is empty: its first cell is next */
    for (uint8_t step = 1; step < AVR_PORT_CELLS; step++) { /* past cells that are worn out */
        uint8_t next = (uint8_t)((newest + step) % AVR_PORT_CELLS);

        if (avr_write(avr_cell(avr, slot, next), (uint8_t)(sequence + 1), data, len) == 0)
            return avr_spend_others(avr, slot, next);
    }
    return -1;
}

void avr_port_init(struct avr_port *avr, uint16_t base)
{
    memset(avr, 0, sizeof(*avr));
    avr->base = base;
    avr->port.load = avr_load;
    avr->port.store = avr_store;
    avr->port.context = avr;
}
