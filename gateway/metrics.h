/*
 * What the gateway counts, in Prometheus' text format (version 0.0.4).
 */
#ifndef METRICS_H
#define METRICS_H

#include <stdio.h>

#include "gateway/source/source.h"

/* `hangs`: the store does not come back (status.h). */
void metrics_write(FILE *out, const struct pipeline *pipeline, const struct source_list *list, bool hangs);

#endif
