/*
 * Configuration files: what is taken comes again when it is written as --print-config writes it; what is
 * refused is refused with a line that is there.
 */
#include "require.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config_file.h"

#define ENTRIES 64

struct entries {
    unsigned last; /* line */
    size_t count;
    char *keys[ENTRIES];
    char *values[ENTRIES];
};

static int take(void *context, unsigned line, const char *key, const char *value, struct failure *failure)
{
    struct entries *entries = context;

    require(line > entries->last);
    require(strchr(key, '\n') == NULL && strchr(value, '\n') == NULL);
    require(strlen(key) + strlen(value) < CONFIG_LINE_MAX);
    entries->last = line;
    if (entries->count == ENTRIES)
        return fail(failure, "enough");
    entries->keys[entries->count] = strdup(key);
    entries->values[entries->count++] = strdup(value);
    return 0;
}

static int parse(struct entries *entries, const char *bytes, size_t len, struct failure *failure)
{
    const struct config_reader reader = {.path = "f", .section = "serve", .take = take, .context = entries};

    return config_parse(&reader, bytes, len, failure);
}

static unsigned lines(const char *bytes, size_t len)
{
    unsigned count = 1;

    for (size_t i = 0; i < len; i++)
        count += bytes[i] == '\n';
    return count;
}

/* A key may hold what one of ours never does. */
static int is_plain(const char *key)
{
    return *key >= 'a' && *key <= 'z';
}

static void check_again(const struct entries *entries, size_t i)
{
    struct entries again = {0};
    struct failure failure;
    char line[2 * CONFIG_LINE_MAX];

    if (!is_plain(entries->keys[i]) || config_can_hold(entries->keys[i], entries->values[i], &failure) < 0)
        return;
    snprintf(line, sizeof(line), "%s = %s\n", entries->keys[i], entries->values[i]);
    require(parse(&again, line, strlen(line), &failure) == 0 && again.count == 1);
    require(strcmp(again.keys[0], entries->keys[i]) == 0 && strcmp(again.values[0], entries->values[i]) == 0);
    free(again.keys[0]);
    free(again.values[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct entries entries = {0};
    struct failure failure = {""};
    unsigned line;

    if (parse(&entries, (const char *)data, size, &failure) < 0)
        require(sscanf(failure.text, "f:%u: ", &line) == 1 && line >= 1 &&
                line <= lines((const char *)data, size));
    for (size_t i = 0; i < entries.count; i++) {
        check_again(&entries, i);
        free(entries.keys[i]);
        free(entries.values[i]);
    }
    return 0;
}
