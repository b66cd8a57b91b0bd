/*
 * Runs avr_counter.c in simavr, boot after boot, and takes the power away at any cycle; the EEPROM outlives
 * it. usage: avr_runner FIRMWARE BOOTS SEED Prints what it saw, or why it ends: a number came twice or went
 * back, a board that had a counter refuses.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <simavr/avr_eeprom.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

#include "avr_counter.h"

#define GPIOR0_AT   0x3e /* addresses in the data space of an ATmega328P */
#define GPIOR1_AT   0x4a
#define GPIOR2_AT   0x4b
#define EEPROM_SIZE 1000       /* of 1024: more than the port uses; simavr 1.6 takes no whole one */
#define PATIENCE    400000000u /* cycles: more than making a counter takes */

static uint8_t eeprom[EEPROM_SIZE];
static uint64_t number; /* as it comes in */
static uint64_t above;  /* every number below was used */
static unsigned sealed;
static unsigned opened;
static int said;

static void die(const char *why)
{
    printf("%s: number %llu, %llu may come\n", why, (unsigned long long)number, (unsigned long long)above);
    exit(1);
}

static void on_byte(struct avr_t *avr, avr_io_addr_t at, uint8_t byte, void *param)
{
    (void)avr, (void)at, (void)param;
    number = number >> 8 | (uint64_t)byte << 32;
}

static void on_word(struct avr_t *avr, avr_io_addr_t at, uint8_t what, void *param)
{
    (void)avr, (void)at, (void)param;
    said = what;
    if (what == AVR_OPENED)
        opened++;
    if (what != AVR_SEALED)
        return;
    if (number < above)
        die("a number came twice, or went back");
    above = number + 1;
    sealed++;
}

/* simavr's answer tells nothing (-1 is success, too), so what went in is read back. */
static void eeprom_get(avr_t *avr, uint8_t *out)
{
    avr_eeprom_desc_t all = {.ee = out, .offset = 0, .size = EEPROM_SIZE};

    avr_ioctl(avr, AVR_IOCTL_EEPROM_GET, &all);
}

static void eeprom_set(avr_t *avr)
{
    avr_eeprom_desc_t all = {.ee = eeprom, .offset = 0, .size = EEPROM_SIZE};
    uint8_t read_back[EEPROM_SIZE] = {0};

    avr_ioctl(avr, AVR_IOCTL_EEPROM_SET, &all);
    eeprom_get(avr, read_back);
    if (memcmp(eeprom, read_back, EEPROM_SIZE) != 0)
        die("simavr took no EEPROM");
}

/* Power for so many cycles, or until the firmware ends by itself. */
static void boot(elf_firmware_t *firmware, uint64_t cycles, uint8_t order)
{
    avr_t *avr = avr_make_mcu_by_name("atmega328p");

    if (!avr)
        die("simavr has no ATmega328P");
    avr_init(avr);
    avr_load_firmware(avr, firmware);
    avr->frequency = 16000000;
    avr->log = LOG_NONE;
    avr_register_io_write(avr, GPIOR0_AT, on_byte, NULL);
    avr_register_io_write(avr, GPIOR1_AT, on_word, NULL);
    eeprom_set(avr);
    avr->data[GPIOR2_AT] = order;
    said = 0;
    number = 0;
    while (avr->cycle < cycles && said != AVR_REFUSED && said != AVR_FAILED) {
        int state = avr_run(avr);
        if (state == cpu_Crashed || state == cpu_Done)
            die("the firmware crashed");
        if (order == 1 && said == AVR_OPENED)
            break;
    }
    eeprom_get(avr, eeprom);
    avr_terminate(avr);
}

int main(int argc, char **argv)
{
    static elf_firmware_t firmware;
    unsigned boots = argc == 4 ? (unsigned)atoi(argv[2]) : 0;

    if (boots == 0 || elf_read_firmware(argv[1], &firmware) != 0)
        die("usage: avr_runner FIRMWARE BOOTS SEED");
    srand((unsigned)atoi(argv[3]));
    memset(eeprom, 0xff, sizeof(eeprom));
    boot(&firmware, PATIENCE, 0);
    if (said != AVR_REFUSED)
        die("a blank EEPROM did not refuse");
    boot(&firmware, PATIENCE, 1);
    if (said != AVR_OPENED)
        die("the counter could not be made");
    boot(&firmware, PATIENCE, 1);
    if (said != AVR_FAILED)
        die("the counter was made twice");
    for (unsigned i = 0; i < boots; i++) {
        boot(&firmware, 20000u + (unsigned)rand() % 6000000u, 0);
        if (said == AVR_REFUSED || said == AVR_FAILED)
            die("a board that has a counter refuses");
    }
    printf("%u boots, %u opened, %u sealed, all numbers new\n", boots, opened, sealed);
    return 0;
}
