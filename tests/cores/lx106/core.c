/* lx106 in QEMU's `sim` machine: the simulator's own calls (simcall). */
#include "tests/cores/core.h"

int sim_read(int file, void *bytes, size_t len);
int sim_write(int file, const void *bytes, size_t len);
void sim_exit(int status) __attribute__((noreturn));

void core_write(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    while (len > 0) {
        int done = sim_write(1, at, len);
        if (done <= 0)
            core_stop(90);
        at += done;
        len -= (size_t)done;
    }
}

void core_read(void *bytes, size_t len)
{
    uint8_t *at = bytes;

    while (len > 0) {
        int done = sim_read(0, at, len);
        if (done <= 0)
            core_stop(done < 0 ? 91 : 0);
        at += done;
        len -= (size_t)done;
    }
}

void core_stop(int status)
{
    sim_exit(status);
}
