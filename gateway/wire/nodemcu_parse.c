#include "gateway/wire/nodemcu.h"

#include "gateway/wire/hex.h"

#define BLOCK       16
#define HMAC_DIGITS 40
#define NODE_BLOCKS (NODEMCU_NODE_MAX / BLOCK)

/* The IV is one block. Where it is hex digits its 17th byte is no comma, so it is never both. */
static int read_iv(struct nodemcu_field *iv, const uint8_t *at, size_t left)
{
    iv->at = at;
    iv->hex = left > 2 * (size_t)BLOCK && at[2 * BLOCK] == ',' && hex_is(at, 2 * (size_t)BLOCK);
    iv->len = iv->hex ? 2 * (size_t)BLOCK : BLOCK;
    return iv->hex || (left > BLOCK && at[BLOCK] == ',') ? 0 : -1;
}

/* A ciphertext of two blocks that is nothing but hex digits by chance is one in 10^34: those are hex. */
static bool is_hex_field(const uint8_t *at, size_t len)
{
    return len > 0 && len % (2 * (size_t)BLOCK) == 0 && hex_is(at, len);
}

/* The node id is of this many bytes if a comma is behind them, and the data is what is left. */
static void add_split(struct nodemcu_message *message, struct nodemcu_split *split, const uint8_t *at,
                      size_t left, size_t len, bool hex)
{
    const uint8_t *data = at + len + 1;

    if (left <= len || at[len] != ',' || is_hex_field(at, len) != hex)
        return;
    left -= len + 1;
    if (left % BLOCK != 0 || message->split_count == NODEMCU_SPLITS_MAX)
        return;
    split->node = (struct nodemcu_field){.at = at, .len = len, .hex = hex};
    split->data = (struct nodemcu_field){.at = data, .len = left, .hex = is_hex_field(data, left)};
    message->splits[message->split_count++] = *split;
}

int nodemcu_parse(struct nodemcu_message *message, const uint8_t *payload, size_t len)
{
    struct nodemcu_split split;
    size_t used;

    message->split_count = 0;
    if (len < HMAC_DIGITS + 1 || len > NODEMCU_PAYLOAD_MAX)
        return -1;
    len -= HMAC_DIGITS + 1;
    if (payload[len] != ',' || !hex_read(payload + len + 1, HMAC_DIGITS, message->hmac) ||
        read_iv(&split.iv, payload, len) < 0)
        return -1;
    used = split.iv.len + 1;
    for (size_t blocks = 1; blocks <= NODE_BLOCKS; blocks++) {
        add_split(message, &split, payload + used, len - used, blocks * BLOCK, false);
        add_split(message, &split, payload + used, len - used, 2 * blocks * BLOCK, true);
    }
    return message->split_count > 0 ? 0 : -1;
}
