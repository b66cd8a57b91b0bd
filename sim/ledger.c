#include "sim/ledger.h"

#include <stdlib.h>
#include <string.h>

/* Of a reading. */
#define MARK_TOLD  1u /* these two: where it was sealed once */
#define MARK_FOUND 2u
#define MARK_AGAIN 4u  /* it was sealed again: its numbers stand in the table */
#define MARK_SEEN  8u  /* one of them was found, */
#define MARK_MORE  16u /* and another one */

/* Of a number in the table: the low bits of its fingerprint. */
#define NUMBER_TOLD  1u
#define NUMBER_FOUND 2u
#define NUMBER_FLAGS 3u

#define READING_BITS 24

int ledger_init(struct ledger *ledger, size_t devices)
{
    memset(ledger, 0, sizeof(*ledger));
    ledger->devices = calloc(devices, sizeof(*ledger->devices));
    ledger->device_count = ledger->devices != NULL ? devices : 0;
    return ledger->devices != NULL ? 0 : -1;
}

void ledger_wipe(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->device_count; i++)
        free(ledger->devices[i].marks);
    free(ledger->devices);
    free(ledger->numbers);
    memset(ledger, 0, sizeof(*ledger));
}

int64_t ledger_value(size_t device, uint32_t reading)
{
    return (int64_t)((uint64_t)device << READING_BITS | reading);
}

bool ledger_identify(int64_t value, size_t *device, uint32_t *reading)
{
    if (value < 0 || value >> READING_BITS >= LEDGER_DEVICES_MAX)
        return false;
    *device = (size_t)(value >> READING_BITS);
    *reading = (uint32_t)value & (LEDGER_READINGS_MAX - 1);
    return true;
}

/* ---- numbers of readings that were sealed again ---- */

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Never 0, which is an empty place. */
static uint64_t fingerprint(size_t device, uint32_t reading, uint64_t piv)
{
    uint64_t hash = mix(mix((uint64_t)ledger_value(device, reading)) + piv) & ~(uint64_t)NUMBER_FLAGS;

    return hash != 0 ? hash : ~(uint64_t)NUMBER_FLAGS;
}

/* Its place, or the free one where it belongs. */
static uint64_t *place_of(const struct ledger *ledger, uint64_t number)
{
    size_t i = (size_t)(number >> 2) & (ledger->numbers_size - 1);

    while (ledger->numbers[i] != 0 && ((ledger->numbers[i] ^ number) & ~(uint64_t)NUMBER_FLAGS) != 0)
        i = (i + 1) & (ledger->numbers_size - 1);
    return &ledger->numbers[i];
}

static int grow(struct ledger *ledger)
{
    struct ledger wider = *ledger;

    wider.numbers_size = ledger->numbers_size == 0 ? 1024 : ledger->numbers_size * 2;
    wider.numbers = calloc(wider.numbers_size, sizeof(*wider.numbers));
    if (wider.numbers == NULL)
        return -1;
    for (size_t i = 0; i < ledger->numbers_size; i++) {
        if (ledger->numbers[i] != 0)
            *place_of(&wider, ledger->numbers[i]) = ledger->numbers[i];
    }
    free(ledger->numbers);
    ledger->numbers = wider.numbers;
    ledger->numbers_size = wider.numbers_size;
    return 0;
}

static int keep_number(struct ledger *ledger, uint64_t number)
{
    uint64_t *place;

    if (ledger->numbers_used * 4 >= ledger->numbers_size * 3 && grow(ledger) < 0)
        return -1;
    place = place_of(ledger, number);
    if (*place == 0)
        ledger->numbers_used++;
    *place |= number;
    return 0;
}

/* ---- readings ---- */

static uint8_t *mark_of(const struct ledger *ledger, size_t device, uint32_t reading)
{
    if (device >= ledger->device_count || reading >= ledger->devices[device].count)
        return NULL;
    return &ledger->devices[device].marks[reading];
}

