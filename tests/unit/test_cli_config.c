/* cli/config_file.c, cli/settings.c: options out of a file. */
#include "cli/config_file.h"
#include "cli/settings.h"

#include "support.h" /* last: cmocka has a macro fail() */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

/* ---- lines ---- */

struct seen {
    char text[1024]; /* "line key=value;" for each entry */
};

static int note(void *context, unsigned line, const char *key, const char *value, struct failure *failure)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text);

    if (strcmp(key, "bad") == 0) {
        strcpy(failure->text, "bad is bad");
        return -1;
    }
    snprintf(seen->text + used, sizeof(seen->text) - used, "%u %s=%s;", line, key, value);
    return 0;
}

static int read_bytes(struct seen *seen, const char *bytes, size_t len, struct failure *failure)
{
    const struct config_reader reader = {.path = "f", .section = "serve", .take = note, .context = seen};

    memset(seen, 0, sizeof(*seen));
    return config_parse(&reader, bytes, len, failure);
}

static void entries_are_read(void **state)
{
    static const struct {
        const char *file;
        const char *seen;
    } cases[] = {
        {"", ""},
        {"\n\n# a comment\n; another\n", ""},
        {"a=b", "1 a=b;"},
        {"a = b\nc:d\n", "1 a=b;2 c=d;"},
        {"[serve]\na=b\n\n[serve]\nc=d", "2 a=b;5 c=d;"},
        {"  a\t=  b c  \r\n", "1 a=b c;"},
        {"x=1\n  a=2\n", "1 x=1;2 a=2;"}, /* indented, and not the rest of x */
        {"a = b ; c # d = e", "1 a=b ; c # d = e;"},
        {"a==b", "1 a==b;"},
        {"a=[serve]", "1 a=[serve];"},
        {"a=", "1 a=;"},
        {"=b", "1 =b;"},
        {"\xef\xbb\xbf[serve]\na=b", "2 a=b;"},
        {"  [serve]  \na=\"b\"", "2 a=\"b\";"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct seen seen;
        struct failure failure;

        if (read_bytes(&seen, cases[i].file, strlen(cases[i].file), &failure) != 0)
            fail_msg("'%s': %s", cases[i].file, failure.text);
        assert_string_equal(seen.text, cases[i].seen);
    }
}

static void errors_name_the_line(void **state)
{
    static const struct {
        const char *file;
        const char *text;
    } cases[] = {
        {"a=b\nbad=1\na=c", "f:2: bad is bad"},
        {"a=b\nnothing\nbad=1", "f:2: this is neither 'key = value' nor a comment, which begins with #"},
        {"[other]", "f:1: [other]: there is no such section; the only one is [serve]"},
        {"\n [serve", "f:2: [serve: there is no such section; the only one is [serve]"},
        {"[serve] # x", "f:1: [serve] # x: there is no such section; the only one is [serve]"},
        {"[]", "f:1: []: there is no such section; the only one is [serve]"},
        {"[Serve]", "f:1: [Serve]: there is no such section; the only one is [serve]"},
        {"\xef\xbb\xbf[x]", "f:1: [x]: there is no such section; the only one is [serve]"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct seen seen;
        struct failure failure;

        assert_int_equal(read_bytes(&seen, cases[i].file, strlen(cases[i].file), &failure), -1);
        assert_string_equal(failure.text, cases[i].text);
    }
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    struct seen seen;
    struct failure failure;

    (void)state;
    assert_int_equal(read_bytes(&seen, "a=b\nc=\0d\n", 10, &failure), -1);
    assert_string_equal(failure.text, "f:2: there is a zero byte in this line; a configuration is text");
    assert_string_equal(seen.text, "1 a=b;");
}

static void lines_have_a_length(void **state)
{
    static char file[CONFIG_LINE_MAX + 8];
    struct seen seen;
    struct failure failure;

    (void)state;
    memset(file, 'x', sizeof(file));
    file[1] = '=';
    file[CONFIG_LINE_MAX] = '\n';
    assert_int_equal(read_bytes(&seen, file, CONFIG_LINE_MAX + 1, &failure), 0);
    file[CONFIG_LINE_MAX] = 'x';
    assert_int_equal(read_bytes(&seen, file, CONFIG_LINE_MAX, &failure), 0);
    assert_int_equal(read_bytes(&seen, file, CONFIG_LINE_MAX + 1, &failure), -1);
    assert_string_equal(failure.text, "f:1: this line has 4001 bytes; it may have 4000");
}

/* ---- files ---- */

static const char *write_file(const char *text, mode_t mode)
{
    static char path[] = "/tmp/bulla-config-XXXXXX";
    int fd;

    strcpy(path + sizeof(path) - 7, "XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    return path;
}

static void load_fails(const char *path, const char *wanted)
{
    struct seen seen = {""};
    const struct config_reader reader = {.path = path, .section = "serve", .take = note, .context = &seen};
    struct failure failure;

    assert_int_equal(config_load(&reader, &failure), -1);
    if (strncmp(failure.text, path, strlen(path)) != 0 || strstr(failure.text, wanted) == NULL)
        fail_msg("%s", failure.text);
}

static void what_is_no_file_is_refused(void **state)
{
    const char *path;

    (void)state;
    load_fails("/tmp", "this is a folder");
    load_fails("/dev/null", "not a plain file");
    load_fails("/nowhere/bulla.conf", "No such file");
    path = write_file("", 0600);
    assert_int_equal(truncate(path, CONFIG_FILE_MAX + 1), 0);
    load_fails(path, "more than 65536 bytes");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    load_fails(path, "not a plain file"); /* and it does not wait for a writer */
    unlink(path);
}

static void root_trusts_its_own_files_alone(void **state)
{
    static const struct {
        mode_t mode;
        gid_t group;
        uid_t owner;
        bool taken;
    } cases[] = {
        {0644, 0, 0, true},  {0600, 65534, 0, true},  {0664, 0, 0, true},
        {0646, 0, 0, false}, {0664, 65534, 0, false}, {0600, 0, 65534, false},
    };

    (void)state;
    if (geteuid() != 0) {
        print_message("only root can give files away\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *path = write_file("a=b\n", cases[i].mode);
        struct seen seen = {""};
        const struct config_reader reader = {
            .path = path, .section = "serve", .take = note, .context = &seen};
        struct failure failure;

        assert_int_equal(chown(path, cases[i].owner, cases[i].group), 0);
        assert_int_equal(chmod(path, cases[i].mode), 0);
        if (cases[i].taken)
            assert_int_equal(config_load(&reader, &failure), 0);
        else
            load_fails(path, "others than root may change this file");
        unlink(path);
    }
}

/* ---- settings ---- */

struct values {
    struct settings settings;
    const char *text;
    const char *hidden;
    unsigned level;
    int64_t number;
    struct option_strings many;
    bool flag;
};

static const char *const levels[] = {"low", "high", NULL};

static const struct option table[] = {
    {.name = "config",
     .argument = "FILE",
     .help = "the file",
     .parse = option_config,
     .section = "test",
     .typed_only = true,
     .offset = offsetof(struct values, settings)},
    {.name = "text",
     .argument = "TEXT",
     .help = "a text",
     .fallback = "from the default",
     .variable = "TEST_TEXT",
     .parse = option_string,
     .offset = offsetof(struct values, text)},
    {.name = "hidden",
     .argument = "TEXT",
     .help = "a secret",
     .secret = true,
     .parse = option_string,
     .offset = offsetof(struct values, hidden)},
    {.name = "level",
     .argument = "LEVEL",
     .help = "a level",
     .fallback = "low",
     .parse = option_choice,
     .words = levels,
     .live = true,
     .offset = offsetof(struct values, level)},
    {.name = "number",
     .argument = "N",
     .help = "a number",
     .parse = option_number,
     .least = 1,
     .most = 9,
     .offset = offsetof(struct values, number)},
    {.name = "many",
     .argument = "TEXT",
     .help = "texts",
     .repeatable = true,
     .parse = option_strings,
     .offset = offsetof(struct values, many)},
    {.name = "flag", .help = "a flag", .parse = option_flag, .offset = offsetof(struct values, flag)},
    {0},
};

/* `argv[0]` is replaced by --config=FILE. */
static int parse(struct values *values, const char *file, int argc, char **argv, struct failure *failure)
{
    static char config[64];

    snprintf(config, sizeof(config), "--config=%s", file);
    argv[0] = config;
    memset(values, 0, sizeof(*values));
    return options_parse(table, values, argc, argv, failure);
}

static void the_weightier_place_counts(void **state)
{
    const char *path =
        write_file("text = from the file\nlevel = high\nnumber = 3\nmany = a\nmany = b\nflag = yes\n", 0600);
    char *arguments[] = {NULL, "--number", "4"};
    char *more[] = {NULL, "--text=typed", "--many", "c", "--level=low"};
    struct values values;
    struct failure failure;

    (void)state;
    assert_int_equal(parse(&values, path, 3, arguments, &failure), 0);
    assert_string_equal(values.text, "from the file");
    assert_int_equal(values.level, 1);
    assert_int_equal(values.number, 4);
    assert_int_equal(values.many.count, 2);
    assert_string_equal(values.many.texts[1], "b");
    assert_true(values.flag);
    options_free(table, &values);
    setenv("TEST_TEXT", "from the environment", 1);
    assert_int_equal(parse(&values, path, 1, arguments, &failure), 0);
    assert_string_equal(values.text, "from the environment");
    options_free(table, &values);
    assert_int_equal(parse(&values, path, 5, more, &failure), 0);
    assert_string_equal(values.text, "typed");
    assert_int_equal(values.level, 0);
    assert_int_equal(values.many.count, 1);
    assert_string_equal(values.many.texts[0], "c");
    options_free(table, &values);
    unsetenv("TEST_TEXT");
    unlink(path);
}

static void wrong_entries_are_refused(void **state)
{
    static const struct {
        const char *file;
        const char *text;
    } cases[] = {
        {"text = a\ntext = b\n", ":2: text: line 1 says it already; keep one of them"},
        {"\ntex = a\n", ":2: tex: there is no such key; 'bulla test --help' lists them as --key"},
        {"config = a\n", ":1: config: this can only be said on the command line; take it out"},
        {"number = 10\n", ":1: number: '10' is not a number from 1 to 9"},
        {"level = middle\n", ":1: level: 'middle' is not one of: low, high"},
        {"text =\n", ":1: text: it is empty; give a TEXT"},
        {"flag = true\n", ":1: flag: 'true' is neither yes nor no"},
        {"many = a\nmany =\n", ":2: many: it is empty; give a TEXT"},
        {"[serve]\n", ":1: [serve]: there is no such section; the only one is [test]"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *path = write_file(cases[i].file, 0600);
        char *arguments[] = {NULL, "--text=typed"}; /* a wrong entry is wrong, even if another one counts */
        struct values values;
        struct failure failure;

        assert_int_equal(parse(&values, path, 2, arguments, &failure), -1);
        assert_memory_equal(failure.text, path, strlen(path));
        assert_string_equal(failure.text + strlen(path), cases[i].text);
        unlink(path);
    }
}

static void too_many_are_refused(void **state)
{
    char text[512] = "";
    struct values values;
    struct failure failure;
    const char *path;

    (void)state;
    for (int i = 0; i < OPTION_STRINGS_MAX + 1; i++)
        strcat(text, "many = x\n");
    path = write_file(text, 0600);
    assert_int_equal(parse(&values, path, 1, (char *[]){NULL}, &failure), -1);
    assert_non_null(strstr(failure.text, ":17: many: it may be given 16 times"));
    unlink(path);
}

static char *print(const struct values *values, int wanted, struct failure *failure)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_int_equal(settings_print(&values->settings, out, failure), wanted);
    fclose(out);
    return text;
}

static void what_is_printed_can_be_read(void **state)
{
    char *arguments[] = {NULL,         "--text", "a = b ; c #",    "--many=x",
                         "--many=[y]", "--flag", "--hidden=sesame"};
    char *none[] = {NULL};
    const char *path = write_file("level = high\n", 0600);
    struct values first;
    struct values second;
    struct failure failure;
    char *text;

    (void)state;
    assert_int_equal(parse(&first, path, 7, arguments, &failure), 0);
    text = print(&first, 0, &failure);
    unlink(path);
    assert_null(strstr(text, "sesame"));
    assert_non_null(strstr(text, "# hidden is set; it is a secret and not shown\n"));
    assert_non_null(strstr(text, "# a text\n# from the command line\ntext = a = b ; c #\n"));
    assert_non_null(strstr(text, ", line 1\nlevel = high\n"));
    assert_non_null(strstr(text, "# a level\n# a reload changes it (SIGHUP)\n# from "));
    assert_non_null(strstr(text, "# not said\n#number = N\n"));
    path = write_file(text, 0600);
    assert_int_equal(parse(&second, path, 1, none, &failure), 0);
    for (const struct option *option = table; option->name; option++) {
        if (!option->secret && !option->typed_only &&
            !settings_same(&first.settings, &second.settings, option) &&
            option->parse != option_flag) /* said as "yes" now */
            fail_msg("--%s", option->name);
    }
    assert_true(second.flag);
    assert_int_equal(second.many.count, 2);
    unlink(path);
    free(text);
    options_free(table, &first);
    options_free(table, &second);
}

static void what_a_file_cannot_hold_is_not_printed(void **state)
{
    static const char *const texts[] = {" a", "a ", "a\nlevel = high", "a\rb"};
    const char *path = write_file("", 0600);

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        char *arguments[] = {NULL, "--text", (char *)texts[i]};
        struct values values;
        struct failure failure;

        assert_int_equal(parse(&values, path, 3, arguments, &failure), 0);
        free(print(&values, -1, &failure));
        assert_memory_equal(failure.text, "text: ", 6);
        options_free(table, &values);
    }
    unlink(path);
}

static void a_file_is_read_again(void **state)
{
    char *arguments[] = {NULL, "--number=2"};
    const char *path = write_file("text = a\nnumber = 3\n", 0600);
    struct settings again;
    struct values values;
    struct failure failure;
    int fd;

    (void)state;
    assert_int_equal(parse(&values, path, 2, arguments, &failure), 0);
    assert_int_equal(settings_again(&again, &values.settings, &failure), 0);
    for (const struct option *option = table; option->name; option++)
        assert_true(settings_same(&again, &values.settings, option));
    settings_free(&again);
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "text=b\nnumber=4\nlevel=low\n", 26), 26);
    close(fd);
    assert_int_equal(settings_again(&again, &values.settings, &failure), 0);
    for (const struct option *option = table; option->name; option++)
        assert_int_equal(settings_same(&again, &values.settings, option), strcmp(option->name, "text") != 0);
    settings_free(&again);
    options_free(table, &values);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_read),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(lines_have_a_length),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(root_trusts_its_own_files_alone),
        cmocka_unit_test(the_weightier_place_counts),
        cmocka_unit_test(wrong_entries_are_refused),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(what_is_printed_can_be_read),
        cmocka_unit_test(what_a_file_cannot_hold_is_not_printed),
        cmocka_unit_test(a_file_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
