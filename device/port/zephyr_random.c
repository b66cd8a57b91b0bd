#include "zephyr.h"

#include <zephyr/random/random.h>

#ifdef CONFIG_TEST_RANDOM_GENERATOR
#error "CONFIG_TEST_RANDOM_GENERATOR is not random: use a counter context, or a board with an entropy driver"
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
