/*
 * The vectors of spec/vectors, made by a reference that shares no code with the library: what the library
 * makes and takes must be the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "device/context.h"
#include "device/envelope.h"
#include "device/reply_parse.h"
#include "device/window.h"

#include "board.h"
#include "provider.h"
#include "recorder.h"
#include "vector_file.h"

static json_t *load(const char *name)
{
    json_t *root = vector_file_load(BULLA_SPEC_VECTORS, name);

    assert_non_null(root);
    return root;
}

/* The cases of a list, of which there must be some. */
static json_t *list(json_t *root, const char *key)
{
    json_t *cases = vector_member(root, key);

    assert_true(json_is_array(cases) && json_array_size(cases) > 0);
    return cases;
}

/* Keys of one context. */
struct keys {
    struct bulla_schedule schedule;
    uint8_t secret[BULLA_SECRET_SIZE];
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];
    uint8_t key[BULLA_KEY_MAX];
    uint8_t common_iv[BULLA_NONCE_MAX];
};

static void derive(struct keys *keys, json_t *secret_of, int alg, const char *id_context, const uint8_t *id,
                   size_t id_len)
{
    memset(keys, 0, sizeof(*keys));
    assert_int_equal(vector_bytes(secret_of, "secret", keys->secret, sizeof(keys->secret)),
                     BULLA_SECRET_SIZE);
    keys->schedule.crypto = provider_state();
    keys->schedule.secret = keys->secret;
    keys->schedule.alg = alg;
    if (id_context != NULL) {
        assert_int_equal(from_hex(keys->id_context, sizeof(keys->id_context), id_context),
                         BULLA_ID_CONTEXT_SIZE);
        keys->schedule.id_context = keys->id_context;
    }
    assert_int_equal(bulla_derive_key(&keys->schedule, id, id_len, keys->key), 0);
    assert_int_equal(bulla_derive_common_iv(&keys->schedule, keys->common_iv), 0);
}

static const char *optional_text(json_t *object, const char *key)
{
    return vector_has(object, key) ? vector_text(object, key) : NULL;
}

/* ---- keys.json ---- */

static void test_keys(void **state)
{
    json_t *root = load("keys.json");
    json_t *one;
    size_t i;

    (void)state;
    json_array_foreach(list(root, "cases"), i, one)
    {
        int alg = (int)vector_u64(one, "alg");
        uint8_t id[BULLA_GATEWAY_ID_SIZE];
        size_t id_len = vector_bytes(one, "id", id, sizeof(id));
        uint8_t nonce[BULLA_NONCE_MAX];
        struct keys keys;

        derive(&keys, one, alg, optional_text(one, "id_context"), id, id_len);
        assert_hex(keys.key, bulla_key_size(alg), vector_text(one, "key"));
        assert_hex(keys.common_iv, bulla_nonce_size(alg), vector_text(one, "iv"));
        bulla_nonce(alg, keys.common_iv, id, id_len, vector_u64(one, "piv"), nonce);
        assert_hex(nonce, bulla_nonce_size(alg), vector_text(one, "nonce"));
    }
    json_decref(root);
}

/* ---- messages.json ---- */

struct message_case {
    struct bulla_credential credential;
    struct bulla_envelope envelope;
    struct keys keys;
    uint8_t echo[BULLA_CHALLENGE_SIZE];
    uint8_t plaintext[BULLA_MESSAGE_MAX];
    size_t len;
    const char *message;
};

