/*
 * Sessions and challenges (PROTOCOL 4.4): what an attacker who recorded everything can do with it, before and
 * after restarts, before and after sessions close, with the clock set back.
 */
#include "lab_device.h"

#include <stdlib.h>
#include <string.h>

#define HOUR 3600
#define DAY  86400

/* ---- a recorded session ---- */

#define RECORDED 8

/* All that a device sent in one session; each value is stored once. */
struct recording {
    struct lab_packet packets[RECORDED];
    size_t count;
    uint8_t session[BULLA_ID_CONTEXT_SIZE];
    int64_t first; /* the values are first, first + 1, … */
};

static struct lab_letter *record(struct recording *recording, struct lab *lab, struct lab_packet packet)
{
    recording->packets[recording->count++] = packet;
    return lab_deliver(lab, &packet);
}

/* A session from its beginning: challenged, proven, and four more readings. */
static void play_session(struct recording *recording, struct lab_device *device, int64_t first)
{
    struct lab *lab = device->lab;

    memset(recording, 0, sizeof(*recording));
    recording->first = first;
    lab_boot(device);
    lab_keep_kid_context(device);
    memcpy(recording->session, device->bulla.id_context, BULLA_ID_CONTEXT_SIZE);
    lab_accept(device, record(recording, lab, lab_seal(device, first)));
    lab_accept(device, record(recording, lab, lab_seal_again(device)));
    assert_int_equal(bulla_fate(&device->bulla, &device->message), BULLA_STORED);
    for (int64_t i = 1; i < 5; i++)
        lab_accept(device, record(recording, lab, lab_seal(device, first + i)));
}

/* Replays all of it, forwards and backwards: nothing is stored again. Returns how many were challenged. */
static unsigned replay(struct lab *lab, const struct recording *recording)
{
    unsigned challenged = 0;

    for (size_t i = 0; i < 2 * recording->count; i++) {
        size_t at = i < recording->count ? i : 2 * recording->count - 1 - i;
        struct lab_letter *letter = lab_deliver(lab, &recording->packets[at]);
        assert_true(letter->outcome == OUTCOME_CHALLENGED || letter->outcome == OUTCOME_DUPLICATE ||
                    letter->outcome == OUTCOME_STALE);
        challenged += letter->outcome == OUTCOME_CHALLENGED;
    }
    for (int64_t i = 0; i < 5; i++)
        assert_int_equal(lab_stored(lab, recording->first + i), 1);
    return challenged;
}

static int64_t rows(struct lab *lab)
{
    return lab_number(lab, "SELECT count(*) FROM contexts");
}

/* A device that played one session, which a newer one has replaced. */
static void replaced_session(struct lab *lab, struct lab_device *device, struct recording *old)
{
    struct recording newer;

    lab_add(lab, device, "kitchen", BULLA_SESSION);
    play_session(old, device, 100);
    lab_forward(lab, 60);
    play_session(&newer, device, 200);
}

static void replayed_while_it_is_the_newest(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct recording recording;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    play_session(&recording, &device, 100);
    assert_int_equal(replay(lab, &recording), 0);
    lab_restart(lab);
    assert_int_equal(replay(lab, &recording), 0);
}

static void replayed_before_it_closes(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct recording old;

    replaced_session(lab, &device, &old);
    assert_int_equal(rows(lab), 2);
    assert_int_equal(replay(lab, &old), 0);
    lab_restart(lab);
    assert_int_equal(replay(lab, &old), 0);
    lab_forward(lab, HOUR - 2);
    lab_idle(lab); /* one second is left */
    assert_int_equal(rows(lab), 2);
    assert_int_equal(replay(lab, &old), 0);
}

static void replayed_after_it_closed(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct recording old;

    replaced_session(lab, &device, &old);
    lab_forward(lab, HOUR - 1);
    lab_idle(lab);
    assert_int_equal(rows(lab), 1);
    assert_int_equal(lab_floor(lab), LAB_START / T_SECONDS);
    assert_int_equal(replay(lab, &old), 2 * old.count);
    lab_restart(lab);
    assert_int_equal(replay(lab, &old), 2 * old.count);
    lab_forward(lab, 30 * DAY);
    assert_int_equal(replay(lab, &old), 2 * old.count);
    assert_int_equal(rows(lab), 1);
}

