#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/crypto.h"

#define HOLD (4 * WORLD_SECOND) /* that a copy is held back at most */

/* An event of a lane whose message the gateway has. */
struct held {
    struct held *next;
    struct event event;
};

/* ---- opening and closing ---- */

/* Every device gets its share of the rate, and begins anywhere in its first interval. */
static int64_t gap(const struct world *world)
{
    double seconds = (double)world->config.devices / world->config.rate;

    return (int64_t)(seconds * (double)WORLD_SECOND) + 1;
}

static void make_lane(struct world *world, uint32_t number)
{
    struct sim_lane *lane = &world->lanes[number];

    lane->draw = draw_stream(world->config.seed, number);
    lane->out = true; /* until it is started */
    sim_board_init(&lane->board, world->config.entropy, world->config.crypto, draw_next(&lane->draw));
}

int world_init(struct world *world, const struct world_config *config)
{
    memset(world, 0, sizeof(*world));
    world->config = *config;
    world->duration = (int64_t)(config->duration * (double)WORLD_SECOND);
    world->watched = (config->devices + ATTACKER_WATCHES - 1) / ATTACKER_WATCHES;
    world->lanes = calloc(config->devices, sizeof(*world->lanes));
    if (world->lanes == NULL || ledger_init(&world->ledger, config->devices) < 0)
        return -1;
    for (uint32_t i = 0; i < config->devices; i++)
        make_lane(world, i);
    return 0;
}

static void free_held(struct world *world, struct sim_lane *lane)
{
    while (lane->held != NULL) {
        struct held *held = lane->held;
        lane->held = held->next;
        network_free(&world->network, held->event.parcel);
        free(held);
    }
}

void world_wipe(struct world *world)
{
    for (size_t i = 0; world->lanes != NULL && i < world->config.devices; i++) {
        struct sim_lane *lane = &world->lanes[i];
        for (unsigned slot = 0; slot < WORLD_SLOTS; slot++)
            free(lane->readings[slot]);
        attacker_forget(lane);
        free_held(world, lane);
        bulla_close(&lane->bulla);
        bulla_wipe(&lane->credential, sizeof(lane->credential));
    }
    free(world->lanes);
    network_wipe(&world->network);
    ledger_wipe(&world->ledger);
    world->lanes = NULL;
}

int world_start(struct world *world, uint32_t number, const struct bulla_credential *credential)
{
    struct sim_lane *lane = &world->lanes[number];
    int64_t first;
    int error = 0;

    lane->credential = *credential;
    if (credential->kind == BULLA_COUNTER)
        error = bulla_provision_counter(credential, &lane->board.port);
    if (error == 0)
        error = bulla_open(&lane->bulla, credential, &lane->board.port);
    if (error < 0)
        return error;
    lane->out = false;
    first = (int64_t)draw_below(&lane->draw, (uint64_t)gap(world));
    if (first >= world->duration && !world->config.last_words)
        return 0; /* its turn would come when all is over: nobody waits for that */
    world->readers++;
    world_put(world, lane, first, (struct event){.kind = EVENT_READING});
    return 0;
}

/* ---- small things ---- */

bool world_calm(const struct world *world)
{
    return world->now >= world->duration;
}

bool world_chance(struct world *world, struct sim_lane *lane, double probability)
{
    return !world_calm(world) && draw_chance(&lane->draw, probability);
}

