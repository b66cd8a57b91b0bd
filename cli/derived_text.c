#include "cli/derived_text.h"

#include <stdio.h>
#include <string.h>

#include "device/keys.h"

/* PROTOCOL 2: a counter context has no id_context, so its keys are the same at every start. */
static int derive(struct bulla_derived *derived, const struct bulla_credential *credential)
{
    struct bulla_schedule schedule = {.secret = credential->secret, .alg = credential->alg};

    *derived = (struct bulla_derived){.kid_len = credential->kid_len, .alg = credential->alg};
    memcpy(derived->kid, credential->kid, sizeof(credential->kid));
    if (bulla_derive_key(&schedule, credential->kid, credential->kid_len, derived->key) < 0)
        return -1;
    return bulla_derive_common_iv(&schedule, derived->common_iv);
}

static void write_member(FILE *out, const char *name, const uint8_t *bytes, size_t len)
{
    fprintf(out, "    /* %s */\n    {", name);
    for (size_t i = 0; i < len; i++)
        fprintf(out, "%s0x%02x", i == 0 ? "" : i % 12 ? ", " : ",\n     ", bytes[i]);
    fputs("},\n", out);
}

/* `name` is percent-encoded: nothing in it ends the comment. */
static void write_header(FILE *out, const struct bulla_derived *derived, const char *name, int name_len)
{
    fprintf(out, "/*\n * The keys of the device %.*s, derived from its secret.", name_len, name);
    fputs(" Keep them out of version\n * control, and put them on one board, which can only seal.\n"
          " * It counts: call bulla_provision_derived() once on that board, never at start-up.\n"
          " */\n#ifndef BULLA_CREDENTIAL_H\n#define BULLA_CREDENTIAL_H\n\n#include \"bulla.h\"\n\n"
          "static const struct bulla_derived derived = {\n",
          out);
    write_member(out, "key", derived->key, bulla_key_size(derived->alg));
    write_member(out, "common_iv", derived->common_iv, bulla_nonce_size(derived->alg));
    write_member(out, "kid", derived->kid, derived->kid_len);
    fprintf(out, "    %u, /* bytes of kid */\n    %u, /* alg */\n};\n\n#endif\n", derived->kid_len,
            derived->alg);
}

int derived_text(char *text, const struct bulla_credential *credential, const char *name)
{
    char line[BULLA_CREDENTIAL_MAX];
    const char *encoded = line + strlen("bulla:"); /* the name, as it stands in the line */
    struct bulla_derived derived;
    FILE *out = NULL;
    int len = bulla_credential_format(credential, name, line);

    if (len >= 0 && derive(&derived, credential) == 0)
        out = fmemopen(text, DERIVED_TEXT_SIZE, "w");
    len = -1;
    if (out) {
        setvbuf(out, NULL, _IONBF, 0); /* a buffer could not be wiped */
        write_header(out, &derived, encoded, (int)strcspn(encoded, "?"));
        len = (int)ftell(out);
        fclose(out);
    }
    bulla_wipe(&derived, sizeof(derived));
    bulla_wipe(line, sizeof(line));
    return len;
}