/* It closes at its time, also where housekeeping has not come round yet. */
static void closed_without_housekeeping(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct recording old;

    replaced_session(lab, &device, &old);
    lab_store_fail(&lab->gateways[0].store, CALL_CONTEXTS_CLOSE, FAULT_BEFORE, 1000000);
    lab_forward(lab, HOUR);
    assert_int_equal(replay(lab, &old), 2 * old.count);
    lab_restart(lab);
    lab_store_fail(&lab->gateways[0].store, CALL_CONTEXTS_CLOSE, FAULT_BEFORE, 1000000);
    assert_int_equal(replay(lab, &old), 2 * old.count);
    assert_int_equal(rows(lab), 2);
    lab_restart(lab);
    lab_idle(lab);
    assert_int_equal(rows(lab), 1);
}

/* Only a newer session closes one: alone it lives on. */
static void the_newest_session_never_closes(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct recording recording;
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    play_session(&recording, &device, 100);
    for (unsigned i = 0; i < 5; i++) {
        lab_forward(lab, 30 * DAY);
        lab_idle(lab);
        assert_int_equal(replay(lab, &recording), 0);
        packet = lab_seal(&device, 1000 + i);
        assert_fate(lab_deliver(lab, &packet), "stored");
    }
}

/* What was under way when the newer session was proven still comes in for an hour, and not later. */
static void the_old_session_is_open_for_an_hour(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet early;
    struct lab_packet late;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1);
    lab_keep_kid_context(&device);
    early = lab_seal(&device, 2);
    late = lab_seal(&device, 3);
    lab_boot(&device);
    lab_tell(&device, 4);
    lab_forward(lab, HOUR - 1);
    assert_fate(lab_deliver(lab, &early), "stored");
    lab_forward(lab, 1);
    assert_fate(lab_deliver(lab, &late), "challenged");
    assert_fate(lab_deliver(lab, &early), "challenged");
    assert_int_equal(lab_stored(lab, 2), 1);
    assert_int_equal(lab_stored(lab, 3), 0);
}

/* ---- the clock set back ---- */

/* Moments at which the clock may be set back, and by how much. */
static void clock_set_back(void **state, int64_t back, bool close_first, bool restart)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct recording old;
    struct recording newer;
    struct recording last;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    play_session(&old, &device, 100);
    lab_forward(lab, 400);
    play_session(&newer, &device, 200);
    if (close_first) {
        lab_forward(lab, HOUR);
        lab_idle(lab);
        assert_int_equal(rows(lab), 1);
    }
    lab_forward(lab, -back);
    if (restart)
        lab_restart(lab);
    replay(lab, &old);
    replay(lab, &newer);

    /* The device itself gets through all the same, and its old sessions close some time. */
    play_session(&last, &device, 300);
    replay(lab, &old);
    replay(lab, &newer);
    for (int64_t passed = 0; passed < back + 3 * HOUR; passed += 1200) {
        lab_forward(lab, 1200);
        lab_idle(lab);
        replay(lab, &old);
        replay(lab, &newer);
        replay(lab, &last);
    }
    assert_int_equal(rows(lab), 1);
}

static void clock_set_back_at_any_moment(void **state)
{
    static const int64_t backs[] = {300, HOUR + 60, HOUR + 400, 2 * HOUR, 5 * HOUR};

    (void)state;
    for (size_t i = 0; i < COUNT(backs) * 4; i++) {
        void *lab;
        lab_setup(&lab);
        clock_set_back(&lab, backs[i / 4], i % 2 == 1, i / 2 % 2 == 1);
        lab_teardown(&lab);
    }
}

