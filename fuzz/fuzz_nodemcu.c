/*
 * What NodeMCU devices send, and their key files, over any bytes. The keys, and the session id, are those of
 * the first message of tests/vectors/nodemcu.json, which is a seed: whatever else opens is that one, in other
 * letters.
 */
#include "require.h"

#include <string.h>

#include "gateway/wire/nodemcu.h"

static const char ids[2][NODEMCU_ID_SIZE] = {
    "00000000000000000000000000000000",
    "79c4121fc60857dffefc74b999cc85f1",
};
static const char key_file[] = "ivkey=2345678901abcdef\ndatakey=0123456789abcdef\nstaticiv=abcdef2345678901\n"
                               "passphrase=mypassphrase\n";

static void check_field(const struct nodemcu_field *field, const uint8_t *data, size_t size)
{
    require(field->at >= data && field->at + field->len <= data + size);
    require(field->len % (field->hex ? 32 : 16) == 0);
    require(data[size - 41] == ',' && field->at + field->len <= data + size - 41);
    require(field->at[field->len] == ',');
}

static void check_message(const uint8_t *data, size_t size)
{
    static struct nodemcu_opened opened;
    struct nodemcu_message message;
    struct nodemcu_keys keys;
    struct failure failure;
    int result;

    if (nodemcu_parse(&message, data, size) < 0)
        return;
    require(size <= NODEMCU_PAYLOAD_MAX);
    require(message.split_count >= 1 && message.split_count <= NODEMCU_SPLITS_MAX);
    for (size_t i = 0; i < message.split_count; i++) {
        const struct nodemcu_split *split = &message.splits[i];

        check_field(&split->iv, data, size);
        check_field(&split->node, data, size);
        check_field(&split->data, data, size);
        require(split->iv.at == data && split->node.at == data + split->iv.len + 1 &&
                split->data.at == split->node.at + split->node.len + 1);
    }
    require(nodemcu_keys_read(&keys, key_file, sizeof(key_file) - 1, &failure) == 0);
    result = nodemcu_open(&message, &keys, ids, 2, &opened);
    require(result == 0 || result == 1);
    if (result == 1)
        require(opened.id == 1 && opened.node_len == 7 && memcmp(opened.node, "1234567", 7) == 0 &&
                opened.data_len == 3 && memcmp(opened.data, "512", 3) == 0);
}

static void check_keys(const char *text, size_t len)
{
    uint8_t packed[NODEMCU_PACKED_MAX];
    struct nodemcu_keys keys;
    struct nodemcu_keys back;
    struct failure failure;
    size_t size;

    if (nodemcu_keys_read(&keys, text, len, &failure) < 0)
        return;
    size = nodemcu_keys_pack(&keys, packed);
    require(nodemcu_keys_unpack(&back, packed, size) == 0);
    require(memcmp(&keys, &back, sizeof(keys)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_message(data, size);
    check_keys((const char *)data, size);
    return 0;
}
