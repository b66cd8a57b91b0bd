/*
 * Sessions over deep sleep (PROTOCOL 2): what is saved, that it is good once, and what happens when the store
 * or the random source fails at any of it.
 *
 * What cannot be promised: a device that restarts with nothing but a saved session cannot know that somebody
 * copied it before and has put it back since. The slot is the device's own memory, as its secret is.
 */
#include <string.h>

#include "device_fixture.h"
#include "provider.h"
#include "recorder.h"

#define SLOT BULLA_SLOT_SESSION

static const uint8_t challenge[BULLA_CHALLENGE_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};

static int wake(struct fixture *f)
{
    return bulla_wake(&f->bulla, &f->credential, &f->board.port);
}

/* Sleeps, loses its memory, wakes. */
static void nap(struct fixture *f)
{
    assert_int_equal(bulla_sleep(&f->bulla), 0);
    memset(&f->bulla, 0xee, sizeof(f->bulla));
    assert_int_equal(wake(f), 1);
}

static int seal(struct fixture *f, struct sent *sent)
{
    bulla_begin(&sent->message, sent->buffer, sizeof(sent->buffer));
    bulla_add_integer(&sent->message, "x", NULL, 1);
    return bulla_seal(&f->bulla, &sent->message);
}

/* ---- what is kept ---- */

static void test_session_goes_on(void **state)
{
    struct fixture f;
    struct sent sent;
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    memcpy(id_context, f.bulla.id_context, sizeof(id_context));
    for (uint64_t piv = 0; piv < 20; piv++) {
        assert_true(fixture_seal(&f, &sent) == piv);
        nap(&f);
        assert_memory_equal(f.bulla.id_context, id_context, sizeof(id_context));
        assert_true(number_of(f.bulla.next) == piv + 1);
    }
    assert_true(f.board.slot[SLOT].len <= 64);
}

static void test_nothing_is_saved(void **state)
{
    struct fixture f;
    struct sent sent;
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    memcpy(id_context, f.bulla.id_context, sizeof(id_context));
    fixture_seal(&f, &sent);
    assert_int_equal(wake(&f), 0);
    assert_memory_not_equal(f.bulla.id_context, id_context, sizeof(id_context));
    assert_true(fixture_seal(&f, &sent) == 0);
    assert_true(sent_has_kid_context(&sent));
}

static void test_board_without_a_store(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    assert_int_equal(bulla_sleep(&f.bulla), 0);
    f.board.port.load = NULL;
    assert_int_equal(bulla_sleep(&f.bulla), BULLA_E_STORE);
    assert_int_equal(wake(&f), 0);
    f.board.port.store = NULL;
    assert_int_equal(wake(&f), 0);
}

static void test_counters_do_not_sleep(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    fixture_seal(&f, &sent);
    assert_int_equal(bulla_sleep(&f.bulla), BULLA_E_STATE);
    assert_int_equal(wake(&f), 0);
    assert_true(fixture_seal(&f, &sent) == 65536);
}

/* PROTOCOL 5: "waking with a restored session is no boot, except for keys 2 and 4" */
static void test_messages_are_still_answered(void **state)
{
    static struct sent sent[20];
    struct fixture f;
    struct bulla_reply reply;

    (void)state;
    for (int with_timer = 0; with_timer < 2; with_timer++) {
        fixture_open(&f, BULLA_SESSION);
        if (!with_timer)
            f.board.port.timer = NULL;
        for (size_t i = 0; i < COUNT(sent); i++)
            fixture_seal(&f, &sent[i]);
        assert_int_equal(fixture_answer(&f, 10, body_receipt(&f, 10, 0), NULL), 0);
        assert_int_equal(fixture_answer(&f, 11, body_challenge(&f, challenge), NULL), 0);
        nap(&f);
        for (size_t i = 0; i < COUNT(sent); i++)
            assert_int_equal(bulla_fate(&f.bulla, &sent[i].message), i < 4     ? BULLA_FORGOTTEN
                                                                     : i == 10 ? BULLA_STORED
                                                                     : i == 11 ? BULLA_SEAL_AGAIN
                                                                               : BULLA_WAITING);
        assert_int_equal(fixture_answer(&f, 3, body_time(&f), &reply), BULLA_E_NOT_OURS);
        assert_int_equal(fixture_answer(&f, 19, body_receipt(&f, 19, 1), &reply), 0);
        assert_int_equal(reply.has_time, 0); /* nobody knows how long it slept */
        assert_int_equal(bulla_fate(&f.bulla, &sent[19].message), BULLA_STORED);
        assert_int_equal(bulla_fate(&f.bulla, &sent[18].message), BULLA_STORED);
        assert_int_equal(bulla_resend(&f.bulla, &sent[17].message), 0);
        assert_int_equal(bulla_seal_again(&f.bulla, &sent[11].message), 0);
        assert_true(sent[11].message.piv == 20);
        assert_int_equal(fixture_answer(&f, 20, body_receipt(&f, 20, 3), &reply), 0);
        assert_int_equal(reply.has_time, 1); /* sealed since */
    }
}

