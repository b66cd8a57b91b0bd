#include <string.h>

#include "device/crypto.h"

#include "gateway/decode/utf8.h"
#include "gateway/wire/cryptojs.h"

#define NAME "passphrase="

/* Takes the pass-phrase that a line gives. */
static int take(struct cryptojs_key *key, const char *value, size_t len, unsigned line,
                struct failure *failure)
{
    if (key->len != 0)
        return fail(failure, "line %u: there is a second passphrase=; a device has one", line);
    if (len == 0 || len > CRYPTOJS_PASSPHRASE_MAX)
        return fail(failure, "line %u: a pass-phrase is 1 to %d bytes", line, CRYPTOJS_PASSPHRASE_MAX);
    if (!utf8_is_plain(value, len))
        return fail(failure, "line %u: a pass-phrase is UTF-8 without control characters", line);
    memcpy(key->passphrase, value, len);
    key->len = len;
    return 0;
}

static int read_line(struct cryptojs_key *key, const char *at, size_t len, unsigned line,
                     struct failure *failure)
{
    const size_t name = strlen(NAME);

    if (len > 0 && at[len - 1] == '\r')
        len--;
    if (len == 0 || at[0] == '#')
        return 0;
    if (len < name || memcmp(at, NAME, name) != 0)
        return fail(failure, "line %u: only passphrase=… is expected here", line); /* may be a secret */
    return take(key, at + name, len - name, line, failure);
}

int cryptojs_key_read(struct cryptojs_key *key, const char *text, size_t len, struct failure *failure)
{
    *key = (struct cryptojs_key){0};
    for (unsigned line = 1; len > 0; line++) {
        const char *end = memchr(text, '\n', len);
        size_t line_len = end == NULL ? len : (size_t)(end - text);
        size_t taken = end == NULL ? len : line_len + 1;
        if (read_line(key, text, line_len, line, failure) != 0) {
            bulla_wipe(key, sizeof(*key));
            return -1;
        }
        text += taken;
        len -= taken;
    }
    return key->len > 0 ? 0 : fail(failure, "there is no line passphrase=…");
}

static int hex_digit(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

bool cryptojs_key_raw(const struct cryptojs_key *key, uint8_t raw[16])
{
    bool whole = key->len == 32;

    for (size_t i = 0; i < 16; i++) {
        int high = hex_digit(key->passphrase[2 * i]);
        int low = hex_digit(key->passphrase[2 * i + 1]);
        whole = whole && high >= 0 && low >= 0;
        raw[i] = (uint8_t)((high & 15) << 4 | (low & 15));
    }
    if (!whole)
        memset(raw, 0, 16);
    return whole;
}
