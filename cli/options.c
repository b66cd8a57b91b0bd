#include "cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/settings.h"
#include "cli/when.h"

/* ---- parsers ---- */

int option_flag(const struct option *option, const char *text, void *field, struct failure *failure)
{
    (void)option;
    if (text != NULL && strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
        return fail(failure, "'%.40s' is neither yes nor no", text);
    *(bool *)field = text == NULL || *text == 'y';
    return 0;
}

int option_string(const struct option *option, const char *text, void *field, struct failure *failure)
{
    if (*text == 0)
        return fail(failure, "it is empty; give a %s", option->argument);
    *(const char **)field = text;
    return 0;
}

int option_strings(const struct option *option, const char *text, void *field, struct failure *failure)
{
    struct option_strings *strings = field;

    if (strings->count == OPTION_STRINGS_MAX)
        return fail(failure, "it may be given %d times", OPTION_STRINGS_MAX);
    if (option_string(option, text, &strings->texts[strings->count], failure) < 0)
        return -1;
    strings->count++;
    return 0;
}

/* What it names is read before the options are parsed (options_parse()). */
int option_config(const struct option *option, const char *text, void *field, struct failure *failure)
{
    const char *path;

    (void)field;
    return option_string(option, text, &path, failure);
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

/*
 * One option: argv[at] and, where it takes the next word as its argument, argv[at + 1]. Returns how many
 * words, or -1.
 */
static int take(struct settings *settings, int left, char **argv, struct failure *failure)
{
    bool is_long = argv[0][1] == '-';
    const char *name = argv[0] + (is_long ? 2 : 1);
    size_t len = is_long ? strcspn(name, "=") : 1;
    const struct option *option =
        is_long ? options_find(settings->table, name, len) : find_letter(settings->table, *name);
    struct setting setting = {.option = option, .origin = SETTING_ARGUMENT};
    int words = 1;

    if (!option)
        return fail(failure, "%.60s: there is no such option", argv[0]);
    if (name[len])
        setting.text = name + len + (name[len] == '=');
    if (!option->argument && setting.text)
        return fail(failure, "--%s: it takes no argument", option->name);
    if (option->argument && !setting.text) {
        if (left < 2)
            return fail(failure, "--%s: its argument is missing; give a %s", option->name, option->argument);
        setting.text = argv[1];
        words = 2;
    }
    return settings_add(settings, &setting, failure) < 0 ? -1 : words;
}

/* Takes the options out of the arguments. Returns how many others there are, moved to the front, or -1. */
static int take_all(struct settings *settings, int argc, char **argv, struct failure *failure)
{
    int kept = 0;
    bool ended = false;

    for (int at = 0; at < argc;) {
        int words = 1;

        if (!ended && strcmp(argv[at], "--") == 0) {
            ended = true;
        } else if (!ended && argv[at][0] == '-' && argv[at][1]) {
            words = take(settings, argc - at, argv + at, failure);
        } else {
            argv[kept++] = argv[at]; /* "-" alone too: standard input */
        }
        if (words < 0)
            return -1;
        at += words;
    }
    return kept;
}

static const struct option *find_config(const struct option *table)
{
    while (table && table->name && table->parse != option_config)
        table++;
    return table && table->name ? table : NULL;
}

int options_parse(const struct option *table, void *values, int argc, char **argv, struct failure *failure)
{
    const struct option *config = find_config(table);
    struct settings own = {0};
    struct settings *settings = config ? (struct settings *)((char *)values + config->offset) : &own;
    int kept;

    settings->table = table;
    settings->section = config ? config->section : NULL;
    kept = take_all(settings, argc, argv, failure);
    if (kept >= 0 && config && settings_find(settings, config))
        settings->file = settings_find(settings, config)->text;
    if (kept >= 0 &&
        (settings_gather(settings, failure) < 0 || settings_apply(settings, values, failure) < 0))
        kept = -1;
    if (!config || kept < 0)
        settings_free(settings);
    return kept;
}

void options_free(const struct option *table, void *values)
{
    const struct option *config = find_config(table);

    if (config)
        settings_free((struct settings *)((char *)values + config->offset));
}
