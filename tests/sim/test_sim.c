/*
 * A world of simulated devices (sim/world.h) on real gateways: their pipelines, cycles and the SQLite store
 * run in this program, under a clock that the seed moves. Messages and replies are lost, copied, held back,
 * recorded, replayed and forged; boards restart, sleep and lose their power while they write; gateways are
 * killed between any two steps, their store fails before and behind a commit, they forget devices, run out of
 * numbers, and stand two on one database; clocks jump, sessions close, operators revoke and restore. Whatever
 * happens, audit.h holds, no key meets a nonce twice (recorder.h), and once the faults are over every device
 * gets through.
 *
 *     sim_test [SEED]       the world of that seed, exactly as before
 *     BULLA_SEEDS=N         so many of them, from 1 on; BULLA_SEED=N is the same as the argument
 */
#include "audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "lab_device.h"
#include "provider.h"
#include "recorder.h"

#define SEEDS    2000
#define DEVICES  4 /* at most */
#define LETTERS  512
#define PATIENCE (300 * WORLD_SECOND) /* that getting through may take once the faults are over */

/* A message that a gateway has. */
struct letter {
    struct lab_letter *letter;
    struct parcel *parcel;
    unsigned gateway;
};

struct sim {
    struct lab lab;
    struct world world;
    struct audit audit;
    struct sim_carrier carrier;
    struct sim_entropy entropy;
    struct draw draw;    /* of what happens to the gateways */
    struct draw secrets; /* of credentials and session ids: database and all end with the world */
    int64_t offset;      /* of the gateways' clock */
    unsigned gateways;
    bool quiet; /* time does not jump, boards keep their power, nobody restores: then no reading is stored
                 * under two numbers, unless its message was forgotten */
    bool clock_goes_back;
    bool restores;
    struct letter letters[LETTERS];
    size_t letter_count;
};

static uint64_t below(struct sim *sim, uint64_t limit)
{
    return draw_below(&sim->draw, limit);
}

/* One time in so many. */
static bool once_in(struct sim *sim, uint64_t times)
{
    return below(sim, times) == 0;
}

/* The gateways' clock follows the world's. */
static void tick(struct sim *sim)
{
    sim->lab.now = LAB_START * SECOND + sim->offset + sim->world.now;
}

/* ---- credentials ---- */

static int draw_secret(void *context, uint8_t *out, size_t len)
{
    draw_fill(context, out, len);
    return 0;
}

static void enter(struct sim *sim, uint32_t lane, struct bulla_credential *credential, bool proven)
{
    struct device_row row = {.alg = credential->alg, .kind = credential->kind};
    struct failure failure;

    sim->lab.next_kid++;
    credential->kid_len = (uint8_t)(2 + sim->lab.next_kid % 4);
    memset(credential->kid, 0, sizeof(credential->kid));
    for (unsigned i = 0; i < credential->kid_len; i++)
        credential->kid[i] = (uint8_t)((uint64_t)sim->lab.next_kid >> (8 * i));
    draw_fill(&sim->secrets, credential->secret, sizeof(credential->secret));
    row.kid_len = credential->kid_len;
    memcpy(row.kid, credential->kid, credential->kid_len);
    snprintf(row.name, sizeof(row.name), "sim-%u", sim->lab.next_kid);
    assert_int_equal(vault_seal_device(&sim->lab.vault, &row, credential->secret, &failure), 0);
    assert_int_equal(store_device_add(sim->lab.office, &row, proven, &failure), 1);
    audit_device(&sim->audit, lane, row.id, proven);
}

static int on_renew(void *context, uint32_t lane, struct bulla_credential *credential)
{
    struct sim *sim = context;

    tick(sim);
    enter(sim, lane, credential, true);
    return 0;
}

static void on_sealed(void *context, uint32_t lane, uint32_t reading, uint64_t piv, const uint8_t *id_context)
{
    struct sim *sim = context;

    tick(sim);
    audit_sealed(&sim->audit, lane, reading, piv, id_context);
}

static void on_told(void *context, uint32_t lane, uint32_t reading, uint64_t piv)
{
    audit_told(&((struct sim *)context)->audit, lane, reading, piv);
}

/* ---- messages ---- */

