#include "provider.h"

const char provider_name[] = "mbedTLS";

struct bulla_crypto *provider_state(void)
{
    return NULL;
}
