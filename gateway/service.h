/*
 * What a service manager tells its service, and is told by it: sd_notify(3) and systemd.exec(5), CREDENTIALS.
 * Where none has started the program, all of it does nothing. Written out here, for it is one datagram: a
 * library for it would bring five more into the process that holds the keys.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/socket.h>
#include <sys/un.h>

struct service {
    int socket; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_len;
};

/* Finds out from the environment (NOTIFY_SOCKET) who listens. An address that is none is taken as nobody. */
void service_open(struct service *service);
void service_close(struct service *service);

/*
 * Tells the manager, in its words: "READY=1", "STOPPING=1", "WATCHDOG=1" … Never waits; what it does not take
 * is lost.
 */
void service_tell(const struct service *service, const char *words);

/*
 * How often the manager wants to hear "WATCHDOG=1": milliseconds, half of what it waits for (WATCHDOG_USEC);
 * 0: it does not want to.
 */
unsigned service_watchdog_period(void);

/*
 * Writes the path of a credential that the manager has put ready (CREDENTIALS_DIRECTORY). Returns false if
 * there is none of that name.
 */
bool service_credential(const char *name, char *path, size_t size);

#endif
