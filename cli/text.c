#include "cli/text.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

/* ---- UTF-8 (RFC 3629) ---- */

/* The byte after a lead byte decides over overlong forms, surrogates and what lies above U+10FFFF. */
static bool second_fits(uint8_t lead, uint8_t second)
{
    switch (lead) {
    case 0xe0:
        return second >= 0xa0;
    case 0xed:
        return second < 0xa0;
    case 0xf0:
        return second >= 0x90;
    case 0xf4:
        return second < 0x90;
    default:
        return true;
    }
}

size_t text_character(const char *text, size_t len, uint32_t *character)
{
    const uint8_t *bytes = (const uint8_t *)text;
    uint8_t lead = bytes[0];
    size_t size = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

    if (size == 0 || size > len || (size > 1 && !second_fits(lead, bytes[1])))
        return 0;
    *character = size == 1 ? lead : lead & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        *character = *character << 6 | (bytes[i] & 0x3f);
    }
    return size;
}

bool text_is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x061c ||
           (character >= 0x200e && character <= 0x200f) || (character >= 0x2028 && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069) || character == 0xfeff;
}

/* ---- for a terminal ---- */

/*
 * Writes one character's visible form; returns its columns, and in `taken` the bytes of text that it stands
 * for.
 */
static int visible(const char *text, size_t len, char out[12], size_t *taken)
{
    static const char named[] = "\a\b\t\n\v\f\r";
    uint32_t character;
    const char *name;

    *taken = text_character(text, len, &character);
    if (*taken == 0) {
        *taken = 1;
        return snprintf(out, 12, "\\x%02x", (uint8_t)*text);
    }
    if (!text_is_control(character)) {
        memcpy(out, text, *taken);
        out[*taken] = 0;
        return 1;
    }
    name = character ? strchr(named, (int)character) : NULL;
    if (name)
        return snprintf(out, 12, "\\%c", "abtnvfr"[name - named]);
    return snprintf(out, 12, character < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)character);
}

size_t text_print(FILE *out, const char *text, size_t len, size_t most)
{
    size_t columns = 0;

    while (len > 0) {
        char form[12];
        size_t taken;
        size_t width = (size_t)visible(text, len, form, &taken);

        if (columns + width >
            most - (most != TEXT_WHOLE && taken < len)) { /* a column is kept for the mark */
            fputs("…", out);
            return columns + 1;
        }
        fputs(form, out);
        columns += width;
        text += taken;
        len -= taken;
    }
    return columns;
}

/* ---- JSON (RFC 8259 7) ---- */

static void json_character(FILE *out, const char *text, size_t size, uint32_t character)
{
    static const char named[] = "\b\t\n\f\r\"\\";
    const char *name = character && character < 0x80 ? strchr(named, (int)character) : NULL;

    if (name) {
        putc_unlocked('\\', out);
        putc_unlocked("btnfr\"\\"[name - named], out);
    } else if (text_is_control(character)) {
        fprintf(out, "\\u%04x", (unsigned)character);
    } else {
        fwrite_unlocked(text, 1, size, out);
    }
}

static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void text_json(FILE *out, const char *text, size_t len)
{
    putc_unlocked('"', out);
    while (len > 0) {
        size_t size = 0;
        uint32_t character;

        while (size < len && is_plain(text[size]))
            size++;
        if (size > 0) {
            fwrite_unlocked(text, 1, size, out);
        } else {
            size = text_character(text, len, &character);
            if (size > 0)
                json_character(out, text, size, character);
            else
                fputs_unlocked("\xef\xbf\xbd", out); /* U+FFFD */
            size += size == 0;
        }
        text += size;
        len -= size;
    }
    putc_unlocked('"', out);
}

/* ---- CSV (RFC 4180) ---- */

void text_csv(FILE *out, const char *text, size_t len, bool safe)
{
    bool quote = false;

    for (size_t i = 0; i < len; i++)
        quote |= strchr(",\"\r\n", text[i]) != NULL; /* a zero byte is quoted too */
    if (quote)
        putc_unlocked('"', out);
    while (len > 0) {
        char form[12];
        size_t taken = 1;

        if (*text == '"')
            putc_unlocked('"', out);
        if (safe) {
            visible(text, len, form, &taken);
            fputs_unlocked(form, out);
        } else {
            putc_unlocked(*text, out);
        }
        text += taken;
        len -= taken;
    }
    if (quote)
        putc_unlocked('"', out);
}

/* ---- bytes ---- */

void text_base64url(FILE *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t at = 0; at < len; at += 3) {
        size_t left = len - at < 3 ? len - at : 3;
        uint32_t group = (uint32_t)bytes[at] << 16;

        if (left > 1)
            group |= (uint32_t)bytes[at + 1] << 8;
        if (left > 2)
            group |= bytes[at + 2];
        for (size_t i = 0; i <= left; i++)
            putc_unlocked(digits[group >> (18 - 6 * i) & 63], out);
    }
}

void text_hex(FILE *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        putc_unlocked("0123456789abcdef"[bytes[i] >> 4], out);
        putc_unlocked("0123456789abcdef"[bytes[i] & 15], out);
    }
}

static int hex_digit(char c)
{
    static const char digits[] = "00112233445566778899aAbBcCdDeEfF";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) / 2 : -1;
}

int text_parse_hex(const char *text, size_t len, uint8_t *out, size_t size)
{
    if (len % 2 || len / 2 > size || len == 0)
        return -1;
    for (size_t i = 0; i < len / 2; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -1;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return (int)(len / 2);
}

/* ---- numbers ---- */

size_t text_double(char out[TEXT_DOUBLE_SIZE], double value)
{
    /*
     * Up to 15 digits survive the way to a double and back, so the first try is the shortest; not so below
     * DBL_MIN.
     */
    int digits = value > -DBL_MIN && value < DBL_MIN ? 1 : 15;
    char text[TEXT_DOUBLE_SIZE];
    int len = 0;

    for (; digits <= 17; digits++) {
        len = snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    memcpy(out, text, (size_t)len + 1);
    return (size_t)len;
}
