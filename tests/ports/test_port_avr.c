/*
 * The port for AVR over a model of its EEPROM: the power goes at any byte, cells wear out. (test_avr.py runs
 * it in simavr.)
 */
#include "support.h"

#include <string.h>

#include "device/port/avr.h"
#include "port_suite.h"
#include "power.h"

#include <avr/eeprom.h>

#define SIZE 1024
#define BASE 32

static uint8_t eeprom[SIZE];
static unsigned wear[SIZE];
static int worn_out = -1; /* a cell that takes nothing any more */
static struct avr_port board;

/* ---- avr-libc ---- */

static size_t index_of(const void *at)
{
    size_t i = (size_t)(uintptr_t)at;

    assert_true(i >= BASE && i < BASE + AVR_PORT_SIZE); /* its own, and nobody else's */
    return i;
}

uint8_t eeprom_read_byte(const uint8_t *at)
{
    return eeprom[index_of(at)];
}

void eeprom_read_block(void *out, const void *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)out)[i] = eeprom_read_byte((const uint8_t *)at + i);
}

void eeprom_update_byte(uint8_t *at, uint8_t value)
{
    size_t i = index_of(at);

    if (eeprom[i] == value || (int)i == worn_out)
        return;
    wear[i]++;
    if (power_step()) {
        const uint8_t left[] = {eeprom[i], value, (uint8_t)test_random(&power_seed)};

        eeprom[i] = left[test_below(&power_seed, 3)];
        power_off();
    }
    eeprom[i] = value;
}

void eeprom_update_block(const void *data, void *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        eeprom_update_byte((uint8_t *)at + i, ((const uint8_t *)data)[i]);
}

/* ---- the chip ---- */

static struct bulla_port *boot(void)
{
    memset(&board, 0xaa, sizeof(board));
    avr_port_init(&board, BASE);
    return &board.port;
}

static void make_new(void)
{
    memset(eeprom, 0xff, sizeof(eeprom));
    memset(wear, 0, sizeof(wear));
}

static void rot(enum bulla_slot slot)
{
    size_t at = BASE + slot * AVR_PORT_SIZE / 2u + (size_t)test_below(&power_seed, AVR_PORT_SIZE / 2);

    eeprom[at] ^= (uint8_t)(1 << test_below(&power_seed, 8));
}

/* ---- of this port alone ---- */

/* 100,000 writes of a byte are 400,000 of a slot, as the head says. */
static void test_wear(void **state)
{
    struct bulla_port *port;
    uint8_t record[BULLA_COUNTER_SIZE];
    unsigned most = 0;

    (void)state;
    make_new();
    port = boot();
    for (unsigned i = 0; i < 4000; i++) {
        test_fill(&power_seed, record, sizeof(record));
        assert_int_equal(port->store(port->context, BULLA_SLOT_COUNTER_A, record, sizeof(record)), 0);
    }
    for (size_t i = 0; i < SIZE; i++)
        most = wear[i] > most ? wear[i] : most;
    assert_true(most <= 4000 / AVR_PORT_CELLS * 2 + 1);
}

/* A worn-out cell is passed over. */
static void test_worn_out_cell(void **state)
{
    struct bulla_port *port;
    uint8_t record[BULLA_COUNTER_SIZE];
    uint8_t out[BULLA_COUNTER_SIZE];

    (void)state;
    for (int at = BASE; at < BASE + AVR_PORT_SIZE / 2; at++) {
        make_new();
        port = boot();
        test_fill(&power_seed, record, sizeof(record));
        assert_int_equal(port->store(port->context, BULLA_SLOT_COUNTER_A, record, sizeof(record)), 0);
        eeprom[at] = at % AVR_PORT_CELL == BASE % AVR_PORT_CELL ? eeprom[at] : 0x3c;
        worn_out = at;
        for (unsigned i = 0; i < 20; i++) {
            test_fill(&power_seed, record, sizeof(record));
            if (port->store(port->context, BULLA_SLOT_COUNTER_A, record, sizeof(record)) != 0) {
                assert_int_equal(at % AVR_PORT_CELL,
                                 BASE % AVR_PORT_CELL); /* a mark that cannot be cleared */
                break;
            }
            assert_int_equal(port->load(port->context, BULLA_SLOT_COUNTER_A, out, sizeof(out)), 0);
            assert_memory_equal(out, record, sizeof(out));
        }
    }
    worn_out = -1;
}

static uint8_t record_of[BULLA_COUNTER_SIZE];

static void write_record(void *context)
{
    struct bulla_port *port = context;

    assert_int_equal(port->store(port->context, BULLA_SLOT_COUNTER_A, record_of, sizeof(record_of)), 0);
}

/* How many cells of copy A are valid; `has_new` whether the record that was written is in one. */
static unsigned valid_cells(int *has_new)
{
    unsigned count = 0;

    *has_new = 0;
    for (size_t at = BASE; at < BASE + AVR_PORT_SIZE / 2; at += AVR_PORT_CELL) {
        if (eeprom[at] != 0xb5)
            continue;
        count++;
        *has_new |= memcmp(eeprom + at + 2, record_of, sizeof(record_of)) == 0;
    }
    return count;
}

/*
 * One cell is valid; two, where the power goes between making the new one valid and clearing the old one:
 * then the sequence tells which is newer, also where it comes round.
 */
static void test_one_valid_cell(void **state)
{
    struct bulla_port *port;
    uint8_t out[BULLA_COUNTER_SIZE];
    unsigned two = 0;
    int has_new;

    (void)state;
    make_new();
    port = boot();
    for (unsigned i = 0; i < 40000; i++) {
        memset(record_of, (int)(i % 251), sizeof(record_of));
        if (power_while(1 + (unsigned)test_below(&power_seed, 40), write_record, port) == 0) {
            assert_int_equal(valid_cells(&has_new), 1);
            assert_true(has_new);
        } else if (valid_cells(&has_new) > 1 && has_new) {
            two++;
            assert_int_equal(port->load(port->context, BULLA_SLOT_COUNTER_A, out, sizeof(out)), 0);
            assert_memory_equal(out, record_of, sizeof(out));
        }
    }
    assert_true(two > 20);
}

int main(void)
{
    const struct port_model model = {
        .name = "avr",
        .boot = boot,
        .make_new = make_new,
        .rot = rot,
        .extra = {{"test_one_valid_cell", test_one_valid_cell},
                  {"test_wear", test_wear},
                  {"test_worn_out_cell", test_worn_out_cell}},
    };

    return port_suite(&model);
}
