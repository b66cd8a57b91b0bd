/*
 * The port for STM32 over a model of ST's HAL: flash that takes a half-word once, and zeros over it; the RNG
 * unit.
 */
#include "support.h"

#include <string.h>

#include "device/port/stm32.h"
#include "nor.h"
#include "port_suite.h"
#include "power.h"

#include <stm32f0xx_hal.h>

#define FLASH_AT 0x08000000u
#define PAGE     2048u
#define PAGES    4u
#define PAGE_A   (FLASH_AT + 2 * PAGE)
#define PAGE_B   (FLASH_AT + 3 * PAGE)

static struct nor flash;
static int unlocked;
static uint32_t tick;
static int rng_fails;
static int rng_sticks;
static RNG_HandleTypeDef rng;
static struct retained_slot saved;
static struct stm32_port board;

/* ---- the HAL ---- */

HAL_StatusTypeDef HAL_FLASH_Unlock(void)
{
    unlocked = 1;
    return HAL_OK;
}

HAL_StatusTypeDef HAL_FLASH_Lock(void)
{
    unlocked = 0;
    return HAL_OK;
}

HAL_StatusTypeDef HAL_FLASH_Program(uint32_t TypeProgram, uint32_t Address, uint64_t Data)
{
    uint8_t half[2] = {(uint8_t)Data, (uint8_t)(Data >> 8)};

    assert_true(unlocked && TypeProgram == FLASH_TYPEPROGRAM_HALFWORD && Data <= 0xffff);
    assert_true(Address >= PAGE_A && Address < PAGE_B + PAGE);
    return nor_write(&flash, Address - FLASH_AT, half, 2) == 0 ? HAL_OK : HAL_ERROR;
}

HAL_StatusTypeDef HAL_FLASHEx_Erase(FLASH_EraseInitTypeDef *pEraseInit, uint32_t *PageError)
{
    assert_true(unlocked && pEraseInit->TypeErase == FLASH_TYPEERASE_PAGES && pEraseInit->NbPages == 1);
    assert_true(pEraseInit->PageAddress == PAGE_A || pEraseInit->PageAddress == PAGE_B);
    nor_erase(&flash, pEraseInit->PageAddress - FLASH_AT);
    *PageError = 0xffffffffu;
    return HAL_OK;
}

HAL_StatusTypeDef HAL_RNG_GenerateRandomNumber(RNG_HandleTypeDef *hrng, uint32_t *random32bit)
{
    assert_ptr_equal(hrng, &rng);
    if (rng_fails)
        return HAL_ERROR;
    *random32bit = rng_sticks ? 7 : (uint32_t)test_random(&power_seed);
    return HAL_OK;
}

uint32_t HAL_GetTick(void)
{
    return tick;
}

/* ---- the chip ---- */

static struct bulla_port *boot(void)
{
    memset(&board, 0xaa, sizeof(board));
    unlocked = 0;
    stm32_port_init(&board, &saved);
    assert_null(board.port.random);
    assert_int_equal(stm32_port_store(&board, PAGE_A, PAGE_B, PAGE), 0);
    return &board.port;
}

static struct bulla_port *boot_with_rng(void)
{
    boot();
    stm32_port_use_rng(&board, &rng);
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
}

static void rot(enum bulla_slot slot)
{
    nor_rot(&flash, (slot == BULLA_SLOT_COUNTER_A ? PAGE_A : PAGE_B) - FLASH_AT, FLASH_CELL_SIZE);
}

static void break_random(int broken)
{
    rng_fails = broken;
}

static void set_clock(uint32_t milliseconds)
{
    tick = milliseconds;
}

/* ---- of this port alone ---- */

static void test_stuck_generator(void **state)
{
    struct bulla_port *port = boot_with_rng();
    uint8_t out[8];

    (void)state;
    assert_int_equal(port->random(port->context, out, sizeof(out)), 0);
    rng_sticks = 1;
    assert_int_not_equal(port->random(port->context, out, sizeof(out)), 0);
    rng_sticks = 0;
}

/* F0 and F1: no unit, so no session; a counter opens without it. */
static void test_without_the_unit(void **state)
{
    struct bulla_credential credential = {.kid = {1}, .kid_len = 1, .alg = 10, .kind = BULLA_SESSION};
    struct bulla device;

    (void)state;
    make_new();
    assert_int_equal(bulla_open(&device, &credential, boot()), BULLA_E_UNSAFE);
    stm32_port_use_rng(&board, NULL);
    assert_int_equal(bulla_open(&device, &credential, &board.port), BULLA_E_UNSAFE);
}

static void test_pages_that_are_none(void **state)
{
    (void)state;
    stm32_port_init(&board, NULL);
    assert_int_equal(stm32_port_store(&board, PAGE_A, PAGE_A, PAGE), BULLA_E_ARGUMENT);
    assert_int_equal(stm32_port_store(&board, PAGE_A, PAGE_B + 2, PAGE), BULLA_E_ARGUMENT);
    assert_int_equal(stm32_port_store(&board, PAGE_A, 0, PAGE), BULLA_E_ARGUMENT);
    assert_int_equal(stm32_port_store(&board, PAGE_A, PAGE_B, 16), BULLA_E_ARGUMENT);
}

int main(void)
{
    const struct port_model model = {
        .name = "stm32",
        .boot = boot_with_rng,
        .make_new = make_new,
        .rot = rot,
        .battery_out = battery_out,
        .break_random = break_random,
        .set_clock = set_clock,
        .extra = {{"test_stuck_generator", test_stuck_generator},
                  {"test_without_the_unit", test_without_the_unit},
                  {"test_pages_that_are_none", test_pages_that_are_none}},
    };

    nor_open(&flash, FLASH_AT, PAGES * PAGE, PAGE, 2);
    flash.zero_only = 1;
    return port_suite(&model);
}