static enum sim_answer answer_of(const struct lab_letter *letter)
{
    static const enum sim_answer answers[OUTCOME_COUNT] = {
        [OUTCOME_STORED] = ANSWER_STORED,
        [OUTCOME_DUPLICATE] = ANSWER_STORED,
        [OUTCOME_CHALLENGED] = ANSWER_CHALLENGED,
        [OUTCOME_STALE] = ANSWER_STALE,
        [OUTCOME_MALFORMED] = ANSWER_MALFORMED,
        [OUTCOME_UNKNOWN] = ANSWER_REFUSED,
        [OUTCOME_REVOKED] = ANSWER_REFUSED,
        [OUTCOME_FORGED] = ANSWER_REFUSED,
        [OUTCOME_BUSY] = ANSWER_BUSY,
    };

    return answers[letter->outcome];
}

static bool on_send(struct sim_carrier *carrier, struct parcel *parcel)
{
    struct sim *sim = (struct sim *)((char *)carrier - offsetof(struct sim, carrier));
    unsigned gateway = (unsigned)below(sim, sim->gateways);
    struct lab_packet packet = {.len = parcel->len};

    tick(sim);
    if (!sim->lab.gateways[gateway].up || sim->letter_count == LETTERS) {
        world_answer(&sim->world, parcel, ANSWER_SILENCE, NULL, 0);
        return true;
    }
    memcpy(packet.bytes, parcel->bytes, parcel->len);
    audit_arrival(&sim->audit);
    sim->letters[sim->letter_count++] =
        (struct letter){lab_send_to(&sim->lab, gateway, &packet), parcel, gateway};
    return true;
}

/* Answers set out for the devices; what a dead gateway had is never answered. */
static void collect(struct sim *sim)
{
    size_t kept = 0;
    size_t count = sim->letter_count;

    for (size_t i = 0; i < count; i++) {
        struct letter letter = sim->letters[i];
        if (letter.letter->answers == 0 && sim->lab.gateways[letter.gateway].up)
            sim->letters[kept++] = letter;
        else if (letter.letter->answers == 0)
            world_answer(&sim->world, letter.parcel, ANSWER_SILENCE, NULL, 0);
        else
            world_answer(&sim->world, letter.parcel, answer_of(letter.letter), letter.letter->reply,
                         letter.letter->reply_len);
    }
    sim->letter_count = kept;
}

/* ---- gateways ---- */

static void start_gateway(struct sim *sim, unsigned number)
{
    struct lab_gateway *gateway = &sim->lab.gateways[number];

    lab_start(&sim->lab, number);
    gateway->store.after_commit = audit_commit;
    gateway->store.auditor = &sim->audit;
}

static void kill_gateway(struct sim *sim, unsigned number)
{
    lab_kill(&sim->lab, number);
    collect(sim);
    sim->lab.queue = once_in(sim, 3) ? 4 : 128;
    sim->lab.devices = once_in(sim, 3) ? 1 : 64;
}

/* Takes a cycle to the store, or brings it back: in between the batch is stored and nobody knows. */
static void step_gateway(struct sim *sim, unsigned number)
{
    struct lab_gateway *gateway = &sim->lab.gateways[number];

    if (!gateway->up) {
        if (once_in(sim, 4))
            start_gateway(sim, number);
        return;
    }
    if (!world_calm(&sim->world) && once_in(sim, 150))
        kill_gateway(sim, number);
    else if (gateway->pipeline.running != NULL)
        lab_end_of(&sim->lab, number);
    else
        lab_begin_of(&sim->lab, number, once_in(sim, 4));
}

static void break_store(struct sim *sim)
{
    static const enum lab_call calls[] = {
        CALL_COMMIT,         CALL_COMMIT,         CALL_COMMIT,         CALL_COMMIT,
        CALL_DEVICE_BY_KID,  CALL_CONTEXT_FIND,   CALL_ISSUED_T,       CALL_GENERATION,
        CALL_CONTEXT_NEWEST, CALL_CONTEXTS_CLOSE, CALL_GATEWAY_ID_ADD, CALL_EVENTS_ADD,
    };
    struct lab_gateway *gateway = &sim->lab.gateways[below(sim, sim->gateways)];

    if (gateway->up)
        lab_store_fail(&gateway->store, calls[below(sim, COUNT(calls))],
                       once_in(sim, 2) ? FAULT_AFTER : FAULT_BEFORE, 1 + (unsigned)below(sim, 3));
}

