/*
 * Options that name sinks, and how much waits for them: parsers that say what is wrong where it was said.
 */
#ifndef SINK_OPTIONS_H
#define SINK_OPTIONS_H

#include "cli/options.h"

option_parser option_sink; /* struct option_strings: a URL, or @FILE, which is read only later */
option_parser option_size; /* int64_t, bytes: a number, and K, M, G or T (of 1024) behind it */
option_parser option_age;  /* int64_t, seconds: a number and s, m, h or d; "forever": 0 */

#endif
