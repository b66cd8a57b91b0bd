/*
 * Messages of CryptoJS devices (gateway/wire/cryptojs.h): those that the real crypto-js made, each of them
 * changed in every place, what is refused and why, and that refusing costs what taking costs.
 */
#include "vector_file.h"
#undef fail /* cmocka's; failure.h has its own */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "gateway/wire/cryptojs.h"
#include "gateway/wire/wire.h"
#include "invariants.h"

#define RECEIVED INT64_C(1700000000000000)
#define KEY      "2B7E151628AED2A6ABF7158809CF4F3C"

/* fail_msg(), which needs what was undefined above. */
#define flunk(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

static struct readings readings;

/* ---- what is counted (the linker puts these in between) ---- */

static struct {
    unsigned derived;
    unsigned decrypted;
    size_t decrypted_bytes;
    unsigned parsed;
    unsigned hashed;
} work;

int __real_EVP_BytesToKey(const EVP_CIPHER *type, const EVP_MD *md, const unsigned char *salt,
                          const unsigned char *data, int datal, int count, unsigned char *key,
                          unsigned char *iv);
int __wrap_EVP_BytesToKey(const EVP_CIPHER *type, const EVP_MD *md, const unsigned char *salt,
                          const unsigned char *data, int datal, int count, unsigned char *key,
                          unsigned char *iv);
int __real_EVP_DecryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl, const unsigned char *in,
                             int inl);
int __wrap_EVP_DecryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl, const unsigned char *in,
                             int inl);
int __real_EVP_Digest(const void *data, size_t count, unsigned char *md, unsigned int *size,
                      const EVP_MD *type, ENGINE *impl);
int __wrap_EVP_Digest(const void *data, size_t count, unsigned char *md, unsigned int *size,
                      const EVP_MD *type, ENGINE *impl);
json_t *__real_json_loadb(const char *buffer, size_t buflen, size_t flags, json_error_t *error);
json_t *__wrap_json_loadb(const char *buffer, size_t buflen, size_t flags, json_error_t *error);

int __wrap_EVP_BytesToKey(const EVP_CIPHER *type, const EVP_MD *md, const unsigned char *salt,
                          const unsigned char *data, int datal, int count, unsigned char *key,
                          unsigned char *iv)
{
    work.derived++;
    return __real_EVP_BytesToKey(type, md, salt, data, datal, count, key, iv);
}

int __wrap_EVP_DecryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl, const unsigned char *in,
                             int inl)
{
    work.decrypted++;
    work.decrypted_bytes += (size_t)inl;
    return __real_EVP_DecryptUpdate(ctx, out, outl, in, inl);
}

int __wrap_EVP_Digest(const void *data, size_t count, unsigned char *md, unsigned int *size,
                      const EVP_MD *type, ENGINE *impl)
{
    work.hashed++;
    return __real_EVP_Digest(data, count, md, size, type, impl);
}

json_t *__wrap_json_loadb(const char *buffer, size_t buflen, size_t flags, json_error_t *error)
{
    work.parsed++;
    return __real_json_loadb(buffer, buflen, flags, error);
}

/* ---- helpers ---- */

static struct cryptojs_key key_of(const char *passphrase)
{
    struct cryptojs_key key = {.len = strlen(passphrase)};

    assert_in_range(key.len, 1, CRYPTOJS_PASSPHRASE_MAX);
    memcpy(key.passphrase, passphrase, key.len);
    return key;
}

static enum cryptojs_request request_of(const char *name)
{
    if (strcmp(name, "data") == 0)
        return CRYPTOJS_DATA;
    return strcmp(name, "reset") == 0 ? CRYPTOJS_RESET : CRYPTOJS_UNSEQUENCED;
}

/* Opens a body; where there is a fault nothing is left of it. */
static struct cryptojs_opened open_body(const struct cryptojs_key *key, enum cryptojs_request request,
                                        const void *body, size_t len)
{
    struct cryptojs_message message = {
        .request = request, .len = len, .received = RECEIVED, .value_name = "value"};
    struct cryptojs_opened opened;
    uint8_t *copy = malloc(len + 1); /* a place of its own, for the sanitizer */

    assert_non_null(copy);
    memcpy(copy, body, len);
    message.body = copy;
    readings_reset(&readings);
    assert_int_equal(cryptojs_open(key, &message, &opened, &readings), 0);
    free(copy);
    if (opened.fault != CRYPTOJS_GOOD) {
        assert_int_equal(readings.count, 0);
        assert_int_equal(opened.number, 0);
    }
    for (size_t i = 0; i < readings.count; i++)
        assert_null(reading_broken(&readings.items[i]));
    return opened;
}

static enum cryptojs_fault fault_of(enum cryptojs_request request, const char *body)
{
    const struct cryptojs_key key = key_of(KEY);

    return open_body(&key, request, body, strlen(body)).fault;
}

static void expect(enum cryptojs_fault fault, enum cryptojs_fault wanted, const char *of)
{
    if (fault != wanted)
        flunk("%s: \"%s\", not \"%s\"", of, cryptojs_fault_text(fault), cryptojs_fault_text(wanted));
}

/* {"msg":…} of bytes. */
static size_t body_of(const uint8_t *sealed, size_t len, char *body)
{
    size_t used = (size_t)sprintf(body, "{\"msg\":\"");

    base64_encode(sealed, len, body + used);
    used += BASE64_SIZE(len);
    return used + (size_t)sprintf(body + used, "\"}");
}

/* The same of a plaintext as it is, in the salted form. */
static size_t seal_plain(const char *plaintext, size_t len, char *body)
{
    static const uint8_t salt[SALTED_SALT] = {1, 2, 3, 4, 5, 6, 7, 8};
    static uint8_t sealed[SALTED_SIZE(16384)];

    assert_int_equal(
        salted_encrypt((const uint8_t *)KEY, strlen(KEY), salt, (const uint8_t *)plaintext, len, sealed), 0);
    return body_of(sealed, SALTED_SIZE(len), body);
}

