/*
 * The counter's two slots over two erase units of flash: what the ports of chips with flash share. A port
 * gives three functions, and which units are its own.
 *
 *     unit:  | spent | spent | newest | erased … |      one for each slot
 *
 * Each write takes the next cell, so that a unit is erased once for every unit_size / FLASH_CELL_SIZE writes.
 * The heads of the cells before it are then overwritten with zeros: so at no moment, not even in an erasure
 * that the power cuts, can an older number be taken for the newest one. What is read is the last cell that is
 * not erased, or nothing: a cell that a cut has torn makes a bad copy, which the library knows how to heal
 * (PROTOCOL 2).
 */
#ifndef BULLA_FLASH_H
#define BULLA_FLASH_H

#include "../bulla.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FLASH_CELL_SIZE 24 /* bytes: a multiple of what any of the chips writes at once (2, 4 or 8) */

/*
 * `unit` is 0 or 1, `offset` a multiple of 8 in it, `len` a multiple of 8 of at most FLASH_CELL_SIZE; the
 * bytes are aligned to 4. They return 0, or anything else for failure. The two units must not be one.
 */
struct flash_slots {
    int (*read)(void *context, unsigned unit, uint32_t offset, uint8_t *out, size_t len);
    int (*write)(void *context, unsigned unit, uint32_t offset, const uint8_t *bytes, size_t len);
    int (*erase)(void *context, unsigned unit); /* to 0xff */
    void *context;
    uint32_t unit_size; /* bytes */
    uint8_t once;       /* 1: written bytes cannot be overwritten with zeros; each write then erases first */
};

/* Read and write BULLA_SLOT_COUNTER_A or _B (BULLA_COUNTER_SIZE bytes), as struct bulla_port says. */
BULLA_MUST_CHECK int flash_slots_load(const struct flash_slots *slots, enum bulla_slot slot, uint8_t *out,
                                      size_t len);
BULLA_MUST_CHECK int flash_slots_store(const struct flash_slots *slots, enum bulla_slot slot,
                                       const uint8_t *data, size_t len);

#ifdef __cplusplus
}
#endif

#endif