static void test_echo_is_kept(void **state)
{
    struct fixture f;
    struct sent sent;
    struct bulla_reply reply;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_challenge(&f, challenge), NULL), 0);
    nap(&f);
    fixture_seal(&f, &sent);
    assert_true(sent_has_echo(&sent, challenge));
    nap(&f);
    assert_int_equal(fixture_answer(&f, 1, body_receipt(&f, 1, 0), &reply), 0);
    assert_true(reply.challenged); /* sealed before the challenge */
    nap(&f);
    assert_int_equal(fixture_answer(&f, 2, body_receipt(&f, 2, 1), &reply), 0);
    assert_false(reply.challenged);
    nap(&f);
    fixture_seal(&f, &sent);
    assert_false(sent_has_echo(&sent, NULL));
}

static void test_kid_context_is_kept_as_it_was(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    nap(&f);
    fixture_seal(&f, &sent);
    assert_true(sent_has_kid_context(&sent)); /* no receipt so far */
    assert_int_equal(fixture_answer(&f, 1, body_receipt(&f, 1, 0), NULL), 0);
    nap(&f);
    fixture_seal(&f, &sent);
    assert_false(sent_has_kid_context(&sent));
    nap(&f); /* unanswered over the sleep */
    fixture_seal(&f, &sent);
    assert_true(sent_has_kid_context(&sent));
    assert_int_equal(fixture_answer(&f, 2, body_receipt(&f, 3, 1), NULL), 0);
    assert_int_equal(fixture_answer(&f, 3, body_receipt(&f, 3, 1), NULL), 0);
    nap(&f);
    fixture_seal(&f, &sent);
    assert_true(sent_has_kid_context(&sent)); /* for the rest of the session */
}

/* Keys 2 count only above every reply accepted before, the sleep notwithstanding; the command id is kept. */
static void test_what_was_answered_is_kept(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    f.bulla.last_command = (uint64_t)1 << 60 | 7;
    for (unsigned i = 0; i < 3; i++)
        fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 2, body_time(&f), NULL), 0);
    nap(&f);
    assert_true(number_of(f.bulla.answered) == 3);
    assert_true(f.bulla.last_command == ((uint64_t)1 << 60 | 7));
}

/* Numbers that a receipt stepped over were never sealed, and are not taken for messages after the sleep. */
static void test_numbers_that_were_skipped(void **state)
{
    struct fixture f;
    struct sent sent[4];

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    for (size_t i = 0; i < COUNT(sent); i++)
        fixture_seal(&f, &sent[i]);
    assert_int_equal(fixture_answer(&f, 2, body_receipt(&f, 9, 0), NULL), 0);
    assert_true(number_of(f.bulla.next) == 10);
    nap(&f);
    assert_true(number_of(f.bulla.next) == 10);
    for (uint64_t re = 4; re < 11; re++)
        assert_int_equal(fixture_answer(&f, re, body_time(&f), NULL), BULLA_E_NOT_OURS);
    for (size_t i = 0; i < COUNT(sent); i++)
        assert_int_not_equal(bulla_fate(&f.bulla, &sent[i].message), BULLA_STORED);
}

