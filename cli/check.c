/* bulla check: what is wrong with a gateway's database and its surroundings, and what to do about it. */
#include "cli/check.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/text.h"
#include "gateway/serve.h"

#define TEXT_OF_(number) #number
#define TEXT_OF(number)  TEXT_OF_(number)

#define SECONDS 30 /* for which the database is read through, without --full */

enum check_format { CHECK_TEXT, CHECK_JSON };

static const char *const formats[] = {[CHECK_TEXT] = "text", [CHECK_JSON] = "json", NULL};

static const struct option options_table[] = {
    {.name = "full",
     .help = "reads the whole of the database, however long it takes (default: for 30 seconds)",
     .parse = option_flag,
     .offset = offsetof(struct check_options, full)},
    {.name = "max-connections",
     .argument = "N",
     .help = "what 'bulla serve' is given",
     .fallback = TEXT_OF(SERVE_DEFAULT_CONNECTIONS),
     .parse = option_number,
     .least = 1,
     .most = 1000000,
     .offset = offsetof(struct check_options, max_connections)},
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .help = "text or json",
     .fallback = "text",
     .parse = option_choice,
     .words = formats,
     .offset = offsetof(struct check_options, format)},
    DATABASE_OPTIONS(struct check_options),
    {0},
};

/* The checks in their order: later ones use what earlier ones opened. */
static void (*const checks[])(struct check *check) = {
    check_database, check_key, check_devices, check_clock, check_limits, check_memory,
};

/* ---- printing ---- */

static const char *const verdicts[] = {
    [LOOK_OK] = "ok", [LOOK_WARNING] = "warning", [LOOK_PROBLEM] = "problem"};

struct printer {
    unsigned counts[3]; /* by verdict */
    unsigned format;
};

static void print_text(const struct look_line *line)
{
    printf("%-8s %-12s ", verdicts[line->verdict], line->what);
    text_print(stdout, line->text, strlen(line->text), TEXT_WHOLE);
    if (line->advice != NULL)
        printf("\n%21s -> %s", "", line->advice);
    putchar('\n');
}

static void print_json(const struct look_line *line, bool first)
{
    printf("%s\n {\"check\":", first ? "" : ",");
    text_json(stdout, line->what, strlen(line->what));
    printf(",\"verdict\":\"%s\",\"text\":", verdicts[line->verdict]);
    text_json(stdout, line->text, strlen(line->text));
    fputs(",\"advice\":", stdout);
    if (line->advice != NULL)
        text_json(stdout, line->advice, strlen(line->advice));
    else
        fputs("null", stdout);
    putchar('}');
}

static void print_line(void *context, const struct look_line *line)
{
    struct printer *printer = context;
    bool first =
        printer->counts[LOOK_OK] + printer->counts[LOOK_WARNING] + printer->counts[LOOK_PROBLEM] == 0;

    printer->counts[line->verdict]++;
    if (printer->format == CHECK_JSON)
        print_json(line, first);
    else
        print_text(line);
    fflush(stdout); /* the next check may take long */
}

static void print_end(const struct printer *printer)
{
    unsigned problems = printer->counts[LOOK_PROBLEM];
    unsigned warnings = printer->counts[LOOK_WARNING];

    if (printer->format == CHECK_JSON)
        puts("\n]");
    else
        printf("\n%u problem%s, %u warning%s\n", problems, problems == 1 ? "" : "s", warnings,
               warnings == 1 ? "" : "s");
}

/* ---- the command ---- */

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    const struct check_options *options = values;
    struct printer printer = {.format = options->format};
    struct check check = {
        .options = options,
        .look = {.visit = print_line, .context = &printer, .seconds = options->full ? 0 : SECONDS},
    };

    (void)argc, (void)argv;
    if (options->format == CHECK_JSON)
        putchar('[');
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        checks[i](&check);
    print_end(&printer);
    database_close(check.store);
    *failure->text = 0; /* all was said */
    return printer.counts[LOOK_PROBLEM] ? COMMAND_FAILED : COMMAND_DONE;
}

const struct command command_check = {
    .name = "check",
    .summary = "looks for what is wrong around a gateway, and says what to do",
    .details =
        "It may run beside a gateway, and when things are broken; it repairs nothing. Run it as the user "
        "that the gateway runs as, or as root. Each line is ok, a warning (it works, and should be seen "
        "to) or a problem, with what to do. Exits with 0 where there is no problem.",
    .example = "bulla check\n"
               "bulla check --db /var/lib/bulla/bulla.db --format json",
    .options = options_table,
    .options_size = sizeof(struct check_options),
    .run = run,
};
