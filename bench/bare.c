#include "bench/bare.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CONNECTIONS       8192
#define CONNECTION_MEMORY 6144 /* as in the gateway */
#define IDLE_SECONDS      30u

/* Any value but NULL says that the header was seen. */
static char seen;

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *data_len,
                                  void **state)
{
    (void)url, (void)method, (void)version, (void)data;
    if (*state == NULL) {
        *state = &seen;
        return MHD_YES;
    }
    if (*data_len > 0) {
        *data_len = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_NO_CONTENT, context);
}

static void serve(struct MHD_Daemon *daemon)
{
    int epoll = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int outer = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};

    epoll_ctl(outer, EPOLL_CTL_ADD, epoll, &event);
    for (;;) {
        MHD_UNSIGNED_LONG_LONG timeout;
        bool bounded = MHD_get_timeout(daemon, &timeout) == MHD_YES;

        epoll_wait(outer, &event, 1, !bounded ? -1 : timeout < 60000 ? (int)timeout : 60000);
        MHD_run(daemon);
    }
}

/* The child: ends with its parent, or by its signal. */
static void run(int listener)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(0, &seen, MHD_RESPMEM_PERSISTENT);
    struct MHD_Daemon *daemon;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGTERM, SIG_DFL);
    daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, response, MHD_OPTION_LISTEN_SOCKET,
                              listener, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
                              MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                              (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
    if (response != NULL && daemon != NULL)
        serve(daemon);
    _exit(1);
}

static int listen_on_loopback(struct sockaddr_in *address)
{
    socklen_t len = sizeof(*address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memset(address, 0, sizeof(*address));
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener >= 0 &&
        (bind(listener, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
         listen(listener, CONNECTIONS) < 0 || getsockname(listener, (struct sockaddr *)address, &len) < 0)) {
        close(listener);
        listener = -1;
    }
    return listener;
}

int bare_start(struct bare *bare, struct failure *failure)
{
    int listener = listen_on_loopback(&bare->address);

    bare->pid = listener < 0 ? -1 : fork();
    if (bare->pid == 0)
        run(listener);
    if (bare->pid < 0)
        fail(failure, "cannot start the server to compare with: %s", strerror(errno));
    if (listener >= 0)
        close(listener);
    return bare->pid < 0 ? -1 : 0;
}

void bare_stop(struct bare *bare)
{
    if (bare->pid <= 0)
        return;
    kill(bare->pid, SIGTERM);
    waitpid(bare->pid, NULL, 0);
    bare->pid = 0;
}
