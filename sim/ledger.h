/*
 * What was sealed, told and found: the books of a simulation.
 *
 * Every reading carries its identity, the device's index and its own number (ledger_value). A byte is kept
 * for each, and 8 to 21 bytes more for each number that a reading was sealed under where it was sealed again,
 * so that each number is matched once. Two such numbers are taken for one with a chance of n^2 / 2^63.
 */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"

#define LEDGER_READINGS_MAX (1u << 24) /* of one device */
#define LEDGER_DEVICES_MAX  (1u << 20)

struct ledger_device {
    uint8_t *marks; /* a byte for each reading */
    uint32_t count;
    uint32_t room;
};

struct ledger {
    struct ledger_device *devices;
    size_t device_count;
    uint64_t *numbers; /* a hash table; its size is a power of two */
    size_t numbers_size;
    size_t numbers_used;
    /* what the devices did */
    uint64_t readings; /* begun, and sealed at least once */
    uint64_t again;    /* sealings beyond a reading's first */
    uint64_t told;     /* readings whose device was told that they are stored */
    uint64_t given_up; /* readings that their device lost its memory of */
    /* what the store held */
    uint64_t found;   /* sealed messages */
    uint64_t twice;   /* found more often than they were sealed: the same number, again */
    uint64_t strange; /* found, and never sealed */
};

/* What the books say in the end. */
struct ledger_balance {
    uint64_t waiting;  /* neither told nor given up */
    uint64_t lost;     /* told stored, and not found */
    uint64_t unheard;  /* found, and its device was never told */
    uint64_t repeated; /* readings found under more than one number: sealed again, as the protocol allows */
};

/* Returns 0, or -1 when memory is out; ledger_wipe() serves after both. */
MUST_CHECK int ledger_init(struct ledger *ledger, size_t devices);
void ledger_wipe(struct ledger *ledger);

/* The value that says which reading it is: exact in a double too. And back; false: it is none. */
int64_t ledger_value(size_t device, uint32_t reading);
bool ledger_identify(int64_t value, size_t *device, uint32_t *reading);

/* The number of the device's next reading. */
uint32_t ledger_next(const struct ledger *ledger, size_t device);
/* That reading was sealed. Returns 0, or -1 when memory is out or the device had too many readings. */
MUST_CHECK int ledger_sealed(struct ledger *ledger, size_t device);
/* It was sealed again: before under `old`, now under `piv`. 0, or -1 when memory is out. */
MUST_CHECK int ledger_sealed_again(struct ledger *ledger, size_t device, uint32_t reading, uint64_t old,
                                   uint64_t piv);
/* The device was told that the reading is stored, under this number. */
void ledger_told(struct ledger *ledger, size_t device, uint32_t reading, uint64_t piv);

/* The store holds this: counted as found, found twice, or strange. */
void ledger_found(struct ledger *ledger, size_t device, uint32_t reading, uint64_t piv);

struct ledger_balance ledger_balance(const struct ledger *ledger);

#endif
