#include "gateway/store/store.h"
#include "cli/settings.h"

#include <stdlib.h>
#include <string.h>

#include "cli/config_file.h"

void settings_free(struct settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        if (settings->items[i].origin == SETTING_FILE)
            free((char *)settings->items[i].text);
    }
    free(settings->items);
    memset(settings, 0, sizeof(*settings));
}

int settings_add(struct settings *settings, const struct setting *setting, struct failure *failure)
{
    if (settings->count == settings->capacity) {
        size_t capacity = settings->capacity * 2 + 16;
        struct setting *items = reallocarray(settings->items, capacity, sizeof(*items));
        if (items == NULL)
            return fail(failure, "memory is out");
        settings->items = items;
        settings->capacity = capacity;
    }
    settings->items[settings->count++] = *setting;
    return 0;
}

/* ---- the file ---- */

static const struct setting *said_in_file(const struct settings *settings, const struct option *option)
{
    for (size_t i = 0; i < settings->count; i++) {
        if (settings->items[i].origin == SETTING_FILE && settings->items[i].option == option)
            return &settings->items[i];
    }
    return NULL;
}

static int check_entry(const struct settings *settings, const struct option *option, const char *key,
                       struct failure *failure)
{
    const struct setting *before;

    if (option == NULL)
        return fail(failure, "%.60s: there is no such key; 'bulla %s --help' lists them as --key", key,
                    settings->section);
    if (option->typed_only)
        return fail(failure, "%s: this can only be said on the command line; take it out", key);
    before = option->repeatable ? NULL : said_in_file(settings, option);
    if (before != NULL)
        return fail(failure, "%s: line %u says it already; keep one of them", key, before->line);
    return 0;
}

/* Values are tried at once, so that the error can name the line. */
static int try_value(const struct option *option, const char *value, struct failure *failure)
{
    union {
        struct option_strings strings;
        struct option_time time;
        int64_t number;
        const char *text;
    } field = {0};
    struct failure why;

    if (option->parse(option, value, &field, &why) == 0)
        return 0;
    return fail(failure, "%s: %s", option->name, why.text);
}

static int take_entry(void *context, unsigned line, const char *key, const char *value,
                      struct failure *failure)
{
    struct settings *settings = context;
    const struct option *option = options_find(settings->table, key, strlen(key));
    struct setting setting = {.option = option, .origin = SETTING_FILE, .line = line};
    char *text;

    if (check_entry(settings, option, key, failure) < 0 || try_value(option, value, failure) < 0)
        return -1;
    text = strdup(value);
    if (text == NULL)
        return fail(failure, "memory is out");
    setting.text = text;
    if (settings_add(settings, &setting, failure) == 0)
        return 0;
    free(text);
    return -1;
}

/* ---- gathering ---- */

static int add_other(struct settings *settings, const struct option *option, const char *text,
                     enum setting_origin origin, struct failure *failure)
{
    const struct setting setting = {.option = option, .text = text, .origin = origin};

    return text == NULL || *text == '\0' ? 0 : settings_add(settings, &setting, failure);
}

int settings_gather(struct settings *settings, struct failure *failure)
{
    const struct config_reader reader = {
        .path = settings->file, .section = settings->section, .take = take_entry, .context = settings};

    for (const struct option *option = settings->table; option && option->name; option++) {
        const char *variable = option->variable ? getenv(option->variable) : NULL;
        if (add_other(settings, option, option->fallback, SETTING_DEFAULT, failure) < 0 ||
            add_other(settings, option, variable, SETTING_ENVIRONMENT, failure) < 0)
            return -1;
    }
    return settings->file != NULL ? config_load(&reader, failure) : 0;
}

int settings_again(struct settings *fresh, const struct settings *settings, struct failure *failure)
{
    *fresh =
        (struct settings){.table = settings->table, .section = settings->section, .file = settings->file};
    for (size_t i = 0; i < settings->count; i++) {
        if (settings->items[i].origin == SETTING_ARGUMENT &&
            settings_add(fresh, &settings->items[i], failure) < 0)
            return -1;
    }
    return settings_gather(fresh, failure);
}

/* ---- what counts ---- */

/* `out`: what was said, as the person wrote it. */
static void name_setting(const struct settings *settings, const struct setting *setting, char *out,
                         size_t size)
{
    const char *name = setting->option->name;

    if (setting->origin == SETTING_FILE)
        snprintf(out, size, "%.140s:%u: %s", settings->file, setting->line, name);
    else if (setting->origin == SETTING_ENVIRONMENT)
        snprintf(out, size, "%s", setting->option->variable);
    else
        snprintf(out, size, "--%s", name);
}

static int apply(const struct settings *settings, const struct setting *setting, void *values,
                 struct failure *failure)
{
    const struct option *option = setting->option;
    struct failure why;
    char name[220];

    if (option->parse(option, setting->text, (char *)values + option->offset, &why) == 0)
        return 0;
    name_setting(settings, setting, name, sizeof(name));
    return fail(failure, "%s: %s", name, why.text);
}

