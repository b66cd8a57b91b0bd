/*
 * The administrator's listener: /healthz and /metrics. Not for the network.
 */
#ifndef ADMIN_H
#define ADMIN_H

#include "gateway/http.h"
#include "gateway/sink/sinks.h"
#include "gateway/metrics.h"
#include "gateway/status.h"

struct admin {
    struct http http;
    const struct pipeline *pipeline;
    const struct source_list *sources;
    const struct sinks *sinks;
    const struct store_watch *watch;
};

MUST_CHECK int admin_open(struct admin *admin, uv_loop_t *loop, const char *listen,
                          const struct pipeline *pipeline, const struct source_list *list,
                          const struct sinks *sinks, const struct store_watch *watch,
                          struct failure *failure);
void admin_close(struct admin *admin);

#endif
