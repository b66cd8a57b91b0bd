#include "bench/report.h"

#include <stdio.h>

const char *const report_formats[] = {
    [REPORT_TEXT] = "text",
    [REPORT_JSON] = "json",
    0,
};

void report_begin(enum report_format format, const char *what)
{
    printf(format == REPORT_JSON ? "{\"what\":\"%s\"" : "%s", what);
}

void report_number(enum report_format format, const char *name, double value)
{
    if (format == REPORT_JSON)
        printf(",\"%s\":%.6g", name, value);
    else
        printf("  %s=%.6g", name, value);
}

void report_seconds(enum report_format format, const char *name, double seconds)
{
    printf(format == REPORT_JSON ? ",\"%s\":%.6f" : "  %s=%.6f", name, seconds);
}

void report_end(enum report_format format)
{
    puts(format == REPORT_JSON ? "}" : "");
    fflush(stdout);
}
