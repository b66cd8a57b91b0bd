/*
 * What a device costs: this program once with the library (COST_DERIVED: a board with derived keys and a
 * counter, COST_PROVISION: what made that counter, COST_SESSION: a session that opens replies, COST_WHOLE:
 * and seals or sends again what was sealed, COST_BOTH: and counters, COST_SLEEP: and sleeps between its
 * readings) and once without (COST_NOTHING), for the difference. The first pair of marks is around everything
 * that a device does, for the stack; the second around one more reading, for its cost.
 */
#include <string.h>

#include "device/bulla.h"
#include "tests/cores/core.h"
#include "tests/cores/cost.h"

/* The application's own: in each of the images. */
static const struct bulla_derived derived = {{1}, {2}, {0x0a, 0x1b, 0x2c}, 3, COST_ALG};
static const struct bulla_credential credential = {COST_SECRET, {7}, 1, COST_ALG, BULLA_SESSION};
static const struct bulla_credential *volatile chosen = &credential; /* nor what is provisioned */
static const uint8_t id_context[BULLA_ID_CONTEXT_SIZE] = COST_ID_CONTEXT;
static const uint8_t reply[] = COST_REPLY; /* answers number 0 of that session */
/* A counter as bulla_provision_derived() makes it; where that is called, none. */
static uint8_t slots[3][BULLA_SLEEP_SIZE] = {COST_COUNTER, COST_COUNTER};
uint8_t cost_buffer[COST_BUFFER];
struct bulla_message cost_message;
static uint8_t bytes[sizeof(reply)];
static volatile uint8_t sink;
static volatile float reading = 21.5f; /* the compiler does not know what a sensor will say */
static volatile int failed;

static int port_random(void *context, uint8_t *out, size_t len)
{
    (void)context;
    memcpy(out, id_context, len);
    return 0;
}

static int port_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    (void)context;
    memcpy(out, slots[slot], len);
    return 0;
}

static int port_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    (void)context;
    memcpy(slots[slot], data, len);
    return 0;
}

static uint32_t port_timer(void *context)
{
    (void)context;
    return sink;
}

static const struct bulla_port port = {port_random, port_load, port_store, port_timer, NULL, NULL};

static void must(int result)
{
    if (result < 0)
        failed = result;
}

#if defined(COST_PROVISION)

uint8_t cost_context[1];

__attribute__((noinline)) static void begin_life(void)
{
    memset(slots, 0, sizeof(slots));
}

__attribute__((noinline)) static void end_life(void)
{
}

__attribute__((noinline)) static void read_and_seal(void)
{
    must(bulla_provision_derived(&derived, &port));
    memset(slots, 0, sizeof(slots));
}

#elif defined(COST_DERIVED)

struct bulla_sealer cost_context;

__attribute__((noinline)) static void begin_life(void)
{
    must(bulla_open_derived(&cost_context, &derived, &port));
}

__attribute__((noinline)) static void end_life(void)
{
}

__attribute__((noinline)) static void read_and_seal(void)
{
    bulla_begin(&cost_message, cost_buffer, sizeof(cost_buffer));
    bulla_add_float(&cost_message, "t", NULL, reading);
    must(bulla_seal_derived(&cost_context, &cost_message));
}

#elif defined(COST_SESSION) || defined(COST_WHOLE) || defined(COST_BOTH)

#if defined(COST_BOTH)
#define OPEN bulla_open
#else
#define OPEN bulla_open_session
#endif

struct bulla cost_context;

__attribute__((noinline)) static void begin_life(void)
{
    must(OPEN(&cost_context, chosen, &port));
}

__attribute__((noinline)) static void read_and_seal(void)
{
    bulla_begin(&cost_message, cost_buffer, sizeof(cost_buffer));
    bulla_add_float(&cost_message, "t", NULL, reading);
    must(bulla_seal(&cost_context, &cost_message));
}

#if defined(COST_SESSION)
static void seal_and_send_again(void)
{
    read_and_seal();
}
#else
static void seal_and_send_again(void)
{
    must(bulla_seal_again(&cost_context, &cost_message));
    must(bulla_resend(&cost_context, &cost_message));
}
#endif

/* The reply says that the message is not stored: its reading is taken and sealed anew, or what was sealed. */
__attribute__((noinline)) static void end_life(void)
{
    memcpy(bytes, reply, sizeof(reply));
    must(bulla_open_reply(&cost_context, bytes, sizeof(reply), NULL));
    if (bulla_fate(&cost_context, &cost_message) == BULLA_SEAL_AGAIN)
        seal_and_send_again();
    else
        failed = 100;
}

#elif defined(COST_SLEEP)

struct bulla cost_context;

__attribute__((noinline)) static void begin_life(void)
{
}

/* The board wakes for each reading. */
__attribute__((noinline)) static void read_and_seal(void)
{
    must(bulla_wake(&cost_context, chosen, &port));
    bulla_begin(&cost_message, cost_buffer, sizeof(cost_buffer));
    bulla_add_float(&cost_message, "t", NULL, reading);
    must(bulla_seal(&cost_context, &cost_message));
    must(bulla_sleep(&cost_context));
}

__attribute__((noinline)) static void end_life(void)
{
    must(bulla_wake(&cost_context, chosen, &port));
    memcpy(bytes, reply, sizeof(reply));
    must(bulla_open_reply(&cost_context, bytes, sizeof(reply), NULL));
    if (bulla_fate(&cost_context, &cost_message) == BULLA_SEAL_AGAIN)
        must(bulla_seal_again(&cost_context, &cost_message));
    else
        failed = 100;
    must(bulla_resend(&cost_context, &cost_message));
    must(bulla_sleep(&cost_context));
}

#elif defined(COST_OLD)

uint8_t cost_context[1];

__attribute__((noinline)) static void begin_life(void)
{
}

__attribute__((noinline)) static void end_life(void)
{
}

__attribute__((noinline)) static void read_and_seal(void)
{
    must(0);
    cost_message.size = cost_old(cost_buffer);
}

#else

uint8_t cost_context[1];

__attribute__((noinline)) static void begin_life(void)
{
}

__attribute__((noinline)) static void end_life(void)
{
}

__attribute__((noinline)) static void read_and_seal(void)
{
    must(0);
}

#endif

static void live(void)
{
    begin_life();
    read_and_seal();
    end_life();
}

/* Whatever is the application's stays in every image. */
static void touch(void)
{
    sink = ((const volatile uint8_t *)&derived)[0] + ((const volatile uint8_t *)&credential)[0] +
           ((const volatile uint8_t *)chosen)[0] + ((const volatile uint8_t *)reply)[sink] +
           ((volatile uint8_t *)slots)[sink] + ((volatile uint8_t *)cost_buffer)[sink] +
           ((volatile uint8_t *)&cost_message)[0] + ((const volatile uint8_t *)&port)[sink] +
           ((volatile uint8_t *)bytes)[sink] + ((volatile uint8_t *)&cost_context)[0] +
           ((volatile uint8_t *)&reading)[0];
    sink = 0;
}

int main(void)
{
    uint8_t report[8];
    size_t stack;

    touch();
    memset(&cost_message, 0, sizeof(cost_message));
    core_begin();
    stack = core_stack_of(live);
    core_end();
    core_begin();
    read_and_seal();
    core_end();
    report[0] = (uint8_t)stack;
    report[1] = (uint8_t)(stack >> 8);
    report[2] = (uint8_t)cost_message.size;
    report[3] = (uint8_t)failed;
    core_write(report, 4);
    core_stop(0);
}
