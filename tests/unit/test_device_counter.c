/*
 * Counter contexts (PROTOCOL 2): two copies, reserved ahead, over boots, power cuts at every write, copies
 * that go bad, and a store that is erased.
 */
#include <string.h>

#include "device_fixture.h"
#include "provider.h"
#include "recorder.h"

#define RESERVE 65536u

#define A BULLA_SLOT_COUNTER_A
#define B BULLA_SLOT_COUNTER_B

static int boot(struct fixture *f)
{
    return bulla_open(&f->bulla, &f->credential, &f->board.port);
}

static void spoil(struct fixture *f, enum bulla_slot slot, size_t byte)
{
    f->board.slot[slot].bytes[byte] ^= 0x10;
}

static void erase(struct fixture *f, enum bulla_slot slot)
{
    f->board.slot[slot].len = 0;
}

/* The number that a copy holds. */
static uint64_t copy_of(const struct fixture *f, enum bulla_slot slot)
{
    return bulla_get_le(f->board.slot[slot].bytes + 4, 8);
}

/* ---- in order ---- */

static void test_begins_where_the_reservation_ended(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    for (uint64_t boots = 0; boots < 10; boots++) {
        assert_int_equal(boot(&f), 0);
        for (uint64_t i = 0; i < 3; i++)
            assert_true(fixture_seal(&f, &sent) == boots * RESERVE + i);
        assert_true(copy_of(&f, A) == (boots + 1) * RESERVE);
        assert_true(copy_of(&f, B) == (boots + 1) * RESERVE);
    }
}

/* A boot that seals nothing uses up nothing, and writes nothing. */
static void test_boots_without_messages(void **state)
{
    struct fixture f;
    struct sent sent;
    unsigned stores;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    fixture_seal(&f, &sent);
    stores = f.board.stores;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(boot(&f), 0);
    assert_int_equal(f.board.stores, stores);
    assert_true(fixture_seal(&f, &sent) == RESERVE);
}

static void test_one_write_of_both_copies_for_65536_messages(void **state)
{
    struct fixture f;
    struct sent sent;
    unsigned stores;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    stores = f.board.stores;
    fixture_seal(&f, &sent);
    assert_int_equal(f.board.stores, stores + 2);
    for (unsigned i = 1; i < 100; i++)
        fixture_seal(&f, &sent);
    set_number(f.bulla.next, RESERVE - 1);
    fixture_seal(&f, &sent);
    assert_int_equal(f.board.stores, stores + 2);
    assert_true(fixture_seal(&f, &sent) == RESERVE);
    assert_int_equal(f.board.stores, stores + 4);
}

/* Two devices' credentials on one store: a record of another kid is none of ours. */
static void test_records_of_another_kid(void **state)
{
    struct fixture f;
    struct bulla_credential other;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    other = f.credential;
    other.kid[0] ^= 1;
    assert_int_equal(bulla_open(&f.bulla, &other, &f.board.port), BULLA_E_NO_COUNTER);
    other = f.credential;
    other.kid_len = 2;
    assert_int_equal(bulla_open(&f.bulla, &other, &f.board.port), BULLA_E_NO_COUNTER);
}

/* ---- copies ---- */

/* "if one is bad, begin 65,536 above the other and write both before sealing" */
static void test_one_bad_copy(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    for (size_t byte = 0; byte < BULLA_COUNTER_SIZE; byte++) {
        for (int slot = A; slot <= B; slot++) {
            fixture_open(&f, BULLA_COUNTER);
            fixture_seal(&f, &sent);
            spoil(&f, (enum bulla_slot)slot, byte);
            assert_int_equal(boot(&f), 0);
            assert_true(number_of(f.bulla.next) == 2 * RESERVE);
            assert_true(fixture_seal(&f, &sent) == 2 * RESERVE);
            assert_true(copy_of(&f, A) == 3 * RESERVE && copy_of(&f, B) == 3 * RESERVE);
            assert_int_equal(boot(&f), 0); /* both are good again */
            assert_true(number_of(f.bulla.next) == 3 * RESERVE);
        }
    }
}

