/*
 * The port for the ESP8266 over a model of its SDK: RTC memory, flash, the generator, Wi-Fi's mode.
 */
#include "support.h"

#include <string.h>

#include "device/port/esp8266.h"
#include "nor.h"
#include "port_suite.h"
#include "power.h"

#include <osapi.h>
#include <spi_flash.h>
#include <user_interface.h>

#define FLASH_AT 0x40200000u /* where the chip maps it; the SDK counts from 0 */
#define SECTOR   4096u
#define SECTORS  8u
#define SECTOR_A 6u
#define SECTOR_B 5u

static struct nor flash;
static uint8_t rtc[768];
static int radio = STATION_MODE;
static int generator_fails;
static int generator_sticks;
static struct esp8266_port board;

/* ---- the SDK ---- */

uint8 wifi_get_opmode(void)
{
    return (uint8)radio;
}

int os_get_random(unsigned char *buf, size_t len)
{
    if (generator_fails)
        return -1;
    test_fill(&power_seed, buf, len);
    if (generator_sticks)
        memset(buf, 0x5c, len);
    return 0;
}

static int is_users(unsigned block, unsigned size)
{
    return block >= 96 && block * 4 + size <= sizeof(rtc); /* behind what the Arduino core's updater uses */
}

bool system_rtc_mem_read(uint8 src_addr, void *des_addr, uint16 load_size)
{
    assert_true(is_users(src_addr, load_size) && (uintptr_t)des_addr % 4 == 0 && load_size % 4 == 0);
    memcpy(des_addr, rtc + src_addr * 4, load_size);
    return true;
}

bool system_rtc_mem_write(uint8 des_addr, const void *src_addr, uint16 save_size)
{
    assert_true(is_users(des_addr, save_size) && (uintptr_t)src_addr % 4 == 0 && save_size % 4 == 0);
    memcpy(rtc + des_addr * 4, src_addr, save_size);
    return true;
}

SpiFlashOpResult spi_flash_erase_sector(uint16 sec)
{
    assert_true(sec == SECTOR_A || sec == SECTOR_B);
    nor_erase(&flash, sec * SECTOR);
    return SPI_FLASH_RESULT_OK;
}

SpiFlashOpResult spi_flash_write(uint32 des_addr, uint32 *src_addr, uint32 size)
{
    assert_true(des_addr / SECTOR == SECTOR_A || des_addr / SECTOR == SECTOR_B);
    assert_true(((uintptr_t)src_addr | des_addr | size) % 4 == 0);
    return nor_write(&flash, des_addr, (const uint8_t *)src_addr, size) == 0 ? SPI_FLASH_RESULT_OK
                                                                             : SPI_FLASH_RESULT_ERR;
}

SpiFlashOpResult spi_flash_read(uint32 src_addr, uint32 *des_addr, uint32 size)
{
    assert_true(((uintptr_t)des_addr | src_addr | size) % 4 == 0 && src_addr + size <= flash.size);
    memcpy(des_addr, flash.bytes + src_addr, size);
    return SPI_FLASH_RESULT_OK;
}

/* ---- the chip ---- */

static struct bulla_port *boot(void)
{
    memset(&board, 0xaa, sizeof(board));
    esp8266_port_init(&board);
    assert_int_equal(esp8266_port_store(&board, SECTOR_A, SECTOR_B), 0);
    return &board.port;
}

static void battery_out(void)
{
    test_fill(&power_seed, rtc, sizeof(rtc));
}

static void make_new(void)
{
    nor_new(&flash);
    battery_out();
}

static void rot(enum bulla_slot slot)
{
    nor_rot(&flash, (slot == BULLA_SLOT_COUNTER_A ? SECTOR_A : SECTOR_B) * SECTOR, FLASH_CELL_SIZE);
}

static void break_random(int broken)
{
    generator_fails = broken;
}

/* ---- of this port alone ---- */

static void test_no_radio_or_a_stuck_generator(void **state)
{
    struct bulla_port *port = boot();
    uint8_t out[8];

    (void)state;
    assert_int_equal(port->random(port->context, out, sizeof(out)), 0);
    radio = NULL_MODE;
    assert_int_not_equal(port->random(port->context, out, sizeof(out)), 0);
    radio = STATION_MODE;
    generator_sticks = 1;
    assert_int_not_equal(port->random(port->context, out, sizeof(out)), 0);
    generator_sticks = 0;
}

