/*
 * A device that runs on a Linux host and measures the host itself: one quantity, every so many seconds. It is
 * a whole device: it seals, sends, answers challenges, resends what was not answered, and says what is proven
 * to be stored.
 *
 *     bulla-host URL CREDENTIAL-FILE load|memory|disk|network|temperature SECONDS COUNT
 *
 * The credential is a session's: a counter needs a store, which this example does not have (see
 * posix_port_open()).
 */
#include <curl/curl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/statvfs.h>

#include "../bulla.h"
#include "../port/posix.h"

#define ANSWER_MAX 512
#define ATTEMPTS   20

/* ---- what is measured: each function adds its readings, or returns -1 where the host has no such thing ----
 */

static int measure_load(struct bulla_message *message)
{
    FILE *file = fopen("/proc/loadavg", "r");
    float one;
    float five;
    int found = -1;

    if (file == NULL)
        return -1;
    if (fscanf(file, "%f %f", &one, &five) == 2) {
        bulla_add_float(message, "load1", NULL, one);
        bulla_add_float(message, "load5", NULL, five);
        found = 0;
    }
    fclose(file);
    return found;
}

static int measure_memory(struct bulla_message *message)
{
    FILE *file = fopen("/proc/meminfo", "r");
    char line[128];
    int64_t kilobytes;
    int found = -1;

    if (file == NULL)
        return -1;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "MemAvailable: %" SCNd64, &kilobytes) == 1) {
            bulla_add_integer(message, "available", "B", kilobytes * 1024);
            found = 0;
        }
    }
    fclose(file);
    return found;
}

static int measure_disk(struct bulla_message *message)
{
    struct statvfs root;

    if (statvfs("/", &root) != 0)
        return -1;
    bulla_add_integer(message, "free", "B", (int64_t)(root.f_bavail * root.f_frsize));
    return 0;
}

/* Received and sent bytes over all interfaces since the host started. */
static int measure_network(struct bulla_message *message)
{
    FILE *file = fopen("/proc/net/dev", "r");
    char line[512];
    int64_t received = 0;
    int64_t sent = 0;

    if (file == NULL)
        return -1;
    while (fgets(line, sizeof(line), file) != NULL) {
        int64_t in;
        int64_t out;
        const char *colon = strchr(line, ':');
        if (colon != NULL &&
            sscanf(colon + 1, "%" SCNd64 " %*s %*s %*s %*s %*s %*s %*s %" SCNd64, &in, &out) == 2) {
            received += in;
            sent += out;
        }
    }
    fclose(file);
    bulla_add_integer(message, "received", "B", received);
    bulla_add_integer(message, "sent", "B", sent);
    return 0;
}

/* The first thermal sensor, if the host has one. */
static int measure_temperature(struct bulla_message *message)
{
    static const char *const patterns[] = {"/sys/class/hwmon/hwmon*/temp1_input",
                                           "/sys/class/thermal/thermal_zone*/temp"};
    int found = -1;

    for (size_t i = 0; i < 2 && found < 0; i++) {
        glob_t paths;
        FILE *file;
        int millidegrees;
        if (glob(patterns[i], 0, NULL, &paths) != 0)
            continue;
        file = fopen(paths.gl_pathv[0], "r");
        if (file != NULL && fscanf(file, "%d", &millidegrees) == 1) {
            bulla_add_float(message, "temperature", "Cel", (float)millidegrees / 1000);
            found = 0;
        }
        if (file != NULL)
            fclose(file);
        globfree(&paths);
    }
    return found;
}

static const struct quantity {
    const char *name;
    int (*measure)(struct bulla_message *message);
} quantities[] = {
    {"load", measure_load},       {"memory", measure_memory},           {"disk", measure_disk},
    {"network", measure_network}, {"temperature", measure_temperature},
};

static const struct quantity *find_quantity(const char *name)
{
    for (size_t i = 0; i < sizeof(quantities) / sizeof(quantities[0]); i++) {
        if (strcmp(quantities[i].name, name) == 0)
            return &quantities[i];
    }
    return NULL;
}

/* ---- how it is sent ---- */

struct answer {
    size_t len;
    uint8_t bytes[ANSWER_MAX];
};

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct answer *answer = context;

    if (size * count > ANSWER_MAX - answer->len)
        return 0;
    memcpy(answer->bytes + answer->len, data, size * count);
    answer->len += size * count;
    return size * count;
}

