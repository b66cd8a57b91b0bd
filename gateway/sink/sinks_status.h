/*
 * What the administrator is shown of the sinks: /healthz and /metrics. On the event loop.
 */
#ifndef SINKS_STATUS_H
#define SINKS_STATUS_H

#include <jansson.h>

#include "gateway/sink/sinks.h"

/* Adds "sinks" to the health, if there are any, and "full" where devices are told to try again because of
 * them. */
void sinks_health(const struct sinks *sinks, const struct outbox *outbox, json_t *health);

/* `now`: microseconds since 1970. */
void sinks_metrics(const struct sinks *sinks, const struct outbox *outbox, int64_t now, FILE *out);

#endif