static void test_sectors_that_are_none(void **state)
{
    uint8_t record[BULLA_COUNTER_SIZE] = {0};

    (void)state;
    esp8266_port_init(&board);
    assert_int_not_equal(board.port.store(board.port.context, BULLA_SLOT_COUNTER_A, record, sizeof(record)),
                         0);
    assert_int_not_equal(board.port.load(board.port.context, BULLA_SLOT_COUNTER_A, record, sizeof(record)),
                         0);
    assert_int_equal(esp8266_port_store(&board, 5, 5), BULLA_E_ARGUMENT);
    assert_int_equal(esp8266_port_store(&board, 0, 5), BULLA_E_ARGUMENT);
    assert_int_equal(esp8266_port_store(&board, 5, 0), BULLA_E_ARGUMENT);
}

/* 170 writes of each slot wear out a sector by one erasure. */
static void test_wear(void **state)
{
    struct bulla_port *port;
    uint8_t record[BULLA_COUNTER_SIZE];

    (void)state;
    make_new();
    port = boot();
    for (unsigned i = 0; i < 1700; i++) {
        memset(record, (int)(i & 0x7f), sizeof(record));
        assert_int_equal(port->store(port->context, BULLA_SLOT_COUNTER_A, record, sizeof(record)), 0);
    }
    assert_int_equal(flash.erasures, 9);
}

/* Writes a number to copy A, as a record that nothing torn looks like. */
struct writing {
    struct bulla_port *port;
    uint8_t number;
};

static void write_number(void *context)
{
    const struct writing *writing = context;
    uint8_t record[BULLA_COUNTER_SIZE];

    memset(record, writing->number, sizeof(record));
    assert_int_equal(
        writing->port->store(writing->port->context, BULLA_SLOT_COUNTER_A, record, sizeof(record)), 0);
}

/* The number that copy A holds; 0 if it is bad. */
static uint8_t number_of(struct bulla_port *port)
{
    uint8_t record[BULLA_COUNTER_SIZE];

    if (port->load(port->context, BULLA_SLOT_COUNTER_A, record, sizeof(record)) != 0)
        return 0;
    for (size_t i = 1; i < sizeof(record); i++) {
        if (record[i] != record[0])
            return 0;
    }
    return record[0];
}

/*
 * The last cell is taken, the next write erases, and the power goes in the middle: whatever part of the
 * sector is erased then, what is read is the newest number or nothing, and never an older one.
 */
static void test_cut_erasure_brings_nothing_old_back(void **state)
{
    struct writing writing;
    unsigned newest = 0;
    unsigned bad = 0;

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        make_new();
        writing.port = boot();
        for (writing.number = 1; writing.number <= 170; writing.number++)
            write_number(&writing);
        assert_int_equal(flash.erasures, 0);
        while (flash.erasures == 0) /* each second of these is cut in the erasure itself */
            power_while(40, write_number, &writing);
        if (number_of(writing.port) == 170)
            newest++;
        else if (number_of(writing.port) == 0)
            bad++;
        else
            assert_int_equal(number_of(writing.port), 171);
    }
    assert_true(newest > 5 && bad > 50);
}

/* A number written over and over: at any cut it is the one before, this one, or a bad copy. */
static void test_cut_write_brings_nothing_old_back(void **state)
{
    struct writing writing;
    uint8_t last = 1;

    (void)state;
    make_new();
    writing.port = boot();
    for (unsigned i = 0; i < 5000; i++) {
        uint8_t found;

        writing.number = (uint8_t)(1 + i % 250);
        power_while(1 + (unsigned)test_below(&power_seed, 14), write_number, &writing);
        found = number_of(writing.port);
        assert_true(found == 0 || found == last || found == writing.number);
        last = found == 0 ? writing.number : found;
    }
}

int main(void)
{
    const struct port_model model = {
        .name = "esp8266",
        .boot = boot,
        .make_new = make_new,
        .rot = rot,
        .battery_out = battery_out,
        .break_random = break_random,
        .extra = {{"test_no_radio_or_a_stuck_generator", test_no_radio_or_a_stuck_generator},
                  {"test_sectors_that_are_none", test_sectors_that_are_none},
                  {"test_cut_erasure_brings_nothing_old_back", test_cut_erasure_brings_nothing_old_back},
                  {"test_cut_write_brings_nothing_old_back", test_cut_write_brings_nothing_old_back},
                  {"test_wear", test_wear}},
    };

    nor_open(&flash, FLASH_AT, SECTORS * SECTOR, SECTOR, 4);
    return port_suite(&model);
}
