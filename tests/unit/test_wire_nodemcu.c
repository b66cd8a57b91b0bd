/*
 * The wire nodemcu without a gateway (gateway/wire/nodemcu.h). The messages of tests/vectors/nodemcu.json
 * were made by PyCryptodome: tests/vectors/make_nodemcu.py.
 */
#include "gateway/wire/nodemcu.h"

#include "vector_file.h" /* last: cmocka has a macro fail() */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "device/crypto.h"

#define IDS     72 /* 8 that are valid, 64 that are spent */
#define MESSAGE 4200

/* ---- vectors ---- */

struct vector {
    const char *name;
    struct nodemcu_keys keys;
    char ids[IDS][NODEMCU_ID_SIZE]; /* the message's is the first */
    uint8_t payload[MESSAGE];
    size_t payload_len;
    uint8_t node[NODEMCU_NODE_MAX];
    size_t node_len;
    uint8_t data[NODEMCU_PAYLOAD_MAX];
    size_t data_len;
    size_t splits;
};

static void read_vector(json_t *json, struct vector *vector)
{
    json_t *keys = vector_member(json, "keys");
    uint64_t random = 7;

    memset(vector, 0, sizeof(*vector));
    vector->name = vector_text(json, "name");
    vector_bytes(keys, "ivkey", vector->keys.ivkey, NODEMCU_KEY_SIZE);
    vector_bytes(keys, "datakey", vector->keys.datakey, NODEMCU_KEY_SIZE);
    vector_bytes(keys, "staticiv", vector->keys.staticiv, NODEMCU_KEY_SIZE);
    vector->keys.passphrase_len =
        vector_bytes(keys, "passphrase", vector->keys.passphrase, NODEMCU_PASSPHRASE_MAX);
    for (size_t i = 0; i < IDS; i++) {
        for (size_t k = 0; k < NODEMCU_ID_SIZE; k++)
            vector->ids[i][k] = "0123456789abcdef"[test_below(&random, 16)];
    }
    memcpy(vector->ids[0], vector_text(json, "session"), NODEMCU_ID_SIZE);
    vector->payload_len = vector_bytes(json, "payload", vector->payload, sizeof(vector->payload));
    vector->node_len = vector_bytes(json, "node", vector->node, sizeof(vector->node));
    vector->data_len = vector_bytes(json, "data", vector->data, sizeof(vector->data));
    vector->splits = (size_t)vector_u64(json, "splits");
}

/* Goes over all vectors. */
static void each_vector(void (*visit)(const struct vector *vector))
{
    static struct vector vector;
    json_t *file = vector_file_load(BULLA_TEST_VECTORS, "nodemcu.json");
    json_t *cases;
    json_t *one;
    size_t i;

    assert_non_null(file);
    cases = vector_member(file, "cases");
    assert_true(json_array_size(cases) > 40);
    json_array_foreach(cases, i, one)
    {
        read_vector(one, &vector);
        visit(&vector);
    }
    json_decref(file);
}

static void first_vector(struct vector *vector)
{
    json_t *file = vector_file_load(BULLA_TEST_VECTORS, "nodemcu.json");

    assert_non_null(file);
    read_vector(json_array_get(vector_member(file, "cases"), 0), vector);
    vector->name = "the first vector"; /* its own goes with the file */
    json_decref(file);
}

/* From bytes of their very size, so that the sanitizer sees what is read past them: 1, 0, or -1 no such form.
 */
static int open_bytes(const uint8_t *bytes, size_t len, const struct vector *vector, size_t count,
                      struct nodemcu_opened *opened)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    struct nodemcu_message message;
    int result = -1;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    if (nodemcu_parse(&message, copy, len) == 0) {
        assert_true(message.split_count >= 1 && message.split_count <= NODEMCU_SPLITS_MAX);
        result = nodemcu_open(&message, &vector->keys, vector->ids, count, opened);
        assert_true(result == 0 || result == 1);
    }
    free(copy);
    return result;
}

