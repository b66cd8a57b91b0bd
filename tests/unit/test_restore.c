/*
 * Backup and restore (PROTOCOL 9): everything that devices sent before and after a backup was recorded, the
 * backup is put back, and all of it comes again, in many orders, under any clock. Nothing of it is stored;
 * honest devices answer a challenge and go on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab_device.h"

#define TAPE 256

/* What an attacker recorded. */
struct tape {
    struct lab_packet packets[TAPE];
    size_t count;
};

struct world {
    struct lab *lab;
    struct tape tape;
    char backup[128];
    struct lab_device kitchen; /* one session, before and after */
    struct lab_device attic;   /* another session after the backup */
    struct lab_device shed;    /* counts, and hears replies */
    struct lab_device pole;    /* counts, and hears nothing */
    struct lab_device late;    /* was added after the backup */
    int64_t value;
};

#define CHECK(expression)                                                                                    \
    do {                                                                                                     \
        if ((expression) < 0)                                                                                \
            lab_fail("%s", failure.text);                                                                    \
    } while (0)

/* ---- recording ---- */

static void record(struct world *world, const struct lab_packet *packet)
{
    assert_true(world->tape.count < TAPE);
    world->tape.packets[world->tape.count++] = *packet;
}

/* Brings a reading home as lab_tell() does, while somebody records all of it. */
static void tell(struct world *world, struct lab_device *device)
{
    struct lab_packet packet = lab_seal(device, ++world->value);

    for (unsigned tries = 0; tries < 4; tries++) {
        record(world, &packet);
        lab_accept(device, lab_deliver(world->lab, &packet));
        if (bulla_fate(&device->bulla, &device->message) == BULLA_STORED)
            return;
        packet = lab_seal_again(device);
    }
    lab_fail("%s cannot get a reading stored", device->name);
}

/* Sealed and recorded, but never delivered. */
static void withhold(struct world *world, struct lab_device *device)
{
    struct lab_packet packet = lab_seal(device, ++world->value);

    record(world, &packet);
}

/* A session begins, is challenged, and its proof is held back. */
static void withhold_proof(struct world *world, struct lab_device *device)
{
    struct lab_packet packet = lab_seal(device, ++world->value);

    record(world, &packet);
    lab_accept(device, lab_deliver(world->lab, &packet));
    packet = lab_seal_again(device);
    record(world, &packet);
}

/* A device that hears nothing. */
static void shout(struct world *world, struct lab_device *device)
{
    struct lab_packet packet = lab_seal(device, ++world->value);

    record(world, &packet);
    assert_fate(lab_deliver(world->lab, &packet), "stored");
}

/* ---- K, as the program itself keeps it ---- */

static void take_challenge_key(struct lab *lab)
{
    struct failure failure;

    CHECK(vault_registry_secret(&lab->vault, lab->office, "challenge", lab->challenge_key, &failure));
    lab_restart(lab);
}

static void draw_challenge_key(struct lab *lab, uint8_t sealed[SEALED_SIZE(32)])
{
    struct failure failure;

    CHECK(vault_renew(&lab->vault, "challenge", sealed, &failure));
}

static void back_up(struct world *world)
{
    uint8_t sealed[SEALED_SIZE(32)];
    struct store_backup backup = {
        .path = world->backup, .replace = true, .challenge = sealed, .challenge_len = sizeof(sealed)};
    struct failure failure;

    draw_challenge_key(world->lab, sealed);
    CHECK(world->lab->office->ops->backup(world->lab->office, &backup, &failure));
}

static void count_difference(void *context, enum restore_difference difference, const char *name)
{
    (void)name;
    ((int *)context)[difference]++;
}

static void restore(struct world *world)
{
    struct lab *lab = world->lab;
    uint8_t sealed[SEALED_SIZE(32)];
    int counts[RESTORE_DIFFERENCES] = {0};
    struct failure failure;
    struct store *copy;
    char kept[256];
    int64_t marked;

    draw_challenge_key(lab, sealed);
    lab_leave(lab);
    CHECK(store_restore(&copy, lab->path, world->backup, NULL, &failure));
    CHECK(copy->ops->restored(copy, sealed, sizeof(sealed), &marked, &failure));
    assert_int_equal(marked, 0); /* the backup is safe by itself */
    assert_int_equal(copy->ops->restore_compare(copy, count_difference, counts, &failure), 1);
    assert_int_equal(counts[RESTORE_REVOKED], 0);
    assert_int_equal(counts[RESTORE_REMOVED], 0);
    assert_int_equal(counts[RESTORE_ADDED], 1);
    CHECK(copy->ops->restore_finish(copy, true, kept, sizeof(kept), &failure));
    assert_string_equal(kept, "");
    copy->ops->close(copy);
    lab_return(lab);
    take_challenge_key(lab);
}

