/*
 * A credential in the forms in which it leaves (`bulla device export`).
 */
#ifndef CREDENTIAL_TEXT_H
#define CREDENTIAL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "device/bulla.h"
#include "gateway/failure.h"

#define CREDENTIAL_TEXT_SIZE 65536 /* bytes of the longest form, a drawn QR code */

enum credential_form {
    CREDENTIAL_URI,    /* the line of PROTOCOL 1 */
    CREDENTIAL_HEADER, /* C for firmware */
    CREDENTIAL_JSON,
    CREDENTIAL_QR,  /* the line as a QR code, drawn for a terminal */
    CREDENTIAL_NVS, /* a table for ESP-IDF's NVS partition generator */
    CREDENTIAL_FORMS
};

extern const char *const credential_forms[CREDENTIAL_FORMS + 1]; /* their names; NULL at the end */

/* True for the forms that are made to be put on a board. */
bool credential_form_is_for_boards(enum credential_form form);

/*
 * Writes one form into `text` (CREDENTIAL_TEXT_SIZE bytes). It holds the secret: wipe it. `invert`: a QR code
 * for a terminal with dark letters on a light ground. Returns the length, or -1.
 */
MUST_CHECK int credential_text(char *text, enum credential_form form,
                               const struct bulla_credential *credential, const char *name, bool invert);

#endif