static void t_is_never_below_floor_plus_two(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct recording old;
    struct lab_packet packet;
    struct lab_letter *letter;
    struct lab_reply reply;
    uint8_t challenge[BULLA_CHALLENGE_SIZE];
    uint64_t floor;

    replaced_session(lab, &device, &old);
    lab_forward(lab, HOUR);
    lab_idle(lab);
    floor = (uint64_t)lab_floor(lab);
    lab_forward(lab, -10 * DAY);
    lab_sql(lab, "DELETE FROM meta WHERE name = 'issued_t'"); /* which would hold T up by itself */
    lab_restart(lab);
    lab_boot(&device);
    packet = lab_seal(&device, 1);
    letter = lab_deliver(lab, &packet);
    reply = lab_read(&device, lab_session(&device), letter);
    lab_challenge(&device, lab_session(&device), floor + 2, challenge);
    assert_memory_equal(reply.challenge, challenge, sizeof(challenge));
    lab_accept(&device, letter);
    packet = lab_seal_again(&device);
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_int_equal(lab_number(lab, "SELECT max(proven_t) FROM contexts"), (int64_t)floor + 2);
}

/*
 * Two messages of a session answer challenges of different T; the lower one proves it. Once its row has gone,
 * the other one must be as dead, wherever the clock goes: `first` seconds between the challenges, then
 * `second` to the end of the session, then `third` until the replay. With `restarts` the gateway forgets what
 * it had in memory at each step.
 */
static void replay_the_other_challenge(struct lab *lab, const int64_t seconds[3], bool restarts)
{
    struct lab_device device;
    struct lab_packet messages[4];
    struct lab_letter *challenges[2];

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_keep_kid_context(&device);
    messages[0] = lab_seal(&device, 0);
    messages[1] = lab_seal(&device, 1);
    challenges[0] = lab_deliver(lab, &messages[0]);
    lab_forward(lab, seconds[0]);
    if (restarts)
        lab_restart(lab);
    challenges[1] = lab_deliver(lab, &messages[1]);
    lab_accept(&device, challenges[0]);
    messages[2] = lab_seal(&device, 2);
    lab_accept(&device, challenges[1]);
    messages[3] = lab_seal(&device, 3);
    lab_deliver(lab, &messages[2]); /* stored, unless its T has fallen too far behind: T never falls itself */
    assert_fate(lab_deliver(lab, &messages[3]), "stored");
    lab_boot(&device);
    lab_tell(&device, 4);
    lab_forward(lab, seconds[1]);
    lab_idle(lab);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM contexts"), 1);
    lab_forward(lab, seconds[2]);
    if (restarts)
        lab_restart(lab);
    for (size_t i = 2; i < 4;
         i++) { /* a gateway that still has the session in memory may know the messages */
        struct lab_letter *letter = lab_deliver(lab, &messages[i]);
        if (restarts)
            assert_fate(letter, "challenged");
        else
            assert_string_not_equal(lab_fate(letter), "stored");
    }
    assert_int_equal(lab_stored(lab, 3), 1);
}

static void a_session_dies_with_all_its_challenges(void **state)
{
    static const int64_t clocks[][3] = {
        {256, HOUR + 1, -HOUR - 100}, /* set back after it closed */
        {-20 * HOUR, 20 * HOUR, 0},   /* set back before the proof; then time passes */
        {5100, HOUR + 1, -HOUR - 5100},
        {300, HOUR + 1, -1000 * DAY},
    };

    for (size_t i = 0; i < COUNT(clocks); i++) {
        for (int restarts = 0; restarts < 2; restarts++) {
            lab_teardown(state);
            lab_setup(state);
            replay_the_other_challenge(*state, clocks[i], restarts);
        }
    }
}

/* A proof that was never delivered is worth nothing days later, also on a board whose clock is lost. */
static void a_withheld_proof_is_not_taken_by_a_lost_clock(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet withheld;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_keep_kid_context(&device);
    withheld = lab_seal(&device, 1);
    lab_accept(&device, lab_deliver(lab, &withheld));
    withheld = lab_seal_again(&device);
    lab_boot(&device);
    lab_forward(lab, DAY);
    lab_tell(&device, 2);
    lab_forward(lab, -lab->now / 1000000);
    lab_restart(lab);
    assert_fate(lab_deliver(lab, &withheld), "challenged");
    assert_int_equal(lab_stored(lab, 1), 0);
}

