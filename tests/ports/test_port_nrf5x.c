/*
 * The port for nRF51 and nRF52 over a model of its registers: each access to a peripheral is a moment, at
 * which the model sees what was written to flash since the last one, and at which the power may go.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "device/port/nrf5x.h"
#include "nor.h"
#include "port_suite.h"
#include "power.h"

#include <nrf.h>

#define FLASH_AT 0x00400000u
#define PAGE     4096u
#define PAGES    4u
#define PAGE_A   (FLASH_AT + 2 * PAGE)
#define PAGE_B   (FLASH_AT + 3 * PAGE)

static struct nor flash;
static uint8_t shadow[PAGES * PAGE]; /* the flash at the last moment */
static NRF_NVMC_Type nvmc;
static NRF_RNG_Type rng;
static unsigned rng_works; /* moments until a byte is ready; 0: never */
static unsigned rng_moments;
static int rng_sticks;
static struct retained_slot saved;
static struct nrf5x_port board;

/* ---- the registers ---- */

/* What the program stored to flash goes the way of a write. */
static void notice_writes(void)
{
    if (memcmp(flash.bytes, shadow, sizeof(shadow)) == 0)
        return;
    for (size_t at = 0; at < sizeof(shadow); at += 4) {
        uint32_t wanted;

        if (memcmp(flash.bytes + at, shadow + at, 4) == 0)
            continue;
        assert_int_equal(nvmc.CONFIG, NVMC_CONFIG_WEN_Wen);
        memcpy(&wanted, flash.bytes + at, 4);
        memcpy(flash.bytes + at, shadow + at, 4);
        assert_int_equal(nor_write(&flash, at, (const uint8_t *)&wanted, 4), 0);
        assert_memory_equal(flash.bytes + at, &wanted, 4); /* no bit was to rise */
        memcpy(shadow + at, flash.bytes + at, 4);
    }
}

NRF_NVMC_Type *nrf_nvmc(void)
{
    notice_writes();
    if (nvmc.ERASEPAGE != 0) {
        uint32_t page = nvmc.ERASEPAGE;

        nvmc.ERASEPAGE = 0;
        assert_true(nvmc.CONFIG == NVMC_CONFIG_WEN_Een && (page == PAGE_A || page == PAGE_B));
        nor_erase(&flash, page - FLASH_AT);
        memcpy(shadow, flash.bytes, sizeof(shadow));
    }
    nvmc.READY = test_below(&power_seed, 3) != 0; /* 0 is NVMC_READY_READY_Busy */
    return &nvmc;
}

NRF_RNG_Type *nrf_rng(void)
{
    if (rng.TASKS_STOP != 0)
        rng.TASKS_START = rng.TASKS_STOP = 0;
    if (rng.TASKS_START == 0 || rng.EVENTS_VALRDY != 0 || rng_works == 0 || ++rng_moments < rng_works)
        return &rng;
    rng_moments = 0;
    assert_int_equal(rng.CONFIG, RNG_CONFIG_DERCEN_Enabled); /* bias correction */
    rng.VALUE = rng_sticks ? 0x5a : (uint8_t)test_random(&power_seed);
    rng.EVENTS_VALRDY = 1;
    return &rng;
}

/* ---- the chip ---- */

static struct bulla_port *boot(void)
{
    memset(&board, 0xaa, sizeof(board));
    memset(&nvmc, 0, sizeof(nvmc));
    memset(&rng, 0, sizeof(rng));
    memcpy(shadow, flash.bytes, sizeof(shadow));
    nrf5x_port_init(&board, &saved);
    assert_int_equal(nrf5x_port_store(&board, PAGE_A, PAGE_B), 0);
    return &board.port;
}

static void battery_out(void)
{
    test_fill(&power_seed, (uint8_t *)&saved, sizeof(saved));
}

static void make_new(void)
{
    nor_new(&flash);
    battery_out();
    rng_works = 5;
}

static void rot(enum bulla_slot slot)
{
    nor_rot(&flash, (slot == BULLA_SLOT_COUNTER_A ? PAGE_A : PAGE_B) - FLASH_AT, FLASH_CELL_SIZE);
}

static void break_random(int broken)
{
    rng_works = broken ? 0 : 5;
}

/* ---- of this port alone ---- */

static void test_stuck_generator(void **state)
{
    struct bulla_port *port;
    uint8_t out[8];

    (void)state;
    make_new();
    port = boot();
    rng_sticks = 1;
    assert_int_not_equal(port->random(port->context, out, sizeof(out)), 0);
    rng_sticks = 0;
    assert_int_equal(port->random(port->context, out, sizeof(out)), 0);
    assert_int_equal(nrf_rng()->TASKS_START, 0); /* it does not run on */
}

static void test_pages_that_are_none(void **state)
{
    (void)state;
    nrf5x_port_init(&board, NULL);
    assert_int_equal(nrf5x_port_store(&board, PAGE_A, PAGE_A), BULLA_E_ARGUMENT);
    assert_int_equal(nrf5x_port_store(&board, PAGE_A + 4, PAGE_B), BULLA_E_ARGUMENT);
    assert_int_equal(nrf5x_port_store(&board, 0, PAGE_B), BULLA_E_ARGUMENT);
}

int main(void)
{
    const struct port_model model = {
        .name = "nrf5x",
        .boot = boot,
        .make_new = make_new,
        .rot = rot,
        .battery_out = battery_out,
        .break_random = break_random,
        .extra = {{"test_stuck_generator", test_stuck_generator},
                  {"test_pages_that_are_none", test_pages_that_are_none}},
    };

    nor_open(&flash, FLASH_AT, PAGES * PAGE, PAGE, 4);
    flash.writes_max = 2; /* of a word between erasures, as the data sheet of the nRF52 says */
    flash.block = 512;
    flash.block_max = 181; /* as that of the nRF52832 says, of a block */
    return port_suite(&model);
}
