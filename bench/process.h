/* What the system says of another process: processor time and memory, out of /proc. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdint.h>

#include "gateway/failure.h"

struct process_usage {
    double main_seconds;   /* processor time of the first thread: the gateway's event loop */
    double others_seconds; /* of the others: the gateway's store */
    uint64_t resident;     /* bytes now */
    uint64_t peak;         /* most bytes resident so far */
};

/* Returns 0, or -1 with the failure: there is no such process. */
__attribute__((warn_unused_result)) int process_usage(struct process_usage *usage, int64_t pid,
                                                      struct failure *failure);

#endif
