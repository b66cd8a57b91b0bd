/*
 * What a device does: takes readings, sends them until their proof comes, restarts, sleeps, and loses its
 * power at bad moments. It believes nothing but what the library says of a message (PROTOCOL 3, Resending).
 */
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

#define PAUSE_FIRST WORLD_SECOND
#define DOUBLINGS   2

static void tick(struct world *world, struct sim_lane *lane)
{
    lane->board.now = (uint32_t)(world->now / 1000);
}

/* Where the world says so, what seals may fail at any time. */
static bool may_fail(const struct world *world, int error)
{
    return world->config.crypto_fails && error == BULLA_E_CRYPTO;
}

static struct sim_reading **free_slot(struct world *world, struct sim_lane *lane)
{
    for (unsigned i = 0; i < world->config.slots; i++) {
        if (lane->readings[i] == NULL)
            return &lane->readings[i];
    }
    return NULL;
}

/* ---- power ---- */

/* What was in the board's memory is gone. */
void life_forget(struct world *world, struct sim_lane *lane)
{
    for (unsigned i = 0; i < WORLD_SLOTS; i++) {
        if (lane->readings[i] == NULL)
            continue;
        free(lane->readings[i]);
        lane->readings[i] = NULL;
        lane->owes = true;
        world->ledger.given_up++;
    }
}

/* A board that lost its counter must not start, and gets a new credential (PROTOCOL 2). */
static int renew(struct world *world, struct sim_lane *lane)
{
    const struct sim_observer *observer = &world->config.observer;
    struct bulla_credential *credential = &lane->credential;

    lane->out = true;
    world->counts.retired++;
    if (observer->renew == NULL ||
        observer->renew(observer->context, world_lane(world, lane), credential) < 0)
        return -1;
    if (bulla_provision_counter(credential, &lane->board.port) < 0 ||
        bulla_open(&lane->bulla, credential, &lane->board.port) < 0) {
        world_break(world, "device %u: a new credential does not start", world_lane(world, lane));
        return -1;
    }
    lane->out = false;
    world->counts.retired--;
    world->counts.renewed++;
    return 0;
}

/*
 * A second context on the same board, as a firmware opens by mistake, that seals something which nobody ever
 * gets: the first one must not use its numbers, and, woken from one blob with it, must go on in a new session
 * (PROTOCOL 2).
 */
static void open_twin(struct world *world, struct sim_lane *lane, bool wakes)
{
    uint8_t buffer[PARCEL_MAX];
    struct bulla_message message;
    struct bulla twin;
    int error = wakes ? bulla_wake(&twin, &lane->credential, &lane->board.port)
                      : bulla_open(&twin, &lane->credential, &lane->board.port);

    world->counts.twins++;
    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_integer(&message, world->config.name, NULL, 0);
    if (error >= 0)
        error = bulla_seal(&twin, &message);
    if (error < 0 && !may_fail(world, error))
        world_break(world, "device %u has a second context that does not seal: %s", world_lane(world, lane),
                    bulla_strerror(error));
    bulla_close(&twin);
}

int life_boot(struct world *world, struct sim_lane *lane)
{
    bool wakes = lane->credential.kind == BULLA_SESSION && draw_below(&lane->draw, 4) != 0;
    int error;

    sim_board_power_on(&lane->board);
    tick(world, lane);
    error = wakes ? bulla_wake(&lane->bulla, &lane->credential, &lane->board.port)
                  : bulla_open(&lane->bulla, &lane->credential, &lane->board.port);
    if (error == BULLA_E_NO_COUNTER)
        return renew(world, lane);
    if (error < 0)
        world_break(world, "device %u does not start: %s", world_lane(world, lane), bulla_strerror(error));
    world->counts.woken += error == 1;
    if (error >= 0 && draw_below(&lane->draw, 8) == 0)
        open_twin(world, lane, wakes);
    if (error == 0)
        attacker_turn(lane);
    return error;
}

static void reboot(struct world *world, struct sim_lane *lane)
{
    world->counts.reboots++;
    life_forget(world, lane);
    life_boot(world, lane);
}

/*
 * Deep sleep keeps only what is saved; some firmware keeps its messages in RTC memory too. Now and then
 * something keeps the board awake when it has saved already, and it goes on.
 */
static void sleep_and_wake(struct world *world, struct sim_lane *lane)
{
    int error = bulla_sleep(&lane->bulla);

    world->counts.sleeps++;
    if (lane->credential.kind == BULLA_COUNTER || draw_below(&lane->draw, 2) == 0)
        life_forget(world, lane);
    if (error < 0 && error != BULLA_E_STATE && error != BULLA_E_STORE)
        world_break(world, "device %u cannot sleep: %s", world_lane(world, lane), bulla_strerror(error));
    if (lane->board.dead || draw_below(&lane->draw, 4) != 0)
        life_boot(world, lane);
    else
        world->counts.kept_awake++;
}

