#include "context.h"

#include <string.h>

void bulla_schedule_of(const struct bulla *bulla, struct bulla_schedule *schedule)
{
    schedule->crypto = bulla->port->crypto;
    schedule->secret = bulla->secret;
    schedule->id_context = (bulla->flags & BULLA_F_COUNTER) == 0 ? bulla->id_context : NULL;
    schedule->alg = bulla->own.alg;
}

/* Derives the key of the sender that `keys` names, or the Common IV. */
BULLA_APART static int derive(const struct bulla *bulla, struct bulla_derived *keys, uint8_t is_key)
{
    struct bulla_schedule schedule;

    bulla_schedule_of(bulla, &schedule);
    return bulla_derive(&schedule, keys->kid, is_key ? keys->kid_len : 0, is_key,
                        is_key ? keys->key : keys->common_iv);
}

int bulla_context_key(const struct bulla *bulla, struct bulla_derived *keys)
{
    return derive(bulla, keys, 1);
}

int bulla_context_derive(struct bulla *bulla)
{
    int error = derive(bulla, &bulla->own, 0);

    if (error == 0)
        error = derive(bulla, &bulla->own, 1);
    if (error == 0)
        bulla->flags |= BULLA_F_OPEN;
    return error;
}

/* A source that fills in one byte eight times over is broken, whatever it returns: one in 2^56 would be an
 * accident. */
static int looks_random(const uint8_t *bytes, size_t len)
{
    for (size_t i = 1; i < len; i++) {
        if (bytes[i] != bytes[0])
            return 1;
    }
    return 0;
}

int bulla_session_begin(struct bulla *bulla)
{
    uint8_t drawn[BULLA_ID_CONTEXT_SIZE] = {0};

    if (bulla->port->random(bulla->port->context, drawn, sizeof(drawn)) != 0 ||
        !looks_random(drawn, sizeof(drawn)))
        return BULLA_E_RANDOM;
    bulla_wipe(&bulla->ready, offsetof(struct bulla, own) - offsetof(struct bulla, ready));
    memcpy(bulla->id_context, drawn, sizeof(drawn));
    return bulla_context_derive(bulla);
}

int bulla_context_prepare(struct bulla *bulla, const struct bulla_credential *credential,
                          const struct bulla_port *port)
{
    memset(bulla, 0, sizeof(*bulla));
    if (credential->kid_len < 1 || credential->kid_len > BULLA_KID_MAX ||
        bulla_key_size(credential->alg) == 0)
        return BULLA_E_ARGUMENT;
    bulla->port = port;
    memcpy(bulla->secret, credential->secret, BULLA_SECRET_SIZE);
    memcpy(bulla->own.kid, credential->kid, BULLA_KID_MAX);
    bulla->own.kid_len = credential->kid_len;
    bulla->own.alg = credential->alg;
    return 0;
}

int bulla_open_session(struct bulla *bulla, const struct bulla_credential *credential,
                       const struct bulla_port *port)
{
    int error = bulla_context_prepare(bulla, credential, port);

    if (credential->kind != BULLA_SESSION)
        error = BULLA_E_ARGUMENT;
    else if (error == 0)
        error = port->random != NULL ? bulla_session_begin(bulla) : BULLA_E_UNSAFE;
    if (error < 0)
        bulla_close(bulla);
    return error;
}

void bulla_close(struct bulla *bulla)
{
    bulla_wipe(bulla, sizeof(*bulla));
}
