#include "gateway/sink/sql_hold.h"

#include <fcntl.h>
#include <unistd.h>

#include <sys/socket.h>

void sql_hold_init(struct sql_hold *hold)
{
    pthread_mutex_init(&hold->lock, NULL);
    hold->socket = -1;
    hold->interrupted = false;
}

void sql_hold_wipe(struct sql_hold *hold)
{
    pthread_mutex_destroy(&hold->lock);
}

bool sql_hold_take(struct sql_hold *hold, int socket)
{
    bool taken;

    pthread_mutex_lock(&hold->lock);
    taken = !hold->interrupted;
    if (taken)
        hold->socket = fcntl(socket, F_DUPFD_CLOEXEC, 3);
    pthread_mutex_unlock(&hold->lock);
    return taken;
}

void sql_hold_release(struct sql_hold *hold)
{
    pthread_mutex_lock(&hold->lock);
    if (hold->socket >= 0)
        close(hold->socket);
    hold->socket = -1;
    pthread_mutex_unlock(&hold->lock);
}

void sql_hold_interrupt(struct sql_hold *hold)
{
    pthread_mutex_lock(&hold->lock);
    hold->interrupted = true;
    if (hold->socket >= 0)
        shutdown(hold->socket, SHUT_RDWR);
    pthread_mutex_unlock(&hold->lock);
}