static void vector_opens(const struct vector *vector)
{
    struct nodemcu_message message;
    struct nodemcu_opened opened;

    if (nodemcu_parse(&message, vector->payload, vector->payload_len) != 0)
        fail_msg("%s: it has no form", vector->name);
    if (message.split_count != vector->splits)
        fail_msg("%s: %zu splits, not %zu", vector->name, message.split_count, vector->splits);
    if (open_bytes(vector->payload, vector->payload_len, vector, 1, &opened) != 1)
        fail_msg("%s: it does not open", vector->name);
    assert_int_equal(opened.id, 0);
    assert_int_equal(opened.node_len, vector->node_len);
    assert_memory_equal(opened.node, vector->node, vector->node_len);
    assert_int_equal(opened.data_len, vector->data_len);
    assert_memory_equal(opened.data, vector->data, vector->data_len);
}

static void the_vectors_open(void **state)
{
    (void)state;
    each_vector(vector_opens);
}

/* ---- session ids ---- */

static void it_is_found_wherever_it_stands(const struct vector *vector)
{
    static struct vector turned;
    struct nodemcu_opened opened;

    turned = *vector;
    for (size_t at = 0; at < IDS; at++) {
        memcpy(turned.ids[0], vector->ids[at], NODEMCU_ID_SIZE);
        memcpy(turned.ids[at], vector->ids[0], NODEMCU_ID_SIZE);
        assert_int_equal(open_bytes(vector->payload, vector->payload_len, &turned, IDS, &opened), 1);
        assert_int_equal(opened.id, at);
        assert_int_equal(open_bytes(vector->payload, vector->payload_len, &turned, at, &opened), 0);
        memcpy(turned.ids[at], vector->ids[at], NODEMCU_ID_SIZE);
        memcpy(turned.ids[0], vector->ids[0], NODEMCU_ID_SIZE);
    }
}

static void any_candidate_is_found(void **state)
{
    (void)state;
    each_vector(it_is_found_wherever_it_stands);
}

static void of_two_that_are_the_same_the_first_is_named(void **state)
{
    static struct vector vector;
    struct nodemcu_opened opened;

    (void)state;
    first_vector(&vector);
    memcpy(vector.ids[5], vector.ids[0], NODEMCU_ID_SIZE);
    memcpy(vector.ids[9], vector.ids[0], NODEMCU_ID_SIZE);
    vector.ids[0][31] ^= 1;
    assert_int_equal(open_bytes(vector.payload, vector.payload_len, &vector, IDS, &opened), 1);
    assert_int_equal(opened.id, 5);
}

static void every_character_of_an_id_counts(void **state)
{
    static struct vector vector;
    struct nodemcu_opened opened;

    (void)state;
    first_vector(&vector);
    for (size_t i = 0; i < NODEMCU_ID_SIZE; i++) {
        vector.ids[0][i] ^= 1;
        assert_int_equal(open_bytes(vector.payload, vector.payload_len, &vector, IDS, &opened), 0);
        vector.ids[0][i] ^= 1;
    }
    assert_int_equal(open_bytes(vector.payload, vector.payload_len, &vector, IDS, &opened), 1);
}

/* ---- keys ---- */

