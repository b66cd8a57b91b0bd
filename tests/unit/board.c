#include "board.h"

#include <string.h>

#include "provider.h"
#include "support.h"

static int board_random(void *context, uint8_t *out, size_t len)
{
    struct board *board = context;

    if (board->dead || board->random_fails)
        return -1;
    test_fill(&board->seed, out, len);
    if (board->random_stuck)
        memset(out, out[0], len);
    return 0;
}

static int board_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    struct board *board = context;

    board->loads++;
    if (board->dead || (board->load_fails >> slot & 1) != 0 || board->slot[slot].len != len)
        return -1;
    memcpy(out, board->slot[slot].bytes, len);
    return 0;
}

/* What a write that went wrong leaves in the slot. */
static void leave(struct board *board, struct board_slot *slot, const uint8_t *data, size_t len)
{
    size_t done = board->cut == CUT_NOTHING ? 0 : len;

    if (board->cut == CUT_HALF)
        done = (size_t)test_below(&board->seed, len);
    if (board->cut != CUT_NOTHING)
        slot->len = len;
    memcpy(slot->bytes, data, done);
    if (board->cut == CUT_HALF)
        test_fill(&board->seed, slot->bytes + done, len - done);
}

static int board_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    struct board *board = context;

    assert_true(len <= BULLA_SLOT_SIZE);
    board->stores++;
    if (board->dead || board->store_fails)
        return -1;
    if (board->store_lies)
        return 0;
    if (board->cut_in > 0 && --board->cut_in == 0) {
        leave(board, &board->slot[slot], data, len);
        board->dead = 1;
        return -1;
    }
    if (board->fail_in > 0 && --board->fail_in == 0) {
        leave(board, &board->slot[slot], data, len);
        return -1;
    }
    board->slot[slot].len = len;
    memcpy(board->slot[slot].bytes, data, len);
    return 0;
}

static uint32_t board_timer(void *context)
{
    return ((struct board *)context)->now;
}

void board_open(struct board *board, uint64_t seed)
{
    memset(board, 0, sizeof(*board));
    board->seed = seed;
    board->port.random = board_random;
    board->port.load = board_load;
    board->port.store = board_store;
    board->port.timer = board_timer;
    board->port.context = board;
    board->port.crypto = provider_state();
}

void board_power_on(struct board *board)
{
    board->dead = 0;
    board->cut_in = 0;
    board->fail_in = 0;
}

uint64_t number_of(const uint8_t number[BULLA_NUMBER_SIZE])
{
    return bulla_get_le(number, BULLA_NUMBER_SIZE);
}

void set_number(uint8_t number[BULLA_NUMBER_SIZE], uint64_t value)
{
    bulla_put_le(number, value, BULLA_NUMBER_SIZE);
}

void raise_to(struct bulla *bulla, uint64_t next)
{
    uint8_t number[BULLA_NUMBER_SIZE];

    set_number(number, next);
    bulla_context_raise(bulla, number, 0);
}

int tracked_as(const struct bulla *bulla, uint64_t piv)
{
    uint8_t number[BULLA_NUMBER_SIZE];
    const struct bulla_sent *sent;

    set_number(number, piv);
    sent = bulla_sent_find((struct bulla *)bulla, number);
    return sent != NULL ? (int)(sent - bulla->sent) : -1;
}