static void read_message_case(json_t *one, struct message_case *c)
{
    memset(c, 0, sizeof(*c));
    c->credential.alg = (uint8_t)vector_u64(one, "alg");
    c->credential.kid_len = (uint8_t)vector_bytes(one, "kid", c->credential.kid, BULLA_KID_MAX);
    c->credential.kind = vector_has(one, "id_context") ? BULLA_SESSION : BULLA_COUNTER;
    derive(&c->keys, one, c->credential.alg, optional_text(one, "id_context"), c->credential.kid,
           c->credential.kid_len);
    memcpy(c->credential.secret, c->keys.secret, BULLA_SECRET_SIZE);
    c->envelope.id = c->credential.kid;
    c->envelope.id_len = c->credential.kid_len;
    c->envelope.alg = c->credential.alg;
    c->envelope.piv = vector_u64(one, "piv");
    c->envelope.content_format = (uint16_t)vector_u64(one, "content_format");
    if (json_is_true(vector_member(one, "with_kid_context")))
        c->envelope.id_context = c->keys.id_context;
    if (vector_has(one, "re")) {
        c->envelope.has_re = 1;
        c->envelope.re = vector_u64(one, "re");
    }
    if (vector_has(one, "echo")) {
        assert_int_equal(vector_bytes(one, "echo", c->echo, sizeof(c->echo)), BULLA_CHALLENGE_SIZE);
        c->envelope.echo = c->echo;
    }
    c->len = vector_bytes(one, "plaintext", c->plaintext, sizeof(c->plaintext));
    c->message = vector_text(one, "message");
}

static void seal_by_envelope(const struct message_case *c)
{
    static uint8_t buffer[BULLA_HEADROOM + BULLA_MESSAGE_MAX + BULLA_TAG_MAX];
    uint8_t *content = buffer + BULLA_HEADROOM;
    int header_len;

    memcpy(content, c->plaintext, c->len);
    header_len =
        bulla_envelope_seal(&c->envelope, provider_state(), c->keys.key, c->keys.common_iv, content, c->len);
    assert_true(header_len > 0);
    assert_hex(content - header_len, (size_t)header_len + c->len + bulla_tag_size(c->envelope.alg),
               c->message);
}

/* A context put where the vector's device stands, which then seals by the public functions alone. */
static void seal_by_context(const struct message_case *c)
{
    static uint8_t buffer[BULLA_HEADROOM + BULLA_MESSAGE_MAX + BULLA_TAG_MAX];
    struct bulla_message message;
    struct board board;
    struct bulla bulla;

    board_open(&board, 1);
    if (c->credential.kind == BULLA_COUNTER)
        assert_int_equal(bulla_provision_counter(&c->credential, &board.port), 0);
    assert_int_equal(bulla_open(&bulla, &c->credential, &board.port), 0);
    memcpy(bulla.id_context, c->keys.id_context, BULLA_ID_CONTEXT_SIZE);
    assert_int_equal(bulla_context_derive(&bulla), 0);
    set_number(bulla.next, c->envelope.piv);
    if (c->envelope.id_context == NULL)
        bulla.flags |= BULLA_F_RECEIPT;
    if (c->envelope.echo != NULL) {
        memcpy(bulla.challenge, c->echo, BULLA_CHALLENGE_SIZE);
        bulla.flags |= BULLA_F_CHALLENGED;
    }
    bulla_begin_content(&message, c->envelope.content_format, buffer, sizeof(buffer));
    bulla_add_bytes(&message, c->plaintext, c->len);
    assert_int_equal(bulla_seal(&bulla, &message), 0);
    assert_hex(message.data, message.size, c->message);
    bulla_close(&bulla);
}

