#include "gateway/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "gateway/owner.h"
#include "gateway/service.h"

#define NONCE_SIZE    12
#define TAG_SIZE      16
#define SECRET_MAX    VAULT_SECRET_MAX
#define KEY_TEXT_SIZE (2 * VAULT_KEY_SIZE) /* hex digits; a newline follows */
#define CHECK_NAME    "keycheck"

/* Sealed under CHECK_NAME: what does not open to this was sealed under another key. */
static const uint8_t check_value[16] = "bulla master key";

static int draw(uint8_t *out, size_t len, struct failure *failure)
{
    if (getrandom(out, len, 0) != (ssize_t)len)
        return fail(failure, "cannot get random bytes from the system: %s", strerror(errno));
    return 0;
}

/* ---- AES-256-GCM ---- */

/* The AAD is label, zero byte, bound: no two pairs give the same. */
static int feed_aad(EVP_CIPHER_CTX *cipher, const char *label, const uint8_t *bound, size_t bound_len)
{
    int len;

    return EVP_CipherUpdate(cipher, NULL, &len, (const uint8_t *)label, (int)strlen(label) + 1) == 1 &&
           (bound_len == 0 || EVP_CipherUpdate(cipher, NULL, &len, bound, (int)bound_len) == 1);
}

static int seal_with(EVP_CIPHER_CTX *cipher, const struct vault *vault, const char *label,
                     const uint8_t *bound, size_t bound_len, const uint8_t *secret, size_t len,
                     uint8_t *sealed)
{
    int written;

    return EVP_CipherInit_ex2(cipher, EVP_aes_256_gcm(), vault->key, sealed, 1, NULL) == 1 &&
           feed_aad(cipher, label, bound, bound_len) &&
           EVP_CipherUpdate(cipher, sealed + NONCE_SIZE, &written, secret, (int)len) == 1 &&
           EVP_CipherFinal_ex(cipher, sealed + NONCE_SIZE + len, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, sealed + NONCE_SIZE + len) == 1;
}

static int open_with(EVP_CIPHER_CTX *cipher, const struct vault *vault, const char *label,
                     const uint8_t *bound, size_t bound_len, const uint8_t *sealed, uint8_t *secret,
                     size_t len)
{
    uint8_t tag[TAG_SIZE];
    int written;

    memcpy(tag, sealed + NONCE_SIZE + len, TAG_SIZE);
    return EVP_CipherInit_ex2(cipher, EVP_aes_256_gcm(), vault->key, sealed, 0, NULL) == 1 &&
           feed_aad(cipher, label, bound, bound_len) &&
           EVP_CipherUpdate(cipher, secret, &written, sealed + NONCE_SIZE, (int)len) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
           EVP_CipherFinal_ex(cipher, secret + len, &written) == 1;
}

int vault_seal(const struct vault *vault, const char *label, const uint8_t *bound, size_t bound_len,
               const uint8_t *secret, size_t len, uint8_t *sealed, struct failure *failure)
{
    EVP_CIPHER_CTX *cipher;
    int done;

    if (len > SECRET_MAX)
        return fail(failure, "cannot seal \"%s\": it is longer than %d bytes", label, SECRET_MAX);
    if (draw(sealed, NONCE_SIZE, failure) != 0)
        return -1;
    cipher = EVP_CIPHER_CTX_new();
    done = cipher != NULL && seal_with(cipher, vault, label, bound, bound_len, secret, len, sealed);
    EVP_CIPHER_CTX_free(cipher);
    if (!done)
        return fail(failure, "cannot seal \"%s\": OpenSSL failed", label);
    return 0;
}

int vault_open_sealed(const struct vault *vault, const char *label, const uint8_t *bound, size_t bound_len,
                      const uint8_t *sealed, uint8_t *secret, size_t len, struct failure *failure)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int done = cipher != NULL && open_with(cipher, vault, label, bound, bound_len, sealed, secret, len);

    EVP_CIPHER_CTX_free(cipher);
    if (done)
        return 0;
    OPENSSL_cleanse(secret, len);
    return fail(failure, "cannot open \"%s\": it was not sealed under this master key, or was changed since",
                label);
}

/* ---- what is sealed ---- */

int vault_seal_device(const struct vault *vault, struct device_row *row,
                      const uint8_t secret[BULLA_SECRET_SIZE], struct failure *failure)
{
    return vault_seal(vault, "device", row->kid, row->kid_len, secret, BULLA_SECRET_SIZE, row->secret,
                      failure);
}

