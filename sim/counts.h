/*
 * What a simulation counts, in one list: the table, the JSON and the comparison of two runs follow from it.
 */
#ifndef SIM_COUNTS_H
#define SIM_COUNTS_H

#include <stdint.h>

/* What became of a message at the gateway, as somebody on the way sees it (PROTOCOL 8): X(name, word). */
#define SIM_ANSWERS(X)                                                                                       \
    X(ANSWER_STORED, "stored")         /* 200: stored, or a duplicate of what is */                          \
    X(ANSWER_CHALLENGED, "challenged") /* 401 with a reply */                                                \
    X(ANSWER_REFUSED, "refused")       /* 401 without: unknown, revoked or forged */                         \
    X(ANSWER_MALFORMED, "malformed")   /* 400, 413, 415 */                                                   \
    X(ANSWER_STALE, "stale")           /* 409 */                                                             \
    X(ANSWER_BUSY, "busy")             /* 503 */                                                             \
    X(ANSWER_SILENCE, "silence")       /* nothing came */                                                    \
    X(ANSWER_OTHER, "other")           /* none of the above: not what a gateway says */                      \
    X(ANSWER_TAKEN, "taken")           /* MQTT: by the broker; what becomes of it, nobody says */            \
    X(ANSWER_UNTAKEN, "untaken")       /* MQTT: the broker refuses it */

enum sim_answer {
#define SIM_ANSWER_ENUM(name, word) name,
    SIM_ANSWERS(SIM_ANSWER_ENUM)
#undef SIM_ANSWER_ENUM
        ANSWER_COUNT
};

/* Those that a way can give: what became of a message shows over HTTP, and not over MQTT. */
#define ANSWERS_HTTP ((1u << ANSWER_TAKEN) - 1)
#define ANSWERS_MQTT (1u << ANSWER_SILENCE | 1u << ANSWER_TAKEN | 1u << ANSWER_UNTAKEN)

/* What the attacker does with messages, and with replies: X(name, word). */
#define SIM_ATTACKS(X)                                                                                       \
    X(ATTACK_REPLAY, "replayed")           /* a message of this session or an older one */                   \
    X(ATTACK_SESSION, "sessions_replayed") /* all that is recorded of a session, in order */                 \
    X(ATTACK_FLIP, "flipped")              /* a bit of a message */                                          \
    X(ATTACK_CUT, "truncated")                                                                               \
    X(ATTACK_FORGE, "forged") /* the sender's name, and nothing behind it that authenticates */              \
    X(ATTACK_SPLICE, "spliced")                                                                              \
    X(ATTACK_FLOOD, "flooded") /* a burst of the above */                                                    \
    X(ATTACK_REPLY_REPLAY, "replies_replayed")                                                               \
    X(ATTACK_REPLY_FLIP, "replies_flipped")                                                                  \
    X(ATTACK_REPLY_REFLECT, "replies_reflected") /* the device's own message comes back */                   \
    X(ATTACK_REPLY_FORGE, "replies_forged")      /* noise, or nothing, under a status that says stored */

enum sim_attack {
#define SIM_ATTACK_ENUM(name, word) name,
    SIM_ATTACKS(SIM_ATTACK_ENUM)
#undef SIM_ATTACK_ENUM
        ATTACK_COUNT
};

/* What else happens: X(member, text). */
#define SIM_COUNTS(X)                                                                                        \
    X(postponed, "readings not taken, because others wait")                                                  \
    X(sent, "messages sent by devices")                                                                      \
    X(resent, "  of them again, byte for byte")                                                              \
    X(forgotten, "  of them forgotten: too old to be answered")                                              \
    X(lost, "copies lost on the way to the gateway")                                                         \
    X(duplicated, "copies made on the way")                                                                  \
    X(held_back, "copies held back")                                                                         \
    X(arrived, "copies that reached the gateway")                                                            \
    X(replies_lost, "replies lost")                                                                          \
    X(replies_duplicated, "copies made of replies")                                                          \
    X(replies, "replies that reached a device, forged ones too")                                             \
    X(accepted, "  accepted")                                                                                \
    X(challenges, "    with a challenge")                                                                    \
    X(not_ours, "  refused: they answer none of the last messages")                                          \
    X(forged, "  refused: they do not authenticate")                                                         \
    X(malformed, "  refused: no replies")                                                                    \
    X(reboots, "reboots")                                                                                    \
    X(sleeps, "deep sleeps")                                                                                 \
    X(kept_awake, "  kept awake when all was saved")                                                         \
    X(woken, "  woken with their session")                                                                   \
    X(twins, "second contexts opened beside a board's first")                                                \
    X(brown_outs, "brown-outs at a bad moment")                                                              \
    X(lost_stores, "stores lost or damaged")                                                                 \
    X(renewed, "boards that lost their counter and got a new credential")                                    \
    X(retired, "boards that lost their counter and got none")                                                \
    X(attacks, "messages and replies sent by the attacker")

struct sim_counts {
#define SIM_COUNT_MEMBER(member, text) uint64_t member;
    SIM_COUNTS(SIM_COUNT_MEMBER)
#undef SIM_COUNT_MEMBER
    uint64_t answers[2][ANSWER_COUNT]; /* to the devices' own copies, to the attacker's */
    uint64_t attacks_by_kind[ATTACK_COUNT];
};

extern const char *const sim_answer_words[ANSWER_COUNT];
extern const char *const sim_attack_words[ATTACK_COUNT];

#endif
