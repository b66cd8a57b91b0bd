#include "gateway/wire/wire.h"

#include <string.h>

const struct wire_ops *const wires[] = {
    NULL,
};

const struct wire_ops *wire_find(const char *name)
{
    for (size_t i = 0; wires[i] != NULL; i++)
        if (strcmp(wires[i]->name, name) == 0)
            return wires[i];
    return NULL;
}
