/*
 * Strict base64 (gateway/wire/base64.h): every character in every place, every form of padding, and AES-CBC's
 * padding (gateway/wire/cbc.h), every form of that.
 */
#include "support.h"
#undef fail /* cmocka's; failure.h has its own */

#include <stdbool.h>
#include <string.h>

#include <openssl/evp.h>

#include "gateway/wire/base64.h"
#include "gateway/wire/cbc.h"

/* fail_msg(), which needs what was undefined above. */
#define flunk(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* RFC 4648 10, and texts that are none. len -1: refused. */
static void reads_what_is_base64_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        int len;
        const char *bytes;
    } cases[] = {
        {"", 0, ""},
        {"Zg==", 1, "f"},
        {"Zm8=", 2, "fo"},
        {"Zm9v", 3, "foo"},
        {"Zm9vYg==", 4, "foob"},
        {"Zm9vYmE=", 5, "fooba"},
        {"Zm9vYmFy", 6, "foobar"},
        /* no padding, too much of it, in the wrong place */
        {"Zg", -1, NULL},
        {"Zg=", -1, NULL},
        {"Zm8", -1, NULL},
        {"Zm9v====", -1, NULL},
        {"Zg==Zg==", -1, NULL},
        {"Zm8=Zm9v", -1, NULL},
        {"Z===", -1, NULL},
        {"====", -1, NULL},
        {"=", -1, NULL},
        {"Z=g=", -1, NULL},
        {"=Zg=", -1, NULL},
        {"Zg=A", -1, NULL},
        /* bits behind the last byte */
        {"Zh==", -1, NULL},
        {"Zn==", -1, NULL},
        {"Zm9=", -1, NULL},
        {"Zm+=", -1, NULL},
        /* white space, another alphabet */
        {" Zm9v", -1, NULL},
        {"Zm9v\n", -1, NULL},
        {"Zm9v\r\n\r\n", -1, NULL},
        {"Zm 9v", -1, NULL},
        {"Zm9\n", -1, NULL},
        {"Zm-_", -1, NULL},
        {"Zm9,", -1, NULL},
        {"A", -1, NULL},
        {"AAAAA", -1, NULL},
    };
    uint8_t out[16];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ptrdiff_t len = base64_decode(cases[i].text, strlen(cases[i].text), out);
        if (len != cases[i].len)
            flunk("\"%s\" gives %td, not %d", cases[i].text, len, cases[i].len);
        if (len > 0)
            assert_memory_equal(out, cases[i].bytes, (size_t)len);
    }
}

/* In the first and in the last four characters, with each amount of padding. */
static void takes_its_alphabet_and_no_other_byte(void **state)
{
    static const char *const texts[] = {"AAAAAAAA", "AAAAAAA=", "AAAAAA=="};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        for (size_t place = 0; place < 8 && texts[i][place] != '='; place++) {
            for (int byte = 0; byte < 256; byte++) {
                const char *digit = byte == 0 ? NULL : strchr(alphabet, byte);
                const size_t padding = strlen(texts[i]) - strcspn(texts[i], "=");
                bool good = digit != NULL;
                uint8_t text[8];
                uint8_t out[6];
                memcpy(text, texts[i], 8);
                text[place] = (uint8_t)byte;
                if (good && padding > 0 &&
                    place == 7 - padding) /* two or four bits are behind the last byte */
                    good = (digit - alphabet) % (padding == 1 ? 4 : 16) == 0;
                if (padding < 2 && byte == '=' && place == 7 - padding) /* more padding: other bytes */
                    good = true;
                if ((base64_decode(text, 8, out) >= 0) != good)
                    flunk("%s with byte %d at %zu", texts[i], byte, place);
            }
        }
    }
}

static void what_it_writes_is_read_again(void **state)
{
    uint64_t seed = 4;
    uint8_t bytes[100];
    uint8_t out[102];
    char text[BASE64_SIZE(sizeof(bytes)) + 1];

    (void)state;
    test_fill(&seed, bytes, sizeof(bytes));
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        char openssl[BASE64_SIZE(sizeof(bytes)) + 1];
        text[BASE64_SIZE(len)] = '\0';
        base64_encode(bytes, len, text);
        assert_int_equal(EVP_EncodeBlock((uint8_t *)openssl, bytes, (int)len), BASE64_SIZE(len));
        assert_string_equal(text, openssl);
        assert_int_equal(base64_decode(text, BASE64_SIZE(len), out), len);
        assert_memory_equal(out, bytes, len);
        assert_int_equal(base64_decode(text, BASE64_SIZE(len), (uint8_t *)text), len); /* in place */
        assert_memory_equal(text, bytes, len);
    }
}

