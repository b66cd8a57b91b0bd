/*
 * The credential's text form (PROTOCOL 1): bulla:NAME?kid=…&secret=…&alg=…[&context=counter]
 */
#include <string.h>

#include "crypto.h"

#define SCHEME      "bulla:"
#define SECRET_TEXT 43 /* characters of base64url that 32 bytes take, without padding */

/* A piece of the line: what is left of it, or one part. */
struct span {
    const char *at;
    size_t len;
};

static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";
static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Cuts what stands before `separator` (or all, if there is none) off the front. */
static struct span cut(struct span *rest, char separator)
{
    struct span part = {rest->at, 0};

    while (part.len < rest->len && rest->at[part.len] != separator)
        part.len++;
    rest->at += part.len;
    rest->len -= part.len;
    if (rest->len > 0) {
        rest->at++;
        rest->len--;
    }
    return part;
}

static int is(struct span span, const char *text)
{
    return span.len == strlen(text) && memcmp(span.at, text, span.len) == 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int is_unreserved(char c) /* RFC 3986 2.3 */
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* Length of the UTF-8 sequence at `at`, or 0 if it is not one, or a control character (C0, DEL, C1). */
static size_t utf8_length(const uint8_t *at, size_t len)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    uint32_t point;

    if (size == 1)
        return at[0] < 0x20 || at[0] == 0x7f ? 0 : 1;
    if (at[0] < 0xc2 || at[0] > 0xf4 || size > len)
        return 0;
    point = at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (at[i] & 0x3fu);
    }
    if (point < least[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) || point < 0xa0)
        return 0;
    return size;
}

static int is_name(const uint8_t *name, size_t len)
{
    size_t i = 0;

    while (i < len) {
        size_t step = utf8_length(name + i, len - i);
        if (step == 0)
            return 0;
        i += step;
    }
    return len >= 1 && len <= BULLA_NAME_MAX;
}

static int parse_name(struct span text, char name[BULLA_NAME_MAX + 1])
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (len == BULLA_NAME_MAX)
            return -1;
        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.at[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -1;
            name[len++] = (char)(high << 4 | low);
            i += 2;
        } else if (is_unreserved(c)) {
            name[len++] = c;
        } else {
            return -1;
        }
    }
    name[len] = '\0';
    return is_name((const uint8_t *)name, len) ? 0 : -1;
}

static int parse_kid(struct span text, struct bulla_credential *credential)
{
    if (text.len < 2 || text.len > 2u * BULLA_KID_MAX || text.len % 2 != 0)
        return -1;
    for (size_t i = 0; i < text.len / 2; i++) {
        int high = hex_digit(text.at[2 * i]);
        int low = hex_digit(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        credential->kid[i] = (uint8_t)(high << 4 | low);
    }
    credential->kid_len = (uint8_t)(text.len / 2);
    return 0;
}

/* The value of a base64url character, found without a branch or an index that depends on it. 64 if it is
 * none. */
static uint8_t base64url_value(char c)
{
    uint8_t value = 64;

    for (uint8_t i = 0; i < 64; i++) {
        uint8_t differs = (uint8_t)(c ^ base64url[i]);
        uint8_t mask = (uint8_t)((((uint32_t)differs - 1) >> 8) & 0xff); /* 0xff if equal */
        value = (uint8_t)((value & ~mask) | (i & mask));
    }
    return value;
}

static int parse_secret(struct span text, uint8_t secret[BULLA_SECRET_SIZE])
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t used = 0;

    if (text.len != SECRET_TEXT)
        return -1;
    for (size_t i = 0; i < SECRET_TEXT; i++) {
        uint8_t value = base64url_value(text.at[i]);
        if (value > 63)
            return -1;
        bits = bits << 6 | value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            secret[used++] = (uint8_t)(bits >> held);
        }
    }
    return (bits & ((1u << held) - 1)) == 0 ? 0
                                            : -1; /* the two bits left over are zero in the one right form */
}

static int parse_alg(struct span text, struct bulla_credential *credential)
{
    if (is(text, "10"))
        credential->alg = BULLA_AES_CCM_16_64_128;
    else if (is(text, "24"))
        credential->alg = BULLA_CHACHA20_POLY1305;
    else if (is(text, "30"))
        credential->alg = BULLA_AES_CCM_16_128_128;
    else
        return -1;
    return 0;
}

static int parse_context(struct span text, struct bulla_credential *credential)
{
    credential->kind = is(text, "counter") ? BULLA_COUNTER : BULLA_SESSION;
    return is(text, "counter") || is(text, "session") ? 0 : -1;
}