static void open_message(const struct message_case *c, json_t *one)
{
    static uint8_t bytes[BULLA_MESSAGE_MAX];
    size_t len = from_hex(bytes, sizeof(bytes), c->message);
    struct bulla_envelope parsed;
    uint8_t nonce[BULLA_NONCE_MAX];

    assert_int_equal(bulla_envelope_parse(&parsed, BULLA_TO_GATEWAY, bytes, len), 0);
    assert_hex(parsed.protected_bytes, parsed.protected_len, vector_text(one, "protected"));
    assert_hex(parsed.id, parsed.id_len, vector_text(one, "kid"));
    assert_int_equal(parsed.alg, c->envelope.alg);
    assert_int_equal(parsed.content_format, c->envelope.content_format);
    assert_true(parsed.piv == c->envelope.piv);
    assert_int_equal(parsed.has_re, c->envelope.has_re);
    assert_true(parsed.re == c->envelope.re);
    assert_int_equal(parsed.echo != NULL, c->envelope.echo != NULL);
    if (parsed.echo != NULL)
        assert_memory_equal(parsed.echo, c->echo, BULLA_CHALLENGE_SIZE);
    assert_int_equal(parsed.id_context != NULL, c->envelope.id_context != NULL);
    if (parsed.id_context != NULL)
        assert_memory_equal(parsed.id_context, c->keys.id_context, BULLA_ID_CONTEXT_SIZE);
    bulla_nonce(parsed.alg, c->keys.common_iv, parsed.id, parsed.id_len, parsed.piv, nonce);
    assert_hex(nonce, bulla_nonce_size(parsed.alg), vector_text(one, "nonce"));
    assert_int_equal(bulla_envelope_open(&parsed, provider_state(), c->keys.key, c->keys.common_iv), 0);
    assert_hex(parsed.ciphertext, parsed.ciphertext_len - bulla_tag_size(parsed.alg),
               vector_text(one, "plaintext"));
}

static void test_messages(void **state)
{
    static struct message_case c;
    json_t *root = load("messages.json");
    json_t *one;
    size_t by_context = 0;
    size_t i;

    (void)state;
    json_array_foreach(list(root, "cases"), i, one)
    {
        if (!provider_offers((int)vector_u64(one, "alg")))
            continue;
        read_message_case(one, &c);
        recorder_reset(); /* the vectors share keys and numbers */
        seal_by_envelope(&c);
        recorder_reset();
        /* The public functions know no "re" yet, and keep room for the longest header. */
        if (!c.envelope.has_re && c.len + BULLA_HEADROOM + BULLA_TAG_MAX <= BULLA_MESSAGE_MAX) {
            seal_by_context(&c);
            by_context++;
        }
        open_message(&c, one);
    }
    assert_true(by_context > (provider_offers(BULLA_CHACHA20_POLY1305) ? 100 : 65));
    json_decref(root);
}

/* ---- replies.json ---- */

static void seal_reply(json_t *one, const struct keys *keys, const uint8_t *gateway_id)
{
    uint8_t buffer[BULLA_HEADROOM + 1024];
    uint8_t *content = buffer + BULLA_HEADROOM;
    size_t len = vector_bytes(one, "plaintext", content, 1024 - BULLA_TAG_MAX);
    struct bulla_envelope envelope;
    int header_len;

    memset(&envelope, 0, sizeof(envelope));
    envelope.id = gateway_id;
    envelope.id_len = BULLA_GATEWAY_ID_SIZE;
    envelope.alg = keys->schedule.alg;
    envelope.content_format = BULLA_FORMAT_CBOR;
    envelope.piv = vector_u64(one, "gateway_piv");
    envelope.has_re = 1;
    envelope.re = vector_u64(one, "re");
    recorder_reset();
    header_len = bulla_envelope_seal(&envelope, provider_state(), keys->key, keys->common_iv, content, len);
    assert_true(header_len > 0);
    assert_hex(content - header_len, (size_t)header_len + len + bulla_tag_size(envelope.alg),
               vector_text(one, "reply"));
}

/* A device that has just sealed the message which the reply answers. */
static void seal_answered(json_t *one, const struct keys *keys, struct board *board, struct bulla *bulla,
                          struct bulla_message *message, uint8_t buffer[128])
{
    struct bulla_credential credential;

