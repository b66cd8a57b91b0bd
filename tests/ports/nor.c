#include "nor.h"

#include <string.h>

#include <sys/mman.h>

#include "power.h"
#include "support.h"

void nor_open(struct nor *nor, uintptr_t address, size_t size, size_t unit, size_t word)
{
    void *at = mmap((void *)address, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    assert_ptr_equal(at, (void *)address);
    memset(nor, 0, sizeof(*nor));
    nor->bytes = at;
    nor->size = size;
    nor->unit = unit;
    nor->word = word;
    nor->writes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(nor->writes, MAP_FAILED);
    nor_new(nor);
}

void nor_new(struct nor *nor)
{
    memset(nor->bytes, 0xff, nor->size);
    memset(nor->writes, 0, nor->size);
    nor->erasures = 0;
}

void nor_half(uint8_t *word, const uint8_t *wanted, size_t len)
{
    for (size_t i = 0; i < len; i++)
        word[i] &= (uint8_t)(wanted[i] | (uint8_t)test_random(&power_seed));
}

static int is_all(const uint8_t *bytes, size_t len, uint8_t value)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != value)
            return 0;
    }
    return 1;
}

static void count_write(struct nor *nor, size_t at)
{
    unsigned in_block = 0;

    nor->writes[at]++;
    if (nor->writes_max != 0)
        assert_true(nor->writes[at] <= nor->writes_max);
    if (nor->block == 0)
        return;
    for (size_t i = at - at % nor->block; i < at - at % nor->block + nor->block; i += nor->word)
        in_block += nor->writes[i];
    assert_true(in_block <= nor->block_max);
}

static int write_word(struct nor *nor, size_t at, const uint8_t *bytes)
{
    if (is_all(bytes, nor->word, 0xff))
        return 0; /* changes nothing */
    if (nor->zero_only && !is_all(nor->bytes + at, nor->word, 0xff) && !is_all(bytes, nor->word, 0))
        return -1;
    if (power_step()) {
        nor_half(nor->bytes + at, bytes, nor->word);
        power_off();
    }
    count_write(nor, at);
    for (size_t i = 0; i < nor->word; i++)
        nor->bytes[at + i] &= bytes[i];
    return 0;
}

int nor_write(struct nor *nor, size_t at, const uint8_t *bytes, size_t len)
{
    assert_true(at % nor->word == 0 && len % nor->word == 0 && at + len <= nor->size);
    for (size_t i = 0; i < len; i += nor->word) {
        if (write_word(nor, at + i, bytes + i) != 0)
            return -1;
    }
    return 0;
}

/* Whole runs are erased already, or not yet, or somewhere between. */
static void erase_half(struct nor *nor, size_t at)
{
    size_t run = 8u << test_below(&power_seed, 7);

    for (size_t i = 0; i < nor->unit; i++) {
        static uint64_t how;

        if (i % run == 0)
            how = test_below(&power_seed, 3);
        if (how == 0)
            nor->bytes[at + i] = 0xff;
        else if (how == 1)
            nor->bytes[at + i] |= (uint8_t)test_random(&power_seed);
    }
}

void nor_erase(struct nor *nor, size_t at)
{
    assert_true(at % nor->unit == 0 && at + nor->unit <= nor->size);
    nor->erasures++;
    memset(nor->writes + at, 0, nor->unit);
    if (power_long_step()) {
        erase_half(nor, at);
        power_off();
    }
    memset(nor->bytes + at, 0xff, nor->unit);
}

void nor_rot(struct nor *nor, size_t unit_at, size_t cell)
{
    size_t last = nor->unit / cell;
    size_t at;

    while (last > 0 && is_all(nor->bytes + unit_at + (last - 1) * cell, cell, 0xff))
        last--;
    if (last == 0 || test_below(&power_seed, 4) == 0)
        at = (size_t)test_below(&power_seed, nor->unit);
    else
        at = (last - 1) * cell + (size_t)test_below(&power_seed, cell);
    nor->bytes[unit_at + at] ^= (uint8_t)(1 << test_below(&power_seed, 8));
}