/* The copy served from as it is, without bulla restore. */
static void copy_back(struct world *world)
{
    char command[600];

    lab_leave(world->lab);
    snprintf(command, sizeof(command), "rm -f %s-wal %s-shm && cp %s %s", world->lab->path, world->lab->path,
             world->backup, world->lab->path);
    assert_int_equal(system(command), 0);
    lab_return(world->lab);
    take_challenge_key(world->lab);
}

/* ---- the world ---- */

static void open_world(struct world *world, uint64_t seed)
{
    struct lab *lab = calloc(1, sizeof(*lab));

    memset(world, 0, sizeof(*world));
    world->lab = lab;
    lab_open(lab, seed);
    snprintf(world->backup, sizeof(world->backup), "%s/backup", lab->folder);
    take_challenge_key(lab);
    lab_add(lab, &world->kitchen, "kitchen", BULLA_SESSION);
    lab_add(lab, &world->attic, "attic", BULLA_SESSION);
    lab_add(lab, &world->shed, "shed", BULLA_COUNTER);
    lab_add(lab, &world->pole, "pole", BULLA_COUNTER);
    lab_keep_kid_context(&world->kitchen);
}

static void close_world(struct world *world)
{
    unlink(world->backup);
    lab_close(world->lab);
    free(world->lab);
}

/* Before the backup, and after it. */
static void live(struct world *world)
{
    struct lab *lab = world->lab;

    for (int i = 0; i < 5; i++) {
        tell(world, &world->kitchen);
        tell(world, &world->attic);
        withhold(world, &world->kitchen);
        tell(world, &world->shed);
        withhold(world, &world->shed);
        shout(world, &world->pole);
        withhold(world, &world->pole);
        lab_forward(lab, 100);
    }
    lab_boot(&world->attic);
    withhold_proof(world, &world->attic);
    back_up(world);
    lab_add(lab, &world->late, "late", BULLA_SESSION);
    lab_boot(&world->attic);
    withhold_proof(world, &world->attic);
    lab_boot(&world->attic);
    for (int i = 0; i < 5; i++) {
        tell(world, &world->kitchen);
        tell(world, &world->attic);
        withhold(world, &world->attic);
        tell(world, &world->shed);
        withhold(world, &world->shed);
        shout(world, &world->pole);
        tell(world, &world->late);
        lab_forward(lab, 100);
        lab_idle(lab);
    }
    lab_boot(&world->shed);
    tell(world, &world->shed);
}

static int64_t readings(const struct world *world)
{
    return lab_number(world->lab, "SELECT count(*) FROM readings");
}

static uint64_t draw(struct world *world)
{
    uint64_t number;

    test_fill(&world->lab->seed, (uint8_t *)&number, sizeof(number));
    return number;
}

/* All of the tape in some order, under clocks from before the backup to long after it. */
static void replay(struct world *world)
{
    static const int64_t clocks[] = {0, -1000, -300, 300, 4000, -100000};
    struct lab *lab = world->lab;
    int64_t before = readings(world);
    int64_t now = lab->now;

    for (size_t round = 0; round < COUNT(clocks); round++) {
        lab->now = now + clocks[round] * SECOND;
        for (size_t i = 0; i < world->tape.count; i++) {
            size_t other = i + draw(world) % (world->tape.count - i);
            struct lab_packet packet = world->tape.packets[other];
            world->tape.packets[other] = world->tape.packets[i];
            world->tape.packets[i] = packet;
            lab_send(lab, &packet);
            if (draw(world) % 4 == 0)
                lab_run(lab);
        }
        lab_run(lab);
        if (draw(world) % 2 == 0)
            lab_restart(lab);
        if (readings(world) != before)
            lab_fail("%lld readings instead of %lld", (long long)readings(world), (long long)before);
    }
    lab->now = now + 5000 * SECOND;
}