/* The same while the registry cannot say which T was the highest: the gateway's own clock decides nothing. */
static void no_proof_is_taken_by_the_clock_alone(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet withheld;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_keep_kid_context(&device);
    withheld = lab_seal(&device, 1);
    lab_accept(&device, lab_deliver(lab, &withheld));
    withheld = lab_seal_again(&device);
    lab_boot(&device);
    lab_forward(lab, DAY);
    lab_tell(&device, 2);
    lab_forward(lab, -DAY);
    lab_restart(lab);
    lab_store_fail(&lab->gateways[0].store, CALL_ISSUED_T, FAULT_BEFORE, 1000);
    assert_fate(lab_deliver(lab, &withheld), "busy");
    lab_store_fail(&lab->gateways[0].store, CALL_ISSUED_T, FAULT_BEFORE, 0);
    assert_fate(lab_deliver(lab, &withheld), "challenged");
    assert_int_equal(lab_stored(lab, 1), 0);
}

/* ---- which challenges are taken ---- */

/* A message of a session that nobody knows, which carries the challenge of T. */
static struct lab_packet with_echo(const struct lab_device *device, uint8_t session, uint64_t t)
{
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE] = {session, 1};
    uint8_t echo[BULLA_CHALLENGE_SIZE];
    struct lab_craft craft = {.piv = 3, .value = session, .id_context = id_context, .echo = echo};

    lab_challenge(device, id_context, t, echo);
    return lab_craft(device, &craft);
}

static void one_t_more_or_less_is_accepted(void **state)
{
    static const struct {
        int64_t off;
        const char *fate;
    } cases[] = {{-1000, "challenged"}, {-2, "challenged"}, {-1, "stored"},      {0, "stored"},
                 {1, "stored"},         {2, "challenged"},  {1000, "challenged"}};
    struct lab *lab = *state;
    struct lab_device device;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct lab_packet packet;
        lab_add(lab, &device, (const char[]){(char)('a' + i), '\0'}, BULLA_SESSION);
        packet = with_echo(&device, (uint8_t)(i + 1), lab_t(lab) + (uint64_t)cases[i].off);
        assert_fate(lab_deliver(lab, &packet), cases[i].fate);
        lab_restart(lab);
        assert_fate(lab_deliver(lab, &packet),
                    strcmp(cases[i].fate, "stored") == 0 ? "duplicate" : "challenged");
    }
}

/* The row keeps the T of the challenge, not of the moment. */
static void the_row_keeps_the_t_of_its_proof(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    packet = with_echo(&device, 1, lab_t(lab) + 1);
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_int_equal(lab_number(lab, "SELECT proven_t FROM contexts"), (int64_t)lab_t(lab) + 1);
}

/* Proven under T+1, replaced, closed: that very challenge is not taken again, whatever the clock says. */
static void proven_under_the_next_t_then_closed(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    uint64_t t = lab_t(lab) + 1;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    packet = with_echo(&device, 1, t);
    assert_fate(lab_deliver(lab, &packet), "stored");
    lab_tell(&device, 50);
    lab_forward(lab, HOUR);
    lab_idle(lab);
    assert_int_equal(lab_floor(lab), (int64_t)t);
    lab_restart(lab);
    for (unsigned i = 0; i < 40; i++) {
        lab_forward(lab, -T_SECONDS / 2);
        assert_fate(lab_deliver(lab, &packet), "challenged");
    }
    assert_int_equal(lab_stored(lab, 1), 1);
}

