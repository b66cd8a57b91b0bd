#include "rp2040.h"

#include <string.h>

#include <hardware/flash.h>
#include <hardware/regs/addressmap.h>
#include <pico/flash.h>
#include <pico/time.h>

#define RP2040_PATIENCE 1000 /* milliseconds until the other core must have stepped aside */

/* What is done while nothing runs from flash. */
struct rp2040_job {
    uint32_t offset;
    uint8_t page[FLASH_PAGE_SIZE];
};

static void rp2040_do_program(void *param)
{
    const struct rp2040_job *job = (const struct rp2040_job *)param;

    flash_range_program(job->offset, job->page, FLASH_PAGE_SIZE);
}

static void rp2040_do_erase(void *param)
{
    const struct rp2040_job *job = (const struct rp2040_job *)param;

    flash_range_erase(job->offset, FLASH_SECTOR_SIZE);
}

static int rp2040_read(void *context, unsigned unit, uint32_t offset, uint8_t *out, size_t len)
{
    const struct rp2040_port *rp2040 = (const struct rp2040_port *)context;
    uint32_t at = rp2040->sector[unit] + offset;

    /* past the cache: what stands in the flash, not what was read before */
    memcpy(out, (const void *)(uintptr_t)(XIP_NOCACHE_NOALLOC_BASE + at), len);
    return 0;
}

/* Flash takes whole pages; bytes of 0xff leave what stands there. A cell may lie in two of them. */
static int rp2040_write(void *context, unsigned unit, uint32_t offset, const uint8_t *bytes, size_t len)
{
    const struct rp2040_port *rp2040 = (const struct rp2040_port *)context;
    struct rp2040_job job;

    while (len > 0) {
        uint32_t begin = offset % FLASH_PAGE_SIZE;
        size_t some = len < FLASH_PAGE_SIZE - begin ? len : FLASH_PAGE_SIZE - begin;

        job.offset = rp2040->sector[unit] + offset - begin;
        memset(job.page, 0xff, sizeof(job.page));
        memcpy(job.page + begin, bytes, some);
        if (flash_safe_execute(rp2040_do_program, &job, RP2040_PATIENCE) != PICO_OK)
            return -1;
        offset += (uint32_t)some;
        bytes += some;
        len -= some;
    }
    return 0;
}

static int rp2040_erase(void *context, unsigned unit)
{
    const struct rp2040_port *rp2040 = (const struct rp2040_port *)context;
    struct rp2040_job job;

    job.offset = rp2040->sector[unit];
    return flash_safe_execute(rp2040_do_erase, &job, RP2040_PATIENCE) == PICO_OK ? 0 : -1;
}

static int rp2040_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    return flash_slots_load(&((const struct rp2040_port *)context)->flash, slot, out, len);
}

static int rp2040_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    return flash_slots_store(&((const struct rp2040_port *)context)->flash, slot, data, len);
}

static uint32_t rp2040_timer(void *context)
{
    (void)context;
    return to_ms_since_boot(get_absolute_time());
}

int rp2040_port_init(struct rp2040_port *rp2040, uint32_t sector_a, uint32_t sector_b)
{
    memset(rp2040, 0, sizeof(*rp2040));
    if (sector_a == 0 || sector_b == 0 || sector_a == sector_b || sector_a % FLASH_SECTOR_SIZE != 0 ||
        sector_b % FLASH_SECTOR_SIZE != 0)
        return BULLA_E_ARGUMENT;
    rp2040->sector[0] = sector_a;
    rp2040->sector[1] = sector_b;
    rp2040->port.load = rp2040_load;
    rp2040->port.store = rp2040_store;
    rp2040->port.timer = rp2040_timer;
    rp2040->port.context = rp2040;
    rp2040->flash.read = rp2040_read;
    rp2040->flash.write = rp2040_write;
    rp2040->flash.erase = rp2040_erase;
    rp2040->flash.context = rp2040;
    rp2040->flash.unit_size = FLASH_SECTOR_SIZE;
    return 0;
}
