/*
 * What was measured, a line each: for people, or as JSON for programs. A line begins with what it measures;
 * numbers follow, each with its name.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

enum report_format {
    REPORT_TEXT,
    REPORT_JSON,
};

extern const char *const report_formats[]; /* their words, NULL at the end */

/* The option of a command whose values have an `unsigned format`: an entry of its table. */
#define REPORT_OPTION(type)                                                                                  \
    {                                                                                                        \
        .name = "format", .argument = "FORMAT", .help = "text or json", .fallback = "text",                  \
        .parse = option_choice, .words = report_formats, .offset = offsetof(type, format)                    \
    }

/* Where the line goes: standard output. */
void report_begin(enum report_format format, const char *what);
void report_number(enum report_format format, const char *name, double value);
void report_seconds(enum report_format format, const char *name, double seconds); /* of a clock */
void report_end(enum report_format format);

#endif