/* One key=value. `seen` has a bit for each key: none may come twice. */
static int parse_parameter(struct span parameter, struct bulla_credential *credential, unsigned *seen)
{
    struct span value = parameter;
    struct span key = cut(&value, '=');
    unsigned bit = is(key, "kid")       ? 1
                   : is(key, "secret")  ? 2
                   : is(key, "alg")     ? 4
                   : is(key, "context") ? 8
                                        : 0;

    if (bit == 0 || (*seen & bit) != 0)
        return -1;
    *seen |= bit;
    switch (bit) {
    case 1:
        return parse_kid(value, credential);
    case 2:
        return parse_secret(value, credential->secret);
    case 4:
        return parse_alg(value, credential);
    default:
        return parse_context(value, credential);
    }
}

static int parse(struct bulla_credential *credential, char name[BULLA_NAME_MAX + 1], struct span line)
{
    size_t scheme_len = strlen(SCHEME);
    struct span rest = {line.at + scheme_len, line.len - scheme_len};
    unsigned seen = 0;

    if (parse_name(cut(&rest, '?'), name) < 0)
        return -1;
    while (rest.len > 0) {
        const char *end = rest.at + rest.len;
        struct span parameter = cut(&rest, '&');
        int more = parameter.at + parameter.len < end; /* a '&' stood behind it: something must follow */
        if (parse_parameter(parameter, credential, &seen) < 0 || (more && rest.len == 0))
            return -1;
    }
    return (seen & 3) == 3 ? 0 : -1; /* kid and secret must be there */
}

int bulla_credential_parse(struct bulla_credential *credential, char *name, const char *line, size_t len)
{
    char unwanted[BULLA_NAME_MAX + 1];
    struct span span = {line, len};

    memset(credential, 0, sizeof(*credential));
    credential->alg = BULLA_AES_CCM_16_64_128;
    if (len >= strlen(SCHEME) && memcmp(line, SCHEME, strlen(SCHEME)) == 0 &&
        parse(credential, name != NULL ? name : unwanted, span) == 0)
        return 0;
    bulla_wipe(credential, sizeof(*credential));
    return BULLA_E_MALFORMED;
}

/* ---- writing ---- */

static char *put_text(char *at, const char *text)
{
    size_t len = strlen(text);

    memcpy(at, text, len);
    return at + len;
}

static char *put_name(char *at, const char *name)
{
    for (; *name != '\0'; name++) {
        uint8_t c = (uint8_t)*name;
        if (is_unreserved(*name)) {
            *at++ = *name;
        } else {
            *at++ = '%';
            *at++ = hex_upper[c >> 4];
            *at++ = hex_upper[c & 15];
        }
    }
    return at;
}

static char *put_secret(char *at, const uint8_t secret[BULLA_SECRET_SIZE])
{
    uint32_t bits = 0;
    unsigned held = 0;

    for (size_t i = 0; i < BULLA_SECRET_SIZE; i++) {
        bits = bits << 8 | secret[i];
        held += 8;
        while (held >= 6) {
            held -= 6;
            *at++ = base64url[bits >> held & 63];
        }
    }
    *at++ = base64url[bits << (6 - held) & 63];
    return at;
}

/* What can be read again. */
static int is_writable(const struct bulla_credential *credential, const char *name)
{
    return is_name((const uint8_t *)name, strlen(name)) && credential->kid_len >= 1 &&
           credential->kid_len <= BULLA_KID_MAX && credential->kind <= BULLA_COUNTER &&
           (credential->alg == BULLA_AES_CCM_16_64_128 || credential->alg == BULLA_CHACHA20_POLY1305 ||
            credential->alg == BULLA_AES_CCM_16_128_128);
}

int bulla_credential_format(const struct bulla_credential *credential, const char *name, char *line)
{
    char *at = line;

    if (!is_writable(credential, name))
        return BULLA_E_ARGUMENT;
    at = put_name(put_text(at, SCHEME), name);
    at = put_text(at, "?kid=");
    for (size_t i = 0; i < credential->kid_len; i++) {
        *at++ = hex_lower[credential->kid[i] >> 4];
        *at++ = hex_lower[credential->kid[i] & 15];
    }
    at = put_secret(put_text(at, "&secret="), credential->secret);
    at = put_text(at, "&alg=");
    *at++ = (char)('0' + credential->alg / 10);
    *at++ = (char)('0' + credential->alg % 10);
    if (credential->kind == BULLA_COUNTER)
        at = put_text(at, "&context=counter");
    *at = '\0';
    return (int)(at - line);
}
