/*
 * HTTP as devices speak it: keep-alive connections, one request at a time on each, no pipelining. One thread,
 * epoll; requests are made before, replies are looked at afterwards, so that little of the processor goes
 * into it while it is measured.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <netinet/in.h>

#include "bench/exchange.h"

#define TRAFFIC_CONNECTIONS_MAX 4096

struct connection;

struct traffic {
    int epoll;
    struct connection *connections;
    unsigned count;
    /* of the last run */
    size_t done;        /* exchanges that are complete: the first so many */
    uint64_t begun;     /* nanoseconds of the monotonic clock */
    uint64_t span;      /* nanoseconds */
    uint64_t processor; /* nanoseconds of this process */
    size_t next;        /* the next exchange to begin */
    size_t in_flight;
};

/* Reads HOST:PORT, with or without http:// before and a path behind. IPv4. */
__attribute__((warn_unused_result)) int traffic_address(struct sockaddr_in *address, const char *text,
                                                        struct failure *failure);

/* Connects. Returns 0, or -1 with the failure; traffic_close() serves after both. */
__attribute__((warn_unused_result)) int traffic_open(struct traffic *traffic,
                                                     const struct sockaddr_in *address, unsigned connections,
                                                     struct failure *failure);
void traffic_close(struct traffic *traffic);

/*
 * Sends the exchanges in order, as connections become free, and waits for all answers. After `seconds` (0: no
 * bound) none is begun any more. Returns 0, or -1 if a connection failed.
 */
__attribute__((warn_unused_result)) int traffic_run(struct traffic *traffic, struct exchange *exchanges,
                                                    size_t count, double seconds, struct failure *failure);

/* The same for a fleet. It lasts as long as the traffic. */
struct way traffic_way(struct traffic *traffic);

#endif
