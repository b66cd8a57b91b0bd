/*
 * Credential lines: what is read is written so that it reads the same; what is refused leaves no secret
 * behind.
 */
#include "require.h"

#include <string.h>

#include "device/bulla.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct bulla_credential zero;
    struct bulla_credential credential;
    struct bulla_credential again;
    char name[BULLA_NAME_MAX + 1];
    char name_again[BULLA_NAME_MAX + 1];
    char line[BULLA_CREDENTIAL_MAX];
    int len;

    memset(&credential, 0xff, sizeof(credential));
    if (bulla_credential_parse(&credential, name, (const char *)data, size) < 0) {
        require(memcmp(&credential, &zero, sizeof(zero)) == 0);
        return 0;
    }
    require(credential.kid_len >= 1 && credential.kid_len <= BULLA_KID_MAX &&
            credential.kind <= BULLA_COUNTER);
    require(strlen(name) >= 1 && strlen(name) <= BULLA_NAME_MAX);
    len = bulla_credential_format(&credential, name, line);
    require(len > 0 && len < BULLA_CREDENTIAL_MAX && (size_t)len == strlen(line));
    require(bulla_credential_parse(&again, name_again, line, (size_t)len) == 0);
    require(memcmp(&again, &credential, sizeof(again)) == 0 && strcmp(name, name_again) == 0);
    return 0;
}
