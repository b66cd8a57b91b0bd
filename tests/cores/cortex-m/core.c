/* Cortex-M: ARM semihosting. */
#include "tests/cores/core.h"

#include <string.h>

#define SYS_OPEN          0x01
#define SYS_WRITE         0x05
#define SYS_READ          0x06
#define SYS_EXIT_EXTENDED 0x20
#define APPLICATION_EXIT  0x20026

static uint32_t call(uint32_t number, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = number;
    register const void *r1 __asm__("r1") = arguments;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* The emulator's own input or output, by the names that Linux has for them: its console does not wait for
 * input. Mode 0 is to read, 4 to write. */
static uint32_t open_file(const char *name, uint32_t mode)
{
    uint32_t arguments[3] = {(uint32_t)(uintptr_t)name, mode, strlen(name)};

    return call(SYS_OPEN, arguments);
}

/* Moves all of it; both calls return how many bytes were not moved. Returns 0, or -1 where nothing moves. */
static int move(uint32_t number, uint32_t file, uintptr_t at, size_t len)
{
    while (len > 0) {
        uint32_t arguments[3] = {file, (uint32_t)at, len};
        uint32_t left = call(number, arguments);
        if (left >= len)
            return -1;
        at += len - left;
        len = left;
    }
    return 0;
}

void core_write(const void *bytes, size_t len)
{
    static uint32_t file;

    if (file == 0)
        file = open_file("/dev/stdout", 4);
    if (move(SYS_WRITE, file, (uintptr_t)bytes, len) < 0)
        core_stop(90);
}

void core_read(void *bytes, size_t len)
{
    static uint32_t file;

    if (file == 0)
        file = open_file("/dev/stdin", 0);
    if (move(SYS_READ, file, (uintptr_t)bytes, len) < 0)
        core_stop(0);
}

void core_stop(int status)
{
    uint32_t arguments[2] = {APPLICATION_EXIT, (uint32_t)status};

    for (;;)
        call(SYS_EXIT_EXTENDED, arguments);
}