    memset(&credential, 0, sizeof(credential));
    memcpy(credential.secret, keys->secret, BULLA_SECRET_SIZE);
    credential.kid[0] = 7;
    credential.kid_len = 1;
    credential.alg = (uint8_t)keys->schedule.alg;
    credential.kind = keys->schedule.id_context != NULL ? BULLA_SESSION : BULLA_COUNTER;
    board_open(board, 1);
    if (credential.kind == BULLA_COUNTER)
        assert_int_equal(bulla_provision_counter(&credential, &board->port), 0);
    assert_int_equal(bulla_open(bulla, &credential, &board->port), 0);
    memcpy(bulla->id_context, keys->id_context, BULLA_ID_CONTEXT_SIZE);
    assert_int_equal(bulla_context_derive(bulla), 0);
    set_number(bulla->next, vector_u64(one, "re"));
    recorder_reset();
    bulla_begin(message, buffer, 128);
    bulla_add_integer(message, "x", NULL, 1);
    assert_int_equal(bulla_seal(bulla, message), 0);
    assert_true(message->piv == vector_u64(one, "re"));
}

static void open_reply(json_t *one, const struct keys *keys)
{
    json_t *body = vector_member(one, "body");
    uint8_t bytes[BULLA_MESSAGE_MAX];
    size_t len = vector_bytes(one, "reply", bytes, sizeof(bytes));
    uint8_t buffer[128];
    struct bulla_message message;
    struct bulla_reply reply;
    struct board board;
    struct bulla bulla;
    int stored = 0;

    seal_answered(one, keys, &board, &bulla, &message, buffer);
    assert_int_equal(bulla_open_reply(&bulla, bytes, len, &reply), 0);
    assert_true(reply.re == message.piv);
    assert_int_equal(reply.has_receipt, vector_has(body, "top"));
    if (reply.has_receipt) {
        assert_true(reply.top == vector_u64(body, "top"));
        assert_true(reply.bits == vector_u64(body, "bits"));
        stored = bulla_receipt_holds(reply.top, reply.bits, reply.re);
        assert_true(number_of(bulla.next) > reply.top || stored);
    }
    assert_int_equal(reply.has_time, vector_has(body, "time"));
    if (reply.has_time)
        assert_true((uint64_t)reply.time == vector_u64(body, "time"));
    assert_int_equal(reply.challenged, vector_has(body, "challenge") && !stored);
    if (reply.challenged)
        assert_hex(bulla.challenge, BULLA_CHALLENGE_SIZE, vector_text(body, "challenge"));
    if (stored)
        assert_int_equal(bulla_fate(&bulla, &message), BULLA_STORED);
    else
        assert_int_not_equal(bulla_fate(&bulla, &message), BULLA_WAITING);
    bulla_close(&bulla);
}

static void test_replies(void **state)
{
    json_t *root = load("replies.json");
    json_t *one;
    size_t i;

    (void)state;
    json_array_foreach(list(root, "cases"), i, one)
    {
        uint8_t gateway_id[BULLA_GATEWAY_ID_SIZE];
        struct keys keys;

        if (!provider_offers((int)vector_u64(one, "alg")))
            continue;
        assert_int_equal(vector_bytes(one, "gateway_id", gateway_id, sizeof(gateway_id)), sizeof(gateway_id));
        derive(&keys, one, (int)vector_u64(one, "alg"), optional_text(one, "id_context"), gateway_id,
               sizeof(gateway_id));
        seal_reply(one, &keys, gateway_id);
        open_reply(one, &keys);
    }
    json_decref(root);
}

/* ---- malformed.json ---- */

/* Parses a copy in memory of exactly its size, so that reading past it is seen. */
static int parse_exact(enum bulla_direction direction, const char *hex)
{
    static uint8_t bytes[2 * BULLA_MESSAGE_MAX];
    size_t len = from_hex(bytes, sizeof(bytes), hex);
    uint8_t *exact = malloc(len > 0 ? len : 1);
    struct bulla_envelope envelope;
    int error;

    memcpy(exact, bytes, len);
    error = bulla_envelope_parse(&envelope, direction, exact, len);
    if (direction == BULLA_TO_DEVICE) { /* a device has a parser of its own */
        struct bulla_reply_envelope reply;

        assert_int_equal(bulla_reply_envelope_parse(&reply, exact, len), error);
    }
    free(exact);
    return error;
}

