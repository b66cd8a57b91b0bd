#include "provider.h"

#include <stdlib.h>

#include "device/crypto_openssl.h"

const char provider_name[] = "OpenSSL";

static struct bulla_crypto crypto;

static void close_crypto(void)
{
    bulla_crypto_close(&crypto);
}

struct bulla_crypto *provider_state(void)
{
    if (crypto.ccm == NULL) {
        if (bulla_crypto_open(&crypto) < 0)
            abort();
        atexit(close_crypto);
    }
    return &crypto;
}