static void test_the_last_number_is_kept(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    set_number(f.bulla.next, BULLA_PIV_MAX);
    fixture_seal(&f, &sent);
    nap(&f);
    assert_int_equal(seal(&f, &sent), BULLA_E_EXHAUSTED);
}

/* ---- good once ---- */

static void test_destroyed_before_the_next_seal(void **state)
{
    struct fixture f;
    struct sent sent;
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];

    (void)state;
    for (int woken = 0; woken < 2; woken++) { /* "whether it was just saved or just restored" */
        fixture_open(&f, BULLA_SESSION);
        memcpy(id_context, f.bulla.id_context, sizeof(id_context));
        fixture_seal(&f, &sent);
        assert_int_equal(bulla_sleep(&f.bulla), 0);
        if (woken)
            assert_int_equal(wake(&f), 1);
        f.board.cut_in = 1; /* the first write of the seal is the destruction; nothing is sealed before it */
        f.board.cut = CUT_NOTHING;
        assert_int_equal(seal(&f, &sent), BULLA_E_RANDOM);
        assert_int_equal(recorder_count(), 1);
        board_power_on(&f.board);
        assert_int_equal(wake(&f), 1); /* the same numbers, still unused */
        assert_true(fixture_seal(&f, &sent) == 1);
        assert_int_equal(wake(&f), 0);
        assert_memory_not_equal(f.bulla.id_context, id_context, sizeof(id_context));
        assert_int_equal(wake(&f), 0);
    }
}

/* Woken twice before anything is sealed: the numbers are unused, so that is no harm. */
static void test_woken_twice_in_a_row(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    assert_int_equal(bulla_sleep(&f.bulla), 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(wake(&f), 1);
        assert_true(number_of(f.bulla.next) == 1);
    }
    assert_true(fixture_seal(&f, &sent) == 1);
    assert_int_equal(wake(&f), 0);
}

/* Two contexts restored from one blob: one of them goes on, the other begins a session of its own. */
static void test_two_contexts_of_one_blob(void **state)
{
    struct fixture f;
    struct bulla twin;
    struct sent sent;
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];

    (void)state;
    for (int slept_again = 0; slept_again < 3; slept_again++) { /* 2: in a session of its own */
        fixture_open(&f, BULLA_SESSION);
        memcpy(id_context, f.bulla.id_context, sizeof(id_context));
        fixture_seal(&f, &sent);
        assert_int_equal(bulla_sleep(&f.bulla), 0);
        assert_int_equal(bulla_wake(&twin, &f.credential, &f.board.port), 1);
        assert_int_equal(wake(&f), 1);
        assert_int_equal(seal(&f, &sent), 0);
        assert_memory_equal(f.bulla.id_context, id_context, sizeof(id_context));
        if (slept_again == 2)
            assert_int_equal(bulla_session_begin(&f.bulla), 0);
        if (slept_again)
            assert_int_equal(bulla_sleep(&f.bulla), 0);
        bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
        assert_int_equal(bulla_seal(&twin, &sent.message),
                         0); /* the recorder sees a number that is used twice */
        assert_memory_not_equal(twin.id_context, id_context, sizeof(id_context));
        assert_int_equal(seal(&f, &sent), 0);
        assert_int_equal(recorder_count(), 4);
    }
}

/* The one that stayed behind does not save again what the other has used up. */
static void test_sleep_over_anothers_numbers(void **state)
{
    struct fixture f;
    struct bulla twin;
    struct sent sent;

    (void)state;
    for (int slept_again = 0; slept_again < 2; slept_again++) {
        fixture_open(&f, BULLA_SESSION);
        fixture_seal(&f, &sent);
        assert_int_equal(bulla_sleep(&f.bulla), 0);
        assert_int_equal(bulla_wake(&twin, &f.credential, &f.board.port), 1);
        assert_int_equal(wake(&f), 1);
        assert_true(fixture_seal(&f, &sent) == 1);
        if (slept_again)
            assert_int_equal(bulla_sleep(&f.bulla), 0);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(bulla_sleep(&twin), BULLA_E_STORE);
        assert_int_equal(wake(&f), slept_again);
        assert_int_equal(seal(&f, &sent), 0); /* the recorder sees a number that is used twice */
        assert_true(sent.message.piv == (slept_again ? 2 : 0));
        bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
        assert_int_equal(bulla_seal(&twin, &sent.message), 0);
        assert_true(sent.message.piv == 0); /* in a session of its own, which may sleep */
        assert_int_equal(bulla_sleep(&twin), 0);
        assert_int_equal(recorder_count(), 4);
    }
}