static void challenges_of_others_are_not_taken(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_device other;
    uint8_t session[BULLA_ID_CONTEXT_SIZE] = {1, 2, 3};
    uint8_t another[BULLA_ID_CONTEXT_SIZE] = {1, 2, 4};
    uint8_t echo[BULLA_CHALLENGE_SIZE];
    struct lab_craft craft = {.id_context = session, .echo = echo};
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_add(lab, &other, "shed", BULLA_SESSION);
    lab_challenge(&other, session, lab_t(lab), echo); /* another device's */
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "challenged");
    craft.piv++;
    lab_challenge(&device, another, lab_t(lab), echo); /* another session's */
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "challenged");
    craft.piv++;
    lab_challenge(&device, NULL, lab_t(lab), echo); /* a counter context's */
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "challenged");
    craft.piv++;
    lab->challenge_key[31] ^= 1; /* another K's */
    lab_challenge(&device, session, lab_t(lab), echo);
    lab->challenge_key[31] ^= 1;
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "challenged");
    craft.piv++;
    lab_challenge(&device, session, lab_t(lab), echo);
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_int_equal(rows(lab), 1);
}

/* Under a new K (a restore) no challenge of before is worth anything. */
static void a_new_key_ends_all_challenges(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    struct lab_letter *letter;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    packet = lab_seal(&device, 1);
    lab_accept(&device, lab_deliver(lab, &packet));
    packet = lab_seal_again(&device);
    lab->challenge_key[0] ^= 1;
    lab_restart(lab);
    letter = lab_deliver(lab, &packet);
    assert_fate(letter, "challenged");
    lab_accept(&device, letter);
    packet = lab_seal_again(&device);
    assert_fate(lab_deliver(lab, &packet), "stored");
}

/* In a proven context "echo" means nothing. */
static void an_echo_in_a_proven_context_means_nothing(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    uint8_t echo[BULLA_CHALLENGE_SIZE] = {1, 2, 3};
    struct lab_craft craft = {.piv = 9, .value = 9, .echo = echo};
    struct lab_packet packet;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_int_equal(lab_number(lab, "SELECT lower FROM contexts"), 0);
    craft.piv = 8; /* also a valid one: it sets no lower limit */
    lab_challenge(&device, NULL, lab_t(lab), echo);
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_int_equal(lab_number(lab, "SELECT lower FROM contexts"), 0);
}

static void a_removed_device_raises_the_floor(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_device other;
    struct lab_packet packet;
    struct failure failure;
    uint64_t t = lab_t(lab);

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_add(lab, &other, "shed", BULLA_SESSION);
    lab_tell(&device, 1);
    assert_int_equal(lab_floor(lab), 0);
    assert_int_equal(lab->office->ops->device_remove(lab->office, device.id, &failure), 0);
    assert_int_equal(lab_floor(lab), (int64_t)t);
    packet = with_echo(&other, 1, t);
    assert_fate(lab_deliver(lab, &packet), "challenged"); /* T is F + 2 now */
    packet = with_echo(&other, 2, t + 2);
    assert_fate(lab_deliver(lab, &packet), "stored");
}

/* ---- two sessions at once ---- */

static void two_sessions_proven_in_one_batch(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet a;
    struct lab_packet b;
    struct lab_letter *letters[2];

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    a = with_echo(&device, 1, lab_t(lab));
    b = with_echo(&device, 2, lab_t(lab));
    letters[0] = lab_send(lab, &a);
    letters[1] = lab_send(lab, &b);
    lab_run(lab);
    assert_fate(letters[0], "stored");
    assert_fate(letters[1], "stored");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM contexts WHERE closes_at = 0"), 1);
    a = lab_craft(&device, &(struct lab_craft){
                               .piv = 4, .value = 77, .id_context = (const uint8_t[8]){2, 1}, .bare = true});
    assert_fate(lab_deliver(lab, &a), "stored"); /* the second is the newest, in memory … */
    lab_restart(lab);
    assert_fate(lab_deliver(lab, &a), "duplicate"); /* … and in the registry */
}

/*
 * A message without kid context that opened under the old session and had to wait is not taken for one of the
 * session that was proven meanwhile.
 */