/*
 * The power is about to go: in the write that saves a session, in the one that destroys it, in either copy of
 * a counter, or right behind a sealing, when the number is used and nobody has heard of it.
 */
static void brown_out(struct world *world, struct sim_lane *lane)
{
    enum board_loss loss = (enum board_loss)draw_below(&lane->draw, LOSS_KINDS);
    unsigned write = 1 + (unsigned)draw_below(&lane->draw, 2);

    world->counts.brown_outs++;
    if (lane->credential.kind == BULLA_COUNTER) {
        reboot(world, lane); /* so that the next sealing reserves */
    } else if (draw_below(&lane->draw, 2) == 0) {
        sleep_and_wake(world, lane); /* so that the next sealing destroys */
        write = 1;
    } else {
        sim_board_arm(&lane->board, 1, loss);
        sleep_and_wake(world, lane);
        life_forget(world, lane);
    }
    if (lane->out)
        return;
    sim_board_arm(&lane->board, write, loss);
    lane->armed = true;
}

/* One copy of a counter can be lost and nothing happens, where both were whole; both, and the board is out.
 */
static void lose_store(struct world *world, struct sim_lane *lane)
{
    bool whole = sim_board_keeps_counter(&lane->board);
    uint64_t out = world->counts.renewed + world->counts.retired;
    bool both = false;

    world->counts.lost_stores++;
    if (lane->credential.kind == BULLA_SESSION) {
        if (bulla_sleep(&lane->bulla) == 0)
            sim_board_lose(&lane->board, BULLA_SLOT_SESSION);
    } else {
        unsigned which = (unsigned)draw_below(&lane->draw, 8);
        if (which < 5)
            sim_board_lose(&lane->board, BULLA_SLOT_COUNTER_A);
        if (which > 2)
            sim_board_lose(&lane->board, BULLA_SLOT_COUNTER_B);
        both = which > 2 && which < 5;
    }
    reboot(world, lane);
    if (lane->credential.kind == BULLA_COUNTER &&
        both != (world->counts.renewed + world->counts.retired > out) && (both || whole))
        world_break(world, "device %u %s", world_lane(world, lane),
                    both ? "went on without its counter" : "lost its counter though one copy was whole");
}

static void trouble(struct world *world, struct sim_lane *lane)
{
    const struct sim_faults *faults = &world->config.faults;

    if (world_chance(world, lane, faults->reboot))
        reboot(world, lane);
    if (!lane->out && world_chance(world, lane, faults->sleep))
        sleep_and_wake(world, lane);
    if (!lane->out && world_chance(world, lane, faults->lost_store))
        lose_store(world, lane);
    if (!lane->out && world_chance(world, lane, faults->brown_out))
        brown_out(world, lane);
}

/* The power went while it sealed, or goes now that it has. true: it did. */
static bool power_fails(struct world *world, struct sim_lane *lane)
{
    bool fails = lane->board.dead || (lane->armed && draw_below(&lane->draw, 2) == 0);

    lane->armed = false;
    sim_board_arm(&lane->board, 0, LOSS_OLD);
    if (fails)
        reboot(world, lane);
    return fails;
}

/* ---- messages ---- */

static void send(struct world *world, struct sim_lane *lane, unsigned slot)
{
    struct sim_reading *reading = lane->readings[slot];
    int64_t pause = PAUSE_FIRST << reading->doublings;

    world->counts.sent++;
    if (reading->doublings < DOUBLINGS)
        reading->doublings++;
    reading->serial = lane->serial++;
    world_put(world, lane, pause + (int64_t)draw_below(&lane->draw, PAUSE_FIRST),
              (struct event){.kind = EVENT_LOOK, .slot = (uint8_t)slot, .serial = reading->serial});
    world_pass(world, lane, EVENT_UP, reading->message.data, reading->message.size);
    attacker_message(world, lane, reading->message.data, reading->message.size);
}

/* Both copies are written before anything is sealed, and never the only whole one first (PROTOCOL 2). */
static void check_counter(struct world *world, const struct sim_lane *lane)
{
    if (lane->board.risked)
        world_break(world, "device %u wrote over the only whole copy of its counter",
                    world_lane(world, lane));
    if (!sim_board_keeps_counter(&lane->board))
        world_break(world, "device %u sealed while a copy of its counter was missing",
                    world_lane(world, lane));
}

static void tell_sealed(struct world *world, struct sim_lane *lane, const struct sim_reading *reading)
{
    const struct sim_observer *observer = &world->config.observer;

    if (lane->credential.kind == BULLA_COUNTER)
        check_counter(world, lane);
    if (observer->sealed != NULL)
        observer->sealed(observer->context, world_lane(world, lane), reading->number, reading->message.piv,
                         lane->credential.kind == BULLA_SESSION ? reading->message.id_context : NULL);
}

