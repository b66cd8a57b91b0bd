#include "gateway/storer.h"

#include <signal.h>
#include <string.h>

static struct cycle *wait_for_cycle(struct storer *storer)
{
    struct cycle *cycle;

    pthread_mutex_lock(&storer->mutex);
    while (storer->next == NULL && !storer->stop)
        pthread_cond_wait(&storer->wake, &storer->mutex);
    cycle = storer->next;
    storer->next = NULL;
    pthread_mutex_unlock(&storer->mutex);
    return cycle;
}

static void *run(void *argument)
{
    struct storer *storer = argument;
    struct cycle *cycle;

    while ((cycle = wait_for_cycle(storer)) != NULL) {
        cycle_run(cycle, storer->store);
        uv_async_send(&storer->async);
    }
    return NULL;
}

static void on_async(uv_async_t *async)
{
    struct storer *storer = async->data;

    storer->done(storer->context);
}

static void close_all(struct storer *storer)
{
    pthread_cond_destroy(&storer->wake);
    pthread_mutex_destroy(&storer->mutex);
    uv_close((uv_handle_t *)&storer->async, NULL);
}

int storer_start(struct storer *storer, uv_loop_t *loop, struct store *store, void (*done)(void *),
                 void *context, struct failure *failure)
{
    sigset_t all;
    sigset_t before;
    int error;

    memset(storer, 0, sizeof(*storer));
    storer->store = store;
    storer->done = done;
    storer->context = context;
    pthread_mutex_init(&storer->mutex, NULL);
    pthread_cond_init(&storer->wake, NULL);
    uv_async_init(loop, &storer->async, on_async);
    storer->async.data = storer;
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&storer->thread, NULL, run, storer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        close_all(storer);
        return fail(failure, "cannot start the store's thread: %s", strerror(error));
    }
    return 0;
}

void storer_submit(struct storer *storer, struct cycle *cycle)
{
    pthread_mutex_lock(&storer->mutex);
    storer->next = cycle;
    pthread_cond_signal(&storer->wake);
    pthread_mutex_unlock(&storer->mutex);
}

void storer_stop(struct storer *storer)
{
    pthread_mutex_lock(&storer->mutex);
    storer->stop = true;
    pthread_cond_signal(&storer->wake);
    pthread_mutex_unlock(&storer->mutex);
    pthread_join(storer->thread, NULL);
    close_all(storer);
}
