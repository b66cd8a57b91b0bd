/*
 * The master key and what is sealed under it: every state that key file and registry may be in, and rows that
 * were changed or swapped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* cmocka's; failure.h has its own */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/vault.h"

struct fixture {
    char folder[64];
    char db[96];
    char key[96];
    struct store *store;
    struct vault vault;
    struct failure failure;
};

#define ok(expression) assert_int_equal(expression, 0)
#define says(f, words) assert_non_null(strstr((f)->failure.text, words))

static void open_store(struct fixture *f)
{
    ok(store_open(&f->store, f->db, STORE_CREATE, &f->failure));
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->folder, "/tmp/bulla-vault-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->db, sizeof(f->db), "%s/bulla.db", f->folder);
    snprintf(f->key, sizeof(f->key), "%s/bulla.key", f->folder);
    open_store(f);
    *state = f;
    return 0;
}

/* Removes the folder's files. Returns how many there were. */
static int empty_folder(const struct fixture *f)
{
    DIR *folder = opendir(f->folder);
    struct dirent *entry;
    int count = 0;

    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            count += unlinkat(dirfd(folder), entry->d_name, 0) == 0;
    closedir(folder);
    return count;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    f->store->ops->close(f->store);
    empty_folder(f);
    ok(rmdir(f->folder));
    free(f);
    return 0;
}

static int open_vault(struct fixture *f)
{
    return vault_open(&f->vault, f->store, f->key, &f->failure);
}

static void write_key(struct fixture *f, const char *text)
{
    unlink(f->key);
    FILE *file = fopen(f->key, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    ok(chmod(f->key, 0600));
}

static const char other_key[] = "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff\n";

/* ---- key and registry ---- */

static void test_both_new(void **state)
{
    struct fixture *f = *state;
    struct vault first;
    struct stat status;

    ok(open_vault(f));
    first = f->vault;
    ok(stat(f->key, &status));
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, 65);
    assert_int_equal(status.st_nlink, 1);

    f->store->ops->close(f->store);
    open_store(f);
    ok(open_vault(f));
    assert_memory_equal(&first, &f->vault, sizeof(first));
    f->store->ops->close(f->store);
    assert_int_equal(empty_folder(f), 3); /* database, its lock and key: no temporary file is left */
    open_store(f);
}

static void test_new_registry_takes_an_existing_key(void **state)
{
    struct fixture *f = *state;

    write_key(f, other_key);
    ok(open_vault(f));
    assert_memory_equal(f->vault.key, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
    ok(open_vault(f));
}

static void test_missing_key(void **state)
{
    struct fixture *f = *state;

    ok(open_vault(f));
    unlink(f->key);
    assert_int_equal(open_vault(f), -1);
    says(f, f->key);
    says(f, "is missing; put your copy of it back, or give --key (lost: see docs/gateway.md, Damage). "
            "Nothing was "
            "changed.");
    assert_int_equal(access(f->key, F_OK), -1);
}

static void test_wrong_key(void **state)
{
    static const struct vault wiped;
    struct fixture *f = *state;

    ok(open_vault(f));
    write_key(f, other_key);
    assert_int_equal(open_vault(f), -1);
    says(f, "is not the one that this database was made with");
    assert_memory_equal(&f->vault, &wiped, sizeof(wiped));
}

static void test_damaged_key(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "0011",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeef",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefg\n",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\n",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0\n",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_key(f, texts[i]);
        assert_int_equal(open_vault(f), -1);
        says(f, "is damaged");
    }
    write_key(f, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    ok(open_vault(f)); /* an editor that leaves the line end out does no harm */
}

static void test_key_that_others_may_read(void **state)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0601, 0777};
    struct fixture *f = *state;

    ok(open_vault(f));
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        ok(chmod(f->key, modes[i]));
        assert_int_equal(open_vault(f), -1);
        says(f, "type: chmod 600 /tmp/");
    }
    ok(chmod(f->key, 0400));
    ok(open_vault(f));
}

/* As systemd puts credentials ready: 0440, root's, of root's group. */
static void test_key_that_is_a_credential(void **state)
{
    struct fixture *f = *state;
    char path[sizeof(f->key)];

    ok(vault_key_path(f->db, path, sizeof(path), &f->failure));
    assert_string_equal(path, f->key);
    ok(open_vault(f));
    setenv("CREDENTIALS_DIRECTORY", "/nowhere", 1);
    ok(vault_key_path("/other/bulla.db", path, sizeof(path), &f->failure));
    assert_string_equal(path, "/other/bulla.key");
    setenv("CREDENTIALS_DIRECTORY", f->folder, 1);
    ok(vault_key_path("/other/bulla.db", path, sizeof(path), &f->failure));
    assert_string_equal(path, f->key);
    unsetenv("CREDENTIALS_DIRECTORY");
    if (geteuid() != 0) {
        print_message("skipped: only root has files of root's\n");
        skip();
    }
    ok(chmod(f->key, 0440));
    ok(open_vault(f));
    ok(chown(f->key, 0, 65534));
    assert_int_equal(open_vault(f), -1);
    says(f, "others may read");
    ok(chown(f->key, 65534, 0));
    assert_int_equal(open_vault(f), -1);
    says(f, "others may read");
}

