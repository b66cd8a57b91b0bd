/*
 * A device on an emulated core. Its host plays all that is around it: random source, store, timer, radio. The
 * host writes a command, a letter and its arguments, and the device answers with its result and what is said
 * below; while it works it may ask, as the port's functions say. Numbers are little-endian. The other end is
 * core.py.
 *
 *   I                       -> room for a message, in 2 bytes
 *   P W O credential        provisions its counter, wakes its session, opens it
 *   p o derived             likewise, with derived keys
 *   N piv                   the next number, 8 bytes (n: the sealer's)
 *   X flags challenge       adds flags to the context
 *   M format len content    seals content (m: the sealer) -> message
 *   T name unit float       seals one reading (t: the sealer) -> message
 *   A len bytes             opens a reply -> what it said
 *   F R G Z                 fate; resends -> message; seals again -> message; sleeps
 *   C c alg key nonce ...   the provider's AEAD, seals, opens -> text
 *   K secret info ...       the provider's HKDF -> 32 bytes
 */
#include <string.h>

#include "device/context.h"
#include "device/crypto.h"
#include "tests/cores/core.h"

/* AVR has 2 KiB of RAM in all; the others take the longest message that there is. */
#if defined(__AVR__)
#define ROOM 400
#else
#define ROOM BULLA_MESSAGE_MAX
#endif
#define TEXT_MAX 32 /* bytes of a name or a unit, with its zero */

static struct bulla_port port;
static struct bulla bulla;
static struct bulla_sealer sealer;
static struct bulla_derived derived;
static struct bulla_message message;
static uint8_t buffer[ROOM];

/* ---- the port: each asks the host ---- */

static void ask(uint8_t letter, uint8_t slot, size_t len)
{
    uint8_t head[3];

    head[0] = letter;
    head[1] = slot;
    head[2] = (uint8_t)len;
    core_write(head, sizeof(head));
}

static int8_t status(void)
{
    uint8_t value;

    core_read(&value, 1);
    return value == 0 ? 0 : -1;
}

static int port_random(void *context, uint8_t *out, size_t len)
{
    (void)context;
    ask('?', 0, len);
    if (status() < 0)
        return -1;
    core_read(out, len);
    return 0;
}

static int port_load(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    (void)context;
    ask('<', (uint8_t)slot, len);
    if (status() < 0)
        return -1;
    core_read(out, len);
    return 0;
}

static int port_store(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    (void)context;
    ask('>', (uint8_t)slot, len);
    core_write(data, len);
    return status();
}

static uint32_t port_timer(void *context)
{
    uint8_t now[4];

    (void)context;
    ask('@', 0, sizeof(now));
    core_read(now, sizeof(now));
    return (uint32_t)bulla_get_le(now, sizeof(now));
}

/* ---- arguments and answers ---- */

static uint8_t read_byte(void)
{
    uint8_t byte;

    core_read(&byte, 1);
    return byte;
}

static uint16_t read_word(void)
{
    uint8_t bytes[2];

    core_read(bytes, sizeof(bytes));
    return (uint16_t)(bytes[0] | (uint16_t)bytes[1] << 8);
}

static void write_number(uint64_t value, uint8_t len)
{
    uint8_t bytes[8];

    bulla_put_le(bytes, value, len);
    core_write(bytes, len);
}

static void answer(int result)
{
    uint8_t head[2];

    head[0] = '!';
    head[1] = (uint8_t)result;
    core_write(head, sizeof(head));
}

static void answer_message(int result)
{
    answer(result);
    if (result < 0)
        return;
    write_number(message.piv, 8);
    write_number(message.size, 2);
    core_write(message.data, message.size);
}

static void read_credential(struct bulla_credential *credential)
{
    core_read(credential->secret, sizeof(credential->secret));
    core_read(credential->kid, sizeof(credential->kid));
    credential->kid_len = read_byte();
    credential->alg = read_byte();
    credential->kind = read_byte();
}

static void read_derived(void)
{
    core_read(derived.key, sizeof(derived.key));
    core_read(derived.common_iv, sizeof(derived.common_iv));
    core_read(derived.kid, sizeof(derived.kid));
    derived.kid_len = read_byte();
    derived.alg = read_byte();
}

/* ---- commands ---- */

static void with_credential(uint8_t letter)
{
    struct bulla_credential credential;

    read_credential(&credential);
    if (letter == 'P')
        answer(bulla_provision_counter(&credential, &port));
    else if (letter == 'W')
        answer(bulla_wake(&bulla, &credential, &port));
    else
        answer(bulla_open(&bulla, &credential, &port));
}

static void with_derived(uint8_t letter)
{
    read_derived();
    if (letter == 'p')
        answer(bulla_provision_derived(&derived, &port));
    else
        answer(bulla_open_derived(&sealer, &derived, &port));
}

static void set_next(uint8_t letter)
{
    uint8_t number[8];

    core_read(number, sizeof(number));
    if (letter == 'n')
        memcpy(sealer.next, number, sizeof(number));
    else
        memcpy(bulla.next, number, sizeof(number));
    answer(0);
}

