#include "provider.h"

const char provider_name[] = "BearSSL";

struct bulla_crypto *provider_state(void)
{
    return NULL;
}
