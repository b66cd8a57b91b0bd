/*
 * The port for the RP2040 over a model of the Pico SDK's flash.
 */
#include "support.h"

#include <string.h>

#include "device/port/rp2040.h"
#include "nor.h"
#include "port_suite.h"
#include "power.h"

#include <hardware/flash.h>
#include <hardware/regs/addressmap.h>
#include <pico/flash.h>
#include <pico/time.h>

#define SECTORS  4u
#define SECTOR_A (2 * FLASH_SECTOR_SIZE)
#define SECTOR_B (3 * FLASH_SECTOR_SIZE)

static struct nor flash;
static int safe; /* the other core and interrupts are off the flash */
static int other_core_hangs;
static uint64_t now;
static struct rp2040_port board;

/* ---- the SDK ---- */

int flash_safe_execute(void (*func)(void *), void *param, uint32_t enter_exit_timeout_ms)
{
    assert_true(enter_exit_timeout_ms > 0);
    if (other_core_hangs)
        return PICO_ERROR_TIMEOUT;
    safe = 1;
    func(param);
    safe = 0;
    return PICO_OK;
}

void flash_range_erase(uint32_t flash_offs, size_t count)
{
    assert_true(safe && count == FLASH_SECTOR_SIZE && (flash_offs == SECTOR_A || flash_offs == SECTOR_B));
    nor_erase(&flash, flash_offs);
}

void flash_range_program(uint32_t flash_offs, const uint8_t *data, size_t count)
{
    assert_true(safe && flash_offs % FLASH_PAGE_SIZE == 0 && count == FLASH_PAGE_SIZE);
    assert_true(flash_offs >= SECTOR_A && flash_offs < SECTOR_B + FLASH_SECTOR_SIZE);
    assert_int_equal(nor_write(&flash, flash_offs, data, count), 0);
}

absolute_time_t get_absolute_time(void)
{
    return now;
}

uint32_t to_ms_since_boot(absolute_time_t t)
{
    return (uint32_t)t;
}

/* ---- the chip ---- */

static struct bulla_port *boot(void)
{
    memset(&board, 0xaa, sizeof(board));
    safe = 0;
    assert_int_equal(rp2040_port_init(&board, SECTOR_A, SECTOR_B), 0);
    return &board.port;
}

static void make_new(void)
{
    nor_new(&flash);
}

static void rot(enum bulla_slot slot)
{
    nor_rot(&flash, slot == BULLA_SLOT_COUNTER_A ? SECTOR_A : SECTOR_B, FLASH_CELL_SIZE);
}

static void set_clock(uint32_t milliseconds)
{
    now = milliseconds;
}

/* ---- of this port alone ---- */

static void test_other_core_does_not_step_aside(void **state)
{
    struct bulla_port *port;
    uint8_t record[BULLA_COUNTER_SIZE] = {0};

    (void)state;
    make_new();
    port = boot();
    other_core_hangs = 1;
    assert_int_not_equal(port->store(port->context, BULLA_SLOT_COUNTER_A, record, sizeof(record)), 0);
    other_core_hangs = 0;
    assert_int_equal(port->store(port->context, BULLA_SLOT_COUNTER_A, record, sizeof(record)), 0);
}

static void test_sectors_that_are_none(void **state)
{
    (void)state;
    assert_int_equal(rp2040_port_init(&board, SECTOR_A, SECTOR_A), BULLA_E_ARGUMENT);
    assert_int_equal(rp2040_port_init(&board, SECTOR_A + 256, SECTOR_B), BULLA_E_ARGUMENT);
    assert_int_equal(rp2040_port_init(&board, 0, SECTOR_B), BULLA_E_ARGUMENT);
}

int main(void)
{
    const struct port_model model = {
        .name = "rp2040",
        .boot = boot,
        .make_new = make_new,
        .rot = rot,
        .set_clock = set_clock,
        .extra = {{"test_other_core_does_not_step_aside", test_other_core_does_not_step_aside},
                  {"test_sectors_that_are_none", test_sectors_that_are_none}},
    };

    nor_open(&flash, XIP_NOCACHE_NOALLOC_BASE, SECTORS * FLASH_SECTOR_SIZE, FLASH_SECTOR_SIZE, 1);
    return port_suite(&model);
}