/* The same of a text, in base64 as devices do. */
static size_t seal_text(const char *text, size_t len, char *body)
{
    static char inner[16384];

    base64_encode(text, len, inner);
    return seal_plain(inner, BASE64_SIZE(len), body);
}

/* {"data":…,"iv":…} of a text. */
static size_t seal_raw(const char *text, char *body)
{
    static const uint8_t iv[CBC_BLOCK] = {9};
    const struct cryptojs_key key = key_of(KEY);
    uint8_t raw[16];
    char inner[512];
    uint8_t sealed[528];
    size_t used = (size_t)sprintf(body, "{\"data\":\"");
    size_t len = BASE64_SIZE(strlen(text));

    assert_true(cryptojs_key_raw(&key, raw));
    base64_encode(text, strlen(text), inner);
    len = (size_t)cbc_encrypt(raw, sizeof(raw), iv, (const uint8_t *)inner, len, sealed);
    base64_encode(sealed, len, body + used);
    used += BASE64_SIZE(len);
    used += (size_t)sprintf(body + used, "\",\"iv\":\"");
    base64_encode(iv, sizeof(iv), body + used);
    used += BASE64_SIZE(sizeof(iv));
    return used + (size_t)sprintf(body + used, "\"}");
}

/* ---- what the real crypto-js made ---- */

static void check_reading(const struct reading *reading, const json_t *wanted)
{
    const char *name = json_string_value(json_array_get(wanted, 0));
    const char *type = json_string_value(json_array_get(wanted, 1));
    const json_t *value = json_array_get(wanted, 2);

    assert_int_equal(reading->name_len, strlen(name));
    assert_memory_equal(reading->name, name, reading->name_len);
    assert_string_equal(reading_type_text(reading->type), type);
    assert_int_equal(reading->time, RECEIVED);
    if (reading->type == READING_REAL) {
        assert_true(reading->value.real == json_number_value(value));
    } else if (json_is_string(value)) {
        assert_int_equal(reading->value.bytes.len, json_string_length(value));
        assert_memory_equal(reading->value.bytes.at, json_string_value(value), json_string_length(value));
    } else {
        assert_int_equal(reading->value.integer, json_integer_value(value));
    }
}

static void check_vector(json_t *vector)
{
    const struct cryptojs_key key = key_of(vector_text(vector, "passphrase"));
    const char *body = vector_text(vector, "body");
    const json_t *wanted = vector_member(vector, "readings");
    struct cryptojs_opened opened =
        open_body(&key, request_of(vector_text(vector, "request")), body, strlen(body));

    expect(opened.fault, CRYPTOJS_GOOD, vector_text(vector, "name"));
    assert_int_equal(opened.number, vector_u64(vector, "number"));
    assert_hex(opened.hash, sizeof(opened.hash), vector_text(vector, "hash"));
    assert_int_equal(readings.count, json_array_size(wanted));
    for (size_t i = 0; i < readings.count; i++)
        check_reading(&readings.items[i], json_array_get(wanted, i));
}

static json_t *vectors(void **state)
{
    return vector_member(*state, "cases");
}

static void opens_what_crypto_js_sealed(void **state)
{
    json_t *cases = vectors(state);

    assert_in_range(json_array_size(cases), 30, 1000);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_vector(json_array_get(cases, i));
}

/* The reset that the article shows. */
static void opens_the_articles_own_message(void **state)
{
    static const char body[] =
        "{ \"msg\":\"U2FsdGVkX1+VRlCORJjs2mxxTljfcdu6Z7G8JVyFx7b+jaqKMLeBx4ecLQnjUOYp\" }";
    const struct cryptojs_key key = key_of(KEY);
    struct cryptojs_opened opened = open_body(&key, CRYPTOJS_RESET, body, strlen(body));

    (void)state;
    expect(opened.fault, CRYPTOJS_GOOD, "the article's");
    assert_int_equal(opened.number, 120);
}

static void a_message_is_for_one_route_and_one_key(void **state)
{
    json_t *cases = vectors(state);

    for (size_t i = 0; i < json_array_size(cases); i++) {
        json_t *vector = json_array_get(cases, i);
        const char *body = vector_text(vector, "body");
        const struct cryptojs_key key = key_of(vector_text(vector, "passphrase"));
        const struct cryptojs_key other = key_of("2B7E151628AED2A6ABF7158809CF4F3D");
        enum cryptojs_request request = request_of(vector_text(vector, "request"));
        for (enum cryptojs_request route = 0; route < CRYPTOJS_REQUESTS; route++) {
            struct cryptojs_opened opened = open_body(&key, route, body, strlen(body));
            assert_int_equal(opened.fault == CRYPTOJS_GOOD, route == request);
        }
        assert_int_not_equal(open_body(&other, request, body, strlen(body)).fault, CRYPTOJS_GOOD);
    }
}

/* Whether a changed message is refused; of the later form, whose IV nothing protects, at least that it is the
 * same ciphertext. */
static void check_changed(const struct cryptojs_key *key, enum cryptojs_request request, const char *body,
                          size_t len, const struct cryptojs_opened *was, size_t place)
{
    struct cryptojs_opened opened = open_body(key, request, body, len);

    if (opened.fault == CRYPTOJS_GOOD && request != CRYPTOJS_UNSEQUENCED)
        flunk("taken with another byte at %zu: %s", place, body);
    if (opened.fault == CRYPTOJS_GOOD)
        assert_memory_equal(opened.hash, was->hash, sizeof(was->hash));
}