static void test_nothing_recorded_is_stored(void **state)
{
    const char *seeds = getenv("BULLA_SEEDS");
    uint64_t count = seeds == NULL ? 3 : strtoull(seeds, NULL, 10) / 20 + 3;
    struct world world;

    (void)state;
    for (uint64_t seed = 1; seed <= count; seed++) {
        open_world(&world, seed);
        live(&world);
        int64_t all = readings(&world);
        if (seed % 3 != 0)
            restore(&world);
        else
            copy_back(&world);
        assert_true(readings(&world) < all);
        replay(&world);
        tell(&world, &world.kitchen); /* in the session that it has */
        tell(&world, &world.attic);
        tell(&world, &world.shed);
        replay(&world);
        for (int i = 0; i < 3; i++) {
            tell(&world, &world.kitchen);
            tell(&world, &world.attic);
            tell(&world, &world.shed);
        }
        replay(&world);
        lab_boot(&world.kitchen);
        tell(&world, &world.kitchen);
        lab_forward(world.lab, 4000);
        lab_idle(world.lab);
        replay(&world);
        close_world(&world);
    }
}

/* The same backup a second time, after what was done since the first. */
static void test_restored_twice(void **state)
{
    struct world world;

    (void)state;
    open_world(&world, 11);
    live(&world);
    restore(&world);
    lab_add(world.lab, &world.late, "late", BULLA_SESSION);
    for (int i = 0; i < 3; i++) {
        tell(&world, &world.kitchen);
        tell(&world, &world.attic);
        tell(&world, &world.shed);
        withhold(&world, &world.shed);
    }
    restore(&world);
    replay(&world);
    tell(&world, &world.kitchen);
    tell(&world, &world.attic);
    tell(&world, &world.shed);
    replay(&world);
    close_world(&world);
}

/* What `bulla restored` does to a file that was copied back. */
static void test_declared(void **state)
{
    struct world world;
    struct failure failure;
    uint8_t sealed[SEALED_SIZE(32)];
    char command[600];
    int64_t marked;

    (void)state;
    open_world(&world, 12);
    live(&world);
    lab_leave(world.lab);
    snprintf(command, sizeof(command), "cp %s %s/raw", world.lab->path, world.lab->folder);
    assert_int_equal(system(command), 0);
    lab_return(world.lab);
    for (int i = 0; i < 3; i++) {
        tell(&world, &world.kitchen);
        tell(&world, &world.shed);
        shout(&world, &world.pole);
    }
    lab_leave(world.lab);
    snprintf(command, sizeof(command), "mv %s/raw %s && rm -f %s-wal %s-shm", world.lab->folder,
             world.lab->path, world.lab->path, world.lab->path);
    assert_int_equal(system(command), 0);
    lab_return(world.lab);
    draw_challenge_key(world.lab, sealed);
    CHECK(world.lab->office->ops->restored(world.lab->office, sealed, sizeof(sealed), &marked, &failure));
    assert_true(marked >= 4);
    take_challenge_key(world.lab);
    replay(&world);
    tell(&world, &world.kitchen);
    tell(&world, &world.shed);
    replay(&world);
    close_world(&world);
}

/* ---- trust by hand ---- */

/* Each message since the backup may open once, no older one, and with a limit none. */
static void test_trust(void **state)
{
    struct world world;
    struct failure failure;
    struct lab_packet packet;

    (void)state;
    for (int with_limit = 0; with_limit < 2; with_limit++) {
        open_world(&world, 20 + (uint64_t)with_limit);
        live(&world);
        restore(&world);
        packet = lab_seal(&world.pole, ++world.value);
        assert_fate(lab_deliver(world.lab, &packet), "challenged");
        int64_t before = readings(&world);
        uint64_t lower = with_limit ? packet.piv : 0;
        assert_int_equal(
            world.lab->office->ops->device_trust(world.lab->office, world.pole.id, lower, &failure), 1);
        assert_int_equal(
            world.lab->office->ops->device_trust(world.lab->office, world.pole.id, lower, &failure), 0);
        lab_idle(world.lab);
        for (size_t i = 0; i < world.tape.count; i++)
            lab_deliver(world.lab, &world.tape.packets[i]);
        /* Five since the backup, and the five withheld before it, which were never stored. */
        assert_int_equal(readings(&world) - before, with_limit ? 0 : 10);
        replay(&world);
        assert_fate(lab_deliver(world.lab, &packet), "stored");
        replay(&world);
        shout(&world, &world.pole);
        close_world(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_recorded_is_stored),
        cmocka_unit_test(test_restored_twice),
        cmocka_unit_test(test_declared),
        cmocka_unit_test(test_trust),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
