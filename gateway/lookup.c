#include "gateway/lookup.h"

#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>

#include <sys/socket.h>

void lookup_load(const char *host)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    if (host != NULL && host[0] != '\0' && host[0] != '/' && getaddrinfo(host, NULL, &hints, &found) == 0)
        freeaddrinfo(found);
}

void lookup_prepare(const char *host)
{
    (void)setenv("RES_OPTIONS", "timeout:2 attempts:1", 0);
    res_init();
    lookup_load(host);
}