static void every_bit_of_a_key_counts(void **state)
{
    static struct vector vector;
    struct nodemcu_opened opened;
    struct {
        uint8_t *at;
        size_t len;
    } parts[4];

    (void)state;
    first_vector(&vector);
    parts[0].at = vector.keys.ivkey;
    parts[1].at = vector.keys.datakey;
    parts[2].at = vector.keys.staticiv;
    parts[3].at = vector.keys.passphrase;
    for (size_t part = 0; part < 4; part++) {
        parts[part].len = part == 3 ? vector.keys.passphrase_len : NODEMCU_KEY_SIZE;
        for (size_t bit = 0; bit < 8 * parts[part].len; bit++) {
            parts[part].at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(open_bytes(vector.payload, vector.payload_len, &vector, 1, &opened), 0);
            parts[part].at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    vector.keys.passphrase_len--;
    assert_int_equal(open_bytes(vector.payload, vector.payload_len, &vector, 1, &opened), 0);
}

/* ---- what is altered ---- */

/* Only the case of a hex digit may differ, and then it is the same message. */
static void altered_is_refused(const struct vector *vector, const uint8_t *bytes, size_t at)
{
    struct nodemcu_opened original;
    struct nodemcu_opened opened;

    if (open_bytes(bytes, vector->payload_len, vector, 1, &opened) != 1)
        return;
    assert_int_equal(open_bytes(vector->payload, vector->payload_len, vector, 1, &original), 1);
    if (!isxdigit(bytes[at]) || tolower(bytes[at]) != tolower(vector->payload[at]))
        fail_msg("%s: byte %zu may be %02x", vector->name, at, bytes[at]);
    assert_memory_equal(opened.hash, original.hash, NODEMCU_HASH_SIZE);
    assert_int_equal(opened.node_len, original.node_len);
    assert_int_equal(opened.data_len, original.data_len);
}

static void every_byte_counts(const struct vector *vector)
{
    static const uint8_t changes[] = {0x01, 0x02, 0x10, 0x20, 0x80, 0xff, 0};
    uint8_t bytes[MESSAGE];

    memcpy(bytes, vector->payload, vector->payload_len);
    for (size_t at = 0; at < vector->payload_len; at++) {
        for (size_t i = 0; i < COUNT(changes); i++) {
            bytes[at] = changes[i] != 0 ? vector->payload[at] ^ changes[i] : ',';
            if (bytes[at] != vector->payload[at])
                altered_is_refused(vector, bytes, at);
        }
        bytes[at] = vector->payload[at];
    }
}

static void what_is_altered_is_refused(void **state)
{
    (void)state;
    each_vector(every_byte_counts);
}

static void every_value_of_every_byte(void **state)
{
    static struct vector vector;
    uint8_t bytes[MESSAGE];

    (void)state;
    first_vector(&vector);
    memcpy(bytes, vector.payload, vector.payload_len);
    for (size_t at = 0; at < vector.payload_len; at++) {
        for (unsigned value = 0; value < 256; value++) {
            bytes[at] = (uint8_t)value;
            if (value != vector.payload[at])
                altered_is_refused(&vector, bytes, at);
        }
        bytes[at] = vector.payload[at];
    }
}

static void every_length_but_its_own_is_refused(const struct vector *vector)
{
    uint8_t bytes[MESSAGE + 64] = {0};
    struct nodemcu_opened opened;

    memcpy(bytes, vector->payload, vector->payload_len);
    for (size_t len = 0; len < vector->payload_len; len++) {
        if (open_bytes(bytes, len, vector, 1, &opened) == 1 ||
            open_bytes(bytes + vector->payload_len - len, len, vector, 1, &opened) == 1)
            fail_msg("%s: it opens where %zu bytes of it are left", vector->name, len);
    }
    for (size_t more = 1; more <= 64; more++) {
        if (open_bytes(bytes, vector->payload_len + more, vector, 1, &opened) == 1)
            fail_msg("%s: it opens with %zu bytes behind it", vector->name, more);
    }
}

static void what_is_cut_or_longer_is_refused(void **state)
{
    (void)state;
    each_vector(every_length_but_its_own_is_refused);
}

/* The same ciphertexts, taken from one message to another, and exchanged. */
static void fields_cannot_be_exchanged(void **state)
{
    static struct vector vector;
    struct nodemcu_opened opened;
    uint8_t bytes[MESSAGE];

    (void)state;
    first_vector(&vector);
    assert_int_equal(vector.payload_len, 16 + 1 + 16 + 1 + 16 + 1 + 40);
    memcpy(bytes, vector.payload, vector.payload_len);
    memcpy(bytes + 17, vector.payload + 34, 16);
    memcpy(bytes + 34, vector.payload + 17, 16);
    assert_int_equal(open_bytes(bytes, vector.payload_len, &vector, 1, &opened), 0);
}

/* ---- forms ---- */

/* Bytes that are no hex digit and no comma, but where `at` says so. */
static int parses(const char *form, size_t splits)
{
    struct nodemcu_message message;
    int result = nodemcu_parse(&message, (const uint8_t *)form, strlen(form));

    if (result == 0 && message.split_count != splits)
        fail_msg("%s: %zu splits", form, message.split_count);
    return result == 0;
}

#define RAW  "................" /* a block */
#define HEX  "0123456789abcdefABCDEF0123456789"
#define HMAC "0123456789abcdef0123456789ABCDEF01234567"

static void forms(void **state)
{
    (void)state;
    assert_true(parses(RAW "," RAW ",," HMAC, 1));
    assert_true(parses(RAW "," RAW "," RAW "," HMAC, 1));
    assert_true(parses(HEX "," HEX "," HEX "," HMAC, 1)); /* hex, not raw: 32 raw bytes never look so */
    assert_true(parses(HEX "," RAW "," RAW RAW RAW "," HMAC, 1));
    assert_true(parses(RAW "," RAW RAW RAW RAW "," RAW "," HMAC, 1));
    assert_true(parses(RAW "," HEX "g..............."
                           "," HMAC,
                       0) == 0);
    assert_true(parses(RAW "," HEX HEX HEX HEX "," RAW "," HMAC, 1));
    assert_true(parses(RAW "," RAW ",...............,...............,...............," RAW "," HMAC, 4));
    assert_true(parses(RAW "," HEX ",...............,...............," HEX "," HMAC, 3));
    assert_false(parses("", 0));
    assert_false(parses(HMAC, 0));
    assert_false(parses("," HMAC, 0));
    assert_false(parses(RAW "," HMAC, 0));
    assert_false(parses(RAW ",," HMAC, 0));
    assert_false(parses(RAW ",,," HMAC, 0)); /* no node id */
    assert_false(parses(RAW "," RAW "," HMAC, 0));
    assert_false(parses(RAW "," RAW "," RAW HMAC, 0));
    assert_false(parses(RAW "," RAW "," RAW ";" HMAC, 0));
    assert_false(parses(RAW "," RAW "," RAW "."
                            "," HMAC,
                        0));
    assert_false(parses(RAW RAW "," RAW "," RAW "," HMAC, 0));
    assert_false(parses(RAW "," RAW RAW RAW RAW RAW "," RAW "," HMAC, 0)); /* more than a node id has */
    assert_false(parses(RAW "," HEX HEX HEX HEX HEX "," RAW "," HMAC, 0));
    assert_false(parses(RAW "," RAW "," RAW ",0123456789abcdef0123456789abcdef0123456g", 0));
    assert_false(parses(RAW "," RAW "," RAW ",0123456789abcdef0123456789abcdef012345678", 0));
    assert_false(parses(RAW "," RAW "," RAW "," HMAC "\n", 0));
}

/* Any bytes of these few kinds: never more splits than there is room for. */
static void no_form_has_more_splits_than_fit(void **state)
{
    static const char kinds[] = {',', ',', ',', 'a', '.'};
    uint64_t random = 3;
    size_t most = 0;
    char form[400];

    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t len = 34 + test_below(&random, 200);
        struct nodemcu_message message;
        size_t kind = 1 + test_below(&random, sizeof(kinds));

        memset(form, 'a', len);
        for (size_t at = 16; at < len; at += test_below(&random, 8) ? 16 : 1)
            form[at] = kinds[test_below(&random, kind)];
        if (test_below(&random, 2))
            form[32] = ',';
        memcpy(form + len, "," HMAC, 41);
        if (nodemcu_parse(&message, (const uint8_t *)form, len + 41) == 0 && message.split_count > most)
            most = message.split_count;
        assert_true(most <= NODEMCU_SPLITS_MAX);
    }
    assert_int_equal(most, NODEMCU_SPLITS_MAX);
}

static void sizes_are_bounded(void **state)
{
    char *form = malloc(NODEMCU_PAYLOAD_MAX + 32);
    struct nodemcu_message message;

    (void)state;
    assert_non_null(form);
    for (size_t data = 3900; data <= 4048; data++) {
        size_t len = 34 + data;

        memset(form, '.', len);
        form[16] = form[33] = ',';
        memcpy(form + len, "," HMAC, 41);
        assert_int_equal(nodemcu_parse(&message, (const uint8_t *)form, len + 41),
                         data % 16 == 0 && len + 41 <= NODEMCU_PAYLOAD_MAX ? 0 : -1);
    }
    free(form);
}

/* The same ciphertexts in hex are the same message; any others are another. */
static void the_hash_is_that_of_the_ciphertexts(void **state)
{
    static struct vector vector;
    static const char digits[] = "0123456789ABCDEF";
    struct nodemcu_opened raw;
    struct nodemcu_opened hex;
    uint8_t bytes[MESSAGE];
    size_t used = 0;

    (void)state;
    first_vector(&vector);
    for (size_t at = 0; at < 51; at++) {
        if (at == 16 || at == 33 || at == 50) {
            bytes[used++] = ',';
        } else {
            bytes[used++] = (uint8_t)digits[vector.payload[at] >> 4];
            bytes[used++] = (uint8_t)digits[vector.payload[at] & 15];
        }
    }
    memcpy(bytes + used, vector.payload + 51, 40);
    assert_int_equal(open_bytes(vector.payload, vector.payload_len, &vector, 1, &raw), 1);
    assert_int_equal(open_bytes(bytes, used + 40, &vector, 1, &hex), 1);
    assert_memory_equal(raw.hash, hex.hash, NODEMCU_HASH_SIZE);
}

static uint8_t last_hash[NODEMCU_HASH_SIZE];

static void its_hash_is_another(const struct vector *vector)
{
    struct nodemcu_opened opened;

    assert_int_equal(open_bytes(vector->payload, vector->payload_len, vector, 1, &opened), 1);
    assert_memory_not_equal(opened.hash, last_hash, NODEMCU_HASH_SIZE);
    memcpy(last_hash, opened.hash, NODEMCU_HASH_SIZE);
}

static void other_messages_have_other_hashes(void **state)
{
    (void)state;
    each_vector(its_hash_is_another);
}

/* ---- the same work ---- */

/* How many blocks of 64 bytes all hashes took, by what each context holds. Linked in front of OpenSSL's. */
static struct {
    const EVP_MD_CTX *of;
    size_t len;
} held[8];
static size_t blocks;

int __real_EVP_DigestInit_ex2(EVP_MD_CTX *, const EVP_MD *, const OSSL_PARAM *);
int __real_EVP_DigestUpdate(EVP_MD_CTX *, const void *, size_t);
int __real_EVP_DigestFinal_ex(EVP_MD_CTX *, unsigned char *, unsigned *);
int __real_EVP_MD_CTX_copy_ex(EVP_MD_CTX *, const EVP_MD_CTX *);
int __wrap_EVP_DigestInit_ex2(EVP_MD_CTX *, const EVP_MD *, const OSSL_PARAM *);
int __wrap_EVP_DigestUpdate(EVP_MD_CTX *, const void *, size_t);
int __wrap_EVP_DigestFinal_ex(EVP_MD_CTX *, unsigned char *, unsigned *);
int __wrap_EVP_MD_CTX_copy_ex(EVP_MD_CTX *, const EVP_MD_CTX *);

static size_t *held_by(const EVP_MD_CTX *of)
{
    size_t i = 0;

    while (i < COUNT(held) - 1 && held[i].of != of && held[i].of != NULL)
        i++;
    held[i].of = of;
    return &held[i].len;
}

int __wrap_EVP_DigestInit_ex2(EVP_MD_CTX *context, const EVP_MD *type, const OSSL_PARAM *params)
{
    *held_by(context) = 0;
    return __real_EVP_DigestInit_ex2(context, type, params);
}

int __wrap_EVP_DigestUpdate(EVP_MD_CTX *context, const void *bytes, size_t len)
{
    size_t *holds = held_by(context);

    blocks += (*holds % 64 + len) / 64;
    *holds += len;
    return __real_EVP_DigestUpdate(context, bytes, len);
}

int __wrap_EVP_DigestFinal_ex(EVP_MD_CTX *context, unsigned char *digest, unsigned *len)
{
    blocks += *held_by(context) % 64 + 9 > 64 ? 2 : 1;
    return __real_EVP_DigestFinal_ex(context, digest, len);
}

int __wrap_EVP_MD_CTX_copy_ex(EVP_MD_CTX *to, const EVP_MD_CTX *from)
{
    size_t len = *held_by(from);

    *held_by(to) = len;
    return __real_EVP_MD_CTX_copy_ex(to, from);
}

static void encrypt(uint8_t *out, const uint8_t *key, const uint8_t *iv, const uint8_t *text, size_t len)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int written;

    assert_int_equal(EVP_EncryptInit_ex2(cipher, EVP_aes_128_cbc(), key, iv, NULL), 1);
    EVP_CIPHER_CTX_set_padding(cipher, 0);
    assert_int_equal(EVP_EncryptUpdate(cipher, out, &written, text, (int)len), 1);
    EVP_CIPHER_CTX_free(cipher);
}

