/* Declarations for tests, written from the vendor's public documentation: Zephyr's devices. */
#ifndef STUB_ZEPHYR_DEVICE_H
#define STUB_ZEPHYR_DEVICE_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct device {
    const char *name;
};

#define DT_CHOSEN(what)             what
#define DEVICE_DT_GET(node)         (&stub_device_##node)
#define stub_device_DT_CHOSEN(what) stub_device_of_##what

extern const struct device stub_device_of_zephyr_shell_uart;

bool device_is_ready(const struct device *dev);

#ifdef __cplusplus
}
#endif

#endif