static void test_one_copy_that_cannot_be_read(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    for (int slot = A; slot <= B; slot++) {
        fixture_open(&f, BULLA_COUNTER);
        fixture_seal(&f, &sent);
        f.board.load_fails = 1 << slot;
        assert_int_equal(boot(&f), 0);
        assert_true(number_of(f.bulla.next) == 2 * RESERVE);
        bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
        assert_int_equal(bulla_seal(&f.bulla, &sent.message),
                         BULLA_E_STORE); /* it cannot be read back either */
        f.board.load_fails = 0;
        assert_int_equal(bulla_seal(&f.bulla, &sent.message), 0);
        assert_true(sent.message.piv == 3 * RESERVE); /* what the failed reservation wrote counts */
        f.board.load_fails = 1 << A | 1 << B;
        assert_int_equal(boot(&f), BULLA_E_NO_COUNTER);
        f.board.load_fails = 0;
        assert_int_equal(boot(&f), 0);
        assert_true(number_of(f.bulla.next) == 4 * RESERVE);
    }
}

/* "if both are good and differ, take the higher" */
static void test_copies_that_differ(void **state)
{
    struct fixture f;
    struct sent sent;
    struct board_slot old;

    (void)state;
    for (int slot = A; slot <= B; slot++) {
        fixture_open(&f, BULLA_COUNTER);
        fixture_seal(&f, &sent);
        old = f.board.slot[slot];
        assert_int_equal(boot(&f), 0);
        fixture_seal(&f, &sent);
        f.board.slot[slot] = old;
        assert_int_equal(boot(&f), 0);
        assert_true(number_of(f.bulla.next) == 2 * RESERVE);
        assert_true(fixture_seal(&f, &sent) == 2 * RESERVE);
    }
}

static void test_no_good_copy(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        fixture_open(&f, BULLA_COUNTER);
        fixture_seal(&f, &sent);
        for (int slot = A; slot <= B; slot++) {
            if ((how >> slot & 1) != 0)
                erase(&f, (enum bulla_slot)slot);
            else
                spoil(&f, (enum bulla_slot)slot, 5);
        }
        for (unsigned i = 0; i < 3; i++) { /* "start-up never makes one" */
            assert_int_equal(boot(&f), BULLA_E_NO_COUNTER);
            bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
            assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_STATE);
        }
    }
}

/* A record with a right checksum and a number that no counter can have. */
static void test_number_out_of_range(void **state)
{
    struct fixture f;
    uint8_t *record;

    (void)state;
    for (uint64_t above = 0; above < 2; above++) {
        fixture_open(&f, BULLA_COUNTER);
        for (int slot = A; slot <= B; slot++) {
            record = f.board.slot[slot].bytes;
            bulla_put_le(record + 4, BULLA_PIV_MAX + 1 + above, 8);
            bulla_put_le(record + 12, bulla_record_crc(f.credential.kid, f.credential.kid_len, record, 12),
                         4);
        }
        assert_int_equal(boot(&f), above == 0 ? 0 : BULLA_E_NO_COUNTER);
    }
}

/* A right checksum, and another version: not for this library to read. */
static void test_record_of_another_version(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    for (int slot = A; slot <= B; slot++) {
        uint8_t *record = f.board.slot[slot].bytes;

        record[0]++;
        bulla_put_le(record + 12, bulla_record_crc(f.credential.kid, f.credential.kid_len, record, 12), 4);
    }
    assert_int_equal(boot(&f), BULLA_E_NO_COUNTER);
}

/* The CRC of the record is the common one (IEEE 802.3): "123456789" gives cbf43926. */
static void test_crc(void **state)
{
    (void)state;
    assert_int_equal(bulla_crc32(0, (const uint8_t *)"123456789", 9), 0xcbf43926);
    assert_int_equal(bulla_crc32(bulla_crc32(0, (const uint8_t *)"1234", 4), (const uint8_t *)"56789", 5),
                     0xcbf43926);
}

/* ---- two contexts over one store ---- */

static uint64_t seal_with(struct bulla *bulla)
{
    struct bulla_message message;
    uint8_t buffer[128];

    bulla_begin(&message, buffer, sizeof(buffer));
    assert_int_equal(bulla_seal(bulla, &message), 0); /* the recorder sees a number that is used twice */
    return message.piv;
}

/* Each goes on from what the other has reserved. */
static void test_two_contexts_share_a_store(void **state)
{
    struct fixture f;
    struct bulla twin;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    assert_int_equal(bulla_open(&twin, &f.credential, &f.board.port), 0);
    assert_true(seal_with(&f.bulla) == 0);
    assert_true(seal_with(&twin) == RESERVE);
    assert_true(seal_with(&f.bulla) == 1); /* of its own reservation there is plenty left */
    set_number(f.bulla.next, RESERVE - 1);
    assert_true(seal_with(&f.bulla) == RESERVE - 1);
    assert_true(seal_with(&f.bulla) == 2 * RESERVE);
    raise_to(&twin, 2 * RESERVE + 1); /* a receipt for that message */
    assert_true(seal_with(&twin) == 3 * RESERVE);
    assert_true(copy_of(&f, A) == 4 * RESERVE && copy_of(&f, B) == 4 * RESERVE);
}