static void set_flags(void)
{
    bulla.flags |= read_byte();
    core_read(bulla.challenge, sizeof(bulla.challenge));
    answer(0);
}

static void seal_content(uint8_t letter)
{
    uint16_t format = read_word();
    uint16_t len = read_word();

    bulla_begin_content(&message, format, buffer, sizeof(buffer));
    for (; len > 0; len--) {
        uint8_t byte = read_byte();
        bulla_add_bytes(&message, &byte, 1);
    }
    answer_message(letter == 'm' ? bulla_seal_derived(&sealer, &message) : bulla_seal(&bulla, &message));
}

static void read_text(char text[TEXT_MAX])
{
    uint8_t len = read_byte();

    if (len >= TEXT_MAX)
        core_stop(92);
    core_read(text, len);
    text[len] = '\0';
}

static void seal_reading(uint8_t letter)
{
    char name[TEXT_MAX];
    char unit[TEXT_MAX];
    uint32_t bits;
    float value;
    int result;

    read_text(name);
    read_text(unit);
    core_read(&bits, sizeof(bits));
    memcpy(&value, &bits, sizeof(value));
    core_begin();
    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_float(&message, name, unit[0] != '\0' ? unit : NULL, value);
    result = letter == 't' ? bulla_seal_derived(&sealer, &message) : bulla_seal(&bulla, &message);
    core_end();
    answer_message(result);
}

/* In a buffer of its own, so that the message stays to be resent; replies are short. */
static void open_reply(void)
{
    uint8_t bytes[160];
    struct bulla_reply reply;
    uint16_t len = read_word();
    int result;

    if (len > sizeof(bytes))
        core_stop(92);
    core_read(bytes, len);
    result = bulla_open_reply(&bulla, bytes, len, &reply);
    answer(result);
    if (result < 0)
        return;
    write_number(reply.re, 8);
    write_number(reply.top, 8);
    write_number(reply.bits, 8);
    write_number((uint64_t)reply.time, 8);
    core_write(&reply.has_receipt, 1);
    core_write(&reply.has_time, 1);
    core_write(&reply.challenged, 1);
}

/* alg, key, nonce, lengths of aad and text, and these. */
static void aead(uint8_t letter)
{
    uint8_t head[1 + BULLA_KEY_MAX + BULLA_NONCE_MAX];
    uint8_t aad_len;
    uint16_t len;
    uint8_t *aad = buffer;
    uint8_t *text;
    int result;

    core_read(head, sizeof(head));
    aad_len = read_byte();
    len = read_word();
    if (aad_len + len + BULLA_TAG_MAX > ROOM)
        core_stop(92);
    text = aad + aad_len;
    core_read(aad, aad_len);
    core_read(text, len);
    core_begin();
    if (letter == 'C')
        result = bulla_aead_seal(NULL, head[0], head + 1, head + 1 + BULLA_KEY_MAX, aad, aad_len, text, len);
    else
        result = bulla_aead_open(NULL, head[0], head + 1, head + 1 + BULLA_KEY_MAX, aad, aad_len, text, len);
    core_end();
    answer(result);
    if (result < 0)
        return;
    len = (uint16_t)(letter == 'C' ? len + bulla_tag_size(head[0]) : len - bulla_tag_size(head[0]));
    write_number(len, 2);
    core_write(text, len);
}

static void hkdf(void)
{
    uint8_t secret[BULLA_SECRET_SIZE];
    uint8_t info[BULLA_SECRET_SIZE];
    uint8_t out[32];
    int result;

    core_read(secret, sizeof(secret));
    core_read(info, sizeof(info));
    core_begin();
    result = bulla_hkdf_sha256(NULL, NULL, 0, secret, sizeof(secret), info, sizeof(info), out, sizeof(out));
    core_end();
    answer(result);
    core_write(out, sizeof(out));
}

static void carry_out(uint8_t letter)
{
    switch (letter) {
    case 'I':
        answer(0);
        write_number(ROOM - BULLA_HEADROOM - BULLA_TAG_MAX, 2);
        break;
    case 'P':
    case 'W':
    case 'O':
        with_credential(letter);
        break;
    case 'p':
    case 'o':
        with_derived(letter);
        break;
    case 'N':
    case 'n':
        set_next(letter);
        break;
    case 'X':
        set_flags();
        break;
    case 'M':
    case 'm':
        seal_content(letter);
        break;
    case 'T':
    case 't':
        seal_reading(letter);
        break;
    case 'A':
        open_reply();
        break;
    case 'F':
        answer(bulla_fate(&bulla, &message));
        break;
    case 'R':
        answer_message(bulla_resend(&bulla, &message));
        break;
    case 'G':
        answer_message(bulla_seal_again(&bulla, &message));
        break;
    case 'Z':
        answer(bulla_sleep(&bulla));
        break;
    case 'C':
    case 'c':
        aead(letter);
        break;
    case 'K':
        hkdf();
        break;
    default:
        core_stop(93);
    }
}

int main(void)
{
    port.random = port_random;
    port.load = port_load;
    port.store = port_store;
    port.timer = port_timer;
    for (;;)
        carry_out(read_byte());
}