int vault_open_device(const struct vault *vault, const struct device_row *row,
                      uint8_t secret[BULLA_SECRET_SIZE], struct failure *failure)
{
    struct failure ignored;

    if (vault_open_sealed(vault, "device", row->kid, row->kid_len, row->secret, secret, BULLA_SECRET_SIZE,
                          &ignored) == 0)
        return 0;
    return fail(failure,
                "cannot open the secret of device \"%s\": its row was changed since it was written; "
                "provision the device anew",
                row->name);
}

/* Wire, zero byte, route: no two pairs give the same. */
static size_t bind_wire(const struct wire_row *row, uint8_t bound[WIRE_NAME_MAX + WIRE_ROUTE_MAX + 1])
{
    size_t wire_len = strlen(row->wire);
    size_t route_len = strlen(row->route);

    memcpy(bound, row->wire, wire_len + 1);
    memcpy(bound + wire_len + 1, row->route, route_len);
    return wire_len + 1 + route_len;
}

int vault_seal_wire(const struct vault *vault, struct wire_row *row, const uint8_t *keys, size_t len,
                    struct failure *failure)
{
    uint8_t bound[WIRE_NAME_MAX + WIRE_ROUTE_MAX + 1];

    row->keys_len = SEALED_SIZE(len);
    return vault_seal(vault, "wire", bound, bind_wire(row, bound), keys, len, row->keys, failure);
}

int vault_open_wire(const struct vault *vault, const struct wire_row *row, uint8_t keys[WIRE_KEYS_MAX],
                    size_t *len, struct failure *failure)
{
    uint8_t bound[WIRE_NAME_MAX + WIRE_ROUTE_MAX + 1];
    struct failure ignored;

    *len = row->keys_len < SEALED_SIZE(0) ? 0 : row->keys_len - SEALED_SIZE(0);
    if (*len > 0 && *len <= WIRE_KEYS_MAX &&
        vault_open_sealed(vault, "wire", bound, bind_wire(row, bound), row->keys, keys, *len, &ignored) == 0)
        return 0;
    return fail(failure,
                "cannot open the keys of device \"%s\": its row was changed since it was written; remove the "
                "device, and add it again",
                row->name);
}

/* Reads a sealed value of the registry, as it is: 1 found, 0 none. */
static int get_sealed(struct store *store, const char *name, uint8_t *sealed, size_t len,
                      struct failure *failure)
{
    size_t size = SEALED_SIZE(len);
    int found = store->ops->meta_get(store, name, sealed, &size, failure);

    if (found > 0 && size != SEALED_SIZE(len))
        return fail(failure, "the registry's value \"%s\" is damaged; see docs/gateway.md, Damage", name);
    return found;
}

/* The same, and opens it. */
static int read_sealed(const struct vault *vault, struct store *store, const char *name, uint8_t *secret,
                       size_t len, struct failure *failure)
{
    uint8_t sealed[SEALED_SIZE(SECRET_MAX)];
    int found = get_sealed(store, name, sealed, len, failure);

    if (found <= 0)
        return found;
    return vault_open_sealed(vault, name, NULL, 0, sealed, secret, len, failure) == 0 ? 1 : -1;
}

/* Seals a value and enters it: 1 entered, 0 another program was first. */
static int enter_sealed(const struct vault *vault, struct store *store, const char *name,
                        const uint8_t *secret, size_t len, struct failure *failure)
{
    uint8_t sealed[SEALED_SIZE(SECRET_MAX)];

    if (vault_seal(vault, name, NULL, 0, secret, len, sealed, failure) != 0)
        return -1;
    return store->ops->meta_put(store, name, sealed, SEALED_SIZE(len), failure);
}

int vault_registry_secret(const struct vault *vault, struct store *store, const char *name,
                          uint8_t secret[32], struct failure *failure)
{
    int found = read_sealed(vault, store, name, secret, 32, failure);

    if (found == 0) {
        if (draw(secret, 32, failure) != 0)
            return -1;
        found = enter_sealed(vault, store, name, secret, 32, failure);
        if (found == 0)
            found = read_sealed(vault, store, name, secret, 32, failure);
        if (found == 0)
            found = fail(failure, "the registry's value \"%s\" was taken away while it was read", name);
    }
    if (found > 0)
        return 0;
    OPENSSL_cleanse(secret, 32);
    return -1;
}

