#include "provider.h"

#include <stdio.h>
#include <string.h>

#include "device/crypto.h"

int provider_offers(int alg)
{
    static int told;
    uint8_t zeros[BULLA_KEY_MAX] = {0};

    /* Less than a tag: forged, for a provider that knows the algorithm. */
    if (bulla_aead_open(NULL, alg, zeros, zeros, zeros, 0, zeros, 0) != BULLA_E_ARGUMENT)
        return 1;
    if (!told)
        fprintf(stderr, "%s does not offer algorithm %d: its cases are skipped\n", provider_name, alg);
    told = 1;
    return 0;
}

int provider_hkdf(size_t salt_len, size_t out_len)
{
    static int told;

    if ((salt_len <= 32 && out_len <= 32) || strcmp(provider_name, "tiny") != 0)
        return 0;
    if (!told)
        fprintf(stderr, "tiny takes no salt and gives no key of more than 32 bytes: it must refuse those "
                        "cases of HKDF\n");
    told = 1;
    return BULLA_E_ARGUMENT;
}
