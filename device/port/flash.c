#include "flash.h"

#include <string.h>

#define FLASH_MARK   0xb5 /* first byte of a cell that was written; then its data's length, and the data */
#define FLASH_HEAD   2
#define FLASH_STRIKE 8 /* bytes that are overwritten to spend a cell */
#define FLASH_NO_ONE 0xffffffffu

/* A union, because some chips write whole words from where words may stand. */
union flash_cell {
    uint8_t bytes[FLASH_CELL_SIZE];
    uint32_t words[FLASH_CELL_SIZE / 4];
};

static uint32_t flash_cells(const struct flash_slots *slots)
{
    return slots->once ? 1 : slots->unit_size / FLASH_CELL_SIZE;
}

static int flash_is_all(const union flash_cell *cell, uint8_t value)
{
    for (size_t i = 0; i < FLASH_CELL_SIZE; i++) {
        if (cell->bytes[i] != value)
            return 0;
    }
    return 1;
}

static int flash_read(const struct flash_slots *slots, unsigned unit, uint32_t i, union flash_cell *cell)
{
    return slots->read(slots->context, unit, i * FLASH_CELL_SIZE, cell->bytes, FLASH_CELL_SIZE);
}

/* The last cell that is not erased, into `newest`, or FLASH_NO_ONE. */
static int flash_newest(const struct flash_slots *slots, unsigned unit, uint32_t *newest,
                        union flash_cell *cell)
{
    for (uint32_t i = flash_cells(slots); i-- > 0;) {
        if (flash_read(slots, unit, i, cell) != 0)
            return -1;
        if (!flash_is_all(cell, 0xff)) {
            *newest = i;
            return 0;
        }
    }
    *newest = FLASH_NO_ONE;
    return 0;
}

/* Writes the first `len` bytes of a cell and reads them back. */
static int flash_write(const struct flash_slots *slots, unsigned unit, uint32_t i,
                       const union flash_cell *cell, size_t len)
{
    union flash_cell read_back;

    memset(&read_back, 0, sizeof(read_back));
    if (slots->write(slots->context, unit, i * FLASH_CELL_SIZE, cell->bytes, len) != 0 ||
        flash_read(slots, unit, i, &read_back) != 0)
        return -1;
    return memcmp(cell, &read_back, len) == 0 ? 0 : -1;
}

/*
 * Overwrites the heads of the cells before `end`, as far as they are not spent already. No more than the
 * heads: chips bound the writes to a block between erasures (nRF52832: 181 words to 512 bytes).
 */
static int flash_spend(const struct flash_slots *slots, unsigned unit, uint32_t end)
{
    union flash_cell zeros;
    union flash_cell cell;

    memset(&zeros, 0, sizeof(zeros));
    for (uint32_t i = 0; i < end; i++) {
        if (flash_read(slots, unit, i, &cell) != 0)
            return -1;
        if (cell.bytes[0] == FLASH_MARK && flash_write(slots, unit, i, &zeros, FLASH_STRIKE) != 0)
            return -1;
    }
    return 0;
}

int flash_slots_load(const struct flash_slots *slots, enum bulla_slot slot, uint8_t *out, size_t len)
{
    union flash_cell cell;
    uint32_t newest;

    if (slot > BULLA_SLOT_COUNTER_B || len > FLASH_CELL_SIZE - FLASH_HEAD)
        return -1;
    if (flash_newest(slots, (unsigned)slot, &newest, &cell) != 0 || newest == FLASH_NO_ONE)
        return -1;
    if (cell.bytes[0] != FLASH_MARK || cell.bytes[1] != len)
        return -1;
    memcpy(out, cell.bytes + FLASH_HEAD, len);
    return 0;
}

int flash_slots_store(const struct flash_slots *slots, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    unsigned unit = (unsigned)slot;
    union flash_cell cell;
    uint32_t newest;
    uint32_t next;

    if (slot > BULLA_SLOT_COUNTER_B || len > FLASH_CELL_SIZE - FLASH_HEAD)
        return -1;
    if (flash_newest(slots, unit, &newest, &cell) != 0)
        return -1;
    next = newest == FLASH_NO_ONE ? 0 : newest + 1;
    memset(&cell, 0xff, sizeof(cell));
    cell.bytes[0] = FLASH_MARK;
    cell.bytes[1] = (uint8_t)len;
    memcpy(cell.bytes + FLASH_HEAD, data, len);
    if (next < flash_cells(slots) && flash_write(slots, unit, next, &cell, FLASH_CELL_SIZE) == 0)
        return flash_spend(slots, unit, next);
    /* Full, or a cell that takes nothing. The cells before the newest are spent first, because in an erasure
     * that is cut the newest may vanish before them. */
    if (next > 1 && !slots->once && flash_spend(slots, unit, next - 1) != 0)
        return -1;
    if (slots->erase(slots->context, unit) != 0)
        return -1;
    return flash_write(slots, unit, 0, &cell, FLASH_CELL_SIZE);
}
