#include "zephyr.h"

#include <zephyr/random/random.h>

/* Drivers say that the board has entropy (CONFIG_ENTROPY_HAS_DRIVER) also where it has none: these give the
 * same bytes after every start, or a pattern. */
#if defined(CONFIG_TEST_RANDOM_GENERATOR) || defined(CONFIG_FAKE_ENTROPY_NATIVE_SIM) ||                      \
    defined(CONFIG_FAKE_ENTROPY_NATIVE_POSIX) || defined(CONFIG_FAKE_ENTROPY_NRF_PRNG) ||                    \
    defined(CONFIG_ENTROPY_AESC_PRNG) || defined(CONFIG_SOC_RP2040)
#error "this board's generator is not random: use a counter context, or a board with an entropy driver"
#endif

static int zephyr_random(void *context, uint8_t *out, size_t len)
{
    (void)context;
    return sys_csrand_get(out, len) == 0 ? 0 : -1;
}

void zephyr_port_use_random(struct zephyr_port *zephyr)
{
    zephyr->port.random = zephyr_random;
}