/* The blob is put back while the context that it was saved from is still there. */
static void test_blob_put_back(void **state)
{
    struct fixture f;
    struct sent sent;
    struct board_slot copy;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    assert_int_equal(bulla_sleep(&f.bulla), 0);
    copy = f.board.slot[SLOT];
    assert_int_equal(seal(&f, &sent), 0); /* it goes on without sleeping */
    assert_int_equal(seal(&f, &sent), 0);
    f.board.slot[SLOT] = copy;
    assert_int_equal(seal(&f, &sent), 0); /* its own numbers, whatever is in the slot */
    assert_true(sent.message.piv == 3);
    assert_int_equal(bulla_sleep(&f.bulla), 0); /* and its own blob over the copy */
    assert_int_equal(wake(&f), 1);
    assert_true(number_of(f.bulla.next) == 4);
}

/* ---- blobs that are not whole ---- */

static void test_every_bit_of_the_blob(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    assert_int_equal(bulla_sleep(&f.bulla), 0);
    for (size_t bit = 0; bit < 8 * f.board.slot[SLOT].len; bit++) {
        f.board.slot[SLOT].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(wake(&f), 0);
        f.board.slot[SLOT].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(wake(&f), 1);
}

/* The blob with fields that no session has, under a right checksum. */
static void test_blobs_out_of_range(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {{1, 0x02}, {1, 0x20}, {1, 0x80}, {15, 0x01}, {50, 17}, {50, 255}};
    struct fixture f;
    struct sent sent;
    uint8_t *blob;

    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        fixture_open(&f, BULLA_SESSION);
        fixture_seal(&f, &sent);
        assert_int_equal(bulla_sleep(&f.bulla), 0);
        blob = f.board.slot[SLOT].bytes;
        blob[changes[i].at] = changes[i].value;
        bulla_put_le(blob + BULLA_SLEEP_SIZE - 4,
                     bulla_record_crc(f.credential.kid, f.credential.kid_len, blob, BULLA_SLEEP_SIZE - 4), 4);
        assert_int_equal(wake(&f), 0);
    }
}

static void test_blob_of_another_device(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    assert_int_equal(bulla_sleep(&f.bulla), 0);
    f.credential.kid[2] ^= 1;
    assert_int_equal(wake(&f), 0);
    f.credential.kid[2] ^= 1;
    f.board.slot[SLOT].len--;
    assert_int_equal(wake(&f), 0);
    f.board.slot[SLOT].len++;
    f.board.load_fails = 1 << SLOT;
    assert_int_equal(wake(&f), 0);
    f.board.load_fails = 0;
    assert_int_equal(wake(&f), 1);
}

/* ---- what fails ---- */

static void test_sleep_that_fails(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    for (unsigned kind = 0; kind < CUT_KINDS; kind++) {
        fixture_open(&f, BULLA_SESSION);
        fixture_seal(&f, &sent);
        f.board.fail_in = 1;
        f.board.cut = (enum board_cut)kind;
        assert_int_equal(bulla_sleep(&f.bulla), BULLA_E_STORE);
        assert_int_equal(seal(&f, &sent), 0); /* who knows what was written: it is destroyed all the same */
        assert_int_equal(wake(&f), 0);
        assert_int_equal(seal(&f, &sent), 0);
    }
    fixture_open(&f, BULLA_SESSION);
    f.board.store_lies = 1;
    assert_int_equal(bulla_sleep(&f.bulla), BULLA_E_STORE);
    f.board.store_lies = 0;
    assert_int_equal(bulla_sleep(&f.bulla), BULLA_E_STORE); /* who knows what was written, and woke since */
    fixture_seal(&f, &sent); /* that ends the session; the next one may sleep */
    nap(&f);
    fixture_seal(&f, &sent);
    f.board.store_lies = 1; /* what can be read is the destroyed one */
    assert_int_equal(bulla_sleep(&f.bulla), BULLA_E_STORE);
}

