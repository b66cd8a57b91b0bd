#include "bench/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Processor seconds of one thread, or -1. */
static double thread_seconds(int64_t pid, int64_t thread)
{
    char path[64];
    char line[512];
    unsigned long long user = 0;
    unsigned long long system = 0;
    const char *at = NULL;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%" PRId64 "/task/%" PRId64 "/stat", pid, thread);
    file = fopen(path, "re");
    if (file == NULL)
        return -1;
    if (fgets(line, sizeof(line), file) != NULL)
        at = strrchr(line, ')'); /* the name may hold anything */
    fclose(file);
    if (at == NULL ||
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
        return -1;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static int read_threads(struct process_usage *usage, int64_t pid)
{
    char path[64];
    struct dirent *entry;
    DIR *folder;

    snprintf(path, sizeof(path), "/proc/%" PRId64 "/task", pid);
    folder = opendir(path);
    if (folder == NULL)
        return -1;
    while ((entry = readdir(folder)) != NULL) {
        int64_t thread = strtoll(entry->d_name, NULL, 10);
        double seconds = thread > 0 ? thread_seconds(pid, thread) : -1;
        if (seconds >= 0)
            *(thread == pid ? &usage->main_seconds : &usage->others_seconds) += seconds;
    }
    closedir(folder);
    return 0;
}

static int read_memory(struct process_usage *usage, int64_t pid)
{
    char path[64];
    char line[256];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%" PRId64 "/status", pid);
    file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            usage->resident = strtoull(line + 6, NULL, 10) * 1024;
        else if (strncmp(line, "VmHWM:", 6) == 0)
            usage->peak = strtoull(line + 6, NULL, 10) * 1024;
    }
    fclose(file);
    return 0;
}

int process_usage(struct process_usage *usage, int64_t pid, struct failure *failure)
{
    memset(usage, 0, sizeof(*usage));
    if (read_threads(usage, pid) < 0 || read_memory(usage, pid) < 0)
        return fail(failure, "there is no process %" PRId64, pid);
    return 0;
}