static void spend_numbers(struct sim *sim)
{
    struct lab_gateway *gateway = &sim->lab.gateways[below(sim, sim->gateways)];

    if (gateway->up)
        gateway->pipeline.answerer.limit = gateway->pipeline.answerer.next + 2;
}

/* The next sealing but a few fails, whoever's it is: its number is spent. */
static void break_crypto(struct sim *sim)
{
    if (sim->world.config.crypto_fails)
        recorder_fail_seal(1 + (unsigned)below(sim, 4));
}

static void restart_all(struct sim *sim)
{
    for (unsigned i = 0; i < sim->gateways; i++) {
        if (sim->lab.gateways[i].up)
            kill_gateway(sim, i);
        start_gateway(sim, i);
    }
}

/* As a gateway does when it starts: K is the registry's. */
static void read_challenge_key(struct sim *sim)
{
    struct failure failure;

    assert_int_equal(vault_registry_secret(&sim->lab.vault, sim->lab.office, "challenge",
                                           sim->lab.challenge_key, &failure),
                     0);
}

/* As after `bulla restored`: every context is unproven, K is another one, gateways start anew. */
static void declare_restored(struct sim *sim)
{
    struct store *office = sim->lab.office;
    uint8_t sealed[SEALED_SIZE(32)];
    struct failure failure;
    int64_t contexts;

    if (!sim->restores || !once_in(sim, 3))
        return;
    for (unsigned i = 0; i < sim->gateways; i++) {
        if (sim->lab.gateways[i].up)
            kill_gateway(sim, i);
    }
    assert_int_equal(vault_renew(&sim->lab.vault, "challenge", sealed, &failure), 0);
    assert_int_equal(office->ops->restored(office, sealed, sizeof(sealed), &contexts, &failure), 0);
    read_challenge_key(sim);
    audit_restored(&sim->audit);
}

/* An operator changes something; now and then that is the end of a device. */
static void operate(struct sim *sim)
{
    uint32_t lane = (uint32_t)below(sim, sim->world.config.devices);
    struct failure failure;

    if (!once_in(sim, 8) || sim->world.lanes[lane].out) {
        lab_sql(&sim->lab, "UPDATE meta SET value = value + 1 WHERE name = 'generation'");
        return;
    }
    assert_int_equal(
        sim->lab.office->ops->device_revoke(sim->lab.office, sim->audit.lanes[lane].device, &failure), 0);
    audit_revoked(&sim->audit, lane);
    world_dismiss(&sim->world, lane);
}

/* Gateways do not learn which T was the highest, and have nothing but their clock. */
static void withhold_t(struct sim *sim)
{
    for (unsigned i = 0; i < sim->gateways; i++)
        lab_store_fail(&sim->lab.gateways[i].store, CALL_ISSUED_T, FAULT_BEFORE, 4);
}

/* The clock jumps. Where it goes back, now and then exactly as far as it came, and the attacker tries all he
 * has. */
static void jump(struct sim *sim)
{
    static const int64_t jumps[] = {5, 20, 60, 256, 600, 4000, 4000};
    int64_t seconds = sim->quiet ? 0 : jumps[below(sim, COUNT(jumps))];
    bool withheld = false;

    if (!sim->clock_goes_back || once_in(sim, 2))
        sim->offset += seconds * SECOND;
    else
        sim->offset = once_in(sim, 2) ? 0 : sim->offset - seconds * SECOND;
    tick(sim);
    if (!sim->quiet && once_in(sim, 4)) {
        restart_all(sim);
        withheld = once_in(sim, 2);
    }
    if (withheld)
        withhold_t(sim);
    if (withheld || once_in(sim, 4))
        attacker_storm(&sim->world);
}

static void mischief(struct sim *sim)
{
    static void (*const kinds[])(struct sim *) = {break_store,   break_store,  jump,    jump,
                                                  spend_numbers, break_crypto, operate, declare_restored};

    kinds[below(sim, COUNT(kinds))](sim);
}

