#include "gateway/core/outcome.h"

static const struct {
    const char *word;
    bool authentic;
} outcomes[OUTCOME_COUNT] = {
#define OUTCOME_ROW(name, word, authentic) {word, authentic},
    OUTCOMES(OUTCOME_ROW)
#undef OUTCOME_ROW
};

const char *outcome_word(enum outcome outcome)
{
    if (outcome == OUTCOME_SINK_REFUSED)
        return "sink-refused";
    return outcomes[outcome].word;
}

bool outcome_authentic(enum outcome outcome)
{
    if (outcome == OUTCOME_SINK_REFUSED)
        return true;
    return outcomes[outcome].authentic;
}
