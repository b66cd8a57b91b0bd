#include "zephyr.h"

#include <string.h>

#include <zephyr/kernel.h>

/* Of the session alone; zephyr_settings.c has the functions for counters too. */
static int zephyr_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    const struct zephyr_port *zephyr = (const struct zephyr_port *)context;

    return slot == BULLA_SLOT_SESSION ? retained_load(zephyr->retained, out, len) : -1;
}

static int zephyr_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    const struct zephyr_port *zephyr = (const struct zephyr_port *)context;

    return slot == BULLA_SLOT_SESSION ? retained_store(zephyr->retained, data, len) : -1;
}

static uint32_t zephyr_timer(void *context)
{
    (void)context;
    return k_uptime_get_32();
}

void zephyr_port_init(struct zephyr_port *zephyr, struct retained_slot *retained)
{
    memset(zephyr, 0, sizeof(*zephyr));
    zephyr->retained = retained;
    zephyr->port.load = zephyr_load;
    zephyr->port.store = zephyr_store;
    zephyr->port.timer = zephyr_timer;
    zephyr->port.context = zephyr;
}