static void every_byte_of_the_body_counts(void **state)
{
    json_t *cases = vectors(state);

    for (size_t i = 0; i < json_array_size(cases); i++) {
        json_t *vector = json_array_get(cases, i);
        const struct cryptojs_key key = key_of(vector_text(vector, "passphrase"));
        enum cryptojs_request request = request_of(vector_text(vector, "request"));
        const bool all = strcmp(vector_text(vector, "name"), "the article's") == 0;
        char *body = strdup(vector_text(vector, "body"));
        const size_t len = strlen(body);
        struct cryptojs_opened was = open_body(&key, request, body, len);
        for (size_t place = 0; place < len; place++) {
            for (unsigned change = 1; change < (all ? 256 : 8); change++) {
                body[place] = (char)(body[place] ^ (int)change);
                check_changed(&key, request, body, len, &was, place);
                body[place] = (char)(body[place] ^ (int)change);
            }
        }
        free(body);
    }
}

/* Every bit of salt and ciphertext; and every piece left out of it, at either end and in the middle. */
static void every_bit_of_the_ciphertext_counts(void **state)
{
    const struct cryptojs_key key = key_of(KEY);
    static const char text[] = "{\"data\":{\"value\":300,\"unit\":\"kilogram\"},\"SEQN\":121}";
    char body[512];
    uint8_t sealed[256];
    uint8_t cut[256];
    size_t len = seal_text(text, strlen(text), body);
    size_t sealed_len = (size_t)base64_decode(body + 8, len - 10, sealed);

    (void)state;
    expect(open_body(&key, CRYPTOJS_DATA, body, len).fault, CRYPTOJS_GOOD, text);
    for (size_t bit = 0; bit < 8 * sealed_len; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        len = body_of(sealed, sealed_len, body);
        assert_int_not_equal(open_body(&key, CRYPTOJS_DATA, body, len).fault, CRYPTOJS_GOOD);
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t from = 0; from < sealed_len; from++) {
        for (size_t to = from + 1; to <= sealed_len; to++) {
            memcpy(cut, sealed, from);
            memcpy(cut + from, sealed + to, sealed_len - to);
            len = body_of(cut, sealed_len - (to - from), body);
            assert_int_not_equal(open_body(&key, CRYPTOJS_DATA, body, len).fault, CRYPTOJS_GOOD);
        }
    }
}

/* CBC has no MAC: changing the IV changes the first block. Nothing can be done about it but to know the
 * ciphertext. */
static void an_altered_iv_is_the_same_ciphertext(void **state)
{
    const struct cryptojs_key key = key_of(KEY);
    char body[512];
    size_t len = seal_raw("{\"v\":300}", body);
    char *iv = strstr(body, "\"iv\":\"") + 6;
    struct cryptojs_opened was = open_body(&key, CRYPTOJS_UNSEQUENCED, body, len);
    struct cryptojs_opened now;
    uint8_t bytes[18];
    char before[12];
    char after[12];

    (void)state;
    expect(was.fault, CRYPTOJS_GOOD, "as it was");
    assert_int_equal(readings.items[0].value.integer, 300);
    base64_encode("{\"v\":300}", 9, before);
    base64_encode("{\"v\":900}", 9, after);
    assert_int_equal(base64_decode(iv, 24, bytes), 16);
    for (size_t i = 0; i < sizeof(before); i++)
        bytes[i] ^= (uint8_t)(before[i] ^ after[i]);
    base64_encode(bytes, 16, iv);
    now = open_body(&key, CRYPTOJS_UNSEQUENCED, body, len);
    expect(now.fault, CRYPTOJS_GOOD, "altered");
    assert_int_equal(readings.items[0].value.integer, 900);
    assert_memory_equal(now.hash, was.hash, sizeof(was.hash));
}

/* ---- what is refused ---- */

#define SEALED "U2FsdGVkX1+VRlCORJjs2mxxTljfcdu6Z7G8JVyFx7b+jaqKMLeBx4ecLQnjUOYp"
#define IV     "AAAAAAAAAAAAAAAAAAAAAA=="
#define BLOCK  "AAAAAAAAAAAAAAAAAAAAAA=="