void world_break(struct world *world, const char *format, ...)
{
    va_list arguments;

    if (world->broken[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(world->broken, sizeof(world->broken), format, arguments);
    va_end(arguments);
}

uint32_t world_lane(const struct world *world, const struct sim_lane *lane)
{
    return (uint32_t)(lane - world->lanes);
}

void world_end(struct world *world)
{
    if (world->ended)
        return;
    world->ended = true;
    world->readers = 0;
    if (world->duration > world->now)
        world->duration = world->now;
}

bool world_finished(const struct world *world)
{
    const struct ledger *ledger = &world->ledger;

    return world->readers == 0 && world->network.parcels == 0 &&
           ledger->readings == ledger->told + ledger->given_up;
}

void world_dismiss(struct world *world, uint32_t number)
{
    struct sim_lane *lane = &world->lanes[number];

    life_forget(world, lane);
    lane->out = true;
}

/* ---- what is going to happen ---- */

void world_put(struct world *world, struct sim_lane *lane, int64_t after, struct event event)
{
    event.time = world->now + after;
    event.lane = world_lane(world, lane);
    event.order = lane->order++;
    if (network_put(&world->network, &event) < 0) {
        world->out_of_memory = true;
        network_free(&world->network, event.parcel);
    }
}

void world_ship(struct world *world, struct sim_lane *lane, enum event_kind kind, enum parcel_from from,
                const uint8_t *bytes, size_t len, int64_t after)
{
    struct parcel *parcel;

    if (lane->parcels == WORLD_PARCELS) {
        world->counts.lost += kind == EVENT_UP && from == FROM_DEVICE;
        return;
    }
    parcel = network_parcel(&world->network, world_lane(world, lane), from, bytes, len);
    if (parcel == NULL) {
        world->out_of_memory = true;
        return;
    }
    lane->parcels++;
    world_put(world, lane, after, (struct event){.kind = (uint8_t)kind, .parcel = parcel});
}

static void arrive(struct world *world, struct parcel *parcel)
{
    world->lanes[parcel->lane].parcels--;
    network_free(&world->network, parcel);
}

static int64_t transit(struct world *world, struct sim_lane *lane)
{
    int64_t after =
        (int64_t)(draw_share(&lane->draw) * 2 * world->config.faults.delay * (double)WORLD_SECOND);

    if (!world_chance(world, lane, world->config.faults.reorder))
        return after;
    world->counts.held_back++;
    return after + (int64_t)draw_below(&lane->draw, HOLD);
}

void world_pass(struct world *world, struct sim_lane *lane, enum event_kind kind, const uint8_t *bytes,
                size_t len)
{
    const struct sim_faults *faults = &world->config.faults;
    unsigned copies = 1 + world_chance(world, lane, faults->duplicate);

    *(kind == EVENT_UP ? &world->counts.duplicated : &world->counts.replies_duplicated) += copies - 1;
    for (unsigned i = 0; i < copies; i++) {
        if (world_chance(world, lane, faults->loss))
            *(kind == EVENT_UP ? &world->counts.lost : &world->counts.replies_lost) += 1;
        else
            world_ship(world, lane, kind, FROM_DEVICE, bytes, len, transit(world, lane));
    }
}

/* ---- what happens ---- */

/* The last one comes when the faults are over. */
static void plan_reading(struct world *world, struct sim_lane *lane)
{
    int64_t mean = gap(world);
    int64_t after = mean / 2 + (int64_t)draw_below(&lane->draw, (uint64_t)mean);

    if (world->now + after >= world->duration)
        after = world->duration - world->now + (int64_t)draw_below(&lane->draw, WORLD_SECOND);
    world_put(world, lane, after, (struct event){.kind = EVENT_READING});
}

static void on_reading(struct world *world, struct sim_lane *lane)
{
    bool last = world_calm(world);

    if (world->ended)
        return;
    if (last)
        world->readers--;
    else
        plan_reading(world, lane);
    if (!lane->out && (!last || world->config.last_words || (lane->active && lane->owes)))
        life_reading(world, lane);
}

/* false: the carrier has no room. */
static bool on_message(struct world *world, struct sim_lane *lane, const struct event *event)
{
    event->parcel->time = event->time;
    lane->busy = world->config.serial;
    if (!world->config.carrier->send(world->config.carrier, event->parcel)) {
        lane->busy = false;
        return false;
    }
    return true;
}

static bool handle(struct world *world, const struct event *event)
{
    struct sim_lane *lane = &world->lanes[event->lane];

    switch ((enum event_kind)event->kind) {
    case EVENT_READING:
        on_reading(world, lane);
        break;
    case EVENT_LOOK:
        life_look(world, lane, event);
        break;
    case EVENT_UP:
        return on_message(world, lane, event);
    case EVENT_DOWN:
        life_reply(world, lane, event->parcel);
        arrive(world, event->parcel);
        break;
    }
    return true;
}

/* It waits until the gateway has answered the lane's message. */
static void hold(struct world *world, struct sim_lane *lane, const struct event *event)
{
    struct held *held = malloc(sizeof(*held));

    if (held == NULL) {
        world->out_of_memory = true;
        network_free(&world->network, event->parcel);
        return;
    }
    *held = (struct held){lane->held, *event};
    lane->held = held;
}

static void release(struct world *world, struct sim_lane *lane)
{
    lane->busy = false;
    while (lane->held != NULL) {
        struct held *held = lane->held;
        lane->held = held->next;
        if (network_put(&world->network, &held->event) < 0) {
            world->out_of_memory = true;
            network_free(&world->network, held->event.parcel);
        }
        free(held);
    }
}

bool world_advance(struct world *world, int64_t until)
{
    const struct event *next;

    while ((next = network_next(&world->network)) != NULL && next->time <= until && !world->out_of_memory) {
        struct event event = network_take(&world->network);
        if (world->lanes[event.lane].busy) {
            hold(world, &world->lanes[event.lane], &event);
            continue;
        }
        world->now = event.time;
        if (!handle(world, &event)) {
            world->out_of_memory = network_put(&world->network, &event) < 0;
            return true;
        }
    }
    return false;
}

/* ---- the gateway's answer ---- */

/* Whoever sent the message, the reply is sealed for the device, and passes the attacker on its way. */
static void pass_reply(struct world *world, struct sim_lane *lane, const uint8_t *body, size_t len)
{
    attacker_reply(world, lane, body, len);
    if (len > 0)
        world_pass(world, lane, EVENT_DOWN, body, len);
}

void world_reply(struct world *world, uint32_t lane, const uint8_t *body, size_t len)
{
    pass_reply(world, &world->lanes[lane], body, len);
}

void world_answer(struct world *world, struct parcel *parcel, enum sim_answer answer, const uint8_t *body,
                  size_t len)
{
    struct sim_lane *lane = &world->lanes[parcel->lane];
    int64_t now = world->now;

    if (world->config.serial)
        world->now = parcel->time;
    world->counts.answers[parcel->from][answer]++;
    if (parcel->from == FROM_DEVICE)
        world->counts.arrived++;
    if (parcel->from == FROM_DEVICE || draw_below(&lane->draw, 4) == 0)
        pass_reply(world, lane, body, len);
    arrive(world, parcel);
    release(world, lane);
    world->now = now;
}
