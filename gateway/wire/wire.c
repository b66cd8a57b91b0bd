#include "gateway/wire/wire.h"

#include <string.h>

extern const struct wire_ops wire_cryptojs;
extern const struct wire_ops wire_nodemcu;

const struct wire_ops *const wires[] = {
    &wire_nodemcu,
    &wire_cryptojs,
    NULL,
};

const char *const wire_names[] = {"nodemcu", "cryptojs", NULL};

const struct wire_ops *wire_find(const char *name)
{
    for (size_t i = 0; wires[i] != NULL; i++)
        if (strcmp(wires[i]->name, name) == 0)
            return wires[i];
    return NULL;
}