/* Put there by somebody else before the registry was made, himself or behind a link. */
static void test_key_of_another_user(void **state)
{
    struct fixture *f = *state;
    char target[sizeof(f->key) + 8];

    write_key(f, other_key);
    if (geteuid() != 0 || chown(f->key, 65534, (gid_t)-1) != 0) {
        print_message("skipped: only root can give a file to another user\n");
        skip();
    }
    assert_int_equal(open_vault(f), -1);
    says(f, "belongs to another user (uid 65534)");
    says(f, "type: chown 0 /tmp/");
    snprintf(target, sizeof(target), "%s.target", f->key);
    ok(rename(f->key, target));
    ok(symlink(target, f->key));
    assert_int_equal(open_vault(f), -1);
    says(f, "belongs to another user");

    ok(chown(target, 0, (gid_t)-1));
    ok(open_vault(f));
    ok(chown(target, 65534, (gid_t)-1)); /* from now on the registry knows its key, whoever keeps it */
    ok(open_vault(f));
}

static void test_key_behind_a_link(void **state)
{
    struct fixture *f = *state;
    char target[sizeof(f->key) + 8];

    write_key(f, other_key);
    snprintf(target, sizeof(target), "%s.target", f->key);
    ok(rename(f->key, target));
    ok(symlink(target, f->key));
    ok(open_vault(f));
}

static void test_key_that_is_a_pipe(void **state)
{
    struct fixture *f = *state;

    ok(mkfifo(f->key, 0600));
    alarm(10); /* it would be waited for */
    assert_int_equal(open_vault(f), -1);
    alarm(0);
    says(f, "is not a file");
}

static void test_key_in_no_place(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(vault_open(&f->vault, f->store, "/nowhere/at/all.key", &f->failure), -1);
    says(f, "is the folder there and writable?");
    assert_int_equal(vault_open(&f->vault, f->store, f->folder, &f->failure), -1);
    says(f, "is not a file");
    ok(open_vault(f)); /* nothing was entered in the registry by these */
}

static void test_damaged_check(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(f->store->ops->meta_put(f->store, "keycheck", "short", 5, &f->failure), 1);
    write_key(f, other_key);
    assert_int_equal(open_vault(f), -1);
    says(f, "damaged");
}

/* Several programs open the same new registry at once: one key is made, and all have it. */
static void test_concurrent_first_use(void **state)
{
    struct fixture *f = *state;

    f->store->ops->close(f->store);
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            int failed = store_open(&f->store, f->db, STORE_CREATE, &f->failure) != 0 || open_vault(f) != 0;
            if (failed)
                fprintf(stderr, "%s\n", f->failure.text);
            _exit(failed);
        }
    for (int i = 0; i < 8; i++) {
        int status;
        assert_true(wait(&status) > 0);
        ok(status);
    }
    open_store(f);
    ok(open_vault(f));
}

/* ---- sealing ---- */

static void test_seal_and_open(void **state)
{
    struct fixture *f = *state;
    uint8_t secret[VAULT_SECRET_MAX], opened[VAULT_SECRET_MAX];
    uint8_t sealed[SEALED_SIZE(VAULT_SECRET_MAX)], again[SEALED_SIZE(VAULT_SECRET_MAX)];

    ok(open_vault(f));
    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)i;
    for (size_t len = 0; len <= sizeof(secret); len++) {
        ok(vault_seal(&f->vault, "x", NULL, 0, secret, len, sealed, &f->failure));
        ok(vault_open_sealed(&f->vault, "x", NULL, 0, sealed, opened, len, &f->failure));
        assert_memory_equal(opened, secret, len);
    }
    ok(vault_seal(&f->vault, "x", NULL, 0, secret, sizeof(secret), again, &f->failure));
    assert_memory_not_equal(sealed, again, 12); /* a nonce is never used twice */
    assert_int_equal(vault_seal(&f->vault, "x", NULL, 0, secret, sizeof(secret) + 1, sealed, &f->failure),
                     -1);
}

