#include "gateway/wire/nodemcu.h"

#include <string.h>

#include "device/crypto.h"
#include "gateway/wire/hex.h"

#define HEX_MARK "hex:"

/* What stands in a key file. The last one is the pass-phrase. */
static const struct {
    const char *name; /* with its '=' */
    size_t offset;
} entries[] = {
    {"ivkey=", offsetof(struct nodemcu_keys, ivkey)},
    {"datakey=", offsetof(struct nodemcu_keys, datakey)},
    {"staticiv=", offsetof(struct nodemcu_keys, staticiv)},
    {"passphrase=", offsetof(struct nodemcu_keys, passphrase)},
};

#define ENTRIES    (sizeof(entries) / sizeof(entries[0]))
#define PASSPHRASE (ENTRIES - 1)

/* A line of the file, and which entries came before it. */
struct reading_keys {
    struct nodemcu_keys *keys;
    const char *at;
    size_t len;
    int line;
    bool had[ENTRIES];
};

static int read_key(const struct reading_keys *reading, const char *name, const char *at, size_t len,
                    uint8_t key[NODEMCU_KEY_SIZE], struct failure *failure)
{
    int name_len = (int)strlen(name) - 1;

    if (len >= strlen(HEX_MARK) && memcmp(at, HEX_MARK, strlen(HEX_MARK)) == 0) {
        if (len == strlen(HEX_MARK) + 2 * (size_t)NODEMCU_KEY_SIZE &&
            hex_read(at + strlen(HEX_MARK), len - strlen(HEX_MARK), key))
            return 0;
        return fail(failure, "line %d: %.*s: 32 hex digits are to stand behind \"hex:\"", reading->line,
                    name_len, name);
    }
    if (len != NODEMCU_KEY_SIZE)
        return fail(
            failure,
            "line %d: %.*s has %zu characters; give the 16 of the device's source, or \"hex:\" and 32 hex "
            "digits",
            reading->line, name_len, name, len);
    memcpy(key, at, NODEMCU_KEY_SIZE);
    return 0;
}

static int read_passphrase(const struct reading_keys *reading, const char *at, size_t len,
                           struct failure *failure)
{
    if (len == 0 || len > NODEMCU_PASSPHRASE_MAX)
        return fail(failure, "line %d: a pass-phrase has 1 to %d characters, this one has %zu", reading->line,
                    NODEMCU_PASSPHRASE_MAX, len);
    memcpy(reading->keys->passphrase, at, len);
    reading->keys->passphrase_len = len;
    return 0;
}

static int read_line(struct reading_keys *reading, struct failure *failure)
{
    size_t entry = 0;
    size_t name_len = 0;

    if (reading->len == 0 || *reading->at == '#')
        return 0;
    for (; entry < ENTRIES; entry++) {
        name_len = strlen(entries[entry].name);
        if (reading->len >= name_len && memcmp(reading->at, entries[entry].name, name_len) == 0)
            break;
    }
    if (entry == ENTRIES)
        return fail(failure,
                    "line %d begins with none of ivkey=, datakey=, staticiv=, passphrase=", reading->line);
    if (reading->had[entry])
        return fail(failure, "line %d: there is a line %s before it", reading->line, entries[entry].name);
    reading->had[entry] = true;
    if (entry == PASSPHRASE)
        return read_passphrase(reading, reading->at + name_len, reading->len - name_len, failure);
    return read_key(reading, entries[entry].name, reading->at + name_len, reading->len - name_len,
                    (uint8_t *)reading->keys + entries[entry].offset, failure);
}

static int read_lines(struct reading_keys *reading, const char *text, size_t len, struct failure *failure)
{
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t line = end == NULL ? len : (size_t)(end - text);

        reading->at = text;
        reading->len = line > 0 && text[line - 1] == '\r' ? line - 1 : line;
        reading->line++;
        if (memchr(text, 0, line) != NULL)
            return fail(failure, "line %d holds a zero byte: this is not a text file", reading->line);
        if (read_line(reading, failure) < 0)
            return -1;
        line += end != NULL;
        text += line;
        len -= line;
    }
    for (size_t entry = 0; entry < ENTRIES; entry++) {
        if (!reading->had[entry])
            return fail(failure, "there is no line %s in the %d that it has", entries[entry].name,
                        reading->line);
    }
    return 0;
}

int nodemcu_keys_read(struct nodemcu_keys *keys, const char *text, size_t len, struct failure *failure)
{
    struct reading_keys reading = {.keys = keys};

    memset(keys, 0, sizeof(*keys));
    if (read_lines(&reading, text, len, failure) == 0)
        return 0;
    nodemcu_keys_wipe(keys);
    return -1;
}

size_t nodemcu_keys_pack(const struct nodemcu_keys *keys, uint8_t packed[NODEMCU_PACKED_MAX])
{
    memcpy(packed, keys->ivkey, NODEMCU_KEY_SIZE);
    memcpy(packed + NODEMCU_KEY_SIZE, keys->datakey, NODEMCU_KEY_SIZE);
    memcpy(packed + 2 * NODEMCU_KEY_SIZE, keys->staticiv, NODEMCU_KEY_SIZE);
    memcpy(packed + 3 * NODEMCU_KEY_SIZE, keys->passphrase, keys->passphrase_len);
    return 3 * NODEMCU_KEY_SIZE + keys->passphrase_len;
}

int nodemcu_keys_unpack(struct nodemcu_keys *keys, const uint8_t *packed, size_t len)
{
    memset(keys, 0, sizeof(*keys));
    if (len <= 3 * (size_t)NODEMCU_KEY_SIZE || len > NODEMCU_PACKED_MAX)
        return -1;
    memcpy(keys->ivkey, packed, NODEMCU_KEY_SIZE);
    memcpy(keys->datakey, packed + NODEMCU_KEY_SIZE, NODEMCU_KEY_SIZE);
    memcpy(keys->staticiv, packed + 2 * NODEMCU_KEY_SIZE, NODEMCU_KEY_SIZE);
    keys->passphrase_len = len - 3 * (size_t)NODEMCU_KEY_SIZE;
    memcpy(keys->passphrase, packed + 3 * NODEMCU_KEY_SIZE, keys->passphrase_len);
    return 0;
}

void nodemcu_keys_wipe(struct nodemcu_keys *keys)
{
    bulla_wipe(keys, sizeof(*keys));
}
