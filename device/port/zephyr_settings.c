#include "zephyr.h"

#include <zephyr/settings/settings.h>

static const char *const zephyr_names[] = {"bulla/a", "bulla/b"}; /* of BULLA_SLOT_COUNTER_A and _B */

/* What is wanted, and whether it was found. */
struct zephyr_wanted {
    uint8_t *out;
    size_t len;
    int found;
};

static int zephyr_on_setting(const char *key, size_t len, settings_read_cb read_cb, void *cb_arg, void *param)
{
    struct zephyr_wanted *wanted = (struct zephyr_wanted *)param;

    if (key != NULL && key[0] != '\0')
        return 0; /* something below the name */
    wanted->found = len == wanted->len && read_cb(cb_arg, wanted->out, len) == (ssize_t)len;
    return 0;
}

static int zephyr_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    const struct zephyr_port *zephyr = (const struct zephyr_port *)context;
    struct zephyr_wanted wanted = {out, len, 0};

    if (slot == BULLA_SLOT_SESSION)
        return retained_load(zephyr->retained, out, len);
    if (slot > BULLA_SLOT_COUNTER_B)
        return -1;
    if (settings_load_subtree_direct(zephyr_names[slot], zephyr_on_setting, &wanted) != 0)
        return -1;
    return wanted.found ? 0 : -1;
}

static int zephyr_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    const struct zephyr_port *zephyr = (const struct zephyr_port *)context;

    if (slot == BULLA_SLOT_SESSION)
        return retained_store(zephyr->retained, data, len);
    if (slot > BULLA_SLOT_COUNTER_B)
        return -1;
    return settings_save_one(zephyr_names[slot], data, len) == 0 ? 0 : -1;
}

int zephyr_port_use_settings(struct zephyr_port *zephyr)
{
    if (settings_subsys_init() != 0)
        return BULLA_E_STORE;
    zephyr->port.load = zephyr_load;
    zephyr->port.store = zephyr_store;
    return 0;
}
