#include "bench/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device/crypto_openssl.h"

#define TEXT_SIZE 24
#define TAG_SIZE  8
#define KEYS      1000
#define AT_A_TIME 1000 /* operations between two looks at the clock */
#define PAGE      4096
#define PAGES     1024

double limit_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- cryptography ---- */

struct aead {
    struct bulla_crypto crypto;
    uint8_t keys[KEYS][16];
    uint8_t sealed[KEYS][TEXT_SIZE + TAG_SIZE];
};

/* The associated data is as long as that of a message with one reading (RFC 9052 5.3). */
static const uint8_t aad[18] = "\x83\x68"
                               "Encrypt0";

static int seal_one(struct aead *aead, size_t i)
{
    uint8_t nonce[BULLA_NONCE_MAX] = {(uint8_t)i, (uint8_t)(i >> 8)};

    memset(aead->sealed[i], 0x5a, TEXT_SIZE);
    return bulla_aead_seal(&aead->crypto, BULLA_AES_CCM_16_64_128, aead->keys[i], nonce, aad, sizeof(aad),
                           aead->sealed[i], TEXT_SIZE);
}

static int open_one(struct aead *aead, size_t i)
{
    uint8_t nonce[BULLA_NONCE_MAX] = {(uint8_t)i, (uint8_t)(i >> 8)};
    uint8_t text[TEXT_SIZE + TAG_SIZE];

    memcpy(text, aead->sealed[i], sizeof(text));
    return bulla_aead_open(&aead->crypto, BULLA_AES_CCM_16_64_128, aead->keys[i], nonce, aad, sizeof(aad),
                           text, sizeof(text));
}

static int rate_of(struct aead *aead, int (*one)(struct aead *, size_t), double seconds, double *rate)
{
    double begun = limit_clock();
    double now = begun;
    size_t count = 0;

    while (now - begun < seconds) {
        for (size_t i = 0; i < AT_A_TIME; i++) {
            if (one(aead, count++ % KEYS) < 0)
                return -1;
        }
        now = limit_clock();
    }
    *rate = (double)count / (now - begun);
    return 0;
}

int limit_aead(double seconds, double *seals, double *opens, struct failure *failure)
{
    struct aead *aead = calloc(1, sizeof(*aead));
    int result = -1;

    if (aead == NULL)
        return fail(failure, "memory is out");
    for (size_t i = 0; i < KEYS; i++)
        memset(aead->keys[i], (int)i, sizeof(aead->keys[i]));
    if (bulla_crypto_open(&aead->crypto) == 0 && rate_of(aead, seal_one, seconds, seals) == 0 &&
        rate_of(aead, open_one, seconds, opens) == 0)
        result = 0;
    else
        fail(failure, "the AEAD fails");
    bulla_crypto_close(&aead->crypto);
    free(aead);
    return result;
}

/* ---- the disk ---- */

static int sync_for(int fd, double seconds, double *syncs)
{
    static uint8_t page[PAGE];
    double begun;
    double now;
    size_t count = 0;

    for (size_t i = 0; i < PAGES; i++) {
        if (pwrite(fd, page, PAGE, (off_t)(i * PAGE)) != PAGE)
            return -1;
    }
    if (fsync(fd) < 0)
        return -1;
    for (begun = now = limit_clock(); now - begun < seconds; now = limit_clock()) {
        page[0]++;
        if (pwrite(fd, page, PAGE, (off_t)(count++ % PAGES * PAGE)) != PAGE || fdatasync(fd) < 0)
            return -1;
    }
    *syncs = (double)count / (now - begun);
    return 0;
}

int limit_sync(const char *folder, double seconds, double *syncs, struct failure *failure)
{
    char path[512];
    int result = 0;
    int fd;

    snprintf(path, sizeof(path), "%s/limit-sync", folder);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || sync_for(fd, seconds, syncs) < 0)
        result = fail(failure, "cannot write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    unlink(path);
    return result;
}