static void test_any_change_is_refused(void **state)
{
    static const uint8_t nothing[32];
    struct fixture *f = *state;
    uint8_t secret[32] = {1, 2, 3}, sealed[SEALED_SIZE(32)];

    ok(open_vault(f));
    ok(vault_seal(&f->vault, "x", (const uint8_t *)"kid", 3, secret, 32, sealed, &f->failure));
    for (size_t i = 0; i < sizeof(sealed); i++) {
        sealed[i] ^= 0x40;
        memset(secret, 7, sizeof(secret));
        assert_int_equal(
            vault_open_sealed(&f->vault, "x", (const uint8_t *)"kid", 3, sealed, secret, 32, &f->failure),
            -1);
        assert_memory_equal(secret, nothing, 32);
        sealed[i] ^= 0x40;
    }
    /* What it is counts, and where the label ends. */
    assert_int_equal(
        vault_open_sealed(&f->vault, "y", (const uint8_t *)"kid", 3, sealed, secret, 32, &f->failure), -1);
    assert_int_equal(
        vault_open_sealed(&f->vault, "xk", (const uint8_t *)"id", 2, sealed, secret, 32, &f->failure), -1);
    ok(vault_open_sealed(&f->vault, "x", (const uint8_t *)"kid", 3, sealed, secret, 32, &f->failure));
}

static void test_device_secrets(void **state)
{
    struct fixture *f = *state;
    struct device_row a = {.name = "a", .kid = {1, 2}, .kid_len = 2},
                      b = {.name = "b", .kid = {1, 3}, .kid_len = 2};
    uint8_t secret[32] = {9, 8, 7}, opened[32];

    ok(open_vault(f));
    ok(vault_seal_device(&f->vault, &a, secret, &f->failure));
    ok(vault_seal_device(&f->vault, &b, secret, &f->failure));
    ok(vault_open_device(&f->vault, &a, opened, &f->failure));
    assert_memory_equal(opened, secret, 32);

    memcpy(b.secret, a.secret, sizeof(b.secret)); /* somebody who can write to the database swaps rows */
    assert_int_equal(vault_open_device(&f->vault, &b, opened, &f->failure), -1);
    says(f, "\"b\"");
}

static void test_registry_secrets(void **state)
{
    struct fixture *f = *state;
    uint8_t first[32], again[32], other[32];

    ok(open_vault(f));
    ok(vault_registry_secret(&f->vault, f->store, "K", first, &f->failure));
    ok(vault_registry_secret(&f->vault, f->store, "R", other, &f->failure));
    assert_memory_not_equal(first, other, 32);
    f->store->ops->close(f->store);
    open_store(f);
    ok(vault_registry_secret(&f->vault, f->store, "K", again, &f->failure));
    assert_memory_equal(first, again, 32);
}

/* A store in which another program is always a moment faster. */
static struct store *real_store;
static int asked;

static int late_get(struct store *store, const char *name, void *value, size_t *len, struct failure *failure)
{
    (void)store;
    return asked++ == 0 ? 0 : real_store->ops->meta_get(real_store, name, value, len, failure);
}

static int late_put(struct store *store, const char *name, const void *value, size_t len,
                    struct failure *failure)
{
    (void)store;
    return real_store->ops->meta_put(real_store, name, value, len, failure);
}

static void test_another_program_was_first(void **state)
{
    struct fixture *f = *state;
    const struct store_ops ops = {.meta_get = late_get, .meta_put = late_put};
    struct store late = {.ops = &ops};
    uint8_t theirs[32], ours[32];

    ok(open_vault(f));
    ok(vault_registry_secret(&f->vault, f->store, "K", theirs, &f->failure));
    real_store = f->store;
    asked = 0;
    ok(vault_registry_secret(&f->vault, &late, "K", ours, &f->failure));
    assert_memory_equal(ours, theirs, 32);

    /* Their check, too: our key is refused if it is not theirs. */
    asked = 0;
    ok(vault_open(&f->vault, &late, f->key, &f->failure));
    write_key(f, other_key);
    asked = 0;
    assert_int_equal(vault_open(&f->vault, &late, f->key, &f->failure), -1);
    says(f, "is not the one");
}

int main(void)
{
#define VAULT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        VAULT_TEST(test_both_new),
        VAULT_TEST(test_new_registry_takes_an_existing_key),
        VAULT_TEST(test_missing_key),
        VAULT_TEST(test_wrong_key),
        VAULT_TEST(test_damaged_key),
        VAULT_TEST(test_key_that_others_may_read),
        VAULT_TEST(test_key_that_is_a_credential),
        VAULT_TEST(test_key_of_another_user),
        VAULT_TEST(test_key_behind_a_link),
        VAULT_TEST(test_key_that_is_a_pipe),
        VAULT_TEST(test_key_in_no_place),
        VAULT_TEST(test_damaged_check),
        VAULT_TEST(test_concurrent_first_use),
        VAULT_TEST(test_seal_and_open),
        VAULT_TEST(test_any_change_is_refused),
        VAULT_TEST(test_device_secrets),
        VAULT_TEST(test_registry_secrets),
        VAULT_TEST(test_another_program_was_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
