/*
 * What is to be said of a device's older wire (gateway/wire/wire.h).
 */
#ifndef WIRE_TEXT_H
#define WIRE_TEXT_H

#include <stdio.h>

#include "gateway/store/store.h"

/* Prints what the wire does not protect a device with these flags against, a line each, behind `before`. */
void wire_print_gaps(FILE *out, const struct wire_ops *wire, unsigned flags, const char *before);

/* Prints a device's older wire as lines of `bulla device show`, and as members of its JSON object. `nodes`:
 * of a group. */
void wire_print_table(FILE *out, const struct wire_row *row, int64_t nodes);
void wire_print_json(FILE *out, const struct wire_row *row, int64_t nodes);

/* Prints what a copy of the registry that comes back means for its devices on older wires, if it has any. */
MUST_CHECK int wire_print_restored(FILE *out, struct store *store, struct failure *failure);

#endif