/* How many blocks a forged message takes whose node id and data end with so many zeros. */
static size_t blocks_of(const struct vector *vector, size_t node_blocks, size_t node_zeros,
                        size_t data_blocks, size_t data_zeros)
{
    uint8_t iv[16] = "0123456789abcdef";
    uint8_t text[1024];
    uint8_t bytes[1024];
    struct nodemcu_message message;
    struct nodemcu_opened opened;
    size_t used;

    do { /* until no comma is where it gives a second split */
        iv[0]++;
        used = 17;
        memset(text, 'x', sizeof(text));
        memset(text + 16 * node_blocks - node_zeros, 0, node_zeros);
        encrypt(bytes, vector->keys.ivkey, vector->keys.staticiv, iv, 16);
        bytes[16] = ',';
        encrypt(bytes + used, vector->keys.datakey, iv, text, 16 * node_blocks);
        used += 16 * node_blocks;
        bytes[used++] = ',';
        memset(text, 'x', sizeof(text));
        memset(text + 16 * data_blocks - data_zeros, 0, data_zeros);
        if (data_blocks > 0)
            encrypt(bytes + used, vector->keys.datakey, iv, text, 16 * data_blocks);
        used += 16 * data_blocks;
        memcpy(bytes + used, "," HMAC, 41);
        assert_int_equal(nodemcu_parse(&message, bytes, used + 41), 0);
    } while (message.split_count != 1);
    memset(held, 0, sizeof(held));
    blocks = 0;
    assert_int_equal(open_bytes(bytes, used + 41, vector, IDS, &opened), 0);
    return blocks;
}