/* ---- padding ---- */

static const uint8_t key[32] = {7, 1};
static const uint8_t iv[CBC_BLOCK] = {3};

/* Encrypts whole blocks as they are. */
static void encrypt_bare(const uint8_t *text, size_t len, uint8_t *bytes)
{
    uint8_t padded[256];

    assert_int_equal(cbc_encrypt(key, sizeof(key), iv, text, len, padded), len + CBC_BLOCK);
    memcpy(bytes, padded, len);
}

/* Every byte of the last block, with every value: good only where RFC 5652 6.3 says so. */
static void padding_is_taken_as_a_whole(void **state)
{
    (void)state;
    for (unsigned count = 0; count <= 17; count++) {
        for (unsigned place = 0; place < CBC_BLOCK; place++) {
            for (unsigned change = 0; change < 256; change++) {
                uint8_t text[32];
                uint8_t bytes[32];
                uint8_t last;
                size_t len;
                unsigned padded;
                unsigned wanted = 1;
                memset(text, 'x', sizeof(text));
                memset(text + 32 - (count > 16 ? 16 : count), (int)count, count > 16 ? 16 : count);
                if (count == 0)
                    text[31] = 0;
                text[31 - place] ^= (uint8_t)change;
                last = text[31];
                wanted = last >= 1 && last <= 16;
                for (unsigned i = 0; wanted && i < last; i++)
                    wanted = text[31 - i] == last;
                encrypt_bare(text, sizeof(text), bytes);
                assert_int_equal(cbc_decrypt(key, sizeof(key), iv, bytes, 32, bytes, &len, &padded), 0);
                assert_int_equal(padded, wanted);
                assert_true(len <= 32);
                if (wanted)
                    assert_int_equal(len, 32 - last);
            }
        }
    }
}

static void texts_of_every_length_come_back(void **state)
{
    uint64_t seed = 5;
    uint8_t text[100];
    uint8_t bytes[112];
    uint8_t back[112];

    (void)state;
    test_fill(&seed, text, sizeof(text));
    for (size_t size = 16; size <= 32; size += 16) {
        for (size_t len = 0; len < 96; len++) {
            size_t back_len;
            unsigned padded;
            ptrdiff_t written = cbc_encrypt(key, size, iv, text, len, bytes);
            assert_int_equal(written, len / CBC_BLOCK * CBC_BLOCK + CBC_BLOCK);
            assert_int_equal(cbc_decrypt(key, size, iv, bytes, (size_t)written, back, &back_len, &padded), 0);
            assert_true(padded);
            assert_int_equal(back_len, len);
            assert_memory_equal(back, text, len);
        }
    }
}

/* NIST SP 800-38A F.2.1 and F.2.5: the first two blocks, and OpenSSL's padding behind them. */
static void it_is_the_standards_cbc(void **state)
{
    uint8_t text[32];
    uint8_t bytes[48];
    uint8_t standard_iv[16];
    uint8_t standard_key[32];

    (void)state;
    from_hex(text, 32, "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51");
    from_hex(standard_iv, 16, "000102030405060708090a0b0c0d0e0f");
    from_hex(standard_key, 16, "2b7e151628aed2a6abf7158809cf4f3c");
    assert_int_equal(cbc_encrypt(standard_key, 16, standard_iv, text, 32, bytes), 48);
    assert_hex(bytes, 32, "7649abac8119b246cee98e9b12e9197d 5086cb9b507219ee95db113a917678b2");
    from_hex(standard_key, 32, "603deb1015ca71be2b73aef0857d7781 1f352c073b6108d72d9810a30914dff4");
    assert_int_equal(cbc_encrypt(standard_key, 32, standard_iv, text, 32, bytes), 48);
    assert_hex(bytes, 32, "f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d");
}

static void only_whole_blocks_are_decrypted(void **state)
{
    uint8_t bytes[48] = {0};
    size_t len;
    unsigned padded;

    (void)state;
    for (size_t i = 0; i <= sizeof(bytes); i++)
        assert_int_equal(cbc_decrypt(key, 16, iv, bytes, i, bytes, &len, &padded) == 0,
                         i > 0 && i % CBC_BLOCK == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_base64_and_nothing_else),
        cmocka_unit_test(takes_its_alphabet_and_no_other_byte),
        cmocka_unit_test(what_it_writes_is_read_again),
        cmocka_unit_test(padding_is_taken_as_a_whole),
        cmocka_unit_test(texts_of_every_length_come_back),
        cmocka_unit_test(it_is_the_standards_cbc),
        cmocka_unit_test(only_whole_blocks_are_decrypted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
