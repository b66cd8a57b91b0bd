#include "context.h"

#include <string.h>

struct bulla_schedule bulla_schedule_of(const struct bulla *bulla)
{
    struct bulla_schedule schedule;

    schedule.crypto = bulla->port->crypto;
    schedule.secret = bulla->secret;
    schedule.id_context = bulla->kind == BULLA_SESSION ? bulla->id_context : NULL;
    schedule.alg = bulla->alg;
    return schedule;
}

int bulla_context_derive(struct bulla *bulla)
{
    struct bulla_schedule schedule = bulla_schedule_of(bulla);
    int error = bulla_derive_key(&schedule, bulla->kid, bulla->kid_len, bulla->sender_key);

    if (error == 0)
        error = bulla_derive_common_iv(&schedule, bulla->common_iv);
    if (error < 0)
        bulla_wipe(bulla->sender_key, sizeof(bulla->sender_key));
    else
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
    memcpy(bulla->id_context, drawn, sizeof(drawn));
    bulla->flags = 0;
    bulla->next = 0;
    bulla->answered = 0;
    bulla->tracked = 0;
    bulla_wipe(bulla->gateway_key, sizeof(bulla->gateway_key));
    return bulla_context_derive(bulla);
}

/* What both ways of opening begin with: nothing is open yet, the credential is copied, the port offers what
 * it must. */
static int prepare(struct bulla *bulla, const struct bulla_credential *credential,
                   const struct bulla_port *port)
{
    memset(bulla, 0, sizeof(*bulla));
    if (credential->kid_len < 1 || credential->kid_len > BULLA_KID_MAX ||
        bulla_key_size(credential->alg) == 0 || credential->kind > BULLA_COUNTER)
        return BULLA_E_ARGUMENT;
    if (credential->kind == BULLA_SESSION ? port->random == NULL : port->load == NULL || port->store == NULL)
        return BULLA_E_UNSAFE;
    bulla->port = port;
    memcpy(bulla->secret, credential->secret, BULLA_SECRET_SIZE);
    memcpy(bulla->kid, credential->kid, credential->kid_len);
    bulla->kid_len = credential->kid_len;
    bulla->alg = credential->alg;
    bulla->kind = credential->kind;
    if (port->timer != NULL)
        bulla->clock = port->timer(port->context);
    return 0;
}

int bulla_open(struct bulla *bulla, const struct bulla_credential *credential, const struct bulla_port *port)
{
    int error = prepare(bulla, credential, port);

    if (error < 0)
        return error;
    if (bulla->kind == BULLA_SESSION)
        error = bulla_session_begin(bulla);
    else if ((error = bulla_counter_load(bulla)) == 0)
        error = bulla_context_derive(bulla);
    if (error < 0)
        bulla_close(bulla);
    return error;
}

void bulla_close(struct bulla *bulla)
{
    bulla_wipe(bulla, sizeof(*bulla));
}

/* ---- the last 16 messages ---- */

void bulla_context_tick(struct bulla *bulla)
{
    uint32_t units;

    if (bulla->port->timer == NULL)
        return;
    units = (bulla->port->timer(bulla->port->context) - bulla->clock) / BULLA_AGE_UNIT;
    bulla->clock += units * BULLA_AGE_UNIT; /* what is left over counts next time */
    for (unsigned i = 0; i < BULLA_TRACKED; i++)
        bulla->age[i] = units > (uint32_t)(BULLA_AGE_MAX - bulla->age[i]) ? (uint8_t)BULLA_AGE_MAX
                                                                          : (uint8_t)(bulla->age[i] + units);
}

uint64_t bulla_tracked_piv(const struct bulla *bulla, unsigned i)
{
    uint64_t last = bulla->next - 1;

    return last - (uint16_t)((uint16_t)last - bulla->low[i]);
}

int bulla_tracked_find(const struct bulla *bulla, uint64_t piv)
{
    for (unsigned i = 0; i < BULLA_TRACKED; i++) {
        if ((bulla->tracked >> i & 1) != 0 && bulla_tracked_piv(bulla, i) == piv)
            return (int)i;
    }
    return -1;
}

void bulla_context_raise(struct bulla *bulla, uint64_t next)
{
    if (next <= bulla->next)
        return;
    for (unsigned i = 0; i < BULLA_TRACKED; i++) {
        if ((bulla->tracked >> i & 1) != 0 && next - 1 - bulla_tracked_piv(bulla, i) > UINT16_MAX)
            bulla->tracked &= (uint16_t) ~(1u << i);
    }
    bulla->next = next;
}

void bulla_tracked_push(struct bulla *bulla, uint64_t piv, int bare)
{
    bulla_context_raise(bulla, piv + 1);
    memmove(bulla->low + 1, bulla->low, sizeof(bulla->low) - sizeof(bulla->low[0]));
    memmove(bulla->age + 1, bulla->age, sizeof(bulla->age) - sizeof(bulla->age[0]));
    bulla->low[0] = (uint16_t)piv;
    bulla->age[0] = 0;
    bulla->tracked = (uint16_t)(bulla->tracked << 1 | 1);
    bulla->stored = (uint16_t)(bulla->stored << 1);
    bulla->refused = (uint16_t)(bulla->refused << 1);
    bulla->bare = (uint16_t)(bulla->bare << 1 | (bare != 0));
    bulla->flags |= BULLA_F_AWAKE;
}