static void the_padding_of_a_forgery_makes_no_work(void **state)
{
    static struct vector vector;

    (void)state;
    first_vector(&vector);
    for (size_t node = 1; node <= 4; node++) {
        for (size_t data = 0; data <= 9; data += data < 5 ? 1 : 4) {
            size_t whole = blocks_of(&vector, node, 0, data, 0);

            assert_true(whole > 3 * IDS);
            for (size_t zeros = 0; zeros <= 16 * node; zeros++)
                assert_int_equal(blocks_of(&vector, node, zeros, data, 0), whole);
            for (size_t zeros = 0; zeros <= 16 * data; zeros++)
                assert_int_equal(blocks_of(&vector, node, 5, data, zeros), whole);
        }
    }
}

/* ---- key files ---- */

#define GOOD                                                                                                 \
    "ivkey=2345678901abcdef\ndatakey=0123456789abcdef\nstaticiv=abcdef2345678901\npassphrase=mypassphrase\n"

static void key_files_are_read(void **state)
{
    static const char *const texts[] = {
        GOOD,
        "# the kitchen's\n\npassphrase=mypassphrase\r\nstaticiv=abcdef2345678901\r\n\r\n"
        "datakey=0123456789abcdef\r\nivkey=2345678901abcdef",
        "ivkey=hex:32333435363738393031616263646566\ndatakey=hex:30313233343536373839616263646566\n"
        "staticiv=hex:61626364656632333435363738393031\npassphrase=mypassphrase",
        "ivkey=hex:32333435363738393031616263646566\ndatakey=hex:30313233343536373839616263646566\n"
        "staticiv=hex:6162636465663233343536373839303\x31\npassphrase=mypassphrase\n#",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct nodemcu_keys keys;
        struct failure failure = {""};

        if (nodemcu_keys_read(&keys, texts[i], strlen(texts[i]), &failure) != 0)
            fail_msg("%zu: %s", i, failure.text);
        assert_memory_equal(keys.ivkey, "2345678901abcdef", 16);
        assert_memory_equal(keys.datakey, "0123456789abcdef", 16);
        assert_memory_equal(keys.staticiv, "abcdef2345678901", 16);
        assert_int_equal(keys.passphrase_len, 12);
        assert_memory_equal(keys.passphrase, "mypassphrase", 12);
    }
}