/* "… and if that fails a new session begins" */
static void test_destruction_that_fails(void **state)
{
    struct fixture f;
    struct sent sent;
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];

    (void)state;
    for (unsigned how = 0; how < 2u + CUT_KINDS; how++) {
        fixture_open(&f, BULLA_SESSION);
        memcpy(id_context, f.bulla.id_context, sizeof(id_context));
        fixture_seal(&f, &sent);
        assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 0, 0), NULL), 0);
        nap(&f);
        f.board.store_fails = how == 0;
        f.board.store_lies = how == 1; /* says that it is done, and keeps the old */
        f.board.fail_in = how >= 2;
        f.board.cut = how >= 2 ? (enum board_cut)(how - 2) : CUT_NOTHING;
        assert_true(fixture_seal(&f, &sent) == 0);
        assert_memory_not_equal(f.bulla.id_context, id_context, sizeof(id_context));
        assert_true(sent_has_kid_context(&sent)); /* nothing of the old session is left */
        assert_false(sent_has_echo(&sent, NULL));
        memcpy(f.peer.id_context, f.bulla.id_context, sizeof(id_context));
        assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 0, 0), NULL), 0);
        assert_int_equal(bulla_fate(&f.bulla, &sent.message), BULLA_STORED);
        assert_true(fixture_seal(&f, &sent) == 1);
        f.board.store_fails = 0;
        f.board.store_lies = 0;
        if (wake(&f) == 1) { /* the old blob is still there: none of its numbers was used */
            assert_memory_equal(f.bulla.id_context, id_context, sizeof(id_context));
            assert_true(fixture_seal(&f, &sent) == 1);
        }
    }
}

/* What was answered and what was not in the old session says nothing in the new one. */
static void test_new_session_begins_afresh(void **state)
{
    struct fixture f;
    struct sent sent;
    struct bulla_reply reply;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    for (unsigned i = 0; i < 5; i++)
        fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 4, body_receipt(&f, 4, 15), NULL), 0);
    fixture_seal(&f, &sent);
    assert_false(sent_has_kid_context(&sent)); /* and never answered */
    nap(&f);
    f.board.store_fails = 1;
    assert_true(fixture_seal(&f, &sent) == 0);
    memcpy(f.peer.id_context, f.bulla.id_context, BULLA_ID_CONTEXT_SIZE);
    assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 0, 0), &reply), 0);
    assert_int_equal(reply.has_time, 1);
    for (uint64_t re = 1; re < 6; re++)
        assert_int_equal(fixture_answer(&f, re, body_time(&f), NULL), BULLA_E_NOT_OURS);
    fixture_seal(&f, &sent);
    assert_false(sent_has_kid_context(&sent));
}

static void test_destruction_and_random_that_fail(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    for (int stuck = 0; stuck < 2; stuck++) {
        fixture_open(&f, BULLA_SESSION);
        fixture_seal(&f, &sent);
        nap(&f);
        f.board.store_fails = 1;
        f.board.random_fails = !stuck;
        f.board.random_stuck = stuck;
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(seal(&f, &sent), BULLA_E_RANDOM);
        assert_int_equal(recorder_count(), 1);
        f.board.random_fails = 0;
        f.board.random_stuck = 0;
        assert_int_equal(seal(&f, &sent), 0); /* a new session, at last */
        assert_true(sent.message.piv == 0);
    }
    fixture_open(&f, BULLA_SESSION); /* or the store recovers first: the old one goes on */
    fixture_seal(&f, &sent);
    nap(&f);
    f.board.store_fails = 1;
    f.board.random_fails = 1;
    assert_int_equal(seal(&f, &sent), BULLA_E_RANDOM);
    f.board.store_fails = 0;
    assert_int_equal(seal(&f, &sent), 0);
    assert_true(sent.message.piv == 1);
}

