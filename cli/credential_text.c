#include "cli/credential_text.h"

#include <stdio.h>
#include <string.h>

#include "cli/device_print.h"
#include "cli/qr.h"
#include "cli/text.h"
#include "device/crypto.h"

const char *const credential_forms[CREDENTIAL_FORMS + 1] = {
    [CREDENTIAL_URI] = "uri", [CREDENTIAL_HEADER] = "header", [CREDENTIAL_JSON] = "json",
    [CREDENTIAL_QR] = "qr",   [CREDENTIAL_NVS] = "nvs",
};

bool credential_form_is_for_boards(enum credential_form form)
{
    return form == CREDENTIAL_HEADER || form == CREDENTIAL_QR || form == CREDENTIAL_NVS;
}

static void write_bytes(FILE *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        fprintf(out, "%s0x%02x", i == 0 ? "" : i % 12 ? ", " : ",\n     ", bytes[i]);
}

/*
 * `name` is percent-encoded: nothing in it ends the comment. Members stand in their order, which C++ takes
 * too.
 */
static void write_header(FILE *out, const struct bulla_credential *credential, const char *name, int name_len)
{
    bool counter = credential->kind == BULLA_COUNTER;

    fprintf(out, "/*\n * The credential of the device %.*s.", name_len, name);
    fputs(" It holds the secret: keep it out of version control,\n * and put it on one board.\n", out);
    if (counter)
        fputs(" * It counts: call bulla_provision_counter() once on that board, never at start-up.\n", out);
    fputs(" */\n#ifndef BULLA_CREDENTIAL_H\n#define BULLA_CREDENTIAL_H\n\n#include \"bulla.h\"\n\n", out);
    fputs("static const struct bulla_credential credential = {\n    /* secret */\n    {", out);
    write_bytes(out, credential->secret, sizeof(credential->secret));
    fputs("},\n    /* kid */\n    {", out);
    write_bytes(out, credential->kid, credential->kid_len);
    fprintf(out, "},\n    %u, /* bytes of kid */\n    %u, /* alg */\n    %s,\n};\n\n#endif\n",
            credential->kid_len, credential->alg, counter ? "BULLA_COUNTER" : "BULLA_SESSION");
}

static void write_json(FILE *out, const struct bulla_credential *credential, const char *name)
{
    fputs("{\"name\":", out);
    text_json(out, name, strlen(name));
    fputs(",\"kid\":\"", out);
    text_hex(out, credential->kid, credential->kid_len);
    fputs("\",\"secret\":\"", out);
    text_base64url(out, credential->secret, sizeof(credential->secret));
    fprintf(out, "\",\"alg\":%u,\"context\":\"%s\"}\n", credential->alg, device_kind_text(credential->kind));
}

/*
 * What nvs_partition_gen.py of ESP-IDF takes: namespace "bulla", and the members of struct bulla_credential
 * under their names (an NVS key has at most 15 characters): kid and secret as binary data, alg and kind
 * (enum bulla_kind: 0 session, 1 counter) as u8, name as a string for people. A port that reads the
 * credential from NVS uses these.
 */
static void write_nvs(FILE *out, const struct bulla_credential *credential, const char *name)
{
    fputs("key,type,encoding,value\nbulla,namespace,,\nname,data,string,", out);
    text_csv(out, name, strlen(name), false);
    fputs("\nkid,data,hex2bin,", out);
    text_hex(out, credential->kid, credential->kid_len);
    fputs("\nsecret,data,hex2bin,", out);
    text_hex(out, credential->secret, sizeof(credential->secret));
    fprintf(out, "\nalg,data,u8,%u\nkind,data,u8,%u\n", credential->alg, credential->kind);
}

static int write_form(FILE *out, enum credential_form form, const struct bulla_credential *credential,
                      const char *name, const char *line, bool invert)
{
    const char *encoded = line + strlen("bulla:"); /* the name, as it stands in the line */

    switch (form) {
    case CREDENTIAL_HEADER:
        write_header(out, credential, encoded, (int)strcspn(encoded, "?"));
        return 0;
    case CREDENTIAL_JSON:
        write_json(out, credential, name);
        return 0;
    case CREDENTIAL_QR:
        return qr_draw(out, line, qr_locale_is_utf8() ? QR_BLOCKS : QR_ASCII, invert);
    case CREDENTIAL_NVS:
        write_nvs(out, credential, name);
        return 0;
    case CREDENTIAL_URI:
    case CREDENTIAL_FORMS:
        break;
    }
    fprintf(out, "%s\n", line);
    return 0;
}

int credential_text(char *text, enum credential_form form, const struct bulla_credential *credential,
                    const char *name, bool invert)
{
    char line[BULLA_CREDENTIAL_MAX];
    FILE *out = NULL;
    int len = bulla_credential_format(credential, name, line);

    if (len >= 0)
        out = fmemopen(text, CREDENTIAL_TEXT_SIZE, "w");
    if (!out)
        return -1;
    setvbuf(out, NULL, _IONBF, 0); /* a buffer could not be wiped */
    len = write_form(out, form, credential, name, line, invert);
    if (len == 0)
        len = (int)ftell(out);
    fclose(out);
    bulla_wipe(line, sizeof(line));
    return len;
}
