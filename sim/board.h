/*
 * The hardware of a simulated device: what survives a reboot, and how it goes wrong. Two copies of a counter
 * in flash, a session in RTC memory, a timer, and a supply that may fail in the middle of a write.
 */
#ifndef SIM_BOARD_H
#define SIM_BOARD_H

#include "device/bulla.h"
#include "sim/draw.h"

#define BOARD_SLOT_COUNT 3

/*
 * Where the boards draw their session ids from. It must be a real random source wherever the database and the
 * credentials outlive the process: ids drawn from a seed would come again in the next run with that seed, and
 * with them keys and nonces. Only the in-process test draws them from its seed, credentials and database too.
 */
struct sim_entropy {
    int (*fill)(void *context, uint8_t *out, size_t len); /* 0, or anything else for failure */
    void *context;
};

/* What a write leaves behind when the power goes. */
enum board_loss {
    LOSS_OLD,     /* the slot is as it was */
    LOSS_GARBAGE, /* a part of the new bytes, garbage behind them */
    LOSS_NEW,     /* all of it, but nobody was told */
    LOSS_KINDS,
};

struct sim_board {
    struct bulla_port port; /* its context is this struct: it stays where it is */
    const struct sim_entropy *entropy;
    struct draw draw; /* of the garbage */
    uint32_t now;     /* the timer, milliseconds */
    uint8_t counter[2][BULLA_COUNTER_SIZE];
    uint8_t session[BULLA_SLEEP_SIZE];
    uint8_t written; /* bit n: slot n was written */
    uint8_t whole;   /* bit n: and what was written there last is there, all of it */
    bool
        risked; /* the only whole copy of the counter was written over: a cut there would have been the end */
    uint8_t cut_in; /* the power goes at this write: 1 is the next one; 0 never */
    uint8_t loss;   /* enum board_loss */
    bool dead;      /* the power is gone: nothing works until sim_board_power_on() */
};

void sim_board_init(struct sim_board *board, const struct sim_entropy *entropy, struct bulla_crypto *crypto,
                    uint64_t seed);

/* The power will go at write `in`. */
void sim_board_arm(struct sim_board *board, unsigned in, enum board_loss loss);
void sim_board_power_on(struct sim_board *board);

/* Both copies of the counter are there. */
bool sim_board_keeps_counter(const struct sim_board *board);

/* A slot is gone: emptied, or its bytes are damaged. */
void sim_board_lose(struct sim_board *board, enum bulla_slot slot);

#endif