static void bodies_are_what_their_route_takes(void **state)
{
    static const struct {
        enum cryptojs_request request;
        enum cryptojs_fault fault;
        const char *body;
    } cases[] = {
        {CRYPTOJS_RESET, CRYPTOJS_GOOD, "{\"msg\":\"" SEALED "\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_GOOD, " {\r\n\t\"msg\" : \"" SEALED "\" } \n"},
        {CRYPTOJS_RESET, CRYPTOJS_GOOD,
         "{\"\\u006dsg\":\"\\u0055"
         "2FsdGVkX1+VRlCORJjs2mxxTljfcdu6Z7G8JVyFx7b+jaqKMLeBx4ecLQnjUOYp\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, ""},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, SEALED},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "\"" SEALED "\""},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{msg:\"" SEALED "\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "[\"" SEALED "\"]"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{\"MSG\":\"" SEALED "\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{\"msg\":\"" SEALED "\",\"a\":1}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{\"msg\":\"" SEALED "\",\"msg\":\"" SEALED "\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{\"msg\":\"" SEALED "\"}}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{\"msg\":\"" SEALED "\"} x"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{\"msg\":\"" SEALED "\""},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{\"msg\":1}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{\"msg\":null}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{\"msg\":[\"" SEALED "\"]}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{\"msg\":\"" SEALED "\\u0000\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "\xef\xbb\xbf{\"msg\":\"" SEALED "\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{\"msg\":\"\xff\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST, "{\"data\":\"" BLOCK "\",\"iv\":\"" IV "\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_A_REQUEST,
         "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_BASE64, "{\"msg\":\"" SEALED "\\n\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_BASE64, "{\"msg\":\" " SEALED "\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_BASE64, "{\"msg\":\"" SEALED "=\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_BASE64, "{\"msg\":\"" SEALED "====\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_BASE64, "{\"msg\":\"\xc3\xbc" SEALED "\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_CIPHERTEXT, "{\"msg\":\"\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_CIPHERTEXT, "{\"msg\":\"U2FsdGVkX18=\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_CIPHERTEXT, "{\"msg\":\"U2FsdGVkX1+VRlCORJjs2g==\"}"}, /* no block */
        {CRYPTOJS_RESET, CRYPTOJS_NOT_CIPHERTEXT, "{\"msg\":\"" SEALED "AAAA\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_CIPHERTEXT, "{\"msg\":\"" SEALED "AA==\"}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_CIPHERTEXT,
         "{\"msg\":\"u2FsdGVkX1+VRlCORJjs2mxxTljfcdu6Z7G8JVyFx7b+jaqKMLeBx4ecLQnjUOYp\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_A_REQUEST, "{\"msg\":\"" SEALED "\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_A_REQUEST, "{\"data\":\"" BLOCK "\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_A_REQUEST, "{\"iv\":\"" IV "\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_A_REQUEST, "{\"data\":\"" BLOCK "\",\"iv\":1}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_A_REQUEST, "{\"data\":{},\"iv\":\"" IV "\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_A_REQUEST,
         "{\"data\":\"" BLOCK "\",\"iv\":\"" IV "\",\"id\":\"12FA\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_BASE64, "{\"data\":\"x\",\"iv\":\"" IV "\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_BASE64, "{\"data\":\"" BLOCK "\",\"iv\":\"x\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_BASE64,
         "{\"data\":\"" BLOCK "\",\"iv\":\"AAAAAAAAAAAAAAAAAAAAAB==\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_CIPHERTEXT, "{\"data\":\"\",\"iv\":\"" IV "\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_CIPHERTEXT, "{\"data\":\"AAAA\",\"iv\":\"" IV "\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_CIPHERTEXT, "{\"data\":\"" BLOCK "\",\"iv\":\"\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_CIPHERTEXT, "{\"data\":\"" BLOCK "\",\"iv\":\"AAAA\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_CIPHERTEXT,
         "{\"data\":\"" BLOCK "\",\"iv\":\"AAAAAAAAAAAAAAAAAAAAAAAA\"}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_BAD_PADDING, "{\"data\":\"" BLOCK "\",\"iv\":\"" IV "\"}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        expect(fault_of(cases[i].request, cases[i].body), cases[i].fault, cases[i].body);
}

static void what_is_in_it_is_what_its_route_takes(void **state)
{
    static const struct {
        enum cryptojs_request request;
        enum cryptojs_fault fault;
        const char *text;
    } cases[] = {
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, ""},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{\"data\":{\"value\":300},\"SEQN\":121"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{\"data\":{\"value\":300},\"SEQN\":121}x"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{\"data\":{\"value\":300},\"SEQN\":121}{}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{data:{\"value\":300},\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{'data':{'value':300},'SEQN':121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{\"data\":{\"value\":300,},\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{\"data\":{\"value\":NaN},\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{\"data\":{\"value\":0300},\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{\"data\":{\"v\":1,\"v\":2},\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{\"data\":{\"v\":1},\"SEQN\":121,\"SEQN\":122}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{\"data\":{\"v\":1},\"data\":{\"v\":2},\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{\"data\":{\"v\":\"\\u0000\"},\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "{\"data\":{\"v\":1},\"SEQN\":99999999999999999999}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON,
         "{\"data\":{\"v\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]},\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_UTF8, "{\"data\":{\"v\":\"\xff\"},\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_UTF8, "{\"data\":{\"v\":\"\xc0\xaf\"},\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_UTF8, "{\"data\":{\"v\":\"\xed\xa0\x80\"},\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_UTF8, "\xfe\xff"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_JSON, "\xef\xbb\xbf{\"data\":{\"v\":1},\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_THIS, "300"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_THIS, "[{\"data\":{\"v\":1},\"SEQN\":121}]"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_THIS, "{\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_THIS, "{\"data\":{\"v\":1}}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_THIS, "{\"data\":{\"v\":1},\"seqn\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_THIS, "{\"data\":300,\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_THIS, "{\"data\":[300],\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_NOT_THIS, "{\"data\":null,\"SEQN\":121}"},
        {CRYPTOJS_DATA, CRYPTOJS_BAD_NUMBER, "{\"data\":{\"v\":1},\"SEQN\":\"121\"}"},
        {CRYPTOJS_DATA, CRYPTOJS_BAD_NUMBER, "{\"data\":{\"v\":1},\"SEQN\":121.0}"},
        {CRYPTOJS_DATA, CRYPTOJS_BAD_NUMBER, "{\"data\":{\"v\":1},\"SEQN\":1e2}"},
        {CRYPTOJS_DATA, CRYPTOJS_BAD_NUMBER, "{\"data\":{\"v\":1},\"SEQN\":-1}"},
        {CRYPTOJS_DATA, CRYPTOJS_BAD_NUMBER, "{\"data\":{\"v\":1},\"SEQN\":null}"},
        {CRYPTOJS_DATA, CRYPTOJS_BAD_NUMBER, "{\"data\":{\"v\":1},\"SEQN\":true}"},
        {CRYPTOJS_DATA, CRYPTOJS_BAD_NUMBER, "{\"data\":{\"v\":1},\"SEQN\":9007199254740992}"},
        {CRYPTOJS_DATA, CRYPTOJS_BAD_NUMBER, "{\"data\":{\"v\":1},\"SEQN\":9223372036854775807}"},
        {CRYPTOJS_DATA, CRYPTOJS_GOOD, "{\"data\":{\"v\":1},\"SEQN\":9007199254740991}"},
        {CRYPTOJS_RESET, CRYPTOJS_GOOD, "{\"SEQN\":121}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_THIS, "{}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_THIS, "121"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_THIS, "[121]"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_THIS, "{\"SEQN\":121,\"x\":1}"},
        {CRYPTOJS_RESET, CRYPTOJS_NOT_THIS, "{\"data\":{\"value\":300},\"SEQN\":121}"},
        {CRYPTOJS_RESET, CRYPTOJS_BAD_NUMBER, "{\"SEQN\":-1}"},
        {CRYPTOJS_RESET, CRYPTOJS_BAD_NUMBER, "{\"SEQN\":9007199254740992}"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_GOOD, " 300 "},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_JSON, "+300"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_JSON, "300 400"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_JSON, "1e999"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_JSON, "abc"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_THIS, "\"300\""},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_THIS, "true"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_THIS, "null"},
        {CRYPTOJS_UNSEQUENCED, CRYPTOJS_NOT_THIS, "[300]"},
    };
    static char body[4096];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (cases[i].request == CRYPTOJS_UNSEQUENCED)
            seal_raw(cases[i].text, body);
        else
            seal_text(cases[i].text, strlen(cases[i].text), body);
        expect(fault_of(cases[i].request, body), cases[i].fault, cases[i].text);
    }
}

static void what_is_encrypted_is_base64(void **state)
{
    static const struct {
        const char *plaintext;
        enum cryptojs_fault fault;
    } cases[] = {
        {"eyJTRVFOIjoxMjB9", CRYPTOJS_GOOD},
        {"{\"SEQN\":120}", CRYPTOJS_NO_BASE64_INSIDE},
        {"eyJTRVFOIjoxMjB9\n", CRYPTOJS_NO_BASE64_INSIDE},
        {" eyJTRVFOIjoxMjB9", CRYPTOJS_NO_BASE64_INSIDE},
        {"eyJTRVFOIjoxMjB9====", CRYPTOJS_NO_BASE64_INSIDE},
        {"eyJTRVFOIjoxMjB", CRYPTOJS_NO_BASE64_INSIDE},
        {"eyJTRVFOIjoxMn0", CRYPTOJS_NO_BASE64_INSIDE},
        {"eyJTRVFOIjoxMn0=", CRYPTOJS_GOOD},
        {"eyJTRVFOIjoxMn1=", CRYPTOJS_NO_BASE64_INSIDE},
        {"", CRYPTOJS_NOT_JSON},
    };
    char body[512];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        seal_plain(cases[i].plaintext, strlen(cases[i].plaintext), body);
        expect(fault_of(CRYPTOJS_RESET, body), cases[i].fault, cases[i].plaintext);
    }
}

/* The last block's padding, each way in which it can be wrong, in front of a good text. */
static void padding_is_refused_unless_it_is_all_right(void **state)
{
    static const char text[] = "eyJTRVFOIjoxMjB9"; /* a block */
    char body[512];
    char plaintext[48];
    uint8_t sealed[128];

    (void)state;
    for (unsigned place = 0; place < 16; place++) {
        for (unsigned value = 0; value < 256; value++) {
            size_t len;
            memcpy(plaintext, text, 16);
            memset(plaintext + 16, 16, 16);
            plaintext[16 + place] = (char)value;
            len = seal_plain(plaintext, 32, body);
            len = (size_t)base64_decode(body + 8, len - 10, sealed);
            body_of(sealed, len - 16, body); /* without the padding that is behind it now */
            if (value == 16)
                expect(fault_of(CRYPTOJS_RESET, body), CRYPTOJS_GOOD, "16 times 16");
            else if (place == 15 && value == 1)
                expect(fault_of(CRYPTOJS_RESET, body), CRYPTOJS_NO_BASE64_INSIDE, "15 times 16, then 1");
            else
                expect(fault_of(CRYPTOJS_RESET, body), CRYPTOJS_BAD_PADDING, "a wrong byte");
        }
    }
}

static void a_body_is_at_most_so_long(void **state)
{
    static char text[8192];
    static char body[32768];
    size_t longest = 0;

    (void)state;
    for (size_t extra = 4500; extra < 4700; extra++) {
        int used = sprintf(text, "{\"data\":{\"v\":\"");
        memset(text + used, 'a', extra);
        sprintf(text + (size_t)used + extra, "\"},\"SEQN\":1}");
        size_t len = seal_text(text, strlen(text), body);
        enum cryptojs_fault fault = fault_of(CRYPTOJS_DATA, body);
        expect(fault, len <= CRYPTOJS_BODY_MAX ? CRYPTOJS_GOOD : CRYPTOJS_NOT_A_REQUEST, "a long one");
        if (fault == CRYPTOJS_GOOD)
            longest = len;
    }
    assert_in_range(longest, CRYPTOJS_BODY_MAX - 64, CRYPTOJS_BODY_MAX);
}

/* The most members that fit into a body are one message's. */
static void the_most_readings_of_a_body(void **state)
{
    static char text[8192];
    static char body[32768];
    const struct cryptojs_key key = key_of(KEY);
    size_t len = 0;
    size_t count;

    (void)state;
    len = (size_t)sprintf(text, "{\"data\":{");
    for (count = 0; len < 4550; count++)
        len += (size_t)sprintf(text + len, "%s\"%zx\":1", count == 0 ? "" : ",", count);
    len += (size_t)sprintf(text + len, "},\"SEQN\":1}");
    len = seal_text(text, len, body);
    assert_in_range(len, CRYPTOJS_BODY_MAX - 128, CRYPTOJS_BODY_MAX);
    expect(open_body(&key, CRYPTOJS_DATA, body, len).fault, CRYPTOJS_GOOD, "many members");
    assert_int_equal(readings.count, count);
}

static void no_raw_key_no_later_form(void **state)
{
    static const char *const phrases[] = {
        "2B7E151628AED2A6ABF7158809CF4F3", "2B7E151628AED2A6ABF7158809CF4F3C0",
        "2B7E151628AED2A6ABF7158809CF4F3G", "a pass-phrase of 32 characters ."};
    char body[512];
    size_t len = seal_raw("300", body);

    (void)state;
    for (size_t i = 0; i < COUNT(phrases); i++) {
        const struct cryptojs_key key = key_of(phrases[i]);
        uint8_t raw[16];
        assert_false(cryptojs_key_raw(&key, raw));
        expect(open_body(&key, CRYPTOJS_UNSEQUENCED, body, len).fault, CRYPTOJS_NO_RAW_KEY, phrases[i]);
    }
}

/* ---- equal work ---- */

/* Of one request, all these are 112 characters long. */
static void a_refusal_costs_what_a_reading_costs(void **state)
{
    static const char *const texts[] = {
        "{\"data\":{\"value\":300},\"SEQN\":121}", /* good */
        "{\"data\":{\"value\":300},\"SEQN\":-21}", "{\"data\":{\"value\":300},\"SEQM\":121}",
        "{\"data\":{\"value\":300},\"SEQN\":121]", "{\"data\":{\"value\":\xff\xff\xff},\"SEQN\":121}",
    };
    static const struct {
        enum cryptojs_fault fault;
        unsigned parsed; /* the body, the text, and where that is not JSON its stand-in */
    } wanted[] = {{CRYPTOJS_GOOD, 2},
                  {CRYPTOJS_BAD_NUMBER, 3},
                  {CRYPTOJS_NOT_THIS, 3},
                  {CRYPTOJS_NOT_JSON, 3},
                  {CRYPTOJS_NOT_UTF8, 2}};
    static const char *const broken[] = {"{\"msh\":", "{\"msg\":\"V", "{\"msg\":\"*",
                                         "{\"msg\":\"U2FsdGVkX1+A"};
    static const enum cryptojs_fault faults[] = {CRYPTOJS_NOT_A_REQUEST, CRYPTOJS_NOT_CIPHERTEXT,
                                                 CRYPTOJS_NOT_BASE64, CRYPTOJS_BAD_PADDING};
    const struct cryptojs_key key = key_of(KEY);
    char body[512];
    size_t good = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        size_t len = seal_text(texts[i], strlen(texts[i]), body);
        memset(&work, 0, sizeof(work));
        expect(open_body(&key, CRYPTOJS_DATA, body, len).fault, wanted[i].fault, texts[i]);
        assert_int_equal(work.parsed, wanted[i].parsed);
        assert_int_equal(work.derived, 1);
        assert_int_equal(work.decrypted, 1);
        assert_int_equal(work.hashed, 1);
        if (i == 0)
            good = work.decrypted_bytes;
        assert_int_equal(work.decrypted_bytes, good);
    }
    for (size_t i = 0; i < COUNT(broken); i++) {
        size_t len = seal_text(texts[0], strlen(texts[0]), body);
        memcpy(body, broken[i], strlen(broken[i]));
        memset(&work, 0, sizeof(work));
        expect(open_body(&key, CRYPTOJS_DATA, body, len).fault, faults[i], broken[i]);
        assert_int_equal(work.parsed, 2);
        assert_int_equal(work.derived, 1);
        assert_int_equal(work.decrypted, 1);
        assert_int_equal(work.hashed, 1);
        assert_in_range(work.decrypted_bytes, good - 16, good + 16);
    }
}

/* ---- judged (wire_cryptojs.c) ---- */

#define ALL_FLAGS (WIRE_ALLOW_RESET | WIRE_ALLOW_UNSEQUENCED)

/* What the wire says of a body, for these candidates. */
static struct wire_opened judge(enum wire_request request, const char *body,
                                const struct wire_candidate *candidates, size_t count)
{
    struct wire_message message = {
        .request = request, .bytes = (uint8_t *)strdup(body), .len = strlen(body), .received = RECEIVED};
    struct wire_opened opened = {.outcome = OUTCOME_FORGED, .candidate = WIRE_NONE};

    readings_reset(&readings);
    memset(&work, 0, sizeof(work));
    assert_int_equal(wire_find("cryptojs")->open(&message, candidates, count, &readings, &opened), 0);
    assert_int_equal(opened.outcome == OUTCOME_STORED, readings.count > 0);
    assert_int_equal(opened.candidate, count == 1 ? 0 : WIRE_NONE);
    assert_null(strstr(opened.detail, KEY));
    free(message.bytes);
    return opened;
}

static const struct wire_candidate candidate = {
    .keys = (const uint8_t *)KEY, .keys_len = 32, .node = "", .reading_name = "level", .number = 100};

static void numbers_flags_and_what_is_remembered_decide(void **state)
{
    static const struct {
        enum wire_request request;
        unsigned flags;
        bool full;
        uint64_t before;
        const char *text;
        enum outcome outcome;
        uint64_t number;
        uint64_t lost;
    } cases[] = {
        {WIRE_READING, 0, false, 100, "{\"data\":{\"v\":1},\"SEQN\":101}", OUTCOME_STORED, 101, 0},
        {WIRE_READING, 0, false, 100, "{\"data\":{\"v\":1},\"SEQN\":104}", OUTCOME_STORED, 104, 3},
        {WIRE_READING, 0, false, 100, "{\"data\":{\"v\":1},\"SEQN\":100}", OUTCOME_STALE, 0, 0},
        {WIRE_READING, 0, false, 100, "{\"data\":{\"v\":1},\"SEQN\":0}", OUTCOME_STALE, 0, 0},
        {WIRE_READING, 0, false, 0, "{\"data\":{\"v\":1},\"SEQN\":0}", OUTCOME_STALE, 0, 0},
        {WIRE_READING, 0, false, 0, "{\"data\":{\"v\":1},\"SEQN\":121}", OUTCOME_STORED, 121,
         0}, /* its first */
        {WIRE_READING, 0, false, 1, "{\"data\":{\"v\":1},\"SEQN\":9007199254740991}", OUTCOME_STORED,
         9007199254740991, 9007199254740989},
        {WIRE_READING, 0, false, 9007199254740991, "{\"data\":{\"v\":1},\"SEQN\":9007199254740991}",
         OUTCOME_STALE, 0, 0},
        {WIRE_READING, ALL_FLAGS, true, 100, "{\"data\":{\"v\":1},\"SEQN\":101}", OUTCOME_STORED, 101, 0},
        {WIRE_SET_NUMBER, 0, false, 100, "{\"SEQN\":7}", OUTCOME_STALE, 0, 0},
        {WIRE_SET_NUMBER, WIRE_ALLOW_UNSEQUENCED, false, 100, "{\"SEQN\":7}", OUTCOME_STALE, 0, 0},
        {WIRE_SET_NUMBER, WIRE_ALLOW_RESET, false, 100, "{\"SEQN\":7}", OUTCOME_RESET, 7, 0},
        {WIRE_SET_NUMBER, WIRE_ALLOW_RESET, false, 100, "{\"SEQN\":700}", OUTCOME_RESET, 700, 0},
        {WIRE_SET_NUMBER, WIRE_ALLOW_RESET, true, 100, "{\"SEQN\":7}", OUTCOME_STALE, 0, 0},
        {WIRE_SET_DATA, 0, false, 100, "300", OUTCOME_STALE, 0, 0},
        {WIRE_SET_DATA, WIRE_ALLOW_RESET, false, 100, "300", OUTCOME_STALE, 0, 0},
        {WIRE_SET_DATA, WIRE_ALLOW_UNSEQUENCED, false, 100, "300", OUTCOME_STORED, 0, 0},
        {WIRE_SET_DATA, WIRE_ALLOW_UNSEQUENCED, true, 100, "300", OUTCOME_STALE, 0, 0},
    };
    char body[512];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wire_candidate device = candidate;
        struct wire_opened opened;
        device.flags = cases[i].flags;
        device.hashes_full = cases[i].full;
        device.number = cases[i].before;
        if (cases[i].request == WIRE_SET_DATA)
            seal_raw(cases[i].text, body);
        else
            seal_text(cases[i].text, strlen(cases[i].text), body);
        opened = judge(cases[i].request, body, &device, 1);
        if (opened.outcome != cases[i].outcome)
            flunk("case %zu: %s", i, opened.detail);
        assert_int_equal(opened.number, cases[i].number);
        assert_int_equal(opened.lost, cases[i].lost);
        assert_int_equal(opened.sets_number,
                         opened.outcome == OUTCOME_RESET ||
                             (opened.outcome == OUTCOME_STORED && cases[i].request == WIRE_READING));
        assert_int_equal(opened.remembers, 1);
        assert_int_equal(opened.detail[0] == '\0', opened.outcome == OUTCOME_STORED);
    }
}

static void a_bare_number_is_called_as_the_device_says(void **state)
{
    struct wire_candidate device = candidate;
    char body[512];

    (void)state;
    device.flags = WIRE_ALLOW_UNSEQUENCED;
    seal_raw("300", body);
    assert_int_equal(judge(WIRE_SET_DATA, body, &device, 1).outcome, OUTCOME_STORED);
    assert_int_equal(readings.items[0].name_len, 5);
    assert_memory_equal(readings.items[0].name, "level", 5);
}

/* An id that nobody has, and a path without one that two devices could mean: nothing opens, at the same cost.
 */
static void nobody_costs_what_somebody_costs(void **state)
{
    static const enum wire_request requests[] = {WIRE_READING, WIRE_SET_NUMBER, WIRE_SET_DATA,
                                                 WIRE_GET_NUMBER};
    static const char *const texts[] = {"{\"data\":{\"v\":1},\"SEQN\":101}", "{\"SEQN\":7}", "300", ""};
    const struct wire_candidate two[] = {candidate, candidate};
    char body[512];

    (void)state;
    for (size_t i = 0; i < COUNT(requests); i++) {
        if (requests[i] == WIRE_SET_DATA)
            seal_raw(texts[i], body);
        else
            seal_text(texts[i], strlen(texts[i]), body);
        judge(requests[i], body, &candidate, 1);
        const unsigned derived = work.derived, decrypted = work.decrypted, hashed = work.hashed;
        const size_t bytes = work.decrypted_bytes;
        assert_int_equal(derived + decrypted,
                         requests[i] == WIRE_SET_DATA || requests[i] == WIRE_GET_NUMBER ? 1 : 2);
        for (size_t count = 0; count <= 2; count += 2) {
            struct wire_opened opened = judge(requests[i], body, two, count);
            assert_int_equal(opened.outcome, OUTCOME_UNKNOWN);
            assert_int_equal(opened.reply_len, 0);
            assert_int_equal(work.derived, derived);
            assert_int_equal(work.decrypted, decrypted);
            assert_int_equal(work.decrypted_bytes, bytes);
            assert_int_equal(work.hashed, hashed);
        }
    }
}

/* ---- answers ---- */

static void an_answer_is_what_a_device_would_seal(void **state)
{
    static const int64_t numbers[] = {0, 1, 20, 120, 65536, CRYPTOJS_NUMBER_MAX};
    const struct cryptojs_key key = key_of(KEY);
    char text[CRYPTOJS_ANSWER_MAX];
    size_t len;

    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        const uint8_t drawn[CRYPTOJS_DRAWN] = {1, 2, 3, 4, (uint8_t)i};
        uint8_t sealed[CRYPTOJS_ANSWER_MAX];
        uint8_t plaintext[CRYPTOJS_ANSWER_MAX];
        char wanted[64];
        size_t plaintext_len;
        unsigned padded;
        ptrdiff_t sealed_len;
        assert_int_equal(cryptojs_answer(&key, numbers[i], drawn, text, &len), 0);
        assert_in_range(len, 1, CRYPTOJS_ANSWER_MAX);
        sealed_len = base64_decode(text, len, sealed);
        assert_true(sealed_len > 0 && salted_is(sealed, (size_t)sealed_len));
        assert_memory_equal(sealed + 8, drawn, sizeof(drawn));
        assert_int_equal(salted_decrypt((const uint8_t *)KEY, strlen(KEY), sealed, (size_t)sealed_len,
                                        plaintext, &plaintext_len, &padded),
                         0);
        assert_true(padded);
        sealed_len = base64_decode(plaintext, plaintext_len, plaintext);
        snprintf(wanted, sizeof(wanted), "{\"SEQN\":%" PRId64 "}", numbers[i]);
        assert_int_equal(sealed_len, strlen(wanted));
        assert_memory_equal(plaintext, wanted, (size_t)sealed_len);
    }
    assert_int_equal(cryptojs_answer(&key, INT64_MAX, (const uint8_t *)"12345", text, &len), -1);
}

/* Whoever asks for a number holds what looks like a reset to it: the gateway knows its own. */
static void an_answer_is_no_reset(void **state)
{
    const struct cryptojs_key key = key_of(KEY);
    uint64_t seed = 6;
    char text[CRYPTOJS_ANSWER_MAX + 1] = "";
    char body[512];

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        uint8_t drawn[CRYPTOJS_DRAWN];
        size_t len;
        test_fill(&seed, drawn, sizeof(drawn));
        assert_int_equal(cryptojs_answer(&key, 20, drawn, text, &len), 0);
        snprintf(body, sizeof(body), "{\"msg\":\"%.*s\"}", (int)len, text);
        expect(fault_of(CRYPTOJS_RESET, body), CRYPTOJS_REFLECTED, body);
    }
}

/* ---- keys ---- */

#define CHARACTERS_256                                                                                       \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234"  \
    "56789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"  \
    "abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void a_key_file_is_one_line(void **state)
{
    static const struct {
        const char *text;
        const char *key; /* NULL: refused */
        const char *why;
    } cases[] = {
        {"passphrase=" KEY "\n", KEY, NULL},
        {"passphrase=" KEY, KEY, NULL},
        {"passphrase=" KEY "\r\n", KEY, NULL},
        {"# of the shed\n\n\r\npassphrase=k\n#\n", "k", NULL},
        {"passphrase= a = b \n", " a = b ", NULL},
        {"passphrase=gr\xc3\xbcn", "gr\xc3\xbcn", NULL},
        {"passphrase=" CHARACTERS_256, CHARACTERS_256, NULL},
        {"passphrase=" CHARACTERS_256 "0", NULL, "line 1: a pass-phrase is 1 to 256 bytes"},
        {"", NULL, "there is no line passphrase="},
        {"\n# passphrase=x\n", NULL, "there is no line passphrase="},
        {"passphrase=\n", NULL, "line 1: a pass-phrase is 1 to 256 bytes"},
        {"passphrase=x\npassphrase=x\n", NULL, "line 2: there is a second"},
        {"passphrase=x\nivkey=x\n", NULL, "line 2: only passphrase="},
        {" passphrase=x\n", NULL, "line 1: only passphrase="},
        {"passphrase =x\n", NULL, "line 1: only passphrase="},
        {"PASSPHRASE=x\n", NULL, "line 1: only passphrase="},
        {KEY, NULL, "line 1: only passphrase="},
        {"passphrase=a\tb\n", NULL, "line 1: a pass-phrase is UTF-8 without control characters"},
        {"passphrase=a\rb\n", NULL, "line 1: a pass-phrase is UTF-8 without control characters"},
        {"passphrase=\xff\n", NULL, "line 1: a pass-phrase is UTF-8 without control characters"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cryptojs_key key;
        struct failure failure = {""};
        int result = cryptojs_key_read(&key, cases[i].text, strlen(cases[i].text), &failure);
        if ((result == 0) != (cases[i].key != NULL))
            flunk("%s: %s", cases[i].text, failure.text);
        if (result == 0) {
            assert_int_equal(key.len, strlen(cases[i].key));
            assert_memory_equal(key.passphrase, cases[i].key, key.len);
        } else {
            static const struct cryptojs_key nothing;
            assert_non_null(strstr(failure.text, cases[i].why));
            assert_null(strstr(failure.text, KEY));
            assert_memory_equal(&key, &nothing, sizeof(key));
        }
    }
    struct cryptojs_key zero;
    struct failure failure;
    assert_int_equal(cryptojs_key_read(&zero, "passphrase=a\0b\n", 15, &failure), -1);
}

static int load(void **state)
{
    *state = vector_file_load(BULLA_TEST_VECTORS, "cryptojs.json");
    readings_init(&readings);
    return *state == NULL;
}

static int unload(void **state)
{
    json_decref(*state);
    readings_wipe(&readings);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_crypto_js_sealed),
        cmocka_unit_test(opens_the_articles_own_message),
        cmocka_unit_test(a_message_is_for_one_route_and_one_key),
        cmocka_unit_test(every_byte_of_the_body_counts),
        cmocka_unit_test(every_bit_of_the_ciphertext_counts),
        cmocka_unit_test(an_altered_iv_is_the_same_ciphertext),
        cmocka_unit_test(bodies_are_what_their_route_takes),
        cmocka_unit_test(what_is_in_it_is_what_its_route_takes),
        cmocka_unit_test(what_is_encrypted_is_base64),
        cmocka_unit_test(padding_is_refused_unless_it_is_all_right),
        cmocka_unit_test(a_body_is_at_most_so_long),
        cmocka_unit_test(the_most_readings_of_a_body),
        cmocka_unit_test(no_raw_key_no_later_form),
        cmocka_unit_test(a_refusal_costs_what_a_reading_costs),
        cmocka_unit_test(numbers_flags_and_what_is_remembered_decide),
        cmocka_unit_test(a_bare_number_is_called_as_the_device_says),
        cmocka_unit_test(nobody_costs_what_somebody_costs),
        cmocka_unit_test(an_answer_is_what_a_device_would_seal),
        cmocka_unit_test(an_answer_is_no_reset),
        cmocka_unit_test(a_key_file_is_one_line),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