void life_reading(struct world *world, struct sim_lane *lane)
{
    uint32_t number = world_lane(world, lane);
    struct sim_reading **slot;
    struct sim_reading *reading;
    int error;

    trouble(world, lane);
    slot = free_slot(world, lane);
    if (lane->out || slot == NULL) {
        world->counts.postponed += !lane->out;
        return;
    }
    reading = calloc(1, sizeof(*reading));
    if (reading == NULL) {
        world->out_of_memory = true;
        return;
    }
    tick(world, lane);
    reading->number = ledger_next(&world->ledger, number);
    bulla_begin(&reading->message, reading->buffer, sizeof(reading->buffer));
    bulla_add_integer(&reading->message, world->config.name, NULL, ledger_value(number, reading->number));
    error = bulla_seal(&lane->bulla, &reading->message);
    if (error < 0) {
        if (!lane->board.dead && !may_fail(world, error))
            world_break(world, "device %u cannot seal: %s", number, bulla_strerror(error));
        free(reading);
        power_fails(world, lane);
        return;
    }
    lane->active = true;
    lane->owes = false;
    *slot = reading;
    tell_sealed(world, lane, reading);
    if (ledger_sealed(&world->ledger, number) < 0)
        world->out_of_memory = true;
    else if (!power_fails(world, lane))
        send(world, lane, (unsigned)(slot - lane->readings));
}

static void give_up(struct world *world, struct sim_lane *lane, unsigned slot)
{
    free(lane->readings[slot]);
    lane->readings[slot] = NULL;
    lane->owes = true;
    world->ledger.given_up++;
}

/* Under a new number, if it is still this session's; otherwise the reading is given up. */
static void seal_again(struct world *world, struct sim_lane *lane, unsigned slot)
{
    struct sim_reading *reading = lane->readings[slot];
    uint32_t number = world_lane(world, lane);
    enum bulla_fate fate = bulla_fate(&lane->bulla, &reading->message);
    uint64_t old = reading->message.piv;
    int error = bulla_seal_again(&lane->bulla, &reading->message);

    world->counts.forgotten += fate == BULLA_FORGOTTEN;
    if ((error == BULLA_E_STATE && fate == BULLA_FORGOTTEN) || may_fail(world, error)) {
        give_up(world, lane, slot);
    } else if (error < 0) {
        if (!lane->board.dead)
            world_break(world, "device %u cannot seal again: %s", number, bulla_strerror(error));
        power_fails(world, lane);
    } else {
        tell_sealed(world, lane, reading);
        if (ledger_sealed_again(&world->ledger, number, reading->number, old, reading->message.piv) < 0)
            world->out_of_memory = true;
        else if (!power_fails(world, lane))
            send(world, lane, slot);
    }
}

static void note_told(struct world *world, struct sim_lane *lane, unsigned slot)
{
    const struct sim_observer *observer = &world->config.observer;
    struct sim_reading *reading = lane->readings[slot];
    uint32_t number = world_lane(world, lane);

    ledger_told(&world->ledger, number, reading->number, reading->message.piv);
    if (observer->told != NULL)
        observer->told(observer->context, number, reading->number, reading->message.piv);
    free(reading);
    lane->readings[slot] = NULL;
}

static void look_after(struct world *world, struct sim_lane *lane, unsigned slot, bool due)
{
    struct sim_reading *reading = lane->readings[slot];

    switch (bulla_fate(&lane->bulla, &reading->message)) {
    case BULLA_STORED:
        note_told(world, lane, slot);
        break;
    case BULLA_SEAL_AGAIN:
    case BULLA_FORGOTTEN:
        seal_again(world, lane, slot);
        break;
    case BULLA_WAITING:
        if (due && bulla_resend(&lane->bulla, &reading->message) == 0) {
            world->counts.resent++;
            send(world, lane, slot);
        }
        break;
    }
}

void life_look(struct world *world, struct sim_lane *lane, const struct event *event)
{
    const struct sim_reading *reading = lane->readings[event->slot];

    tick(world, lane);
    if (reading != NULL && reading->serial == event->serial)
        look_after(world, lane, event->slot, true);
}

void life_reply(struct world *world, struct sim_lane *lane, const struct parcel *parcel)
{
    struct parcel copy = *parcel;
    struct bulla_reply reply;
    int error;

    if (lane->out)
        return;
    world->counts.replies++;
    tick(world, lane);
    error = bulla_open_reply(&lane->bulla, copy.bytes, copy.len, &reply);
    if (error == 0) {
        world->counts.accepted++;
        world->counts.challenges += reply.challenged;
    } else if (error == BULLA_E_NOT_OURS)
        world->counts.not_ours++;
    else if (error == BULLA_E_FORGED)
        world->counts.forged++;
    else if (error == BULLA_E_MALFORMED)
        world->counts.malformed++;
    else
        world_break(world, "device %u: a reply ends in: %s", parcel->lane, bulla_strerror(error));
    for (unsigned i = 0; error == 0 && i < WORLD_SLOTS; i++) {
        if (lane->readings[i] != NULL)
            look_after(world, lane, i, false);
    }
}
