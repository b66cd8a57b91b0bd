/*
 * The credential line (PROTOCOL 1) beyond its vectors: what may be written is what can be read.
 */
#include <stdlib.h>
#include <string.h>

#include "device/bulla.h"

#include "support.h"

static struct bulla_credential good(void)
{
    struct bulla_credential credential;

    memset(&credential, 0, sizeof(credential));
    credential.kid[0] = 7;
    credential.kid_len = 1;
    credential.alg = BULLA_AES_CCM_16_64_128;
    return credential;
}

/* Whatever is written is read back as it was. */
static void test_round_trips(void **state)
{
    static const uint8_t algs[] = {BULLA_AES_CCM_16_64_128, BULLA_CHACHA20_POLY1305,
                                   BULLA_AES_CCM_16_128_128};
    static const char *const pieces[] = {"a",    "Z9",     "-._~",   " ",          "%",
                                         "&=?#", "\u00fc", "\u6c34", "\U00010151", "/"};
    uint64_t random = 9;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        struct bulla_credential credential;
        struct bulla_credential read;
        char name[BULLA_NAME_MAX + 1] = "n";
        char read_name[BULLA_NAME_MAX + 1];
        char *line = malloc(BULLA_CREDENTIAL_MAX);
        int len;

        memset(&credential, 0, sizeof(credential));
        test_fill(&random, credential.secret, BULLA_SECRET_SIZE);
        credential.kid_len = (uint8_t)(1 + test_below(&random, BULLA_KID_MAX));
        test_fill(&random, credential.kid, credential.kid_len);
        credential.alg = algs[test_below(&random, COUNT(algs))];
        credential.kind = (uint8_t)test_below(&random, 2);
        for (unsigned n = (unsigned)test_below(&random, 16); n > 0; n--)
            strcat(name, pieces[test_below(&random, COUNT(pieces))]);
        len = bulla_credential_format(&credential, name, line);
        assert_int_equal(len, strlen(line));
        assert_int_equal(bulla_credential_parse(&read, read_name, line, (size_t)len), 0);
        assert_string_equal(read_name, name);
        assert_memory_equal(&read, &credential, sizeof(read));
        free(line);
    }
}

static void test_longest_line(void **state)
{
    struct bulla_credential credential = good();
    char name[BULLA_NAME_MAX + 2];
    char *line = malloc(BULLA_CREDENTIAL_MAX);

    (void)state;
    memset(name, ' ', sizeof(name)); /* three characters each */
    name[BULLA_NAME_MAX] = '\0';
    credential.kid_len = BULLA_KID_MAX;
    credential.kind = BULLA_COUNTER;
    assert_true(bulla_credential_format(&credential, name, line) < BULLA_CREDENTIAL_MAX);
    name[BULLA_NAME_MAX] = ' ';
    name[BULLA_NAME_MAX + 1] = '\0';
    assert_int_equal(bulla_credential_format(&credential, name, line), BULLA_E_ARGUMENT);
    free(line);
}

static void test_what_is_not_written(void **state)
{
    static const char *const names[] = {"",     "a\n",          "\x7f",     "\xc2\x85",         "\xff",
                                        "\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80", "\xe2\x82"};
    static const uint8_t algs[] = {0, 1, 11, 31, 100, 255};
    struct bulla_credential credential;
    char line[BULLA_CREDENTIAL_MAX];

    (void)state;
    credential = good();
    assert_true(bulla_credential_format(&credential, "a", line) > 0);
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(bulla_credential_format(&credential, names[i], line), BULLA_E_ARGUMENT);
    credential.kid_len = 0;
    assert_int_equal(bulla_credential_format(&credential, "a", line), BULLA_E_ARGUMENT);
    credential.kid_len = 6;
    assert_int_equal(bulla_credential_format(&credential, "a", line), BULLA_E_ARGUMENT);
    for (size_t i = 0; i < COUNT(algs); i++) {
        credential = good();
        credential.alg = algs[i];
        assert_int_equal(bulla_credential_format(&credential, "a", line), BULLA_E_ARGUMENT);
    }
    credential = good();
    credential.kind = 2;
    assert_int_equal(bulla_credential_format(&credential, "a", line), BULLA_E_ARGUMENT);
}

/* Cut anywhere, or with a byte changed: refused, or another credential, never a crash. */
static void test_damaged_lines(void **state)
{
    static const char text[] =
        "bulla:k%20n?kid=0a1b2c3d&secret=W6_7qqR38dhtY7dUrw3tgOm2MGDG3HInDKYFi-fTcgI&alg=30&context=counter";
    size_t len = sizeof(text) - 1;
    struct bulla_credential credential;

    (void)state;
    for (size_t cut = 0; cut <= len; cut++) {
        char *exact = malloc(cut > 0 ? cut : 1);
        int error;

        memcpy(exact, text, cut);
        error = bulla_credential_parse(&credential, NULL, exact, cut);
        /* Whole but for "context", or for "alg" and "context": a shorter line that is right, too. */
        assert_int_equal(error, cut == len || cut == len - 16 || cut == len - 23 ? 0 : BULLA_E_MALFORMED);
        for (int byte = 0; cut > 0 && byte < 256; byte++) {
            exact[cut - 1] = (char)byte;
            error = bulla_credential_parse(&credential, NULL, exact, cut);
            assert_true(error == 0 || error == BULLA_E_MALFORMED);
        }
        free(exact);
    }
}

static void test_errors_have_texts(void **state)
{
    (void)state;
    assert_string_equal(bulla_strerror(0), "done");
    assert_string_equal(bulla_strerror(1), "done");
    assert_string_equal(bulla_strerror(-1000), "an unknown error");
#define CHECK_TEXT(name, number, text)                                                                       \
    assert_int_equal(name, number);                                                                          \
    assert_string_equal(bulla_strerror(name), text);
    BULLA_ERRORS(CHECK_TEXT)
#undef CHECK_TEXT
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),         cmocka_unit_test(test_longest_line),
        cmocka_unit_test(test_what_is_not_written), cmocka_unit_test(test_damaged_lines),
        cmocka_unit_test(test_errors_have_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