/* What was sealed before the jump is told apart, or forgotten. */
static void test_messages_before_the_jump(void **state)
{
    struct fixture f;
    struct bulla twin;
    struct sent old;
    struct sent last;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    fixture_seal(&f, &old);
    set_number(f.bulla.next, RESERVE - 1);
    fixture_seal(&f, &last);
    assert_int_equal(bulla_open(&twin, &f.credential, &f.board.port), 0);
    assert_true(seal_with(&twin) == RESERVE);
    assert_true(seal_with(&f.bulla) == 2 * RESERVE);
    assert_int_equal(bulla_fate(&f.bulla, &old.message), BULLA_FORGOTTEN);
    assert_int_equal(tracked_as(&f.bulla, RESERVE - 1), -1);
    assert_int_equal(tracked_as(&f.bulla, 2 * RESERVE), 0);
}

/* A copy that went bad, or both, while contexts are open. */
static void test_copies_that_go_bad_while_open(void **state)
{
    struct fixture f;
    struct bulla twin;
    struct sent sent;

    (void)state;
    for (int slot = A; slot <= B; slot++) {
        fixture_open(&f, BULLA_COUNTER);
        assert_int_equal(bulla_open(&twin, &f.credential, &f.board.port), 0);
        assert_true(seal_with(&f.bulla) == 0);
        spoil(&f, (enum bulla_slot)slot, 5);
        assert_true(seal_with(&twin) == 2 * RESERVE); /* "begin 65,536 above the other" */
        assert_true(copy_of(&f, A) == 3 * RESERVE && copy_of(&f, B) == 3 * RESERVE);
        set_number(f.bulla.next, number_of(f.bulla.limit));
        spoil(&f, A, 5);
        erase(&f, B);
        for (unsigned i = 0; i < 2; i++) {
            bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
            assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_STORE);
        }
        assert_int_equal(recorder_count(), 2);
    }
}

/* A reservation that fails leaves the context as it was. */
static void test_failed_reservation_raises_nothing(void **state)
{
    struct fixture f;
    struct bulla twin;
    struct bulla before;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    assert_int_equal(bulla_open(&twin, &f.credential, &f.board.port), 0);
    assert_true(seal_with(&twin) == 0);
    before = f.bulla;
    f.board.store_fails = 1;
    bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
    assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_STORE);
    assert_memory_equal(&f.bulla, &before, sizeof(before));
    f.board.store_fails = 0;
    assert_true(seal_with(&f.bulla) == RESERVE);
}

static void test_another_took_the_last_numbers(void **state)
{
    struct fixture f;
    struct bulla twin;
    struct sent sent;

    (void)state;
    for (uint64_t left = 0; left < 2; left++) { /* numbers above what the other has reserved */
        fixture_open(&f, BULLA_COUNTER);
        assert_int_equal(bulla_open(&twin, &f.credential, &f.board.port), 0);
        set_number(twin.next, BULLA_PIV_MAX + 1 - RESERVE - left);
        seal_with(&twin);
        if (left > 0)
            assert_true(seal_with(&f.bulla) == BULLA_PIV_MAX);
        for (unsigned i = 0; i < 2; i++) {
            bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
            assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_EXHAUSTED);
        }
        assert_true(copy_of(&f, A) == BULLA_PIV_MAX + 1 && copy_of(&f, B) == BULLA_PIV_MAX + 1);
    }
}

/* ---- the end of the numbers ---- */

static void test_reservation_at_the_end(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    set_number(f.bulla.next, BULLA_PIV_MAX - 3);
    for (uint64_t i = 0; i < 4; i++)
        assert_true(fixture_seal(&f, &sent) == BULLA_PIV_MAX - 3 + i);
    assert_true(copy_of(&f, A) == BULLA_PIV_MAX + 1);
    bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
    assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_EXHAUSTED);
    for (int slot = A; slot <= B; slot++) { /* for ever, also with a bad copy */
        assert_int_equal(boot(&f), 0);
        assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_EXHAUSTED);
        spoil(&f, (enum bulla_slot)slot, 0);
        if (slot == A) {
            assert_int_equal(boot(&f), 0);
            assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_EXHAUSTED);
        }
    }
    assert_int_equal(boot(&f), BULLA_E_NO_COUNTER);
}

