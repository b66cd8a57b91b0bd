/*
 * The HTTP listener (gateway/http.h): what it binds to, also on a machine without IPv6.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* cmocka's; failure.h has its own */

#include <errno.h>
#include <string.h>

#include <sys/socket.h>

#include "gateway/http.h"

int __wrap_socket(int domain, int type, int protocol);
int __real_socket(int domain, int type, int protocol);

int __wrap_socket(int domain, int type, int protocol)
{
    if (domain == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return __real_socket(domain, type, protocol);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request)
{
    (void)context, (void)connection, (void)url, (void)method;
    (void)version, (void)upload, (void)upload_size, (void)request;
    return MHD_NO;
}

/* Opens, closes, and gives what http_open() returned. */
static int listen_on(const char *address, struct http *http, struct failure *failure)
{
    struct http_options options = {
        .listen = address, .max_connections = 4, .idle_seconds = 1, .handle = on_request};
    uv_loop_t loop;
    int result;

    assert_int_equal(uv_loop_init(&loop), 0);
    result = http_open(http, &loop, &options, failure);
    if (result == 0)
        http_close(http);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return result;
}

/* All addresses are then those of IPv4, however they are written. */
static void test_without_ipv6(void **state)
{
    static const char *const every[] = {"[::]:0", ":0", "0.0.0.0:0"};
    struct failure failure;
    struct http http;

    (void)state;
    for (size_t i = 0; i < sizeof(every) / sizeof(every[0]); i++) {
        assert_true(http_is_address(every[i]));
        assert_int_equal(listen_on(every[i], &http, &failure), 0);
        assert_int_equal(strncmp(http.address, "127.0.0.1:", 10), 0);
    }
    assert_int_equal(listen_on("[::1]:0", &http, &failure), -1); /* one that was asked for by its name */
    assert_non_null(strstr(failure.text, "cannot listen on [::1]:0: "));
}

static void test_not_an_address(void **state)
{
    static const char *const wrong[] = {"", "8620", "::1:8620", "localhost:", "localhost:99999", ":x"};
    struct failure failure;
    struct http http;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(http_is_address(wrong[i]));
        assert_int_equal(listen_on(wrong[i], &http, &failure), -1);
        assert_non_null(strstr(failure.text, "give HOST:PORT"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_ipv6),
        cmocka_unit_test(test_not_an_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