static void post(CURL *curl, const struct bulla_message *message, struct answer *answer)
{
    answer->len = 0;
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, message->data);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)message->size);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (curl_easy_perform(curl) != CURLE_OK)
        answer->len = 0; /* silence: the message is sent again */
}

/* Sends until the message is proven to be stored. Statuses of HTTP mean nothing here: anyone could forge
 * them. */
static int deliver(struct bulla *device, CURL *curl, struct bulla_message *message)
{
    struct answer answer;

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int error = 0;
        if (attempt > 0 && bulla_fate(device, message) == BULLA_WAITING) {
            sleep(1);
            error = bulla_resend(device, message); /* the same bytes */
        } else if (attempt > 0) {
            error = bulla_seal_again(device, message);
        }
        if (error < 0)
            return -1;
        post(curl, message, &answer);
        if (answer.len > 0 && bulla_open_reply(device, answer.bytes, answer.len, NULL) == 0 &&
            bulla_fate(device, message) == BULLA_STORED)
            return 0;
    }
    return -1;
}

static int run(struct bulla *device, CURL *curl, const struct quantity *quantity, unsigned seconds,
               long count)
{
    uint8_t buffer[256];
    struct bulla_message message;

    for (long i = 0; count == 0 || i < count; i++) {
        int error;
        if (i > 0)
            sleep(seconds);
        bulla_begin(&message, buffer, sizeof(buffer));
        if (quantity->measure(&message) < 0) {
            fprintf(stderr, "this host has no %s to measure\n", quantity->name);
            return 1;
        }
        error = bulla_seal(device, &message);
        if (error < 0) {
            fprintf(stderr, "cannot seal: %s\n", bulla_strerror(error));
            return 1;
        }
        if (deliver(device, curl, &message) < 0) {
            fprintf(stderr, "no proof that %s was stored\n", quantity->name);
            return 1;
        }
    }
    return 0;
}

/* A loop that the compiler may not leave out. */
static void wipe(void *secret, size_t len)
{
    volatile uint8_t *bytes = (volatile uint8_t *)secret;

    while (len-- > 0)
        bytes[len] = 0;
}

static int read_credential(struct bulla_credential *credential, const char *path)
{
    char line[BULLA_CREDENTIAL_MAX + 2];
    FILE *file = fopen(path, "r");
    int error = -1;

    if (file != NULL)
        setvbuf(file, NULL, _IONBF, 0); /* a buffer could not be wiped */
    if (file != NULL && fgets(line, sizeof(line), file) != NULL)
        error = bulla_credential_parse(credential, NULL, line, strcspn(line, "\n"));
    if (file != NULL)
        fclose(file);
    wipe(line, sizeof(line));
    return error;
}

int main(int argc, char **argv)
{
    struct bulla_credential credential;
    struct posix_port host;
    struct bulla device;
    const struct quantity *quantity = argc == 6 ? find_quantity(argv[3]) : NULL;
    struct curl_slist *headers;
    CURL *curl;
    int result;

    if (quantity == NULL) {
        fprintf(
            stderr,
            "usage: bulla-host URL CREDENTIAL-FILE load|memory|disk|network|temperature SECONDS COUNT\n"
            "The credential is a session's: a counter needs a store, which this example does not have.\n");
        return 2;
    }
    if (read_credential(&credential, argv[2]) < 0) {
        fprintf(stderr, "%s: not a credential line\n", argv[2]);
        return 1;
    }
    posix_port_init(&host);
    result = bulla_open(&device, &credential, &host.port);
    wipe(&credential, sizeof(credential));
    if (result < 0) {
        fprintf(stderr, "cannot open the context: %s\n", bulla_strerror(result));
        return 1;
    }
    curl = curl_easy_init();
    headers = curl_slist_append(NULL, "Content-Type: application/cose; cose-type=\"cose-encrypt0\"");
    curl_easy_setopt(curl, CURLOPT_URL, argv[1]);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 5L);
    result = run(&device, curl, quantity, (unsigned)atoi(argv[4]), atol(argv[5]));
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    bulla_close(&device);
    posix_port_close(&host);
    return result;
}
