/*
 * The master key, and what is sealed at rest under it: AES-256-GCM, 12 bytes of random nonce, ciphertext, 16
 * bytes of tag. What a thing is (its label, for a device's secret also its kid) is authenticated with it, so
 * rows cannot be swapped.
 */
#ifndef VAULT_H
#define VAULT_H

#include "gateway/store/store.h"

#define VAULT_KEY_SIZE   32
#define VAULT_SECRET_MAX 512 /* bytes of the longest thing that is sealed */

struct vault {
    uint8_t key[VAULT_KEY_SIZE];
};

/* The credential of a service (service.h) that is taken as the master key where no --key is given. */
#define VAULT_CREDENTIAL "bulla.key"

/*
 * Where the master key of the store at `db` (its path or URL) is, unless somebody says otherwise: among the
 * credentials of this service, else beside the database. `path` has `size` bytes. Returns 0, or -1 with a
 * failure.
 */
MUST_CHECK int vault_key_path(const char *db, char *path, size_t size, struct failure *failure);

/*
 * Opens the master key of `store`: reads the file at `path`, which only its owner may read, and checks it
 * against the registry. Where the registry has none yet (first use) the file is made if it is not there; if
 * it is there, it must belong to this user or root. A missing or wrong key, or a file that others may read,
 * is a failure that says what to do; nothing is overwritten.
 */
MUST_CHECK int vault_open(struct vault *vault, struct store *store, const char *path,
                          struct failure *failure);
void vault_wipe(struct vault *vault);

/* Writes the master key into a new file, mode 0600, durably: 1, or 0 if there is a file of that name. */
MUST_CHECK int vault_save(const struct vault *vault, const char *path, struct failure *failure);

/* Whether somebody besides its owner (and those whom a service manager lets in) may read a master key's file.
 */
struct stat;
bool vault_others_may_read(const struct stat *status);

/* Whether the registry has a master key already: 1, 0 (vault_open() would give it one), or -1. */
MUST_CHECK int vault_is_made(struct store *store, struct failure *failure);

/* Seals `len` bytes (at most VAULT_SECRET_MAX) into `sealed` (SEALED_SIZE(len) bytes). `label` and `bound`
 * say what it is.
 */
MUST_CHECK int vault_seal(const struct vault *vault, const char *label, const uint8_t *bound,
                          size_t bound_len, const uint8_t *secret, size_t len, uint8_t *sealed,
                          struct failure *failure);

/* Opens what vault_seal() made: `secret` receives `len` bytes. */
MUST_CHECK int vault_open_sealed(const struct vault *vault, const char *label, const uint8_t *bound,
                                 size_t bound_len, const uint8_t *sealed, uint8_t *secret, size_t len,
                                 struct failure *failure);

/* A device's secret: label "device", bound to its kid. */
MUST_CHECK int vault_seal_device(const struct vault *vault, struct device_row *row,
                                 const uint8_t secret[BULLA_SECRET_SIZE], struct failure *failure);
MUST_CHECK int vault_open_device(const struct vault *vault, const struct device_row *row,
                                 uint8_t secret[BULLA_SECRET_SIZE], struct failure *failure);

/* A device's keys on an older wire: label "wire", bound to wire and route. row->wire, route are set. */
MUST_CHECK int vault_seal_wire(const struct vault *vault, struct wire_row *row, const uint8_t *keys,
                               size_t len, struct failure *failure);
/* `keys` (WIRE_KEYS_MAX bytes) receives them, *len how many. */
MUST_CHECK int vault_open_wire(const struct vault *vault, const struct wire_row *row,
                               uint8_t keys[WIRE_KEYS_MAX], size_t *len, struct failure *failure);

/*
 * A value of the registry itself, 32 random bytes sealed under its name (the challenge key K, the rekey
 * secret R): reads it, or draws and enters it at first use.
 */
MUST_CHECK int vault_registry_secret(const struct vault *vault, struct store *store, const char *name,
                                     uint8_t secret[32], struct failure *failure);

/*
 * Draws a new value of the registry and seals it under its name, for who puts it there: K, after a restore
 * (PROTOCOL 9).
 */
MUST_CHECK int vault_renew(const struct vault *vault, const char *name, uint8_t sealed[SEALED_SIZE(32)],
                           struct failure *failure);

/* Whether a registry has a master key already, which vault_open() checks: 1, 0 none yet, or -1. */
MUST_CHECK int vault_is_known(struct store *store, struct failure *failure);

#endif