/* ---- a world from its seed ---- */

static struct sim_faults draw_faults(struct sim *sim)
{
    static const double levels[] = {0, 0.05, 0.2, 0.4};
    struct sim_faults faults = {
        .loss = levels[below(sim, 4)],
        .duplicate = levels[below(sim, 4)],
        .reorder = levels[below(sim, 4)],
        .delay = once_in(sim, 2) ? 0.02 : 0.5,
        .attack = levels[1 + below(sim, 3)],
    };

    if (!sim->quiet) {
        faults.reboot = levels[below(sim, 3)] / 2;
        faults.sleep = levels[below(sim, 3)];
        faults.brown_out = levels[below(sim, 3)];
        faults.lost_store = levels[below(sim, 3)];
    }
    return faults;
}

static void start_devices(struct sim *sim)
{
    static const uint8_t algs[] = {BULLA_AES_CCM_16_64_128, BULLA_AES_CCM_16_128_128,
                                   BULLA_CHACHA20_POLY1305};

    for (uint32_t i = 0; i < sim->world.config.devices; i++) {
        struct bulla_credential credential = {
            .alg = algs[below(sim, COUNT(algs))],
            .kind = once_in(sim, 2) ? BULLA_COUNTER : BULLA_SESSION,
        };
        enter(sim, i, &credential, once_in(sim, 2));
        assert_int_equal(world_start(&sim->world, i, &credential), 0);
    }
}

static void open_world(struct sim *sim, uint64_t seed)
{
    struct world_config config = {.seed = seed, .rate = 1, .duration = 13, .last_words = true, .name = "n"};

    memset(sim, 0, sizeof(*sim));
    sim->draw = draw_stream(seed, UINT32_MAX);
    sim->secrets = draw_stream(seed, UINT64_MAX);
    sim->quiet = once_in(sim, 4);
    sim->clock_goes_back = !sim->quiet && once_in(sim, 3);
    sim->restores = !sim->quiet && once_in(sim, 4);
    sim->gateways = sim->quiet || once_in(sim, 2) ? 1 : 2;
    sim->carrier.send = on_send;
    sim->entropy = (struct sim_entropy){draw_secret, &sim->secrets};
    config.devices = 1 + below(sim, DEVICES);
    config.rate = (double)(1 + below(sim, 4));
    config.slots = 1 + (unsigned)below(sim, WORLD_SLOTS);
    config.faults = draw_faults(sim);
    config.crypto_fails = !sim->quiet;
    config.entropy = &sim->entropy;
    config.crypto = provider_state();
    config.carrier = &sim->carrier;
    config.observer = (struct sim_observer){on_sealed, on_told, on_renew, sim};
    lab_open(&sim->lab, seed);
    if (sim->restores) {
        read_challenge_key(sim);
        lab_restart(&sim->lab);
    }
    audit_open(&sim->audit, &sim->lab, sim->clock_goes_back);
    sim->lab.gateways[0].store.after_commit = audit_commit;
    sim->lab.gateways[0].store.auditor = &sim->audit;
    assert_int_equal(world_init(&sim->world, &config), 0);
    start_devices(sim);
}

static void close_world(struct sim *sim)
{
    world_wipe(&sim->world);
    audit_close(&sim->audit);
    lab_close(&sim->lab);
}

/* ---- its life ---- */

/* The next event, and what gateways do meanwhile. */
static void step(struct sim *sim)
{
    const struct event *next = network_next(&sim->world.network);

    if (next != NULL)
        world_advance(&sim->world, next->time);
    tick(sim);
    for (unsigned i = 0; i < sim->gateways; i++)
        step_gateway(sim, i);
    if (once_in(sim, 12))
        mischief(sim);
    collect(sim);
}

/* The faults are over. */
static void heal(struct sim *sim)
{
    recorder_fail_seal(0);
    for (unsigned i = 0; i < sim->gateways; i++) {
        struct lab_gateway *gateway = &sim->lab.gateways[i];
        if (!gateway->up)
            start_gateway(sim, i);
        memset(gateway->store.faults, 0, sizeof(gateway->store.faults));
        if (gateway->pipeline.running != NULL)
            lab_end_of(&sim->lab, i);
    }
}

