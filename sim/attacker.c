#include "sim/attacker.h"

#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

#define FLOOD_LEAST 4
#define FLOOD_MOST  16
#define LINGER      (20 * WORLD_SECOND) /* what he sends sets out within that */

struct recording {
    uint16_t len;
    uint8_t bytes[PARCEL_MAX];
};

struct session {
    unsigned count;
    struct recording messages[ATTACKER_SESSION];
};

struct recordings {
    struct session now;
    struct session old; /* the session before, whole as far as it was recorded */
    unsigned reply_count;
    struct recording replies[ATTACKER_REPLIES];
};

/* ---- hearing ---- */

static void record(struct recording *recording, const uint8_t *bytes, size_t len)
{
    recording->len = (uint16_t)(len < PARCEL_MAX ? len : PARCEL_MAX);
    if (recording->len > 0)
        memcpy(recording->bytes, bytes, recording->len);
}

static struct recordings *recordings_of(struct world *world, struct sim_lane *lane)
{
    if (lane->recordings == NULL && world->config.faults.attack > 0 &&
        world_lane(world, lane) % world->watched == 0) {
        lane->recordings = calloc(1, sizeof(*lane->recordings));
        world->out_of_memory = world->out_of_memory || lane->recordings == NULL;
    }
    return lane->recordings;
}

/* Keeps the first half of a session and its newest messages. */
static void record_message(struct session *session, const uint8_t *bytes, size_t len)
{
    size_t half = ATTACKER_SESSION / 2;

    if (session->count == ATTACKER_SESSION) {
        memmove(&session->messages[half], &session->messages[half + 1],
                (ATTACKER_SESSION - half - 1) * sizeof(session->messages[0]));
        session->count--;
    }
    record(&session->messages[session->count++], bytes, len);
}

static void record_reply(struct sim_lane *lane, struct recordings *recordings, const uint8_t *bytes,
                         size_t len)
{
    size_t at = recordings->reply_count < ATTACKER_REPLIES ? recordings->reply_count++
                                                           : draw_below(&lane->draw, ATTACKER_REPLIES);

    record(&recordings->replies[at], bytes, len);
}

void attacker_turn(struct sim_lane *lane)
{
    if (lane->recordings == NULL || lane->recordings->now.count == 0)
        return;
    lane->recordings->old = lane->recordings->now;
    lane->recordings->now.count = 0;
}

void attacker_forget(struct sim_lane *lane)
{
    free(lane->recordings);
    lane->recordings = NULL;
}

/* ---- what he makes ---- */

/* A message at hand: one that was recorded, or the one that passes. */
static struct recording choose(struct sim_lane *lane, const struct recording *passing)
{
    const struct recordings *recordings = lane->recordings;
    const struct session *session;

    if (recordings == NULL)
        return *passing;
    session =
        recordings->old.count > 0 && draw_below(&lane->draw, 2) == 0 ? &recordings->old : &recordings->now;
    return session->count > 0 ? session->messages[draw_below(&lane->draw, session->count)] : *passing;
}

static void flip(struct sim_lane *lane, struct recording *message)
{
    size_t bit = draw_below(&lane->draw, (uint64_t)message->len * 8 + 1);

    if (bit < (size_t)message->len * 8)
        message->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    else if (message->len < PARCEL_MAX)
        message->bytes[message->len++] = (uint8_t)draw_next(&lane->draw); /* longer by a byte */
}

static void truncate_message(struct sim_lane *lane, struct recording *message)
{
    message->len = (uint16_t)draw_below(&lane->draw, (uint64_t)message->len + 1);
}

/* Everything behind the headers is another's, or noise. */
static void forge(struct sim_lane *lane, struct recording *message)
{
    size_t keep = message->len < 24 ? message->len : (size_t)message->len - 24;

    draw_fill(&lane->draw, message->bytes + keep, message->len - keep);
}

/* The head of one, the tail of another. */
static void splice(struct sim_lane *lane, struct recording *message, const struct recording *other)
{
    size_t shorter = message->len < other->len ? message->len : other->len;
    size_t cut = draw_below(&lane->draw, shorter + 1);

    memcpy(message->bytes + cut, other->bytes + cut, shorter - cut);
}

/* ---- to the gateway ---- */

static void send(struct world *world, struct sim_lane *lane, enum event_kind kind, enum sim_attack attack,
                 const struct recording *recording, int64_t after)
{
    int64_t end = world->duration - world->now + WORLD_SECOND; /* he ends with the faults */

    if (after > end)
        after = end;
    world->counts.attacks++;
    world->counts.attacks_by_kind[attack]++;
    world_ship(world, lane, kind, FROM_ATTACKER, recording->bytes, recording->len, after);
}

