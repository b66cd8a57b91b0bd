/*
 * Gateways at one database, each with the same messages, while the server ends their statements and
 * connections wherever they happen to be: what a gateway was told is stored is there, once, and the windows
 * say what is there.
 */
#include "store_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GATEWAYS 4
#define DEVICES  5
#define PIVS     4096
#define MOMENTS  40   /* at which something is ended; more, where little happens between them */
#define MOST     4000 /* of them */

struct scene {
    struct fixture *f;
    int64_t devices[DEVICES];
    _Atomic bool over;
    pthread_mutex_t mutex;
    uint8_t told[DEVICES][PIVS]; /* how often a gateway was told that it is stored */
    uint64_t next[DEVICES];
    _Atomic uint64_t done;
    _Atomic uint64_t failed;
    _Atomic uint64_t conflicts;
};

struct gateway {
    struct scene *scene;
    struct store *store;
    unsigned seed;
    struct context_row rows[DEVICES]; /* as it believes them to be */
    bool known[DEVICES];
};

/* One that others send as well, or sent just before. */
static uint64_t choose(struct gateway *gateway, size_t device)
{
    struct scene *scene = gateway->scene;

    pthread_mutex_lock(&scene->mutex);
    uint64_t next = scene->next[device];
    if (rand_r(&gateway->seed) % 3 == 0 && next + 1 < PIVS)
        scene->next[device]++;
    pthread_mutex_unlock(&scene->mutex);
    uint64_t back = (uint64_t)rand_r(&gateway->seed) % 8;
    return next > back ? next - back : next;
}

static bool know(struct gateway *gateway, size_t device)
{
    struct store_clock clock;
    struct failure failure;

    if (!gateway->known[device])
        gateway->known[device] =
            gateway->store->ops->context_find(gateway->store, gateway->scene->devices[device], NULL,
                                              &gateway->rows[device], &clock, &failure) == 1;
    return gateway->known[device];
}

struct round {
    struct commit_context contexts[DEVICES];
    struct commit_message messages[DEVICES];
    struct reading readings[DEVICES];
    size_t devices[DEVICES];
    size_t count;
};

static void gather(struct gateway *gateway, struct round *round, const char *name)
{
    size_t first = (size_t)rand_r(&gateway->seed) % DEVICES;

    round->count = 0;
    for (size_t i = 0; i < DEVICES; i++) {
        size_t device = gateway->seed & 1 ? (first + i) % DEVICES : (first + DEVICES - i) % DEVICES;
        uint64_t piv = choose(gateway, device);
        if (!know(gateway, device) ||
            bulla_window_place(&gateway->rows[device].window, piv) != BULLA_WINDOW_NEW)
            continue;
        struct commit_context *context = &round->contexts[round->count];
        *context = (struct commit_context){
            .before = gateway->rows[device], .after = gateway->rows[device], .name = "d"};
        bulla_window_mark(&context->after.window, piv);
        round->readings[round->count] = real(name, (double)piv, NOW * SECOND + (int64_t)piv);
        round->messages[round->count] = (struct commit_message){
            .context = round->count, .piv = piv, .received = NOW * SECOND, .first = round->count, .count = 1};
        round->devices[round->count++] = device;
    }
}

static void note(struct gateway *gateway, const struct round *round, int result)
{
    for (size_t i = 0; i < round->count; i++) {
        size_t device = round->devices[i];
        gateway->known[device] = result == 0 && round->contexts[i].verdict == COMMIT_DONE;
        gateway->scene->failed += result != 0;
        gateway->scene->conflicts += result == 0 && !gateway->known[device];
        if (!gateway->known[device])
            continue;
        gateway->rows[device] = round->contexts[i].after;
        gateway->scene->done++;
        pthread_mutex_lock(&gateway->scene->mutex);
        gateway->scene->told[device][round->messages[i].piv]++;
        pthread_mutex_unlock(&gateway->scene->mutex);
    }
}

static void *serve(void *context)
{
    struct gateway *gateway = context;
    struct failure failure;

    while (!gateway->scene->over) {
        struct round round;
        bool out = rand_r(&gateway->seed) % 2 == 0;
        gather(gateway, &round, out ? "out" : "here");
        struct commit commit = {.contexts = round.contexts,
                                .context_count = round.count,
                                .messages = round.messages,
                                .message_count = round.count,
                                .readings = round.readings,
                                .way = out ? READINGS_BOTH : READINGS_HERE};
        if (round.count > 0)
            note(gateway, &round, gateway->store->ops->commit(gateway->store, &commit, NOW, &failure));
    }
    return NULL;
}

/* ---- what is ended ---- */