static void check_malformed(json_t *cases, enum bulla_direction direction, const char *key)
{
    json_t *one;
    size_t i;

    json_array_foreach(cases, i, one)
    {
        if (parse_exact(direction, vector_text(one, key)) != BULLA_E_MALFORMED)
            fail_msg("taken, but malformed: %s", vector_text(one, "name"));
    }
}

static void test_malformed(void **state)
{
    json_t *root = load("malformed.json");

    (void)state;
    assert_int_equal(parse_exact(BULLA_TO_GATEWAY, vector_text(root, "good")), 0);
    assert_int_equal(parse_exact(BULLA_TO_DEVICE, vector_text(root, "good_reply")), 0);
    assert_int_equal(parse_exact(BULLA_TO_DEVICE, vector_text(root, "good")), BULLA_E_MALFORMED);
    assert_int_equal(parse_exact(BULLA_TO_GATEWAY, vector_text(root, "good_reply")), BULLA_E_MALFORMED);
    check_malformed(list(root, "cases"), BULLA_TO_GATEWAY, "message");
    check_malformed(list(root, "replies"), BULLA_TO_DEVICE, "message");
    json_decref(root);
}

/* ---- forged.json ---- */

/* PROTOCOL 4.2 and 4.3, for one device. */
static int judge(json_t *root, json_t *one, const char *hex)
{
    uint8_t bytes[BULLA_MESSAGE_MAX];
    uint8_t kid[BULLA_KID_MAX];
    size_t kid_len = vector_bytes(root, "kid", kid, sizeof(kid));
    int counter = one != NULL && strcmp(vector_text(one, "context"), "counter") == 0;
    struct bulla_envelope envelope;
    char session[2 * BULLA_ID_CONTEXT_SIZE + 1] = "";
    struct keys keys;

    assert_int_equal(
        bulla_envelope_parse(&envelope, BULLA_TO_GATEWAY, bytes, from_hex(bytes, sizeof(bytes), hex)), 0);
    if (envelope.id_len != kid_len || memcmp(envelope.id, kid, kid_len) != 0)
        return BULLA_E_FORGED;
    if (envelope.alg != (int)vector_u64(root, "alg") || (counter && envelope.id_context != NULL))
        return BULLA_E_FORGED;
    if (envelope.id_context != NULL) {
        for (size_t i = 0; i < BULLA_ID_CONTEXT_SIZE; i++)
            snprintf(session + 2 * i, 3, "%02x", envelope.id_context[i]);
    } else if (!counter) {
        if (!vector_has(one, "newest_session"))
            return BULLA_E_FORGED;
        snprintf(session, sizeof(session), "%s", vector_text(one, "newest_session"));
    }
    derive(&keys, root, envelope.alg, counter ? NULL : session, kid, kid_len);
    return bulla_envelope_open(&envelope, provider_state(), keys.key, keys.common_iv);
}

static void test_forged(void **state)
{
    json_t *root = load("forged.json");
    json_t *one;
    size_t i;

    (void)state;
    assert_int_equal(judge(root, NULL, vector_text(root, "good")), 0);
    json_array_foreach(list(root, "cases"), i, one)
    {
        if (judge(root, one, vector_text(one, "message")) != BULLA_E_FORGED)
            fail_msg("opened, but forged: %s", vector_text(one, "name"));
    }
    json_decref(root);
}

/* ---- credentials.json ---- */