static void values_are_taken_as_they_stand(void **state)
{
    static const char text[] =
        "ivkey= spaces around  \ndatakey=================\nstaticiv=#,\xc3\xbc\t56789abcdef\n"
        "passphrase= hex:12 = # \n";
    static const uint8_t hex[] = "ivkey=hex:00ff00FF00fF00Ff00112233445566Aa\ndatakey=0123456789abcdef\n"
                                 "staticiv=abcdef2345678901\npassphrase=x";
    static const uint8_t ivkey[] = {0, 255,  0,    255,  0,    255,  0,    255,
                                    0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0xaa};
    struct nodemcu_keys keys;
    struct failure failure = {""};

    (void)state;
    assert_int_equal(nodemcu_keys_read(&keys, text, strlen(text), &failure), 0);
    assert_memory_equal(keys.ivkey, " spaces around  ", 16);
    assert_memory_equal(keys.datakey, "================", 16);
    assert_memory_equal(keys.staticiv, "#,\xc3\xbc\t56789abcdef", 16);
    assert_int_equal(keys.passphrase_len, 12);
    assert_memory_equal(keys.passphrase, " hex:12 = # ", 12);
    assert_int_equal(nodemcu_keys_read(&keys, (const char *)hex, sizeof(hex) - 1, &failure), 0);
    assert_memory_equal(keys.ivkey, ivkey, 16);
}

