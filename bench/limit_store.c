#include "bench/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/random.h>

#include "gateway/store/store.h"

#define DEVICES   1000
#define BATCH_MAX 4096

/* A store, and batches for it as the gateway would make them. */
struct bench_store {
    struct store *store;
    uint8_t run[3]; /* tells its devices from those of other runs */
    int64_t devices[DEVICES];
    uint64_t sent[DEVICES]; /* messages of each device so far */
    size_t next;            /* whose turn it is */
    int64_t time;           /* microseconds since 1970, another for each reading */
    struct commit_context contexts[BATCH_MAX];
    struct commit_message messages[BATCH_MAX];
    struct reading readings[BATCH_MAX];
};

static int add_devices(struct bench_store *bench, struct failure *failure)
{
    for (size_t i = 0; i < DEVICES; i++) {
        struct device_row row = {.kid = {(uint8_t)i, (uint8_t)(i >> 8)},
                                 .kid_len = 5,
                                 .alg = BULLA_AES_CCM_16_64_128,
                                 .kind = BULLA_COUNTER};
        int entered;

        memcpy(row.kid + 2, bench->run, sizeof(bench->run));
        snprintf(row.name, sizeof(row.name), "store-%02x%02x%02x-%zu", bench->run[0], bench->run[1],
                 bench->run[2], i);
        entered = store_device_add(bench->store, &row, true, failure);
        if (entered != 1)
            return entered < 0 ? -1 : fail(failure, "a kid is taken");
        bench->devices[i] = row.id;
    }
    return 0;
}

/* A device's window after `sent` messages in order. */
static struct bulla_window window_after(uint64_t sent)
{
    struct bulla_window window = {0};

    for (uint64_t piv = sent > 64 ? sent - 64 : 0; piv < sent; piv++)
        bulla_window_mark(&window, piv);
    return window;
}

static void fill_message(struct bench_store *bench, size_t i)
{
    size_t device = bench->next;
    struct context_row *before = &bench->contexts[i].before;
    struct context_row *after = &bench->contexts[i].after;

    memset(before, 0, sizeof(*before));
    before->device = bench->devices[device];
    before->counter = true;
    before->proven = true;
    before->window = window_after(bench->sent[device]);
    *after = *before;
    bulla_window_mark(&after->window, bench->sent[device]);
    bench->messages[i] = (struct commit_message){
        .context = i,
        .piv = bench->sent[device],
        .received = bench->time,
        .first = i,
        .count = 1,
    };
    bench->readings[i] = (struct reading){
        .name = "temperature",
        .unit = "Cel",
        .name_len = strlen("temperature"),
        .unit_len = strlen("Cel"),
        .type = READING_REAL,
        .time = bench->time,
        .value.real = (double)(bench->time % 100000) / 1000,
    };
    bench->time += 20;
    bench->sent[device]++;
    bench->next = (device + 1) % DEVICES;
}

/* Commits one batch. Returns 0, or -1 with the failure. */
static int commit_batch(struct bench_store *bench, size_t batch, struct failure *failure)
{
    struct commit commit = {.contexts = bench->contexts,
                            .context_count = batch,
                            .messages = bench->messages,
                            .message_count = batch,
                            .readings = bench->readings};

    if (bench->store->ops->commit(bench->store, &commit, bench->time / 1000000, failure) < 0)
        return -1;
    for (size_t i = 0; i < batch; i++) {
        if (bench->contexts[i].verdict != COMMIT_DONE)
            return fail(failure, "the store found a conflict that is none");
    }
    return 0;
}

/* Only the commits are on the clock: making the batches is not the store's work. Each device's first
 * messages, which enter its series, are not either. */
static int measure(struct bench_store *bench, size_t batch, double seconds, double *readings,
                   struct failure *failure)
{
    double spent = 0;
    size_t count = 0, before = 2 * DEVICES;

    while (spent < seconds) {
        double begun;
        for (size_t i = 0; i < batch; i++)
            fill_message(bench, i);
        begun = limit_clock();
        if (commit_batch(bench, batch, failure) < 0)
            return -1;
        if (before > 0) {
            before -= batch < before ? batch : before;
            continue;
        }
        spent += limit_clock() - begun;
        count += batch;
    }
    *readings = (double)count / spent;
    return 0;
}

static void remove_database(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-lock"};
    char name[600];

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        snprintf(name, sizeof(name), "%s%s", path, endings[i]);
        unlink(name);
    }
}

int limit_store_at(const char *url, size_t batch, double seconds, double *readings, struct failure *failure)
{
    struct bench_store *bench = calloc(1, sizeof(*bench));
    int result = -1;

    if (bench == NULL || batch > DEVICES)
        return fail(failure, "memory is out, or the batch is too large");
    bench->time = (int64_t)time(NULL) * 1000000;
    if (getrandom(bench->run, sizeof(bench->run), 0) == sizeof(bench->run) &&
        store_open(&bench->store, url, STORE_CREATE, failure) == 0) {
        if (add_devices(bench, failure) == 0)
            result = measure(bench, batch, seconds, readings, failure);
        bench->store->ops->close(bench->store);
    }
    free(bench);
    return result;
}

int limit_store(const char *folder, size_t batch, double seconds, double *readings, struct failure *failure)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/limit-store.db", folder);
    remove_database(path);
    int result = limit_store_at(path, batch, seconds, readings, failure);
    remove_database(path);
    return result;
}
