#include "cli/qr.h"

#include <langinfo.h>
#include <locale.h>
#include <string.h>

#include <qrencode.h>

#include "device/crypto.h"

bool qr_locale_is_utf8(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    bool is_utf8;

    if (locale == (locale_t)0)
        return false;
    is_utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
    freelocale(locale);
    return is_utf8;
}

/* Whether something is drawn at a place, in modules from the corner of the quiet zone. */
static bool is_drawn(const QRcode *code, int x, int y, bool invert)
{
    bool inside = x >= QR_QUIET && x < QR_QUIET + code->width && y >= QR_QUIET && y < QR_QUIET + code->width;
    bool dark = inside && (code->data[(y - QR_QUIET) * code->width + x - QR_QUIET] & 1) != 0;

    /* Below the last row of an odd number, nothing is drawn. */
    return y < code->width + 2 * QR_QUIET && dark == invert;
}

static void draw_blocks(FILE *out, const QRcode *code, bool invert)
{
    static const char *const blocks[] = {" ", "\u2584", "\u2580", "\u2588"}; /* bit 1: upper, bit 0: lower */
    int size = code->width + 2 * QR_QUIET;

    for (int y = 0; y < size; y += 2) {
        for (int x = 0; x < size; x++)
            fputs(blocks[is_drawn(code, x, y, invert) << 1 | is_drawn(code, x, y + 1, invert)], out);
        fputc('\n', out);
    }
}

static void draw_ascii(FILE *out, const QRcode *code, bool invert)
{
    int size = code->width + 2 * QR_QUIET;

    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++)
            fputs(is_drawn(code, x, y, invert) ? "##" : "  ", out);
        fputc('\n', out);
    }
}

int qr_draw(FILE *out, const char *text, enum qr_look look, bool invert)
{
    /* Level L: a screen has no scratches, and the smallest code fits into 80 columns and 24 lines. */
    QRcode *code = QRcode_encodeData((int)strlen(text), (const unsigned char *)text, 0, QR_ECLEVEL_L);

    if (code == NULL)
        return -1;
    if (look == QR_BLOCKS)
        draw_blocks(out, code, invert);
    else
        draw_ascii(out, code, invert);
    bulla_wipe(code->data, (size_t)code->width * (size_t)code->width);
    QRcode_free(code);
    return 0;
}
