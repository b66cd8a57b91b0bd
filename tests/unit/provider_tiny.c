#include "provider.h"

const char provider_name[] = "tiny";

struct bulla_crypto *provider_state(void)
{
    return NULL;
}
