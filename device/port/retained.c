#include "retained.h"

#include <string.h>

int retained_load(const struct retained_slot *retained, uint8_t *out, size_t len)
{
    if (retained == NULL || len > sizeof(retained->bytes) || retained->mark != RETAINED_MARK ||
        retained->len != len)
        return -1;
    memcpy(out, retained->bytes, len);
    return 0;
}

int retained_store(struct retained_slot *retained, const uint8_t *data, size_t len)
{
    if (retained == NULL || len > sizeof(retained->bytes))
        return -1;
    retained->mark = RETAINED_MARK;
    retained->len = (uint8_t)len;
    memcpy(retained->bytes, data, len);
    return 0;
}
