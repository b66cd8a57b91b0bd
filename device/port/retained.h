/*
 * The slot of a sleeping session in memory that the chip keeps powered while it sleeps deeply: RTC memory,
 * backup RAM, a RAM section that start-up code leaves alone. Its content after power-on is anything; the
 * library's checksum tells. It is memory: it wears out nothing, and it is gone when the battery is.
 */
#ifndef BULLA_RETAINED_H
#define BULLA_RETAINED_H

#include "../bulla.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RETAINED_MARK 0xb5

/* Place it where the chip keeps it, in a section that is not initialised at start-up. */
struct retained_slot {
    uint8_t mark;
    uint8_t len;
    uint8_t bytes[BULLA_SLEEP_SIZE];
};

BULLA_MUST_CHECK int retained_load(const struct retained_slot *retained, uint8_t *out, size_t len);
BULLA_MUST_CHECK int retained_store(struct retained_slot *retained, const uint8_t *data, size_t len);

#ifdef __cplusplus
}
#endif

#endif
