#include "sim/board.h"

#include <string.h>

static uint8_t *bytes_of(struct sim_board *board, enum bulla_slot slot, size_t *size)
{
    if (slot == BULLA_SLOT_SESSION) {
        *size = sizeof(board->session);
        return board->session;
    }
    *size = sizeof(board->counter[0]);
    return board->counter[slot == BULLA_SLOT_COUNTER_B];
}

static int board_random(void *context, uint8_t *out, size_t len)
{
    struct sim_board *board = context;

    return board->dead ? -1 : board->entropy->fill(board->entropy->context, out, len);
}

static int board_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    struct sim_board *board = context;
    size_t size;
    const uint8_t *bytes = bytes_of(board, slot, &size);

    if (board->dead || (board->written >> slot & 1) == 0 || len != size)
        return -1;
    memcpy(out, bytes, len);
    return 0;
}

#define COUNTER_COPIES (1u << BULLA_SLOT_COUNTER_A | 1u << BULLA_SLOT_COUNTER_B)

bool sim_board_keeps_counter(const struct sim_board *board)
{
    return (board->whole & COUNTER_COPIES) == COUNTER_COPIES;
}

static void note_risk(struct sim_board *board, enum bulla_slot slot)
{
    if (slot != BULLA_SLOT_SESSION && (board->whole & COUNTER_COPIES) == 1u << slot)
        board->risked = true;
}

/* The power goes while a slot is written. */
static void cut(struct sim_board *board, enum bulla_slot slot, uint8_t *bytes, const uint8_t *data,
                size_t len)
{
    size_t whole = board->loss == LOSS_GARBAGE ? (size_t)draw_below(&board->draw, len) : len;

    board->dead = true;
    if (board->loss == LOSS_OLD)
        return;
    board->written |= (uint8_t)(1u << slot);
    memcpy(bytes, data, whole);
    draw_fill(&board->draw, bytes + whole, len - whole);
    if (memcmp(bytes, data, len) == 0)
        board->whole |= (uint8_t)(1u << slot);
    else
        board->whole &= (uint8_t) ~(1u << slot);
}

static int board_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    struct sim_board *board = context;
    size_t size;
    uint8_t *bytes = bytes_of(board, slot, &size);

    if (board->dead || len != size)
        return -1;
    note_risk(board, slot);
    if (board->cut_in > 0 && --board->cut_in == 0) {
        cut(board, slot, bytes, data, len);
        return -1;
    }
    memcpy(bytes, data, len);
    board->written |= (uint8_t)(1u << slot);
    board->whole |= (uint8_t)(1u << slot);
    return 0;
}

static uint32_t board_timer(void *context)
{
    return ((struct sim_board *)context)->now;
}

void sim_board_init(struct sim_board *board, const struct sim_entropy *entropy, struct bulla_crypto *crypto,
                    uint64_t seed)
{
    memset(board, 0, sizeof(*board));
    board->entropy = entropy;
    board->draw.state = seed;
    board->port = (struct bulla_port){
        .random = board_random,
        .load = board_load,
        .store = board_store,
        .timer = board_timer,
        .context = board,
        .crypto = crypto,
    };
}

void sim_board_arm(struct sim_board *board, unsigned in, enum board_loss loss)
{
    board->cut_in = (uint8_t)in;
    board->loss = (uint8_t)loss;
}

void sim_board_power_on(struct sim_board *board)
{
    board->dead = false;
    board->cut_in = 0;
}

void sim_board_lose(struct sim_board *board, enum bulla_slot slot)
{
    size_t size;
    uint8_t *bytes = bytes_of(board, slot, &size);

    board->whole &= (uint8_t) ~(1u << slot);
    if (draw_below(&board->draw, 2) == 0)
        board->written &= (uint8_t) ~(1u << slot);
    else
        bytes[draw_below(&board->draw, size)] ^= (uint8_t)(1u << draw_below(&board->draw, 8));
}
