/*
 * bulla-load: what a gateway can take. bench/run drives it; by hand:
 *
 *     bulla-load provision --db /tmp/t.db --devices 1000
 *     bulla serve --db /tmp/t.db --listen 127.0.0.1:8620 &
 *     bulla-load load --db /tmp/t.db --to 127.0.0.1:8620 --pid $! --connections 128
 */
#include "bench/load.h"

#include <signal.h>

static const struct command *const commands[] = {
    &command_provision, &command_load, &command_idle, &command_limits, &command_store, &command_mqtt, NULL,
};

static const struct command command_bulla_load = {
    .name = "bulla-load",
    .summary = "measures a gateway: throughput, latency, processor time, memory",
    .commands = commands,
};

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    return command_main(&command_bulla_load, argc - 1, argv + 1);
}
