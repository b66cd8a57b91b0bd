/*
 * A device as `bulla device list` and `show` print it.
 */
#ifndef DEVICE_PRINT_H
#define DEVICE_PRINT_H

#include <stdio.h>

#include "gateway/store/store.h"

/* What --format takes. */
enum device_format { DEVICE_FORMAT_TABLE, DEVICE_FORMAT_JSON };
extern const char *const device_formats[];

const char *device_kind_text(uint8_t kind);

/* "native", or its open older wire's name. */
const char *device_wire_text(const struct device_row *row);

/* 0, or -1 with the failure where it has no native credential. */
MUST_CHECK int device_needs_native(const struct device_row *row, struct failure *failure);

/* Writes a kid as hex. */
void device_kid_text(const struct device_row *row, char out[2 * BULLA_KID_MAX + 1]);

/* Prints its name for a terminal. */
void device_print_name(FILE *out, const struct device_row *row);

/* The members of a device's JSON object, without its braces. */
void device_json_members(FILE *out, const struct device_row *row);

#endif