static const char *statement_that_ends(const struct fixture *f, bool connections)
{
    if (strcmp(f->kind->name, "mysql") == 0)
        return connections ? "KILL CONNECTION USER bulla@localhost" : "KILL QUERY USER bulla@localhost";
    return connections ? "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                         " WHERE datname = current_database() AND pid != pg_backend_pid()"
                       : "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                         " WHERE datname = current_database() AND pid != pg_backend_pid()";
}

static bool has_happened(const struct scene *scene)
{
    return scene->done > 100 && scene->failed > 0 && scene->conflicts > 0;
}

static void end_things(struct scene *scene)
{
    unsigned seed = 1;

    for (int i = 0; i < MOMENTS || (i < MOST && !has_happened(scene)); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000 + rand_r(&seed) % 40000000}, NULL);
        run_sql(scene->f, statement_that_ends(scene->f, i % 3 == 0));
    }
}

/* ---- and what there is then ---- */

/* Numbers as SQL's list, which is never empty. */
struct list {
    char text[6 * PIVS + 8];
    size_t len;
    int64_t count;
};

static void append(struct list *list, uint64_t piv)
{
    list->len += (size_t)snprintf(list->text + list->len, sizeof(list->text) - list->len, ",%llu",
                                  (unsigned long long)piv);
    list->count++;
}

/* How many readings of the device there are from a number on, of those in the list, or of others. */
static int64_t count_of(struct fixture *f, size_t device, uint64_t from, const char *in,
                        const struct list *list)
{
    static char sql[sizeof(list->text) + 128];

    snprintf(sql, sizeof(sql),
             "SELECT COUNT(*) FROM readings WHERE device = 'd%zu' AND seq >= %llu AND seq %s (-1%s)", device,
             (unsigned long long)from, in, list->text);
    return number(f, sql);
}

/* What a gateway was told, or the window says, is there once; in the window nothing else is. */
static void check_device(struct scene *scene, size_t device)
{
    static struct list list;
    struct context_row row;
    struct store_clock clock;

    assert_int_equal(call(scene->f, context_find, scene->devices[device], NULL, &row, &clock), 1);
    uint64_t begin = row.window.top < 63 ? 0 : row.window.top - 63;
    memset(&list, 0, sizeof(list));
    for (uint64_t piv = 0; piv < PIVS; piv++) {
        bool told = scene->told[device][piv] > 0;
        bool in_window = piv >= begin && bulla_window_place(&row.window, piv) == BULLA_WINDOW_DUPLICATE;
        assert_true(scene->told[device][piv] <= 1);
        assert_true(!told || piv < begin || in_window);
        if (told || in_window)
            append(&list, piv);
    }
    assert_int_equal(count_of(scene->f, device, 0, "IN", &list), list.count);
    assert_int_equal(count_of(scene->f, device, begin, "NOT IN", &list), 0);
}

static void test_each_once(void **state)
{
    struct fixture *f = *state;
    struct scene *scene = calloc(1, sizeof(*scene));
    struct gateway gateways[GATEWAYS];
    pthread_t threads[GATEWAYS];

    assert_non_null(scene);
    scene->f = f;
    pthread_mutex_init(&scene->mutex, NULL);
    for (size_t i = 0; i < DEVICES; i++) {
        char name[8];
        snprintf(name, sizeof(name), "d%zu", i);
        scene->devices[i] = add_device(f, name, (uint8_t)(i + 1), BULLA_COUNTER, true).id;
    }
    assert_int_equal(call(f, sink_add, "s", NOW), 1);
    for (unsigned i = 0; i < GATEWAYS; i++) {
        gateways[i] = (struct gateway){.scene = scene, .store = open_store(f, STORE_EXISTING), .seed = i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, serve, &gateways[i]), 0);
    }
    end_things(scene);
    scene->over = true;
    for (size_t i = 0; i < GATEWAYS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        gateways[i].store->ops->close(gateways[i].store);
    }
    print_message("%llu stored, %llu failed, %llu conflicts\n", (unsigned long long)scene->done,
                  (unsigned long long)scene->failed, (unsigned long long)scene->conflicts);
    assert_true(has_happened(scene));
    reopen(f);
    for (size_t i = 0; i < DEVICES; i++)
        check_device(scene, i);
    assert_int_equal(number(f, "SELECT COUNT(*) FROM (SELECT device, seq FROM readings GROUP BY device, seq"
                               " HAVING COUNT(*) > 1) twice"),
                     0);
    assert_int_equal(number(f, "SELECT points FROM outbox_end"),
                     number(f, "SELECT COUNT(*) FROM readings WHERE name = 'out'"));
    pthread_mutex_destroy(&scene->mutex);
    free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_each_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
