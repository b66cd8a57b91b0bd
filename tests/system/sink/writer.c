/*
 * Drives a sink alone, without a gateway: opens the one that the first argument names (a URL, or @FILE), and
 * writes each batch that comes on standard input, a line of JSON: a list of points. Of each it prints a line,
 * {"result": "written" | "away" | "refused", "why": ...}. With a second argument, "halve", it does with what
 * is refused as the gateway does, and tells only those points: {"result": ..., "refused": [[index, why],
 * ...]}.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "gateway/sink/sink.h"

static struct sink_point points[SINK_POINTS_MAX];
static uint8_t contexts[SINK_POINTS_MAX][SINK_CONTEXT_MAX];

__attribute__((noreturn)) static void give_up(const char *why)
{
    fprintf(stderr, "bulla_sink_writer: %s\n", why);
    exit(2);
}

/* ---- points ---- */

static unsigned digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    if (at == NULL)
        give_up("this is no hexadecimal text");
    return (unsigned)(at - digits);
}

static size_t read_hex(const char *hex, uint8_t *out, size_t size)
{
    size_t len = strlen(hex) / 2;

    if (len > size)
        give_up("the hexadecimal text is too long");
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return len;
}

static enum reading_type read_type(const char *text)
{
    for (enum reading_type type = 0; type < READING_TYPE_COUNT; type++)
        if (strcmp(reading_type_text(type), text) == 0)
            return type;
    give_up("there is no such type");
}

static int64_t integer_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* Bytes that last as long as the batch: of "KEY", or of "KEY_hex". */
static const char *bytes_of(json_t *object, const char *key, size_t *len)
{
    char other[32];
    json_t *value = json_object_get(object, key);
    uint8_t *bytes;

    snprintf(other, sizeof(other), "%s_hex", key);
    *len = json_string_length(value);
    if (json_is_string(value))
        return json_string_value(value);
    value = json_object_get(object, other);
    if (!json_is_string(value))
        return NULL;
    bytes = malloc(json_string_length(value) / 2 + 1);
    if (bytes == NULL)
        give_up("memory is out");
    *len = read_hex(json_string_value(value), bytes, json_string_length(value) / 2);
    json_object_set_new(object, key, json_stringn_nocheck((const char *)bytes, *len)); /* keeps them */
    free(bytes);
    return json_string_value(json_object_get(object, key));
}

static void read_value(json_t *object, struct reading *reading)
{
    json_t *value = json_object_get(object, "value");

    if (reading->type == READING_REAL || reading->type == READING_SUM)
        reading->value.real = json_number_value(value);
    else if (reading->type == READING_INTEGER)
        reading->value.integer = json_integer_value(value);
    else if (reading->type == READING_BOOLEAN)
        reading->value.integer = json_is_true(value);
    else
        reading->value.bytes.at = (const uint8_t *)bytes_of(object, "value", &reading->value.bytes.len);
}

static void read_point(json_t *object, size_t i)
{
    struct sink_point *point = &points[i];
    const char *context = json_string_value(json_object_get(object, "context"));

    memset(point, 0, sizeof(*point));
    point->device = json_string_value(json_object_get(object, "device"));
    point->context = contexts[i];
    point->context_len = read_hex(context != NULL ? context : "", contexts[i], sizeof(contexts[i]));
    point->device_id = integer_of(object, "device_id");
    point->piv = (uint64_t)integer_of(object, "piv");
    point->index = (uint32_t)integer_of(object, "index");
    point->received = integer_of(object, "received");
    point->reading.name = bytes_of(object, "name", &point->reading.name_len);
    point->reading.unit = bytes_of(object, "unit", &point->reading.unit_len);
    point->reading.type = read_type(json_string_value(json_object_get(object, "type")));
    point->reading.format = (uint16_t)integer_of(object, "format");
    point->reading.time = integer_of(object, "time");
    read_value(object, &point->reading);
}

/* ---- writing ---- */

static const char *word_of(int result)
{
    return result == SINK_WRITTEN ? "written" : result == SINK_AWAY ? "away" : "refused";
}

/* What the gateway does: halves what is refused, until one point is left. */
static int halve(struct sink *sink, const struct sink_batch *batch, json_t *refused, struct failure *failure)
{
    int result = sink->ops->write(sink, batch, failure);
    size_t half = batch->count / 2;

    if (result != SINK_REFUSED)
        return result;
    if (batch->count == 1) {
        json_array_append_new(refused,
                              json_pack("[I, s]", (json_int_t)(batch->points - points), failure->text));
        return SINK_WRITTEN;
    }
    result = halve(sink, &(struct sink_batch){batch->points, half}, refused, failure);
    if (result != SINK_WRITTEN)
        return result;
    return halve(sink, &(struct sink_batch){batch->points + half, batch->count - half}, refused, failure);
}

static void write_batch(struct sink *sink, json_t *list, bool halves)
{
    struct sink_batch batch = {.points = points, .count = json_array_size(list)};
    struct failure failure = {.text = ""};
    json_t *answer = json_object();
    json_t *refused = json_array();
    int result;

    for (size_t i = 0; i < batch.count; i++)
        read_point(json_array_get(list, i), i);
    result = halves ? halve(sink, &batch, refused, &failure) : sink->ops->write(sink, &batch, &failure);
    json_object_set_new(answer, "result", json_string(word_of(result)));
    json_object_set_new(answer, "why", json_string(result == SINK_WRITTEN ? "" : failure.text));
    json_object_set_new(answer, "refused", refused);
    json_dumpf(answer, stdout, 0);
    putchar('\n');
    fflush(stdout);
    json_decref(answer);
}

/* SIGUSR1 is what a gateway does that ends: it interrupts the sink from another thread. */
static void *wait_for_signal(void *context)
{
    struct sink *sink = context;
    sigset_t set;
    int number;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    while (sigwait(&set, &number) == 0)
        if (sink->ops->interrupt != NULL)
            sink->ops->interrupt(sink);
    return NULL;
}

static void start_waiting(struct sink *sink)
{
    pthread_t thread;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (pthread_create(&thread, NULL, wait_for_signal, sink) != 0)
        give_up("there are no threads");
    pthread_detach(thread);
}

int main(int argc, char **argv)
{
    bool halves = argc > 2 && strcmp(argv[2], "halve") == 0;
    struct failure failure;
    struct sink *sink;
    char *line = NULL;
    size_t room = 0;

    signal(SIGPIPE, SIG_IGN);
    if (argc < 2 || sink_open(&sink, argv[1], &failure) < 0) {
        fprintf(stderr, "bulla: %s\n", argc < 2 ? "give a URL" : failure.text);
        return 1;
    }
    start_waiting(sink);
    printf("{\"name\": \"%s\"}\n", sink->name);
    fflush(stdout);
    while (getline(&line, &room, stdin) > 0) {
        json_t *list = json_loads(line, JSON_ALLOW_NUL, NULL);
        if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > SINK_POINTS_MAX)
            give_up("this is no list of points");
        write_batch(sink, list, halves);
        json_decref(list);
    }
    free(line);
    sink->ops->close(sink);
    return 0;
}