static void quiet_step(struct sim *sim)
{
    const struct event *next = network_next(&sim->world.network);

    if (next != NULL)
        world_advance(&sim->world, next->time);
    tick(sim);
    lab_run(&sim->lab);
    if (once_in(sim, 8))
        lab_idle(&sim->lab);
    collect(sim);
}

static bool all_home(const struct sim *sim)
{
    return world_finished(&sim->world) && sim->letter_count == 0;
}

static void check_counts(const struct sim *sim)
{
    const struct sim_counts *counts = &sim->world.counts;

    assert_int_equal(counts->sent + counts->duplicated, counts->lost + counts->arrived);
    assert_int_equal(counts->replies,
                     counts->accepted + counts->not_ours + counts->forged + counts->malformed);
}

static void live(struct sim *sim)
{
    struct world *world = &sim->world;

    while (!world_calm(world))
        step(sim);
    heal(sim);
    while (!all_home(sim) && world->now < world->duration + PATIENCE)
        quiet_step(sim);
    if (world->broken[0] != '\0')
        lab_fail("%s", world->broken);
    if (!all_home(sim))
        lab_fail("%llu of %llu readings do not get through",
                 (unsigned long long)(world->ledger.readings - world->ledger.told - world->ledger.given_up),
                 (unsigned long long)world->ledger.readings);
    audit_database(&sim->audit, &world->ledger);
    check_counts(sim);
    if (sim->quiet && world->counts.forgotten == 0)
        assert_int_equal(ledger_balance(&world->ledger).repeated, 0);
}

/* ---- all of them ---- */

static const char *chosen;     /* on the command line */
static uint64_t running;       /* 1 + the seed of the world that lives; 0: none */
static struct sim_counts seen; /* of all worlds */

static void add_counts(const struct sim_counts *counts)
{
#define ADD(member, text) seen.member += counts->member;
    SIM_COUNTS(ADD)
#undef ADD
    for (unsigned i = 0; i < ANSWER_COUNT; i++) {
        seen.answers[FROM_DEVICE][i] += counts->answers[FROM_DEVICE][i];
        seen.answers[FROM_ATTACKER][i] += counts->answers[FROM_ATTACKER][i];
    }
    for (unsigned i = 0; i < ATTACK_COUNT; i++)
        seen.attacks_by_kind[i] += counts->attacks_by_kind[i];
}

/* Whatever can happen did, in some world: a simulation that stopped doing a thing would not be missed. */
static void check_coverage(void)
{
#define HAPPENED(member, text)                                                                               \
    if (strcmp(#member, "retired") != 0)                                                                     \
        assert_true(seen.member > 0);
    SIM_COUNTS(HAPPENED)
#undef HAPPENED
    for (unsigned i = 0; i < ANSWER_OTHER; i++)
        assert_true(seen.answers[FROM_DEVICE][i] + seen.answers[FROM_ATTACKER][i] > 0);
    for (unsigned i = 0; i < ATTACK_COUNT; i++)
        assert_true(seen.attacks_by_kind[i] > 0);
}

static void worlds(void **state)
{
    const char *one = chosen != NULL ? chosen : getenv("BULLA_SEED");
    const char *many = getenv("BULLA_SEEDS");
    uint64_t first = one != NULL ? strtoull(one, NULL, 0) : 1;
    uint64_t count = one != NULL ? 1 : many != NULL ? strtoull(many, NULL, 0) : SEEDS;
    struct sim *sim = *state;

    for (uint64_t seed = first; seed < first + count; seed++) {
        running = seed + 1;
        open_world(sim, seed);
        live(sim);
        add_counts(&sim->world.counts);
        close_world(sim);
        running = 0;
    }
    if (count >= 200)
        check_coverage();
}

static int setup(void **state)
{
    heap_use();
    *state = malloc(sizeof(struct sim));
    return *state == NULL;
}

static int teardown(void **state)
{
    if (running != 0)
        print_error("it was the world of seed %llu: BULLA_SEED=%llu runs it again\n",
                    (unsigned long long)running - 1, (unsigned long long)running - 1);
    free(*state);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(worlds, setup, teardown)};

    chosen = argc > 1 ? argv[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
