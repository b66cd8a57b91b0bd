#include "sim/counts.h"

const char *const sim_answer_words[ANSWER_COUNT] = {
#define SIM_ANSWER_WORD(name, word) [name] = word,
    SIM_ANSWERS(SIM_ANSWER_WORD)
#undef SIM_ANSWER_WORD
};

const char *const sim_attack_words[ATTACK_COUNT] = {
#define SIM_ATTACK_WORD(name, word) [name] = word,
    SIM_ATTACKS(SIM_ATTACK_WORD)
#undef SIM_ATTACK_WORD
};