/* ---- provisioning ---- */

static void test_provisioning_twice_is_refused(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    assert_int_equal(bulla_provision_counter(&f.credential, &f.board.port), BULLA_E_PROVISIONED);
    fixture_seal(&f, &sent);
    assert_int_equal(bulla_provision_counter(&f.credential, &f.board.port), BULLA_E_PROVISIONED);
    spoil(&f, A, 0); /* damaged in one copy */
    assert_int_equal(bulla_provision_counter(&f.credential, &f.board.port), BULLA_E_PROVISIONED);
    erase(&f, A);
    assert_int_equal(bulla_provision_counter(&f.credential, &f.board.port), BULLA_E_PROVISIONED);
    assert_int_equal(boot(&f), 0);
    assert_true(number_of(f.bulla.next) == 2 * RESERVE);
}

static void test_provisioning_of_bad_credentials(void **state)
{
    struct fixture f;
    struct bulla_credential bad;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    assert_int_equal(bulla_provision_counter(&f.credential, &f.board.port), BULLA_E_ARGUMENT);
    bad = f.credential;
    bad.kind = BULLA_COUNTER;
    bad.kid_len = 0;
    assert_int_equal(bulla_provision_counter(&bad, &f.board.port), BULLA_E_ARGUMENT);
    bad.kid_len = 6;
    assert_int_equal(bulla_provision_counter(&bad, &f.board.port), BULLA_E_ARGUMENT);
    assert_int_equal(f.board.stores, 0);
}

static void test_store_that_lies(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    f.credential.kind = BULLA_COUNTER;
    f.board.store_lies = 1;
    assert_int_equal(bulla_provision_counter(&f.credential, &f.board.port), BULLA_E_STORE);
    assert_int_equal(boot(&f), BULLA_E_NO_COUNTER);
    f.board.store_lies = 0;
    assert_int_equal(bulla_provision_counter(&f.credential, &f.board.port), 0);
    assert_int_equal(boot(&f), 0);
    f.board.store_lies = 1;
    bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_STORE);
    assert_int_equal(recorder_count(), 0);
    f.board.store_lies = 0;
    assert_int_equal(bulla_seal(&f.bulla, &sent.message), 0);
}

/* ---- power cuts ---- */

/* At each of the writes of provisioning and of the first two reservations, in each of the ways. */
static void test_cut_at_every_write(void **state)
{
    struct fixture f;
    struct sent sent;
    uint64_t highest;
    unsigned sealed;

    (void)state;
    for (unsigned cut_in = 1; cut_in <= 6; cut_in++) {
        for (unsigned kind = 0; kind < 16u * CUT_KINDS; kind++) { /* the garbage differs each time */
            fixture_open(&f, BULLA_SESSION);
            f.credential.kind = BULLA_COUNTER;
            f.board.seed = kind;
            f.board.cut = (enum board_cut)(kind % CUT_KINDS);
            f.board.cut_in = cut_in;
            highest = 0;
            sealed = 0;
            for (unsigned boots = 0; boots < 5; boots++) {
                int error = boot(&f);

                if (error == BULLA_E_NO_COUNTER && !f.board.dead) {
                    assert_int_equal(sealed, 0); /* a counter that was ever used is never lost to one cut */
                    error = bulla_provision_counter(&f.credential, &f.board.port);
                    assert_int_equal(error, f.board.dead ? BULLA_E_STORE : 0);
                    if (error == 0)
                        error = boot(&f);
                }
                for (unsigned i = 0; i < 2 && error == 0; i++) {
                    bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
                    error = bulla_seal(&f.bulla, &sent.message);
                    assert_int_equal(error, f.board.dead ? BULLA_E_STORE : 0);
                    if (error < 0)
                        break;
                    assert_true(sealed == 0 || sent.message.piv > highest);
                    highest = sent.message.piv;
                    sealed++;
                    set_number(f.bulla.next, number_of(f.bulla.limit)); /* as after 65,536 messages */
                }
                board_power_on(&f.board);
            }
            assert_true(sealed >= 4);
        }
    }
}

/* The power goes while the second copy is written, and goes again at every next write: one copy is always
 * whole. */
