/*
 * A limit to compare with: libmicrohttpd alone, driven by epoll on one thread, answering 204 to every POST.
 * It runs in a process of its own, as the gateway does.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <netinet/in.h>
#include <sys/types.h>

#include "gateway/failure.h"

struct bare {
    pid_t pid;
    struct sockaddr_in address;
};

/* Starts it on a free port of the loopback. */
__attribute__((warn_unused_result)) int bare_start(struct bare *bare, struct failure *failure);
void bare_stop(struct bare *bare);

#endif
