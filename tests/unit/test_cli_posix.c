/* device/port/posix.c: the state file. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/port/posix.h"

#define STATE_SIZE (3 * 4096)

static int enter(void **state)
{
    static char directory[] = "/tmp/bulla-posix-XXXXXX";

    *state = mkdtemp(directory);
    return *state && chdir(directory) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    return chdir("/") == 0 && rmdir(*state) == 0 ? 0 : -1;
}

static int clean(void **state)
{
    (void)state;
    unlink("state");
    return 0;
}

static int store(struct posix_port *posix, enum bulla_slot slot, uint8_t value, size_t len)
{
    uint8_t bytes[BULLA_SLOT_SIZE + 1];

    memset(bytes, value, sizeof(bytes));
    return posix->port.store(posix->port.context, slot, bytes, len);
}

static void assert_slot(struct posix_port *posix, enum bulla_slot slot, uint8_t value, size_t len)
{
    uint8_t expected[BULLA_SLOT_SIZE];
    uint8_t bytes[BULLA_SLOT_SIZE];

    memset(expected, value, sizeof(expected));
    assert_int_equal(posix->port.load(posix->port.context, slot, bytes, len), 0);
    assert_memory_equal(bytes, expected, len);
}

static void slots_are_kept(void **state)
{
    struct posix_port posix;
    uint8_t bytes[BULLA_SLOT_SIZE];

    (void)state;
    assert_int_equal(posix_port_open(&posix, "state", POSIX_PORT_NEW), 0);
    for (int slot = 0; slot < 3; slot++)
        assert_int_not_equal(posix.port.load(posix.port.context, (enum bulla_slot)slot, bytes, 16), 0);
    assert_int_equal(store(&posix, BULLA_SLOT_COUNTER_A, 1, BULLA_COUNTER_SIZE), 0);
    assert_int_equal(store(&posix, BULLA_SLOT_COUNTER_B, 2, BULLA_COUNTER_SIZE), 0);
    assert_int_equal(store(&posix, BULLA_SLOT_SESSION, 3, BULLA_SLEEP_SIZE), 0);
    assert_int_equal(store(&posix, BULLA_SLOT_COUNTER_A, 4, BULLA_COUNTER_SIZE), 0);
    posix_port_close(&posix);
    assert_int_equal(posix_port_open(&posix, "./state", POSIX_PORT_EXISTING), 0);
    assert_slot(&posix, BULLA_SLOT_COUNTER_A, 4, BULLA_COUNTER_SIZE);
    assert_slot(&posix, BULLA_SLOT_COUNTER_B, 2, BULLA_COUNTER_SIZE);
    assert_slot(&posix, BULLA_SLOT_SESSION, 3, BULLA_SLEEP_SIZE);
    assert_int_not_equal(posix.port.load(posix.port.context, BULLA_SLOT_SESSION, bytes, 16), 0);
    assert_int_not_equal(store(&posix, BULLA_SLOT_SESSION, 5, BULLA_SLOT_SIZE + 1), 0);
    assert_slot(&posix, BULLA_SLOT_SESSION, 3, BULLA_SLEEP_SIZE);
    posix_port_close(&posix);
}

static void modes_are_kept_apart(void **state)
{
    struct posix_port posix;
    struct stat status;

    (void)state;
    assert_int_equal(posix_port_open(&posix, "state", POSIX_PORT_EXISTING), ENOENT);
    assert_int_equal(posix_port_open(&posix, "state", POSIX_PORT_CREATE), 0);
    assert_int_equal(stat("state", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(status.st_size, STATE_SIZE);
    posix_port_close(&posix);
    assert_int_equal(posix_port_open(&posix, "state", POSIX_PORT_NEW), EEXIST);
    assert_int_equal(posix_port_open(&posix, "state", POSIX_PORT_CREATE), 0);
    posix_port_close(&posix);
    assert_int_equal(posix_port_open(&posix, "none/state", POSIX_PORT_CREATE), ENOENT);
}

static void one_process_has_it(void **state)
{
    struct posix_port posix;
    struct posix_port second;
    int status;
    pid_t child;

    (void)state;
    assert_int_equal(posix_port_open(&posix, "state", POSIX_PORT_NEW), 0);
    assert_int_equal(posix_port_open(&second, "state", POSIX_PORT_EXISTING), EWOULDBLOCK);
    child = fork();
    if (child == 0)
        _exit(posix_port_open(&second, "state", POSIX_PORT_CREATE));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), EWOULDBLOCK);
    posix_port_close(&posix);
    assert_int_equal(posix_port_open(&second, "state", POSIX_PORT_EXISTING), 0);
    posix_port_close(&second);
}

static void other_files_are_left_alone(void **state)
{
    struct posix_port posix;
    struct stat status;
    FILE *file = fopen("state", "w");

    (void)state;
    fputs("bulla:x?kid=01&secret=…", file);
    fclose(file);
    assert_int_equal(posix_port_open(&posix, "state", POSIX_PORT_CREATE), EINVAL);
    assert_int_equal(posix_port_open(&posix, "state", POSIX_PORT_NEW), EEXIST);
    assert_int_equal(stat("state", &status), 0);
    assert_int_equal(status.st_size, strlen("bulla:x?kid=01&secret=…"));
    assert_int_equal(posix_port_open(&posix, "/dev/null", POSIX_PORT_EXISTING), EINVAL);
}

/* A cut in the middle of a write may leave anything in the page of that slot, and nowhere else. */
static void a_cut_harms_one_slot(void **state)
{
    struct posix_port posix;
    uint8_t noise[4096];
    int fd;

    (void)state;
    memset(noise, 0xb5, sizeof(noise));
    assert_int_equal(posix_port_open(&posix, "state", POSIX_PORT_NEW), 0);
    assert_int_equal(store(&posix, BULLA_SLOT_COUNTER_A, 1, BULLA_COUNTER_SIZE), 0);
    assert_int_equal(store(&posix, BULLA_SLOT_COUNTER_B, 2, BULLA_COUNTER_SIZE), 0);
    fd = open("state", O_WRONLY);
    assert_int_equal(pwrite(fd, noise, sizeof(noise), BULLA_SLOT_COUNTER_A * 4096), sizeof(noise));
    close(fd);
    assert_slot(&posix, BULLA_SLOT_COUNTER_B, 2, BULLA_COUNTER_SIZE);
    assert_int_not_equal(posix.port.load(posix.port.context, BULLA_SLOT_COUNTER_A, noise, BULLA_COUNTER_SIZE),
                         0);
    posix_port_close(&posix);
}

static void without_a_file_there_is_no_store(void **state)
{
    struct posix_port posix;
    uint8_t a[8] = {0};
    uint8_t b[8] = {0};
    uint32_t before;

    (void)state;
    posix_port_init(&posix);
    assert_null(posix.port.load);
    assert_null(posix.port.store);
    assert_int_equal(posix.port.random(posix.port.context, a, sizeof(a)), 0);
    assert_int_equal(posix.port.random(posix.port.context, b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, sizeof(a));
    before = posix.port.timer(posix.port.context);
    usleep(20000);
    assert_in_range(posix.port.timer(posix.port.context) - before, 19, 10000);
    posix_port_close(&posix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(slots_are_kept, clean),
        cmocka_unit_test_teardown(modes_are_kept_apart, clean),
        cmocka_unit_test_teardown(one_process_has_it, clean),
        cmocka_unit_test_teardown(other_files_are_left_alone, clean),
        cmocka_unit_test_teardown(a_cut_harms_one_slot, clean),
        cmocka_unit_test(without_a_file_there_is_no_store),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
