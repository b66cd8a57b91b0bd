/*
 * The COSE working group's examples of COSE_Encrypt0, as far as the algorithms are ours: AAD, AEAD and tag.
 * Their headers are not of our form (they carry an IV), so they are taken apart here. The files are not part
 * of the project: where they are not, the test is skipped.
 */
#include <stdlib.h>
#include <string.h>

#include "device/cbor.h"
#include "device/keys.h"

#include "provider.h"
#include "recorder.h"
#include "vector_file.h"

static const char *directory(void)
{
    const char *given = getenv("BULLA_SHARED_VECTORS");

    return given != NULL ? given : BULLA_SHARED_VECTORS;
}

/* Reads 16([protected, {5: IV}, ciphertext]). Returns the algorithm. */
static int take_apart(const uint8_t *bytes, size_t len, struct bulla_cbor_item *protected_item,
                      struct bulla_cbor_item *iv, struct bulla_cbor_item *ciphertext)
{
    struct bulla_cbor_reader reader = {bytes, bytes + len};
    struct bulla_cbor_reader inner;
    struct bulla_cbor_item item;

    assert_int_equal(bulla_cbor_expect(&reader, BULLA_CBOR_TAG, &item), 0);
    assert_int_equal(item.argument, 16);
    assert_int_equal(bulla_cbor_expect(&reader, BULLA_CBOR_ARRAY, &item), 0);
    assert_int_equal(item.argument, 3);
    assert_int_equal(bulla_cbor_expect(&reader, BULLA_CBOR_BYTES, protected_item), 0);
    assert_int_equal(bulla_cbor_expect(&reader, BULLA_CBOR_MAP, &item), 0);
    assert_int_equal(item.argument, 1);
    assert_int_equal(bulla_cbor_expect(&reader, BULLA_CBOR_UINT, &item), 0);
    assert_int_equal(item.argument, 5);
    assert_int_equal(bulla_cbor_expect(&reader, BULLA_CBOR_BYTES, iv), 0);
    assert_int_equal(bulla_cbor_expect(&reader, BULLA_CBOR_BYTES, ciphertext), 0);
    assert_ptr_equal(reader.at, reader.end);
    inner.at = protected_item->data;
    inner.end = inner.at + protected_item->argument;
    assert_int_equal(bulla_cbor_expect(&inner, BULLA_CBOR_MAP, &item), 0);
    assert_int_equal(bulla_cbor_expect(&inner, BULLA_CBOR_UINT, &item), 0);
    assert_int_equal(item.argument, 1);
    assert_int_equal(bulla_cbor_expect(&inner, BULLA_CBOR_UINT, &item), 0);
    return (int)item.argument;
}

/* Returns 1 if the example's algorithm is ours. */
static int check_example(json_t *root)
{
    uint8_t bytes[512];
    uint8_t key[BULLA_KEY_MAX];
    uint8_t aad[64];
    uint8_t text[512];
    size_t len = vector_bytes(vector_member(root, "output"), "cbor", bytes, sizeof(bytes));
    const char *plaintext = vector_text(vector_member(root, "input"), "plaintext");
    struct bulla_cbor_writer writer = {aad, sizeof(aad), 0, 0};
    struct bulla_cbor_item protected_item;
    struct bulla_cbor_item iv;
    struct bulla_cbor_item ciphertext;
    int alg = take_apart(bytes, len, &protected_item, &iv, &ciphertext);

    if (bulla_key_size(alg) == 0)
        return 0;
    assert_int_equal(vector_bytes(vector_member(root, "intermediates"), "CEK_hex", key, sizeof(key)),
                     bulla_key_size(alg));
    assert_int_equal(iv.argument, bulla_nonce_size(alg));
    if (!provider_offers(alg))
        return 1;
    bulla_cbor_head(&writer, BULLA_CBOR_ARRAY, 3);
    bulla_cbor_text(&writer, "Encrypt0", 8);
    bulla_cbor_bytes(&writer, protected_item.data, (size_t)protected_item.argument);
    bulla_cbor_bytes(&writer, NULL, 0);
    memcpy(text, ciphertext.data, (size_t)ciphertext.argument);
    assert_int_equal(bulla_aead_open(provider_state(), alg, key, iv.data, aad, writer.used, text,
                                     (size_t)ciphertext.argument),
                     0);
    assert_memory_equal(text, plaintext, strlen(plaintext));
    recorder_reset();
    assert_int_equal(
        bulla_aead_seal(provider_state(), alg, key, iv.data, aad, writer.used, text, strlen(plaintext)), 0);
    assert_memory_equal(text, ciphertext.data, (size_t)ciphertext.argument);
    return 1;
}

static void test_examples(void **state)
{
    static const char *const files[] = {
        "aes-ccm-enc-01", "aes-ccm-enc-02", "aes-ccm-enc-03", "aes-ccm-enc-04",     "aes-ccm-enc-05",
        "aes-ccm-enc-06", "aes-ccm-enc-07", "aes-ccm-enc-08", "chacha-poly-enc-01",
    };
    size_t found = 0;
    size_t ours = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(files); i++) {
        char name[64];
        json_t *root;

        snprintf(name, sizeof(name), "cose/%s.json", files[i]);
        root = vector_file_load(directory(), name);
        if (root == NULL)
            continue;
        found++;
        ours += (size_t)check_example(root);
        json_decref(root);
    }
    if (found == 0) {
        print_message("SKIPPED: there is no cose in the directory of shared vectors\n");
        skip();
    }
    assert_int_equal(found, COUNT(files));
    assert_int_equal(ours, 3); /* 10, 30 and 24 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
