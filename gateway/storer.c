#include "gateway/storer.h"

#include <signal.h>
#include <string.h>
#include <time.h>

/* What is to be done: a task, or a cycle; neither: the end. */
struct order {
    void (*task)(void *context);
    void *context;
    struct cycle *cycle;
    struct store *store;
};

static struct order wait_for_order(struct storer *storer)
{
    struct order order;

    pthread_mutex_lock(&storer->mutex);
    while (storer->next == NULL && storer->task == NULL && !storer->stop)
        pthread_cond_wait(&storer->wake, &storer->mutex);
    order = (struct order){storer->task, storer->task_context, storer->next, storer->store};
    storer->task = NULL;
    storer->next = NULL;
    pthread_mutex_unlock(&storer->mutex);
    return order;
}

static void *run(void *argument)
{
    struct storer *storer = argument;

    for (;;) {
        struct order order = wait_for_order(storer);
        if (order.task != NULL)
            order.task(order.context);
        else if (order.cycle != NULL)
            cycle_run(order.cycle, order.store);
        else
            break;
        uv_async_send(&storer->async);
    }
    pthread_mutex_lock(&storer->mutex);
    storer->has_left = true;
    pthread_cond_signal(&storer->left);
    pthread_mutex_unlock(&storer->mutex);
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
    pthread_cond_destroy(&storer->left);
    pthread_mutex_destroy(&storer->mutex);
    uv_close((uv_handle_t *)&storer->async, NULL);
}

int storer_start(struct storer *storer, uv_loop_t *loop, void (*done)(void *), void *context,
                 struct failure *failure)
{
    pthread_condattr_t monotonic;
    sigset_t all;
    sigset_t before;
    int error;

    memset(storer, 0, sizeof(*storer));
    storer->done = done;
    storer->context = context;
    pthread_mutex_init(&storer->mutex, NULL);
    pthread_cond_init(&storer->wake, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&storer->left, &monotonic);
    pthread_condattr_destroy(&monotonic);
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

void storer_submit(struct storer *storer, struct cycle *cycle, struct store *store)
{
    pthread_mutex_lock(&storer->mutex);
    storer->next = cycle;
    storer->store = store;
    pthread_cond_signal(&storer->wake);
    pthread_mutex_unlock(&storer->mutex);
}

void storer_call(struct storer *storer, void (*task)(void *context), void *context)
{
    pthread_mutex_lock(&storer->mutex);
    storer->task = task;
    storer->task_context = context;
    pthread_cond_signal(&storer->wake);
    pthread_mutex_unlock(&storer->mutex);
}

/* That many milliseconds from now, by the clock of `left`. */
static struct timespec moment(unsigned milliseconds)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += milliseconds / 1000;
    at.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

bool storer_stop(struct storer *storer, unsigned patience)
{
    struct timespec until = moment(patience);
    bool left;

    pthread_mutex_lock(&storer->mutex);
    storer->stop = true;
    pthread_cond_signal(&storer->wake);
    while (!storer->has_left && pthread_cond_timedwait(&storer->left, &storer->mutex, &until) == 0)
        ;
    left = storer->has_left;
    pthread_mutex_unlock(&storer->mutex);
    if (!left)
        return false;
    pthread_join(storer->thread, NULL);
    close_all(storer);
    return true;
}
