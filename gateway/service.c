#include "gateway/service.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what it is told ---- */

/* A path, or "@" and the name of an abstract socket, whose first byte is zero. */
static bool parse_address(struct service *service, const char *text)
{
    size_t len = strlen(text);

    if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof(service->address.sun_path))
        return false;
    service->address.sun_family = AF_UNIX;
    memcpy(service->address.sun_path, text, len);
    if (text[0] == '@')
        service->address.sun_path[0] = '\0';
    service->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

void service_open(struct service *service)
{
    const char *text = getenv("NOTIFY_SOCKET");

    memset(service, 0, sizeof(*service));
    service->socket = -1;
    if (text && parse_address(service, text))
        service->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void service_close(struct service *service)
{
    if (service->socket >= 0)
        close(service->socket);
    service->socket = -1;
}

void service_tell(const struct service *service, const char *words)
{
    if (service->socket >= 0)
        (void)!sendto(service->socket, words, strlen(words), MSG_NOSIGNAL,
                      (const struct sockaddr *)&service->address, service->address_len);
}

/* ---- what it tells ---- */

/* A decimal number of the environment; 0: none, or not one. */
static unsigned long long number(const char *variable)
{
    const char *text = getenv(variable);
    char *end;
    unsigned long long value;

    if (!text || text[0] < '0' || text[0] > '9')
        return 0;
    errno = 0;
    value = strtoull(text, &end, 10);
    return errno || *end ? 0 : value;
}

unsigned service_watchdog_period(void)
{
    unsigned long long half = number("WATCHDOG_USEC") / 2000;
    const char *pid = getenv("WATCHDOG_PID");

    if (pid && number("WATCHDOG_PID") != (unsigned long long)getpid())
        return 0; /* another process is meant */
    return half > UINT_MAX ? UINT_MAX : (unsigned)half;
}

bool service_credential(const char *name, char *path, size_t size)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    int len;

    if (!folder || folder[0] != '/')
        return false;
    len = snprintf(path, size, "%s/%s", folder, name);
    return len > 0 && (size_t)len < size && access(path, F_OK) == 0;
}