/* A session that is there needs none; a new one does. */
static void test_wake_without_randomness(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    assert_int_equal(bulla_sleep(&f.bulla), 0);
    f.board.random_fails = 1;
    for (unsigned in = 1; in <= 2; in++) { /* its two derivations */
        recorder_fail_hkdf(in);
        assert_int_equal(wake(&f), BULLA_E_CRYPTO);
        assert_int_equal(seal(&f, &sent), BULLA_E_STATE);
    }
    recorder_fail_hkdf(0);
    assert_int_equal(wake(&f), 1);
    assert_int_equal(seal(&f, &sent), 0);
    assert_int_equal(wake(&f), BULLA_E_RANDOM); /* it is good once */
    assert_int_equal(seal(&f, &sent), BULLA_E_STATE);
}

/* ---- lives ---- */

/* One life of a board that sleeps: everything fails now and then, the power goes at any write. */
static void live(struct fixture *f, uint64_t *random, unsigned *woken, unsigned *cuts)
{
    struct sent sent;

    for (unsigned boots = 0; boots < 12; boots++) {
        int result;

        board_power_on(&f->board);
        f->board.cut = (enum board_cut)test_below(random, CUT_KINDS);
        if (test_below(random, 2) == 0)
            f->board.cut_in = 1 + (unsigned)test_below(random, 6);
        if (test_below(random, 4) == 0)
            f->board.fail_in = 1 + (unsigned)test_below(random, 4);
        f->board.random_fails = test_below(random, 10) == 0;
        f->board.store_lies = test_below(random, 10) == 0;
        result = test_below(random, 8) == 0 ? bulla_open(&f->bulla, &f->credential, &f->board.port) : wake(f);
        if (result < 0)
            continue;
        *woken += result == 1;
        for (unsigned i = 0; i < 10 && !f->board.dead; i++) {
            int unused;

            switch (test_below(random, 4)) {
            case 0:
                unused = bulla_sleep(&f->bulla);
                (void)unused;
                break;
            case 1:
                raise_to(&f->bulla,
                         number_of(f->bulla.next) + test_below(random, 3)); /* as a receipt would */
                break;
            default:
                unused = seal(f, &sent);
                (void)unused;
                break;
            }
        }
        *cuts += f->board.dead != 0;
    }
}

static void test_lives_of_boards(void **state)
{
    struct fixture f;
    uint64_t random = 3;
    unsigned woken = 0;
    unsigned cuts = 0;
    size_t pairs = 0;

    (void)state;
    for (unsigned lives = 0; lives < 2000; lives++) {
        fixture_open(&f, BULLA_SESSION);
        f.board.seed = lives;
        live(&f, &random, &woken, &cuts);
        pairs += recorder_count(); /* each pair once */
    }
    assert_true(woken > 2000);
    assert_true(cuts > 2000);
    assert_true(pairs > 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_goes_on),
        cmocka_unit_test(test_nothing_is_saved),
        cmocka_unit_test(test_board_without_a_store),
        cmocka_unit_test(test_counters_do_not_sleep),
        cmocka_unit_test(test_messages_are_still_answered),
        cmocka_unit_test(test_echo_is_kept),
        cmocka_unit_test(test_kid_context_is_kept_as_it_was),
        cmocka_unit_test(test_what_was_answered_is_kept),
        cmocka_unit_test(test_numbers_that_were_skipped),
        cmocka_unit_test(test_the_last_number_is_kept),
        cmocka_unit_test(test_destroyed_before_the_next_seal),
        cmocka_unit_test(test_woken_twice_in_a_row),
        cmocka_unit_test(test_two_contexts_of_one_blob),
        cmocka_unit_test(test_sleep_over_anothers_numbers),
        cmocka_unit_test(test_blob_put_back),
        cmocka_unit_test(test_every_bit_of_the_blob),
        cmocka_unit_test(test_blobs_out_of_range),
        cmocka_unit_test(test_blob_of_another_device),
        cmocka_unit_test(test_sleep_that_fails),
        cmocka_unit_test(test_destruction_that_fails),
        cmocka_unit_test(test_new_session_begins_afresh),
        cmocka_unit_test(test_destruction_and_random_that_fail),
        cmocka_unit_test(test_wake_without_randomness),
        cmocka_unit_test(test_lives_of_boards),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
