#include "cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/when.h"

/* ---- parsers ---- */

int option_flag(const struct option *option, const char *text, void *field, struct failure *failure)
{
    (void)option, (void)text, (void)failure;
    *(bool *)field = true;
    return 0;
}

int option_string(const struct option *option, const char *text, void *field, struct failure *failure)
{
    if (*text == 0)
        return fail(failure, "it is empty; give a %s", option->argument);
    *(const char **)field = text;
    return 0;
}

static int refuse_word(const struct option *option, const char *text, struct failure *failure)
{
    char all[160] = "";
    size_t used = 0;

    for (size_t i = 0; option->words[i] && used + strlen(option->words[i]) + 3 < sizeof(all); i++) {
        if (i > 0)
            used = (size_t)(stpcpy(all + used, ", ") - all);
        used = (size_t)(stpcpy(all + used, option->words[i]) - all);
    }
    return fail(failure, "'%.40s' is not one of: %s", text, all);
}

int option_choice(const struct option *option, const char *text, void *field, struct failure *failure)
{
    for (unsigned i = 0; option->words[i]; i++) {
        if (strcmp(option->words[i], text) == 0) {
            *(unsigned *)field = i;
            return 0;
        }
    }
    return refuse_word(option, text, failure);
}

int option_word(const struct option *option, const char *text, void *field, struct failure *failure)
{
    unsigned chosen;

    if (option_choice(option, text, &chosen, failure) < 0)
        return -1;
    *(const char **)field = option->words[chosen];
    return 0;
}

int option_number(const struct option *option, const char *text, void *field, struct failure *failure)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < option->least || value > option->most)
        return fail(failure, "'%.40s' is not a number from %lld to %lld", text, (long long)option->least,
                    (long long)option->most);
    *(int64_t *)field = value;
    return 0;
}

int option_limit(const struct option *option, const char *text, void *field, struct failure *failure)
{
    static const struct option bounds = {.least = 1, .most = INT64_MAX};

    (void)option;
    if (strcmp(text, "all") == 0) {
        *(int64_t *)field = -1;
        return 0;
    }
    if (option_number(&bounds, text, field, failure) < 0)
        return fail(failure, "'%.40s' is neither a number above 0 nor 'all'", text);
    return 0;
}

int option_time(const struct option *option, const char *text, void *field, struct failure *failure)
{
    struct option_time *time = field;

    (void)option;
    if (when_parse(text, when_now(), &time->micros) < 0)
        return fail(
            failure,
            "'%.40s' is not a time; give 2026-11-21T22:13:05Z, 2026-11-21, Unix seconds, or 10m, 2h, 7d ago",
            text);
    time->given = true;
    return 0;
}

/* ---- filling a command's struct ---- */

const struct option *options_find(const struct option *table, const char *name, size_t len)
{
    for (const struct option *option = table; option && option->name; option++) {
        if (strlen(option->name) == len && memcmp(option->name, name, len) == 0)
            return option;
    }
    return NULL;
}

static const struct option *find_letter(const struct option *table, char letter)
{
    for (const struct option *option = table; option && option->name; option++) {
        if (option->letter && option->letter == letter)
            return option;
    }
    return NULL;
}

/* `dashes` and `name` are what was written, for the error. */
static int set(const struct option *option, const char *dashes, const char *name, const char *text,
               void *values, struct failure *failure)
{
    struct failure why;

    if (option->parse(option, text, (char *)values + option->offset, &why) == 0)
        return 0;
    return fail(failure, "%s%s: %s", dashes, name, why.text);
}

static int set_defaults(const struct option *table, void *values, struct failure *failure)
{
    for (const struct option *option = table; option && option->name; option++) {
        const char *text = option->variable ? getenv(option->variable) : NULL;

        if (text && *text) {
            if (set(option, "", option->variable, text, values, failure) < 0)
                return -1;
        } else if (option->fallback &&
                   set(option, "--", option->name, option->fallback, values, failure) < 0) {
            return -1;
        }
    }
    return 0;
}

/*
 * One option: argv[at] and, where it takes the next word as its argument, argv[at + 1]. Returns how many
 * words, or -1.
 */
static int take(const struct option *table, void *values, int left, char **argv, struct failure *failure)
{
    bool is_long = argv[0][1] == '-';
    const char *name = argv[0] + (is_long ? 2 : 1);
    size_t len = is_long ? strcspn(name, "=") : 1;
    const struct option *option = is_long ? options_find(table, name, len) : find_letter(table, *name);
    const char *text = NULL;
    int words = 1;

    if (!option)
        return fail(failure, "%.60s: there is no such option", argv[0]);
    if (name[len])
        text = name + len + (name[len] == '=');
    if (!option->argument && text)
        return fail(failure, "--%s: it takes no argument", option->name);
    if (option->argument && !text) {
        if (left < 2)
            return fail(failure, "--%s: its argument is missing; give a %s", option->name, option->argument);
        text = argv[1];
        words = 2;
    }
    return set(option, "--", option->name, text, values, failure) < 0 ? -1 : words;
}

int options_parse(const struct option *table, void *values, int argc, char **argv, struct failure *failure)
{
    int kept = 0;
    bool ended = false;

    if (set_defaults(table, values, failure) < 0)
        return -1;
    for (int at = 0; at < argc;) {
        int words = 1;

        if (!ended && strcmp(argv[at], "--") == 0) {
            ended = true;
        } else if (!ended && argv[at][0] == '-' && argv[at][1]) {
            words = take(table, values, argc - at, argv + at, failure);
        } else {
            argv[kept++] = argv[at]; /* "-" alone too: standard input */
        }
        if (words < 0)
            return -1;
        at += words;
    }
    return kept;
}