static void a_bare_message_stays_with_the_session_that_opened_it(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet bare;
    struct lab_packet proof;
    struct lab_letter *letters[3];

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1);
    for (unsigned i = 0; i < 5; i++)
        lab_tell(&device, 10 + i);
    bare = lab_seal(&device, 2); /* kept back by the attacker */
    lab_boot(&device);
    proof = lab_seal(&device, 3);
    lab_accept(&device, lab_deliver(lab, &proof));
    proof = lab_seal_again(&device);

    letters[0] = lab_send(lab, &bare);
    letters[1] = lab_send(lab, &proof);
    letters[2] = lab_send(lab, &bare); /* waits for the first copy */
    lab_run(lab);
    assert_fate(letters[0], "stored");
    assert_fate(letters[1], "stored");
    assert_fate(letters[2], "duplicate");
    assert_int_equal(lab_stored(lab, 2), 1);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM contexts WHERE top = %d", (int)proof.piv), 1);
    for (int64_t value = 20; value < 30; value++) /* no number of the new session is taken */
        lab_tell(&device, value);
    for (int64_t value = 20; value < 30; value++)
        assert_int_equal(lab_stored(lab, value), 1);
}

/* What a lookup read before the batch of the same cycle stood is not believed after it. */
static void a_lookup_does_not_undo_the_batch_beside_it(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet old;
    struct lab_packet proof;
    struct lab_packet more;
    struct lab_letter *letters[2];

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1);
    lab_tell(&device, 2);
    old = lab_seal(&device, 3); /* bare */
    lab_boot(&device);
    proof = lab_seal(&device, 4);
    lab_restart(lab); /* it does not know the newest session */
    lab_accept(&device, lab_deliver(lab, &proof));
    proof = lab_seal_again(&device);
    letters[0] = lab_send(lab, &proof);
    letters[1] = lab_send(lab, &old); /* asks which session is the newest, in the cycle that proves another */
    lab_run(lab);
    assert_fate(letters[0], "stored");
    assert_fate(letters[1], "forged");
    lab_accept(&device, letters[0]);
    more = lab_seal(&device, 5); /* bare: under the session that is the newest now */
    assert_fate(lab_deliver(lab, &more), "stored");
    assert_int_equal(lab->gateways[0].pipeline.counters.outcomes[OUTCOME_FORGED], 1);
}

/* Likewise for the context that is being proven: it is not challenged once more. */
static void a_lookup_does_not_forget_the_proof_beside_it(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet first;
    struct lab_packet second;
    struct lab_letter *letters[2];

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_keep_kid_context(&device);
    first = lab_seal(&device, 1);
    lab_accept(&device, lab_deliver(lab, &first));
    first = lab_seal_again(&device);
    second =
        lab_craft(&device, &(struct lab_craft){.piv = 20, .value = 2, .id_context = lab_session(&device)});
    letters[1] = lab_send(lab, &second); /* without echo: the registry is asked */
    letters[0] = lab_send(lab, &first);
    lab_run(lab);
    assert_fate(letters[0], "stored");
    assert_fate(letters[1], "stored");
}

/* ---- the cache of unproven contexts, flooded ---- */

#define FLOOD 300

/* Many authentic messages of sessions that closed long ago. */
static struct lab_packet *old_messages(struct lab_device *device)
{
    struct lab_packet *packets = calloc(FLOOD, sizeof(*packets));

    assert_non_null(packets);
    for (unsigned i = 0; i < FLOOD; i++) {
        lab_boot(device);
        packets[i] = lab_seal(device, 100000 + i);
    }
    return packets;
}

static size_t contexts_of(const struct pipeline *pipeline)
{
    size_t count = 0;

    for (const struct device *device = pipeline->devices.newest; device != NULL; device = device->older) {
        for (const struct context *context = device->contexts; context != NULL; context = context->next)
            count++;
    }
    return count;
}

static void flood(struct lab *lab, const struct lab_packet *packets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        lab_send(lab, &packets[i]);
}