static void bad_key_files_name_the_line(void **state)
{
    static const struct {
        const char *text;
        const char *told;
    } cases[] = {
        {"", "no line ivkey="},
        {"ivkey=2345678901abcdef\ndatakey=0123456789abcdef\nstaticiv=abcdef2345678901\n",
         "no line passphrase="},
        {"ivkey=2345678901abcdef\ndatakey=0123456789abcdef\npassphrase=mypassphrase\n", "no line staticiv="},
        {GOOD "ivkey=2345678901abcdef\n", "line 5: there is a line ivkey="},
        {"passphrase=mypassphrase\n" GOOD, "line 5: there is a line passphrase="},
        {"\n\nkey=2345678901abcdef\n" GOOD, "line 3 begins with none"},
        {" ivkey=2345678901abcdef\n", "line 1 begins with none"},
        {"ivkey =2345678901abcdef\n", "line 1 begins with none"},
        {"IVKEY=2345678901abcdef\n", "line 1 begins with none"},
        {"\xef\xbb\xbfivkey=2345678901abcdef\n", "line 1 begins with none"},
        {"ivkey=2345678901abcde\n", "line 1: ivkey has 15 characters"},
        {"ivkey=2345678901abcdefS\n", "line 1: ivkey has 17 characters"},
        {"ivkey=\n", "line 1: ivkey has 0 characters"},
        {"ivkey=2345678901abcdef \n", "line 1: ivkey has 17 characters"},
        {"#\ndatakey=hex:0123456789ab\n", "line 2: datakey: 32 hex digits"},
        {"datakey=hex:3031323334353637383961626364656\n", "line 1: datakey: 32 hex digits"},
        {"datakey=hex:303132333435363738396162636465666\n", "line 1: datakey: 32 hex digits"},
        {"datakey=hex:3031323334353637383961626364656S\n", "line 1: datakey: 32 hex digits"},
        {"passphrase=\n", "line 1: a pass-phrase has 1 to 255"},
    };
    struct nodemcu_keys keys;
    struct nodemcu_keys none = {0};
    char text[400];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct failure failure = {""};

        if (nodemcu_keys_read(&keys, cases[i].text, strlen(cases[i].text), &failure) == 0)
            fail_msg("%zu was taken", i);
        if (strstr(failure.text, cases[i].told) == NULL)
            fail_msg("%zu: %s", i, failure.text);
        if (strstr(failure.text, "abcde") || strchr(failure.text, 'S') || strstr(failure.text, "mypass"))
            fail_msg("%zu shows a key: %s", i, failure.text);
        assert_memory_equal(&keys, &none, sizeof(keys));
    }
    memset(text, 'p', sizeof(text));
    memcpy(text, "passphrase=", 11);
    assert_int_equal(nodemcu_keys_read(&keys, text, 11 + 256, &(struct failure){""}), -1);
    assert_int_equal(nodemcu_keys_read(&keys, "ivkey=234567890\0abcdef\n", 23, &(struct failure){""}), -1);
}

