#include "gateway/prometheus.h"

#include <inttypes.h>

void prometheus_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void prometheus_one(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    prometheus_head(out, name, type, help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

void prometheus_histogram(FILE *out, const char *name, const char *help, const uint64_t *places, size_t count,
                          double unit, double sum)
{
    uint64_t total = 0;

    prometheus_head(out, name, "histogram", help);
    for (size_t i = 0; i < count; i++) {
        total += places[i];
        if (i + 1 < count)
            fprintf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, unit * (double)((uint64_t)1 << i),
                    total);
    }
    fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, total);
    fprintf(out, "%s_sum %.9g\n%s_count %" PRIu64 "\n", name, sum, name, total);
}