static void check_credential(json_t *one)
{
    json_t *fields = vector_member(one, "fields");
    const char *text = vector_text(one, "line");
    struct bulla_credential credential;
    char name[BULLA_NAME_MAX + 1];
    char line[BULLA_CREDENTIAL_MAX];
    int counter = strcmp(vector_text(fields, "context"), "counter") == 0;

    assert_int_equal(bulla_credential_parse(&credential, name, text, strlen(text)), 0);
    assert_hex((const uint8_t *)name, strlen(name), vector_text(fields, "name_bytes"));
    assert_hex(credential.kid, credential.kid_len, vector_text(fields, "kid"));
    assert_hex(credential.secret, BULLA_SECRET_SIZE, vector_text(fields, "secret"));
    assert_int_equal(credential.alg, vector_u64(fields, "alg"));
    assert_int_equal(credential.kind, counter ? BULLA_COUNTER : BULLA_SESSION);
    assert_int_equal(bulla_credential_format(&credential, name, line), strlen(vector_text(one, "formatted")));
    assert_string_equal(line, vector_text(one, "formatted"));
    assert_int_equal(bulla_credential_parse(&credential, NULL, line, strlen(line)), 0);
}

static void check_bad_credential(json_t *one)
{
    static const struct bulla_credential zero;
    json_t *text = vector_member(one, "line");
    size_t len = json_string_length(text);
    char *exact = malloc(len > 0 ? len : 1);
    struct bulla_credential credential;
    char name[BULLA_NAME_MAX + 1];

    memcpy(exact, json_string_value(text), len);
    memset(&credential, 0xff, sizeof(credential));
    if (bulla_credential_parse(&credential, name, exact, len) != BULLA_E_MALFORMED)
        fail_msg("taken, but bad: %s", vector_text(one, "name"));
    assert_memory_equal(&credential, &zero, sizeof(zero)); /* nothing of the secret stays */
    free(exact);
}

static void test_credentials(void **state)
{
    json_t *root = load("credentials.json");
    json_t *one;
    size_t i;

    (void)state;
    json_array_foreach(list(root, "cases"), i, one)
    {
        if (vector_has(one, "reason"))
            check_bad_credential(one);
        else
            check_credential(one);
    }
    json_decref(root);
}

/* ---- window.json ---- */

static void store_restored(json_t *one, struct bulla_window *window)
{
    json_t *piv;
    size_t i;

    json_array_foreach(vector_member(one, "stored"), i, piv)
        bulla_window_mark(window, (uint64_t)json_integer_value(piv));
}

static void walk(json_t *one, struct bulla_window *window)
{
    static const char *const words[] = {"new", "duplicate", "stale"};
    json_t *step;
    size_t i;

    json_array_foreach(vector_member(one, "steps"), i, step)
    {
        uint64_t piv = vector_u64(step, "piv");
        enum bulla_window_place place = bulla_window_place(window, piv);

        if (strcmp(words[place], vector_text(step, "outcome")) != 0)
            fail_msg("%s, step %zu: %s", vector_text(one, "name"), i, words[place]);
        if (place == BULLA_WINDOW_NEW)
            bulla_window_mark(window, piv);
    }
    assert_int_equal(window->bits != 0, vector_has(one, "top"));
    if (window->bits != 0) {
        assert_true(window->top == vector_u64(one, "top"));
        assert_true(bulla_window_receipt_bits(window) == vector_u64(one, "bits"));
    }
}

static void test_windows(void **state)
{
    static const char *const lists[] = {"cases", "restored"};
    json_t *root = load("window.json");
    json_t *one;
    size_t i;

    (void)state;
    for (size_t l = 0; l < COUNT(lists); l++) {
        json_array_foreach(list(root, lists[l]), i, one)
        {
            struct bulla_window window;

            memset(&window, 0, sizeof(window));
            if (vector_has(one, "stored"))
                store_restored(one, &window);
            window.lower = vector_u64(one, "lower");
            walk(one, &window);
        }
    }
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),      cmocka_unit_test(test_messages), cmocka_unit_test(test_replies),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_forged),   cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_windows),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