/* The first of a repeatable option's at a place takes away what lighter places said. */
static void begin_repeatable(const struct settings *settings, size_t at, void *values)
{
    const struct setting *setting = &settings->items[at];

    for (size_t i = 0; i < at; i++) {
        if (settings->items[i].option == setting->option && settings->items[i].origin == setting->origin)
            return;
    }
    memset((char *)values + setting->option->offset, 0, sizeof(struct option_strings));
}

int settings_apply(const struct settings *settings, void *values, struct failure *failure)
{
    for (int origin = 0; origin < SETTING_ORIGINS; origin++) {
        for (size_t i = 0; i < settings->count; i++) {
            if (settings->items[i].origin != (enum setting_origin)origin)
                continue;
            if (settings->items[i].option->repeatable)
                begin_repeatable(settings, i, values);
            if (apply(settings, &settings->items[i], values, failure) < 0)
                return -1;
        }
    }
    return 0;
}

const struct setting *settings_find(const struct settings *settings, const struct option *option)
{
    const struct setting *found = NULL;

    for (size_t i = 0; i < settings->count; i++) {
        const struct setting *item = &settings->items[i];
        if (item->option == option && (found == NULL || item->origin >= found->origin))
            found = item;
    }
    return found;
}

/* The next that counts for an option after the place `at`, or NULL; `at` moves on. */
static const struct setting *next_that_counts(const struct settings *settings, const struct option *option,
                                              size_t *at)
{
    const struct setting *last = settings_find(settings, option);

    while (last != NULL && *at < settings->count) {
        const struct setting *item = &settings->items[(*at)++];
        if (item == last || (option->repeatable && item->option == option && item->origin == last->origin))
            return item;
    }
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool settings_same(const struct settings *a, const struct settings *b, const struct option *option)
{
    size_t at_a = 0;
    size_t at_b = 0;
    const struct setting *of_a;
    const struct setting *of_b;

    do {
        of_a = next_that_counts(a, option, &at_a);
        of_b = next_that_counts(b, option, &at_b);
        if ((of_a == NULL) != (of_b == NULL) || (of_a != NULL && !same_text(of_a->text, of_b->text)))
            return false;
    } while (of_a != NULL);
    return true;
}

/* ---- printing ---- */

#define PRINT_WIDTH 79

/* Prints text as lines of a comment. */
static void print_comment(FILE *out, const char *text)
{
    int at = 0;

    while (*text) {
        size_t len = strcspn(text, " \n");
        if (at > 0 && at + 1 + (int)len > PRINT_WIDTH) {
            fputc('\n', out);
            at = 0;
        }
        at += fprintf(out, at == 0 ? "# %.*s" : " %.*s", (int)len, text);
        text += len + (text[len] != '\0');
    }
    fputc('\n', out);
}

static void print_origin(const struct settings *settings, const struct setting *setting, FILE *out)
{
    static const char *const origins[] = {
        [SETTING_DEFAULT] = "the default",
        [SETTING_FILE] = NULL,
        [SETTING_ENVIRONMENT] = "the environment",
        [SETTING_ARGUMENT] = "the command line",
    };

    if (setting->origin == SETTING_FILE)
        fprintf(out, "# from %s, line %u\n", settings->file, setting->line);
    else if (setting->origin == SETTING_ENVIRONMENT)
        fprintf(out, "# from %s, %s\n", origins[setting->origin], setting->option->variable);
    else
        fprintf(out, "# from %s\n", origins[setting->origin]);
}

static int print_value(const struct setting *setting, FILE *out, struct failure *failure)
{
    const char *text = setting->text ? setting->text : "yes"; /* a flag */
    char shown[4096];

    if (setting->option->secret) {
        fprintf(out, "# %s is set; it is a secret and not shown\n", setting->option->name);
        return 0;
    }
    if (config_can_hold(setting->option->name, text, failure) < 0)
        return -1;
    if (strcmp(setting->option->name, "db") == 0) { /* a URL may hold a password */
        store_url_shown(text, shown, sizeof(shown));
        text = shown;
    }
    fprintf(out, "%s = %s\n", setting->option->name, text);
    return 0;
}

static int print_option(const struct settings *settings, const struct option *option, FILE *out,
                        struct failure *failure)
{
    const struct setting *setting;
    size_t at = 0;

    fputc('\n', out);
    print_comment(out, option->help);
    if (option->live)
        fputs("# a reload changes it (SIGHUP)\n", out);
    setting = next_that_counts(settings, option, &at);
    if (setting == NULL)
        fprintf(out, "# not said\n#%s = %s\n", option->name, option->argument ? option->argument : "yes");
    for (; setting != NULL; setting = next_that_counts(settings, option, &at)) {
        print_origin(settings, setting, out);
        if (print_value(setting, out, failure) < 0)
            return -1;
    }
    return 0;
}

int settings_print(const struct settings *settings, FILE *out, struct failure *failure)
{
    fprintf(out, "# bulla %s " BULLA_VERSION ": what its options come to\n[%s]\n", settings->section,
            settings->section);
    for (const struct option *option = settings->table; option && option->name; option++) {
        if (!option->typed_only && print_option(settings, option, out, failure) < 0)
            return -1;
    }
    return 0;
}
