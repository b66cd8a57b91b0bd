/* bulla completion: scripts for shells, made from the same tables as everything else. */
#include "cli/command.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Called with every command; `path` is its name with those above it, as it is typed. */
typedef void visitor(const char *path, const struct command *command);

static void walk(const char *above, const struct command *command, visitor *visit)
{
    char path[COMMAND_PATH_SIZE];

    command_path(path, above, command);
    visit(path, command);
    for (const struct command *const *each = command->commands; each && *each; each++)
        walk(path, *each, visit);
}

const char *const device_names[] = {NULL};

/* What completion offers in one place: the argument of an option, or those of a command. */
enum offer { OFFER_NOTHING, OFFER_WORDS, OFFER_FILES, OFFER_DEVICES };

static enum offer offer_of(const char *const *words, const char *argument)
{
    if (words == device_names)
        return OFFER_DEVICES;
    if (words != NULL)
        return OFFER_WORDS;
    return argument && strstr(argument, "FILE") ? OFFER_FILES : OFFER_NOTHING;
}

/* Prints words in a row. */
static void print_words(const char *const *words)
{
    for (size_t i = 0; words && words[i]; i++)
        printf("%s%s", i ? " " : "", words[i]);
}

/* Prints text inside single quotes of any of the shells, with a backslash before each of `special`. */
static void print_quoted(const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr(special, *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

/* Where a word that is a command leads to; help's arguments are commands from the first level on. */
static const char *below(const struct command *command)
{
    return command == &command_help ? "bulla" : "$next";
}

/* ---- bash ---- */

static void bash_path(const char *path, const struct command *command)
{
    if (command != &command_bulla)
        printf("        '%s') at=%s ;;\n", path, below(command));
}

static void bash_offer(const char *const *words, const char *argument)
{
    switch (offer_of(words, argument)) {
    case OFFER_NOTHING:
        puts(") return ;;");
        break;
    case OFFER_WORDS:
        fputs(") words='", stdout);
        print_words(words);
        puts("' ;;");
        break;
    case OFFER_FILES:
        puts(") files=1 ;;");
        break;
    case OFFER_DEVICES:
        puts(") devices=1 ;;");
        break;
    }
}

static void bash_arguments(const char *path, const struct command *command)
{
    for (const struct option *option = command->options; option && option->name; option++) {
        if (!option->argument)
            continue;
        printf("    '%s --%s'", path, option->name);
        if (option->letter)
            printf(" | '%s -%c'", path, option->letter);
        bash_offer(option->words, option->argument);
    }
}

static void bash_words(const char *path, const struct command *command)
{
    enum offer offer = offer_of(command->words, command->arguments);

    printf("    '%s') %swords='", path,
           offer == OFFER_DEVICES ? "devices=1 "
           : offer == OFFER_FILES ? "files=1 "
                                  : "");
    for (const struct command *const *each = command->commands; each && *each; each++)
        printf("%s ", (*each)->name);
    print_words(command->words);
    if (offer == OFFER_WORDS)
        putchar(' ');
    for (const struct option *option = command->options; option && option->name; option++)
        printf("--%s ", option->name);
    puts("--help' ;;");
}

static void bash(void)
{
    puts("# bash completion for bulla\n"
         "# Adds the names of the devices in the database that the line names.\n"
         "_bulla_devices() {\n"
         "    local i name typed database=()\n"
         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "        [[ ${COMP_WORDS[i]} == --db ]] || continue\n"
         "        name=${COMP_WORDS[i + 1]}\n"
         "        [[ $name == '=' ]] && name=${COMP_WORDS[i + 2]}\n"
         "        database=(--db \"${name/#\\~\\//$HOME/}\")\n"
         "    done\n"
         "    while IFS= read -r name; do\n"
         "        printf -v typed %q \"$name\"\n"
         "        [[ $typed == \"$1\"* || $name == \"$1\"* ]] && COMPREPLY+=(\"$typed\")\n"
         "    done < <(\"${COMP_WORDS[0]}\" device list --format names \"${database[@]}\" 2>/dev/null "
         "</dev/null)\n"
         "}\n"
         "_bulla() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
         "    local at=bulla next i words='' files='' devices='' mark=''\n"
         "    if [[ $cur == '=' ]]; then\n"
         "        cur=\n"
         "    elif [[ $prev == '=' ]]; then\n"
         "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
         "    fi\n"
         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "        next=\"$at ${COMP_WORDS[i]}\"\n"
         "        case $next in");
    walk("", &command_bulla, bash_path);
    puts("        esac\n"
         "    done\n"
         "    case \"$at $prev\" in");
    walk("", &command_bulla, bash_arguments);
    puts("    *) case $at in");
    walk("", &command_bulla, bash_words);
    puts("    esac ;;\n"
         "    esac\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
         "    if [[ $files && $cur != -* ]]; then\n"
         "        [[ $cur == @* ]] && mark=@\n"
         "        compopt -o filenames 2>/dev/null\n"
         "        mapfile -t COMPREPLY < <(compgen -P \"$mark\" -f -- \"${cur#@}\")\n"
         "    elif [[ $devices && $cur != -* ]]; then\n"
         "        COMPREPLY=()\n"
         "        _bulla_devices \"$cur\"\n"
         "    fi\n"
         "}\n"
         "complete -F _bulla bulla");
}

/* ---- zsh ---- */

static void zsh_path(const char *path, const struct command *command)
{
    if (command != &command_bulla)
        printf("        '%s') at=%s; shift words; ((CURRENT--)) ;;\n", path, below(command));
}

static void zsh_offer(const char *const *words, const char *argument)
{
    switch (offer_of(words, argument)) {
    case OFFER_NOTHING:
        putchar(' ');
        break;
    case OFFER_WORDS:
        putchar('(');
        print_words(words);
        putchar(')');
        break;
    case OFFER_FILES:
        /* A file may stand behind @. */
        fputs(strchr(argument, '@') ? "{compset -P @; _files}" : "_files", stdout);
        break;
    case OFFER_DEVICES:
        fputs("_bulla_devices", stdout);
        break;
    }
}

static void zsh_option(const struct option *option)
{
    if (option->letter)
        printf(" \\\n            '(-%c --%s)'{-%c%s,--%s%s}'[", option->letter, option->name, option->letter,
               option->argument ? "+" : "", option->name, option->argument ? "=" : "");
    else
        printf(" \\\n            '--%s%s[", option->name, option->argument ? "=" : "");
    print_quoted(option->help, "[]:\\");
    putchar(']');
    if (option->argument) {
        putchar(':');
        print_quoted(option->argument, ":\\");
        putchar(':');
        zsh_offer(option->words, option->argument);
    }
    putchar('\'');
}

static void zsh_level(const char *path, const struct command *command)
{
    printf("    '%s')\n", path);
    if (command->commands) {
        puts("        list=(");
        for (const struct command *const *each = command->commands; *each; each++) {
            printf("            '%s:", (*each)->name);
            print_quoted((*each)->summary, ":\\");
            puts("'");
        }
        puts("        )\n        _describe command list ;;");
        return;
    }
    fputs("        _arguments '(- *)'{-h,--help}'[print how it is used]'", stdout);
    for (const struct option *option = command->options; option && option->name; option++)
        zsh_option(option);
    if (command->arguments) {
        fputs(" \\\n            '*:argument:", stdout);
        zsh_offer(command->words, command->arguments);
        putchar('\'');
    }
    puts(" ;;");
}

static void zsh(void)
{
    puts("#compdef bulla\n"
         "# The names of the devices in the database that the line names.\n"
         "_bulla_devices() {\n"
         "    local -a names database\n"
         "    local at=${typed[(I)--db]} whole=${typed[(R)--db=*]}\n"
         "    ((at)) && database=(--db ${~typed[at + 1]})\n"
         "    [[ -n $whole ]] && database=(--db ${~whole#--db=})\n"
         "    names=(\"${(@f)$($typed[1] device list --format names $database 2>/dev/null </dev/null)}\")\n"
         "    names=(${names:#})\n"
         "    compadd -a names\n"
         "}\n"
         "_bulla() {\n"
         "    local at=bulla next\n"
         "    local -a list typed=($words)\n"
         "    while ((CURRENT > 2)); do\n"
         "        next=\"$at $words[2]\"\n"
         "        case $next in");
    walk("", &command_bulla, zsh_path);
    puts("        *) break ;;\n"
         "        esac\n"
         "    done\n"
         "    case $at in");
    walk("", &command_bulla, zsh_level);
    puts("    esac\n"
         "}\n"
         "if [[ $funcstack[1] == _bulla ]]; then\n"
         "    _bulla \"$@\"\n"
         "else\n"
         "    compdef _bulla bulla\n"
         "fi");
}

/* ---- fish ---- */

static void fish_offer(const char *const *words, const char *argument)
{
    switch (offer_of(words, argument)) {
    case OFFER_NOTHING:
        break;
    case OFFER_WORDS:
        fputs(" -a '", stdout);
        print_words(words);
        putchar('\'');
        break;
    case OFFER_FILES:
        fputs(" -F", stdout);
        break;
    case OFFER_DEVICES:
        fputs(" -a '(__bulla_devices)'", stdout);
        break;
    }
}

static void fish_option(const char *path, const struct option *option)
{
    printf("complete -c bulla -n '__bulla_at \"%s\"' -l %s", path, option->name);
    if (option->letter)
        printf(" -s %c", option->letter);
    if (option->argument)
        fputs(offer_of(option->words, option->argument) == OFFER_FILES ? " -r" : " -x", stdout);
    if (option->argument)
        fish_offer(option->words, option->argument);
    fputs(" -d '", stdout);
    print_quoted(option->help, "\\");
    puts("'");
}

static void fish_level(const char *path, const struct command *command)
{
    for (const struct command *const *each = command->commands; each && *each; each++) {
        printf("complete -c bulla -n '__bulla_at \"%s\"' -a %s -d '", path, (*each)->name);
        print_quoted((*each)->summary, "\\");
        puts("'");
    }
    if (offer_of(command->words, command->arguments) != OFFER_NOTHING) {
        printf("complete -c bulla -n '__bulla_at \"%s\"'", path);
        fish_offer(command->words, command->arguments);
        putchar('\n');
    }
    for (const struct option *option = command->options; option && option->name; option++)
        fish_option(path, option);
}

static void fish_path(const char *path, const struct command *command)
{
    if (command != &command_bulla)
        printf("            case '%s'\n                set at %s\n", path,
               command == &command_help ? "bulla" : "\"$at $word\"");
}

static void fish(void)
{
    puts("# fish completion for bulla\n"
         "# The names of the devices in the database that the line names.\n"
         "function __bulla_devices\n"
         "    set -l typed (commandline -opc)\n"
         "    set -l database\n"
         "    if set -l at (contains -i -- --db $typed)\n"
         "        set database --db $typed[(math $at + 1)]\n"
         "    end\n"
         "    for word in (string match -- '--db=*' $typed)\n"
         "        set database --db (string replace -- '--db=' '' $word)\n"
         "    end\n"
         "    $typed[1] device list --format names $database 2>/dev/null </dev/null\n"
         "end\n"
         "function __bulla_at\n"
         "    set -l at bulla\n"
         "    set -l typed (commandline -opc)\n"
         "    for word in $typed[2..-1]\n"
         "        switch \"$at $word\"");
    walk("", &command_bulla, fish_path);
    puts("        end\n"
         "    end\n"
         "    test \"$at\" = \"$argv\"\n"
         "end\n"
         "complete -c bulla -f\n"
         "complete -c bulla -s h -l help -d 'print how it is used'");
    walk("", &command_bulla, fish_level);
}

/* ---- the command ---- */

static const char *const shells[] = {"bash", "zsh", "fish", NULL};
static void (*const writers[])(void) = {bash, zsh, fish};

static int run(const void *options, int argc, char **argv, struct failure *failure)
{
    (void)options, (void)argc;
    for (size_t i = 0; shells[i]; i++) {
        if (strcmp(argv[0], shells[i]) == 0) {
            writers[i]();
            return COMMAND_DONE;
        }
    }
    return usage(failure, "%.40s: no script for this shell; there is one for bash, zsh and fish", argv[0]);
}

const struct command command_completion = {
    .name = "completion",
    .summary = "prints a shell's completion script",
    .arguments = "bash|zsh|fish",
    .example = "source <(bulla completion bash)\n"
               "bulla completion fish > ~/.config/fish/completions/bulla.fish",
    .words = shells,
    .least = 1,
    .most = 1,
    .run = run,
};