static void keys_are_packed_and_unpacked(void **state)
{
    struct nodemcu_keys keys;
    struct nodemcu_keys back;
    uint8_t packed[NODEMCU_PACKED_MAX + 1];

    (void)state;
    for (size_t len = 1; len <= NODEMCU_PASSPHRASE_MAX; len++) {
        uint64_t random = len;

        memset(&keys, 0, sizeof(keys));
        test_fill(&random, keys.ivkey, 16);
        test_fill(&random, keys.datakey, 16);
        test_fill(&random, keys.staticiv, 16);
        test_fill(&random, keys.passphrase, len);
        keys.passphrase_len = len;
        assert_int_equal(nodemcu_keys_pack(&keys, packed), 48 + len);
        assert_int_equal(nodemcu_keys_unpack(&back, packed, 48 + len), 0);
        assert_memory_equal(&back, &keys, sizeof(keys));
    }
    assert_int_equal(nodemcu_keys_unpack(&back, packed, 48), -1);
    assert_int_equal(nodemcu_keys_unpack(&back, packed, 0), -1);
    assert_int_equal(nodemcu_keys_unpack(&back, packed, 48 + 256), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_open),
        cmocka_unit_test(any_candidate_is_found),
        cmocka_unit_test(of_two_that_are_the_same_the_first_is_named),
        cmocka_unit_test(every_character_of_an_id_counts),
        cmocka_unit_test(every_bit_of_a_key_counts),
        cmocka_unit_test(what_is_altered_is_refused),
        cmocka_unit_test(every_value_of_every_byte),
        cmocka_unit_test(what_is_cut_or_longer_is_refused),
        cmocka_unit_test(fields_cannot_be_exchanged),
        cmocka_unit_test(forms),
        cmocka_unit_test(no_form_has_more_splits_than_fit),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(the_hash_is_that_of_the_ciphertexts),
        cmocka_unit_test(other_messages_have_other_hashes),
        cmocka_unit_test(the_padding_of_a_forgery_makes_no_work),
        cmocka_unit_test(key_files_are_read),
        cmocka_unit_test(values_are_taken_as_they_stand),
        cmocka_unit_test(bad_key_files_name_the_line),
        cmocka_unit_test(keys_are_packed_and_unpacked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