uint32_t ledger_next(const struct ledger *ledger, size_t device)
{
    return ledger->devices[device].count;
}

int ledger_sealed(struct ledger *ledger, size_t device)
{
    struct ledger_device *of = &ledger->devices[device];

    if (of->count == of->room) {
        uint32_t room = of->room == 0 ? 8 : of->room * 2;
        uint8_t *marks = of->count < LEDGER_READINGS_MAX ? realloc(of->marks, room) : NULL;
        if (marks == NULL)
            return -1;
        of->marks = marks;
        of->room = room;
    }
    of->marks[of->count++] = 0;
    ledger->readings++;
    return 0;
}

int ledger_sealed_again(struct ledger *ledger, size_t device, uint32_t reading, uint64_t old, uint64_t piv)
{
    uint8_t *mark = mark_of(ledger, device, reading);

    if (mark == NULL ||
        ((*mark & MARK_AGAIN) == 0 && keep_number(ledger, fingerprint(device, reading, old)) < 0))
        return -1;
    *mark |= MARK_AGAIN;
    ledger->again++;
    return keep_number(ledger, fingerprint(device, reading, piv));
}

void ledger_told(struct ledger *ledger, size_t device, uint32_t reading, uint64_t piv)
{
    uint8_t *mark = mark_of(ledger, device, reading);

    if (mark == NULL)
        return;
    ledger->told++;
    if ((*mark & MARK_AGAIN) != 0)
        *place_of(ledger, fingerprint(device, reading, piv)) |= NUMBER_TOLD;
    else
        *mark |= MARK_TOLD;
}

/* ---- finding ---- */

static void count_found(struct ledger *ledger, bool before)
{
    if (before)
        ledger->twice++;
    else
        ledger->found++;
}

static void found_number(struct ledger *ledger, uint8_t *mark, uint64_t number)
{
    uint64_t *place = place_of(ledger, number);

    if (*place == 0) {
        ledger->strange++;
        return;
    }
    count_found(ledger, (*place & NUMBER_FOUND) != 0);
    if ((*place & NUMBER_FOUND) == 0)
        *mark |= (*mark & MARK_SEEN) != 0 ? MARK_MORE : MARK_SEEN;
    *place |= NUMBER_FOUND;
}

void ledger_found(struct ledger *ledger, size_t device, uint32_t reading, uint64_t piv)
{
    uint8_t *mark = mark_of(ledger, device, reading);

    if (mark == NULL) {
        ledger->strange++;
        return;
    }
    if ((*mark & MARK_AGAIN) != 0) {
        found_number(ledger, mark, fingerprint(device, reading, piv));
        return;
    }
    count_found(ledger, (*mark & MARK_FOUND) != 0);
    *mark |= MARK_FOUND;
}

/* ---- the balance ---- */

static void balance_readings(const struct ledger_device *device, struct ledger_balance *balance)
{
    for (uint32_t i = 0; i < device->count; i++) {
        uint8_t mark = device->marks[i];
        balance->lost += (mark & (MARK_TOLD | MARK_FOUND)) == MARK_TOLD;
        balance->unheard += (mark & (MARK_TOLD | MARK_FOUND)) == MARK_FOUND;
        balance->repeated += (mark & MARK_MORE) != 0;
    }
}

struct ledger_balance ledger_balance(const struct ledger *ledger)
{
    struct ledger_balance balance = {.waiting = ledger->readings - ledger->told - ledger->given_up};

    for (size_t i = 0; i < ledger->device_count; i++)
        balance_readings(&ledger->devices[i], &balance);
    for (size_t i = 0; i < ledger->numbers_size; i++) {
        uint64_t flags = ledger->numbers[i] & NUMBER_FLAGS;
        balance.lost += flags == NUMBER_TOLD;
        balance.unheard += flags == NUMBER_FOUND;
    }
    return balance;
}
