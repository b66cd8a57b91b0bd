/*
 * The log (gateway/log.h): logfmt, and a reader that does not read keeps nobody waiting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/log.h"

/* Lets stderr be a pipe, whose other end it returns; `*before` gets it back. */
static int pipe_stderr(int *before)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    fcntl(ends[1], F_SETFL, 0); /* the writer's end would block, as a supervisor's does */
    *before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    return ends[0];
}

static void restore_stderr(int reader, int before)
{
    dup2(before, STDERR_FILENO);
    close(before);
    close(reader);
}

static void test_lines(void **state)
{
    struct log log = {.level = LOG_LEVEL_INFO};
    char quoted[64];
    char got[512];
    int before;
    int reader = pipe_stderr(&before);
    ssize_t len;

    (void)state;
    log_line(&log, LOG_LEVEL_WARN, "thing", "a=%d b=%s", 5, log_quote(quoted, sizeof(quoted), "x \"y\"\n"));
    log_line(&log, LOG_LEVEL_DEBUG, "unseen", NULL);
    log_line(&log, LOG_LEVEL_ERROR, "bare", NULL);
    len = read(reader, got, sizeof(got) - 1);
    restore_stderr(reader, before);
    assert_true(len > 0);
    got[len] = '\0';
    assert_non_null(strstr(got, "Z level=warn event=thing a=5 b=\"x \\\"y\\\"\\x0a\"\n"));
    assert_non_null(strstr(got, "Z level=error event=bare\n"));
    assert_null(strstr(got, "unseen"));
}

static void test_quotes_are_cut(void **state)
{
    char out[16];

    (void)state;
    assert_string_equal(log_quote(out, sizeof(out), "plain"), "plain");
    assert_string_equal(log_quote(out, sizeof(out), ""), "\"\"");
    log_quote(out, sizeof(out), "\x01\x02\x03\x04\x05\x06\x07 and much more of it");
    assert_true(strlen(out) < sizeof(out));
    assert_int_equal(out[strlen(out) - 1], '"');
}

/* A reader that stands still: the writer goes on, and tells later what was lost. */
static void test_a_full_pipe_blocks_nobody(void **state)
{
    struct log log = {.level = LOG_LEVEL_INFO};
    char drain[4096];
    char all[65536];
    size_t used = 0;
    int before;
    int reader = pipe_stderr(&before);
    ssize_t len;

    (void)state;
    for (int i = 0; i < 20000; i++)
        log_line(&log, LOG_LEVEL_INFO, "flood", "i=%d", i);
    assert_true(log.dropped > 0);
    while (read(reader, drain, sizeof(drain)) > 0)
        ;
    log_line(&log, LOG_LEVEL_INFO, "later", NULL);
    while (used < sizeof(all) - 1 && (len = read(reader, all + used, sizeof(all) - 1 - used)) > 0)
        used += (size_t)len;
    restore_stderr(reader, before);
    all[used] = '\0';
    assert_int_equal(strncmp(all, "time=", 5), 0);
    assert_non_null(strstr(all, "Z level=warn event=log-dropped lines="));
    assert_non_null(strstr(all, "event=later"));
    assert_int_equal(log.dropped, 0);
}

/* A pipe with room for one line: the note of what was lost takes the place of the line that told of it. */
static void test_what_the_note_displaces_is_counted(void **state)
{
    struct log log = {.level = LOG_LEVEL_INFO};
    char got[512];
    int before;
    int reader = pipe_stderr(&before);
    ssize_t len;

    (void)state;
    fcntl(STDERR_FILENO, F_SETPIPE_SZ, (int)sysconf(_SC_PAGESIZE));
    log_line(&log, LOG_LEVEL_INFO, "first", NULL);
    log_line(&log, LOG_LEVEL_INFO, "lost", NULL);
    log_line(&log, LOG_LEVEL_INFO, "lost", NULL);
    assert_true(read(reader, got, sizeof(got)) > 0);
    log_line(&log, LOG_LEVEL_INFO, "displaced", NULL);
    len = read(reader, got, sizeof(got) - 1);
    restore_stderr(reader, before);
    assert_true(len > 0);
    got[len] = '\0';
    assert_non_null(strstr(got, "event=log-dropped lines=2\n"));
    assert_null(strstr(got, "event=displaced"));
    assert_int_equal(log.dropped, 1);
}

static void test_levels(void **state)
{
    enum log_level level;

    (void)state;
    assert_int_equal(log_level_parse("warn", &level), 0);
    assert_int_equal(level, LOG_LEVEL_WARN);
    assert_int_equal(log_level_parse("WARN", &level), -1);
    assert_int_equal(log_level_parse("", &level), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_quotes_are_cut),
        cmocka_unit_test(test_a_full_pipe_blocks_nobody),
        cmocka_unit_test(test_what_the_note_displaces_is_counted),
        cmocka_unit_test(test_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
