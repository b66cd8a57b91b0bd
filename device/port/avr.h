/*
 * A port for AVR microcontrollers (ATmega328P and its like), over avr-libc.
 *
 *     static struct avr_port board;
 *
 *     avr_port_init(&board, 0);                        // EEPROM from address 0 on: AVR_PORT_SIZE bytes
 *     if (bulla_open(&device, &credential, &board.port) < 0)
 *         stop();
 *
 * Randomness: these chips have none, and this port gives none (random is NULL), so session contexts are
 * refused and the credential must be a counter's (`bulla device add --counter`). The counter needs no
 * randomness.
 *
 * Store: EEPROM. Each of the two slots is a ring of AVR_PORT_CELLS cells; a cell is a mark, a sequence number
 * and the record with the library's checksum. A write goes to the next cell, is read back, and then the mark
 * of the cell before it is cleared: so one cell is valid, for a moment two, and then the sequence tells the
 * newer. With 8 cells the 100,000 writes of the datasheet become 400,000 reservations of 65,536 numbers, or
 * as many boots that seal something (docs/devices.md). Enable the brown-out detector: EEPROM written at too
 * low a voltage is lost. Set the fuse EESAVE, or a programmer's chip erase takes the counter with it: then
 * the board needs a new credential.
 *
 * Timer: none here; the application gives board.port.timer a function (in Arduino: one that returns
 * millis()), or leaves it. In power-down millis() stands still: leave it then, or the time in a reply that
 * came hours late is believed.
 *
 * Run: in simavr on an emulated ATmega328P with its EEPROM, and on the host over a model that cuts the power
 * at every byte (tests/ports). Not run: on a chip.
 */
#ifndef BULLA_AVR_H
#define BULLA_AVR_H

#include "../bulla.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef AVR_PORT_CELLS
#define AVR_PORT_CELLS 8 /* in each slot, 2 to 100 */
#endif
#define AVR_PORT_CELL 20                                   /* bytes */
#define AVR_PORT_SIZE (2 * AVR_PORT_CELLS * AVR_PORT_CELL) /* bytes of EEPROM */

/* Members are the port's own, but for `port`, which is for bulla_open(). It must stay where it is. */
struct avr_port {
    struct bulla_port port;
    uint16_t base; /* address in the EEPROM */
};

/* A port for counter contexts. The address must stay the same over all versions of a firmware. */
void avr_port_init(struct avr_port *avr, uint16_t base);

#ifdef __cplusplus
}
#endif

#endif
