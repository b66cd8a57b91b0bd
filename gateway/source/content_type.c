#include "gateway/source/content_type.h"

#include <string.h>
#include <strings.h>

bool content_type_is_ours(const char *type, size_t len)
{
    static const char *const types[] = {"application/cose", "application/octet-stream"};
    size_t bare = 0;

    if (type == NULL)
        return true;
    while (bare < len && type[bare] != '\0' && strchr("; \t", type[bare]) == NULL)
        bare++;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (bare == strlen(types[i]) && strncasecmp(type, types[i], bare) == 0)
            return true;
    }
    return false;
}