int vault_renew(const struct vault *vault, const char *name, uint8_t sealed[SEALED_SIZE(32)],
                struct failure *failure)
{
    uint8_t secret[32];
    int result = draw(secret, sizeof(secret), failure);

    if (result == 0)
        result = vault_seal(vault, name, NULL, 0, secret, sizeof(secret), sealed, failure);
    OPENSSL_cleanse(secret, sizeof(secret));
    return result;
}

int vault_is_known(struct store *store, struct failure *failure)
{
    uint8_t sealed[SEALED_SIZE(sizeof(check_value))];

    return get_sealed(store, CHECK_NAME, sealed, sizeof(check_value), failure);
}

/* ---- the key's file ---- */

int vault_key_path(const char *db, char *path, size_t size, struct failure *failure)
{
    if (service_credential(VAULT_CREDENTIAL, path, size))
        return 0;
    return store_key_path(db, path, size, failure);
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* 64 hex digits and at most one line end. */
static int parse_key(const char *text, size_t len, uint8_t key[VAULT_KEY_SIZE])
{
    if (len > 0 && text[len - 1] == '\n')
        len--;
    if (len != KEY_TEXT_SIZE)
        return -1;
    for (size_t i = 0; i < VAULT_KEY_SIZE; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        key[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

static void format_key(const uint8_t key[VAULT_KEY_SIZE], char text[KEY_TEXT_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < VAULT_KEY_SIZE; i++) {
        text[2 * i] = digits[key[i] >> 4];
        text[2 * i + 1] = digits[key[i] & 15];
    }
    text[KEY_TEXT_SIZE] = '\n';
}

/*
 * A registry that has a key proves it (`fits`). A new one would take what it finds: then it must be this
 * user's own, or root's, and not what somebody else has put there.
 */
static int check_owner(const struct stat *status, const char *path, struct failure *failure)
{
    if (status->st_uid == geteuid() || status->st_uid == 0)
        return 0;
    return fail(failure,
                "the master key %s belongs to another user (uid %u), who would know the key of this new "
                "database; if you put it there, type: chown %u %s; if not, take it away",
                path, (unsigned)status->st_uid, (unsigned)geteuid(), path);
}

/*
 * For its owner only. A credential that systemd has put ready belongs to root, and the service's user may
 * read it by an ACL, whose mask (acl(5)) then shows as the group's bits: 0440, of root's group.
 */
bool vault_others_may_read(const struct stat *status)
{
    if (status->st_uid == 0 && status->st_gid == 0 && (status->st_mode & 0777) == 0440)
        return false;
    return (status->st_mode & 077) != 0;
}

static int check_file(int fd, const char *path, bool registry_is_new, struct failure *failure)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return fail(failure, "cannot read the master key %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return fail(failure, "the master key %s is not a file; give the file that it is in", path);
    if (vault_others_may_read(&status))
        return fail(failure, "others may read the master key %s (its mode is %03o); type: chmod 600 %s", path,
                    (unsigned)(status.st_mode & 0777), path);
    return registry_is_new ? check_owner(&status, path, failure) : 0;
}

static int read_text(int fd, const char *path, uint8_t key[VAULT_KEY_SIZE], struct failure *failure)
{
    char text[KEY_TEXT_SIZE + 2]; /* one more than it may have */
    size_t used = 0;
    ssize_t got;

    while (used < sizeof(text) && (got = read(fd, text + used, sizeof(text) - used)) != 0) {
        if (got > 0)
            used += (size_t)got;
        else if (errno != EINTR)
            return fail(failure, "cannot read the master key %s: %s", path, strerror(errno));
    }
    int parsed = parse_key(text, used, key);
    OPENSSL_cleanse(text, sizeof(text));
    if (parsed != 0)
        return fail(
            failure,
            "the master key %s is damaged: it must hold %d hex digits; put your copy of it back (none: see "
            "docs/gateway.md, Damage)",
            path, KEY_TEXT_SIZE);
    return 0;
}

/* 1 read, 0 there is no such file. */
static int read_key(const char *path, uint8_t key[VAULT_KEY_SIZE], bool registry_is_new,
                    struct failure *failure)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe is refused, not waited for */

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return fail(failure, "cannot read the master key %s: %s", path, strerror(errno));
    int result = check_file(fd, path, registry_is_new, failure);
    if (result == 0)
        result = read_text(fd, path, key, failure);
    close(fd);
    return result == 0 ? 1 : -1;
}

static int write_durably(int fd, const void *bytes, size_t len)
{
    ssize_t written = write(fd, bytes, len);

    if (written >= 0 && (size_t)written != len)
        errno = ENOSPC;
    return written == (ssize_t)len && fsync(fd) == 0 ? 0 : -1;
}

/* A new name is durable when its folder is. */
static int sync_folder(const char *path)
{
    char *copy = strdup(path);
    int fd = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);

    if (fd >= 0)
        close(fd);
    free(copy);
    return result;
}

/* Puts the text under the name as a whole, or not at all; an existing file stays (EEXIST). */
static int publish(const char *path, char *temporary, const char *text, size_t len)
{
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */

    if (fd < 0)
        return -1;
    owner_follow_folder(fd, path);
    int result = write_durably(fd, text, len);
    close(fd);
    if (result == 0)
        result = link(temporary, path);
    int error = errno;
    unlink(temporary);
    errno = error;
    return result == 0 ? sync_folder(path) : -1;
}

int vault_save(const struct vault *vault, const char *path, struct failure *failure)
{
    char text[KEY_TEXT_SIZE + 1];
    char *temporary;
    int result;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return fail(failure, "cannot write the master key %s: no memory is left", path);
    format_key(vault->key, text);
    result = publish(path, temporary, text, sizeof(text));
    if (result != 0 && errno != EEXIST)
        fail(failure, "cannot write the master key %s: %s; is the folder there and writable?", path,
             strerror(errno));
    else
        result = result == 0 ? 1 : 0;
    OPENSSL_cleanse(text, sizeof(text));
    free(temporary);
    return result;
}

/* 1 made, 0 another program made one at the same time. */
static int make_key(struct vault *vault, const char *path, struct failure *failure)
{
    return draw(vault->key, VAULT_KEY_SIZE, failure) != 0 ? -1 : vault_save(vault, path, failure);
}

/* ---- opening ---- */

/* Reads the key's file, or makes it for a new registry. */
static int get_key(struct vault *vault, const char *path, bool registry_is_new, struct failure *failure)
{
    int found = read_key(path, vault->key, registry_is_new, failure);

    if (found == 0 && !registry_is_new)
        return fail(failure,
                    "the master key %s is missing; put your copy of it back, or give --key (lost: see "
                    "docs/gateway.md, Damage). Nothing was changed.",
                    path);
    if (found == 0)
        found = make_key(vault, path, failure);
    if (found == 0) /* made by another program just now */
        found = read_key(path, vault->key, registry_is_new, failure);
    if (found == 0)
        found = fail(failure, "the master key %s was taken away while it was read", path);
    if (found < 0)
        vault_wipe(vault);
    return found < 0 ? -1 : 0;
}

/* 1 if this is the key that sealed the check's value. */
static bool fits(const struct vault *vault, const uint8_t *sealed)
{
    uint8_t value[sizeof(check_value)];
    struct failure ignored;

    return vault_open_sealed(vault, CHECK_NAME, NULL, 0, sealed, value, sizeof(value), &ignored) == 0 &&
           memcmp(value, check_value, sizeof(value)) == 0;
}

int vault_is_made(struct store *store, struct failure *failure)
{
    uint8_t sealed[SEALED_SIZE(sizeof(check_value))];

    return get_sealed(store, CHECK_NAME, sealed, sizeof(check_value), failure);
}

int vault_open(struct vault *vault, struct store *store, const char *path, struct failure *failure)
{
    uint8_t sealed[SEALED_SIZE(sizeof(check_value))];
    int known = get_sealed(store, CHECK_NAME, sealed, sizeof(check_value), failure);

    if (known < 0 || get_key(vault, path, known == 0, failure) != 0)
        return -1;
    if (known == 0) {
        /* Read back: another program may have entered its own meanwhile. */
        known = enter_sealed(vault, store, CHECK_NAME, check_value, sizeof(check_value), failure);
        if (known >= 0)
            known = get_sealed(store, CHECK_NAME, sealed, sizeof(check_value), failure);
    }
    if (known >= 0 && fits(vault, sealed))
        return 0;
    vault_wipe(vault);
    if (known < 0)
        return -1;
    return fail(
        failure,
        "the master key %s is not the one that this database was made with; put your copy of the right one "
        "back, or give --key (lost: see docs/gateway.md, Damage). Nothing was changed.",
        path);
}

void vault_wipe(struct vault *vault)
{
    OPENSSL_cleanse(vault, sizeof(*vault));
}
