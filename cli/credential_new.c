#include "cli/credential_new.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/text.h"
#include "device/crypto.h"

#define SECRET_LENGTH 43 /* characters (PROTOCOL 1) */
#define NEW_KID_SIZE  4  /* bytes (PROTOCOL 1) */
#define DRAWS         64 /* of a kid: even among a million devices the first is nearly always free */

const char *const credential_algs[] = {"10", "24", "30", NULL};

static int draw(void *out, size_t len, struct failure *failure)
{
    if (getrandom(out, len, 0) != (ssize_t)len) /* up to 256 bytes come whole */
        return fail(failure, "the system's random source failed; nothing was changed");
    return 0;
}

/* The library's reader of credential lines also reads a secret: it stands in one here. */
static int import_secret(const char *argument, struct bulla_credential *credential, struct failure *failure)
{
    char secret[64];
    char line[128];
    struct bulla_credential imported = {0};
    int result = -1;
    int len;

    if (!input_is_indirect(argument))
        return usage(failure,
                     "--secret: a secret on the command line can be seen by every user; give @FILE or -");
    len = input_line(argument, secret, sizeof(secret), failure);
    if (len >= 0) {
        len = snprintf(line, sizeof(line), "bulla:x?kid=00&secret=%s", secret);
        if (strlen(secret) == SECRET_LENGTH)
            result = bulla_credential_parse(&imported, NULL, line, (size_t)len);
        memcpy(credential->secret, imported.secret, sizeof(credential->secret));
        if (result < 0)
            fail(failure, "--secret: this is not a secret: it takes 43 characters of base64url, 32 bytes");
    }
    bulla_wipe(&imported, sizeof(imported));
    bulla_wipe(secret, sizeof(secret));
    bulla_wipe(line, sizeof(line));
    return result < 0 ? -1 : 0;
}

int credential_new(const struct credential_options *options, struct bulla_credential *credential,
                   struct failure *failure)
{
    int len;

    credential->alg = (uint8_t)atoi(options->alg);
    credential->kind = options->counter ? BULLA_COUNTER : BULLA_SESSION;
    if (options->kid) {
        len = text_parse_hex(options->kid, strlen(options->kid), credential->kid, sizeof(credential->kid));
        if (len < 1)
            return usage(failure, "--kid: '%.20s' is not 1 to 5 bytes of hex", options->kid);
        credential->kid_len = (uint8_t)len;
    }
    if (options->secret)
        return import_secret(options->secret, credential, failure);
    return draw(credential->secret, sizeof(credential->secret), failure);
}

static int enter(const struct credential_options *options, struct bulla_credential *credential,
                 credential_enterer *try, void *context, struct failure *failure)
{
    int entered;

    if (options->kid) {
        entered = try(context, credential, failure);
        return entered != 0
                   ? entered
                   : fail(failure, "--kid %s: it is taken, or was once; choose another", options->kid);
    }
    credential->kid_len = NEW_KID_SIZE;
    for (int i = 0; i < DRAWS; i++) {
        if (draw(credential->kid, NEW_KID_SIZE, failure) < 0)
            return -1;
        entered = try(context, credential, failure);
        if (entered != 0)
            return entered;
    }
    return fail(failure, "no kid of %d bytes is free; give one of another length with --kid", NEW_KID_SIZE);
}

/* Writes the line to standard output, or into `file` (named `path`) if that is not negative; closes it. */
static int print(const char *name, const char *done, const struct bulla_credential *credential, int file,
                 const char *path, struct failure *failure)
{
    char line[BULLA_CREDENTIAL_MAX] = "";
    struct failure why;
    int result;
    int len = bulla_credential_format(credential, name, line);

    if (len >= 0)
        line[len++] = '\n';
    if (file >= 0)
        result = output_secret_file(file, path, line, len < 0 ? 0 : (size_t)len, &why);
    else
        result = output_secret(line, len < 0 ? 0 : (size_t)len, &why);
    bulla_wipe(line, sizeof(line));
    if (len < 0)
        return fail(failure, "%s %s, but its credential line: %s", name, done, bulla_strerror(len));
    if (result < 0)
        return fail(failure, "%s %s, but its credential could not be %s; see 'bulla device export'", name,
                    done, file >= 0 ? "written" : "printed");
    return 0;
}

int credential_enter(const struct credential_options *options, const char *name, const char *done,
                     struct bulla_credential *credential, credential_enterer *try, void *context,
                     struct failure *failure)
{
    int file = -1;
    int result;

    if (options->out) {
        file = output_create(options->out, failure);
        if (file < 0)
            return -1;
    }
    result = enter(options, credential, try, context, failure);
    if (result < 0 && file >= 0)
        close(file);
    if (result >= 0)
        result = print(name, done, credential, file, options->out, failure);
    if (result < 0 && file >= 0)
        unlink(options->out);
    return result < 0 ? -1 : 0;
}