static void test_cut_after_cut(void **state)
{
    struct fixture f;
    struct sent sent;
    uint64_t highest;

    (void)state;
    for (unsigned kind = 0; kind < 16u * CUT_KINDS; kind++) {
        fixture_open(&f, BULLA_COUNTER);
        highest = fixture_seal(&f, &sent);
        f.board.seed = kind;
        f.board.cut = (enum board_cut)(kind % CUT_KINDS);
        for (unsigned boots = 0; boots < 20; boots++) {
            assert_int_equal(boot(&f), 0);
            f.board.cut_in = boots % 3 == 0 ? 2 : 1;
            bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
            assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_STORE);
            board_power_on(&f.board);
        }
        assert_int_equal(boot(&f), 0);
        assert_true(fixture_seal(&f, &sent) > highest);
    }
}

/* One life of a board: boots, messages, jumps, writes that fail, power cuts, and now and then a copy that
 * rots. */
static void live(struct fixture *f, uint64_t *random, unsigned *cuts, unsigned *refused)
{
    struct sent sent;
    uint64_t highest = 0;
    unsigned sealed = 0;

    for (unsigned boots = 0; boots < 12; boots++) {
        int error;

        board_power_on(&f->board);
        f->board.cut = (enum board_cut)test_below(random, CUT_KINDS);
        if (test_below(random, 2) == 0)
            f->board.cut_in = 1 + (unsigned)test_below(random, 6);
        if (test_below(random, 4) == 0)
            f->board.fail_in = 1 + (unsigned)test_below(random, 6);
        if (test_below(random, 6) == 0)
            spoil(f, test_below(random, 2) == 0 ? A : B, (size_t)test_below(random, BULLA_COUNTER_SIZE));
        error = boot(f);
        if (error == BULLA_E_NO_COUNTER && sealed > 0) {
            (*refused)++; /* a cut in one copy and rot in the other: it says so, and that is all it may do */
            return;
        }
        if (error == BULLA_E_NO_COUNTER && bulla_provision_counter(&f->credential, &f->board.port) == 0)
            error = boot(f);
        for (unsigned i = 0; i < 8 && error == 0 && !f->board.dead; i++) {
            switch (test_below(random, 4)) {
            case 0: /* as after many messages */
                set_number(f->bulla.next, number_of(f->bulla.limit) > number_of(f->bulla.next)
                                              ? number_of(f->bulla.limit) - test_below(random, 2)
                                              : number_of(f->bulla.next));
                break;
            case 1: /* as a receipt would */
                raise_to(&f->bulla, number_of(f->bulla.next) + test_below(random, 200000));
                break;
            default:
                break;
            }
            bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
            if (bulla_seal(&f->bulla, &sent.message) != 0)
                continue; /* the write failed, or the power is gone */
            assert_true(sealed == 0 || sent.message.piv > highest);
            highest = sent.message.piv;
            sealed++;
        }
        *cuts += f->board.dead != 0;
    }
}

static void test_lives_of_boards(void **state)
{
    struct fixture f;
    uint64_t random = 2;
    unsigned cuts = 0;
    unsigned refused = 0;
    size_t pairs = 0;

    (void)state;
    for (unsigned lives = 0; lives < 2000; lives++) {
        fixture_open(&f, BULLA_SESSION);
        f.credential.kind = BULLA_COUNTER;
        f.board.seed = lives;
        live(&f, &random, &cuts, &refused);
        pairs += recorder_count();
    }
    assert_true(cuts > 2000);
    assert_true(refused > 10);
    assert_true(pairs > 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begins_where_the_reservation_ended),
        cmocka_unit_test(test_boots_without_messages),
        cmocka_unit_test(test_one_write_of_both_copies_for_65536_messages),
        cmocka_unit_test(test_records_of_another_kid),
        cmocka_unit_test(test_one_bad_copy),
        cmocka_unit_test(test_one_copy_that_cannot_be_read),
        cmocka_unit_test(test_copies_that_differ),
        cmocka_unit_test(test_no_good_copy),
        cmocka_unit_test(test_number_out_of_range),
        cmocka_unit_test(test_record_of_another_version),
        cmocka_unit_test(test_crc),
        cmocka_unit_test(test_two_contexts_share_a_store),
        cmocka_unit_test(test_messages_before_the_jump),
        cmocka_unit_test(test_copies_that_go_bad_while_open),
        cmocka_unit_test(test_failed_reservation_raises_nothing),
        cmocka_unit_test(test_another_took_the_last_numbers),
        cmocka_unit_test(test_reservation_at_the_end),
        cmocka_unit_test(test_provisioning_twice_is_refused),
        cmocka_unit_test(test_provisioning_of_bad_credentials),
        cmocka_unit_test(test_store_that_lies),
        cmocka_unit_test(test_cut_at_every_write),
        cmocka_unit_test(test_cut_after_cut),
        cmocka_unit_test(test_lives_of_boards),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
