/*
 * What a service manager is told and tells: sockets of both kinds, addresses that are none, watchdogs that
 * are meant for others, credentials.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/service.h"

static int forget(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    unsetenv("CREDENTIALS_DIRECTORY");
    return 0;
}

/* A manager's socket at `name`, whose first byte is '@' for an abstract one. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = 0;
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    return fd;
}

static void told(int fd, const char *words)
{
    char heard[64] = "";

    assert_int_equal(recv(fd, heard, sizeof(heard) - 1, 0), strlen(words));
    assert_string_equal(heard, words);
}

static void tells(const char *name)
{
    struct service service;
    int fd = listen_at(name);

    setenv("NOTIFY_SOCKET", name, 1);
    service_open(&service);
    service_tell(&service, "READY=1");
    told(fd, "READY=1");
    service_tell(&service, "STOPPING=1");
    told(fd, "STOPPING=1");
    service_close(&service);
    service_tell(&service, "WATCHDOG=1"); /* nothing any more, and no crash */
    assert_int_equal(recv(fd, (char[8]){0}, 8, 0), -1);
    close(fd);
}

static void test_path(void **state)
{
    char name[64];

    (void)state;
    snprintf(name, sizeof(name), "/tmp/bulla-service-%d", (int)getpid());
    tells(name);
    unlink(name);
}

static void test_abstract(void **state)
{
    char name[64];

    (void)state;
    snprintf(name, sizeof(name), "@bulla-service-%d", (int)getpid());
    tells(name);
}

static void test_longest(void **state)
{
    struct sockaddr_un address;
    char name[sizeof(address.sun_path) + 1];

    (void)state;
    memset(name, 'x', sizeof(name));
    snprintf(name, sizeof(name), "@bulla-service-%d-", (int)getpid());
    name[strlen(name)] = 'x';
    name[sizeof(address.sun_path) - 1] = 0;
    tells(name);
}

static void test_nobody_listens(void **state)
{
    struct sockaddr_un address;
    char name[sizeof(address.sun_path) + 1];
    struct service service;

    (void)state;
    memset(name, '/', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    const char *const names[] = {"", "@", "/", "relative", "unix:/tmp/x", "vsock:2:1234", name};

    service_open(&service);
    assert_int_equal(service.socket, -1);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        service_open(&service);
        assert_int_equal(service.socket, -1);
        service_tell(&service, "READY=1");
        service_close(&service);
    }
    setenv("NOTIFY_SOCKET", "/tmp/nobody-listens-here", 1);
    service_open(&service);
    service_tell(&service, "READY=1");
    service_close(&service);
}

static void test_watchdog(void **state)
{
    static const struct {
        const char *text;
        unsigned period;
    } cases[] = {
        {"30000000", 15000},
        {"2000", 1},
        {"1999", 0},
        {"0", 0},
        {"", 0},
        {"-30000000", 0},
        {" 30000000", 0},
        {"30s", 0},
        {"30000000000000000000", 0},
        {"18446744073709551615", UINT_MAX},
    };
    char pid[24];

    (void)state;
    assert_int_equal(service_watchdog_period(), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("WATCHDOG_USEC", cases[i].text, 1);
        assert_int_equal(service_watchdog_period(), cases[i].period);
    }
    setenv("WATCHDOG_USEC", "30000000", 1);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(service_watchdog_period(), 15000);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(service_watchdog_period(), 0);
    setenv("WATCHDOG_PID", "", 1);
    assert_int_equal(service_watchdog_period(), 0);
}

static void test_credential(void **state)
{
    char folder[] = "/tmp/bulla-service-XXXXXX";
    char file[64];
    char path[64] = "";

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/bulla.key", folder);
    assert_false(service_credential("bulla.key", path, sizeof(path)));
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    assert_false(service_credential("bulla.key", path, sizeof(path)));
    fclose(fopen(file, "w"));
    assert_true(service_credential("bulla.key", path, sizeof(path)));
    assert_string_equal(path, file);
    assert_false(service_credential("bulla.key", path, strlen(file))); /* no room for the zero */
    setenv("CREDENTIALS_DIRECTORY", folder + 1, 1);
    assert_false(service_credential("bulla.key", path, sizeof(path)));
    unlink(file);
    rmdir(folder);
}

#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, forget, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(test_path),           SERVICE_TEST(test_abstract), SERVICE_TEST(test_longest),
        SERVICE_TEST(test_nobody_listens), SERVICE_TEST(test_watchdog), SERVICE_TEST(test_credential),
    };

    return cmocka_run_group_tests_name("test_service", tests, NULL, NULL);
}