static int64_t soon(struct sim_lane *lane)
{
    int64_t most = draw_below(&lane->draw, 3) == 0 ? LINGER : WORLD_SECOND / 10;

    return (int64_t)draw_below(&lane->draw, (uint64_t)most);
}

static void replay_session(struct world *world, struct sim_lane *lane)
{
    const struct recordings *recordings = lane->recordings;
    const struct session *session;
    int64_t after = soon(lane);

    if (recordings == NULL)
        return;
    session =
        recordings->old.count > 0 && draw_below(&lane->draw, 4) != 0 ? &recordings->old : &recordings->now;
    for (unsigned i = 0; i < session->count; i++)
        send(world, lane, EVENT_UP, ATTACK_SESSION, &session->messages[i], after + i);
}

static void attack_once(struct world *world, struct sim_lane *lane, const struct recording *passing,
                        bool flooding)
{
    static const enum sim_attack kinds[] = {ATTACK_REPLAY, ATTACK_REPLAY, ATTACK_FLIP,
                                            ATTACK_CUT,    ATTACK_FORGE,  ATTACK_SPLICE};
    struct recording message = choose(lane, passing);
    struct recording other = choose(lane, passing);
    enum sim_attack kind = kinds[draw_below(&lane->draw, sizeof(kinds) / sizeof(kinds[0]))];

    if (kind == ATTACK_FLIP)
        flip(lane, &message);
    else if (kind == ATTACK_CUT)
        truncate_message(lane, &message);
    else if (kind == ATTACK_FORGE)
        forge(lane, &message);
    else if (kind == ATTACK_SPLICE)
        splice(lane, &message, &other);
    send(world, lane, EVENT_UP, flooding ? ATTACK_FLOOD : kind, &message, soon(lane));
}

void attacker_message(struct world *world, struct sim_lane *lane, const uint8_t *bytes, size_t len)
{
    struct recordings *recordings = recordings_of(world, lane);
    struct recording passing;
    unsigned times;

    if (recordings != NULL)
        record_message(&recordings->now, bytes, len);
    if (!world_chance(world, lane, world->config.faults.attack))
        return;
    record(&passing, bytes, len);
    switch (draw_below(&lane->draw, 8)) {
    case 0:
    case 1:
        replay_session(world, lane);
        break;
    case 2:
        times = FLOOD_LEAST + (unsigned)draw_below(&lane->draw, FLOOD_MOST - FLOOD_LEAST + 1);
        for (unsigned i = 0; i < times; i++)
            attack_once(world, lane, &passing, true);
        break;
    default:
        attack_once(world, lane, &passing, false);
        break;
    }
}

static void replay_all(struct world *world, struct sim_lane *lane, const struct session *session)
{
    for (unsigned i = 0; i < session->count; i++)
        send(world, lane, EVENT_UP, ATTACK_SESSION, &session->messages[i], i);
}

void attacker_storm(struct world *world)
{
    for (size_t i = 0; i < world->config.devices; i++) {
        struct sim_lane *lane = &world->lanes[i];
        const struct recordings *recordings = lane->recordings;
        if (recordings == NULL)
            continue;
        replay_all(world, lane, &recordings->old);
        replay_all(world, lane, &recordings->now);
        for (unsigned reply = 0; reply < recordings->reply_count; reply++)
            send(world, lane, EVENT_DOWN, ATTACK_REPLY_REPLAY, &recordings->replies[reply], reply);
    }
}

/* ---- to the device ---- */

static void forge_reply(struct world *world, struct sim_lane *lane, const struct recording *passing)
{
    const struct recordings *recordings = lane->recordings;
    enum sim_attack kind = ATTACK_REPLY_REPLAY + (enum sim_attack)draw_below(&lane->draw, 4);
    struct recording reply = *passing;

    if (recordings != NULL && recordings->reply_count > 0 && draw_below(&lane->draw, 4) != 0)
        reply = recordings->replies[draw_below(&lane->draw, recordings->reply_count)];
    if (kind == ATTACK_REPLY_FLIP) {
        flip(lane, &reply);
    } else if (kind == ATTACK_REPLY_REFLECT && recordings != NULL) {
        reply = choose(lane, passing);
    } else if (kind == ATTACK_REPLY_FORGE) {
        reply.len = (uint16_t)draw_below(&lane->draw, 64);
        draw_fill(&lane->draw, reply.bytes, reply.len);
    }
    send(world, lane, EVENT_DOWN, kind, &reply, soon(lane));
}

void attacker_reply(struct world *world, struct sim_lane *lane, const uint8_t *bytes, size_t len)
{
    struct recordings *recordings = recordings_of(world, lane);
    struct recording passing;

    if (recordings != NULL && len > 0)
        record_reply(lane, recordings, bytes, len);
    if (!world_chance(world, lane, world->config.faults.attack))
        return;
    record(&passing, bytes, len);
    forge_reply(world, lane, &passing);
}
