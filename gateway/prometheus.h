/*
 * Prometheus' text format (version 0.0.4).
 */
#ifndef PROMETHEUS_H
#define PROMETHEUS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The lines above a metric. */
void prometheus_head(FILE *out, const char *name, const char *type, const char *help);

/* A metric of one value. */
void prometheus_one(FILE *out, const char *name, const char *type, const char *help, uint64_t value);

/* `places[i]` counts what was at most unit * 2^i, the last of `count` places whatever was more. */
void prometheus_histogram(FILE *out, const char *name, const char *help, const uint64_t *places, size_t count,
                          double unit, double sum);

#endif
