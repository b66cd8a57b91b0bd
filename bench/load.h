/* The commands of bulla-load: a file each, a line each in load.c. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "cli/command.h"

extern const struct command command_provision;
extern const struct command command_load;
extern const struct command command_idle;
extern const struct command command_limits;
extern const struct command command_store;
extern const struct command command_mqtt;

#endif
