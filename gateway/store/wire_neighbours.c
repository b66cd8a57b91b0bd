#include "gateway/store/wire_neighbours.h"

int wire_neighbours_check(const struct wire_neighbours *neighbours, const struct wire_row *row,
                          size_t per_route, struct failure *failure)
{
    if (neighbours->full && per_route == 1)
        return fail(failure, "a device has \"%.80s\" already; remove it first, or choose another",
                    row->route);
    if (neighbours->full)
        return fail(failure, "\"%.80s\" has %zu devices already, and that is the most", row->route,
                    per_route);
    if (neighbours->differ)
        return fail(failure,
                    "the devices of session topic \"%.80s\" share its session ids: --session-lifetime, "
                    "--session-grace and --strict must be the same for all of them",
                    row->session_topic);
    if (neighbours->cross)
        return fail(failure,
                    "\"%.80s\" is a topic of devices and a topic of session ids; they must not be the same",
                    row->session_topic);
    return 0;
}