static void a_device_proves_itself_in_a_flood_of_replays(void **state)
{
    struct lab *lab = *state;
    const struct pipeline *pipeline = &lab->gateways[0].pipeline;
    struct lab_device device;
    struct lab_packet *packets;
    struct lab_packet packet;
    struct lab_letter *letter;

    lab->queue = 4096;
    lab_restart(lab);
    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    packets = old_messages(&device);
    lab_boot(&device);
    for (unsigned round = 0; round < 4; round++) {
        packet = round == 0 ? lab_seal(&device, 1) : lab_seal_again(&device);
        flood(lab, packets, FLOOD / 2);
        letter = lab_send(lab, &packet);
        flood(lab, packets + FLOOD / 2, FLOOD / 2);
        lab_run(lab);
        assert_true(contexts_of(pipeline) <= SESSIONS_MAX);
        lab_accept(&device, letter);
        if (bulla_fate(&device.bulla, &device.message) == BULLA_STORED)
            break;
    }
    assert_fate(letter, "stored");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 1);
    assert_int_equal(rows(lab), 1);
    assert_int_equal(pipeline->devices.count, 1);
    assert_int_equal(pipeline->counters.outcomes[OUTCOME_BUSY], 0);
    free(packets);
}

/* With every cycle cut in two by more of the flood. */
static void a_flood_between_all_steps(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet *packets;
    struct lab_packet packet;
    struct lab_letter *letter;
    size_t at = 0;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    packets = old_messages(&device);
    lab_boot(&device);
    packet = lab_seal(&device, 1);
    for (unsigned round = 0; round < 2; round++) {
        letter = lab_send(lab, &packet);
        for (unsigned i = 0; i < 20 && letter->answers == 0; i++) {
            flood(lab, packets + (at++ % 29) * 10, 10);
            assert_true(lab_begin(lab));
            flood(lab, packets + (at++ % 29) * 10, 10);
            lab_end(lab);
            assert_true(contexts_of(&lab->gateways[0].pipeline) <= SESSIONS_MAX);
        }
        lab_accept(&device, letter);
        if (round == 0)
            packet = lab_seal_again(&device);
    }
    assert_fate(letter, "stored");
    lab_run(lab);
    free(packets);
}

/* Messages that do not authenticate leave nothing behind. */
static void forged_sessions_are_not_kept(void **state)
{
    struct lab *lab = *state;
    const struct pipeline *pipeline = &lab->gateways[0].pipeline;
    struct lab_device device;
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1);
    assert_int_equal(contexts_of(pipeline), 1);
    for (unsigned i = 0; i < 100; i++) {
        uint8_t session[BULLA_ID_CONTEXT_SIZE] = {(uint8_t)i, 9};
        packet = lab_craft(&device, &(struct lab_craft){.piv = i, .id_context = session});
        packet.bytes[packet.len - 1] ^= 1;
        assert_fate(lab_deliver(lab, &packet), "forged");
        assert_int_equal(contexts_of(pipeline), 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(replayed_while_it_is_the_newest),
        TEST(replayed_before_it_closes),
        TEST(replayed_after_it_closed),
        TEST(closed_without_housekeeping),
        TEST(the_newest_session_never_closes),
        TEST(the_old_session_is_open_for_an_hour),
        cmocka_unit_test(clock_set_back_at_any_moment),
        TEST(t_is_never_below_floor_plus_two),
        TEST(a_session_dies_with_all_its_challenges),
        TEST(a_withheld_proof_is_not_taken_by_a_lost_clock),
        TEST(no_proof_is_taken_by_the_clock_alone),
        TEST(one_t_more_or_less_is_accepted),
        TEST(the_row_keeps_the_t_of_its_proof),
        TEST(proven_under_the_next_t_then_closed),
        TEST(challenges_of_others_are_not_taken),
        TEST(a_new_key_ends_all_challenges),
        TEST(an_echo_in_a_proven_context_means_nothing),
        TEST(a_removed_device_raises_the_floor),
        TEST(two_sessions_proven_in_one_batch),
        TEST(a_bare_message_stays_with_the_session_that_opened_it),
        TEST(a_lookup_does_not_undo_the_batch_beside_it),
        TEST(a_lookup_does_not_forget_the_proof_beside_it),
        TEST(a_device_proves_itself_in_a_flood_of_replays),
        TEST(a_flood_between_all_steps),
        TEST(forged_sessions_are_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
