#include "gateway/wire/cryptojs_text.h"

#include <string.h>

#include "gateway/decode/flat.h"
#include "gateway/decode/json_value.h"
#include "gateway/decode/utf8.h"

#define FORMAT_JSON 50 /* CoAP content-format */

/* The shortest member of a flat object is `"a":1,`: so a body holds no more readings than one message may. */
_Static_assert(CRYPTOJS_BODY_MAX * 9 / 16 / 6 <= DECODE_READINGS_MAX, "a body says more than a message may");

/* ---- the body ---- */

/* What each route's body has, and nothing else. */
static const struct {
    const char *sealed;
    const char *iv; /* NULL: the IV comes from the salt */
} members[CRYPTOJS_REQUESTS] = {
    [CRYPTOJS_DATA] = {"msg", NULL},
    [CRYPTOJS_RESET] = {"msg", NULL},
    [CRYPTOJS_UNSEQUENCED] = {"data", "iv"},
};

static const char *string_member(const json_t *object, const char *name, size_t *len)
{
    const json_t *value = json_object_get(object, name);

    *len = json_string_length(value);
    return json_string_value(value);
}

/* Whether the object is what the route takes; then the body points into it. */
static bool take_members(struct cryptojs_body *body, enum cryptojs_request request, const json_t *root)
{
    const bool has_iv = members[request].iv != NULL;

    if (json_object_size(root) != (has_iv ? 2 : 1)) /* 0 for an array */
        return false;
    body->sealed = string_member(root, members[request].sealed, &body->sealed_len);
    if (has_iv)
        body->iv = string_member(root, members[request].iv, &body->iv_len);
    return body->sealed != NULL && (!has_iv || body->iv != NULL);
}

int cryptojs_body_read(struct cryptojs_body *body, const struct cryptojs_message *message)
{
    json_t *root = NULL;
    enum decoder_result result = UNDECODABLE;

    *body = (struct cryptojs_body){0};
    if (message->len <= CRYPTOJS_BODY_MAX)
        result = json_value_parse(message->body, message->len, &root);
    if (result == OUT_OF_MEMORY)
        return -1;
    if (result == DECODED && take_members(body, message->request, root))
        body->root = root;
    else
        json_decref(root);
    return 0;
}

void cryptojs_body_free(struct cryptojs_body *body)
{
    json_decref(body->root);
    body->root = NULL;
}

/* ---- the text ---- */

const char *cryptojs_text_dummy(enum cryptojs_request request)
{
    static const char *const texts[CRYPTOJS_REQUESTS] = {
        [CRYPTOJS_DATA] = "{\"data\":{\"value\":300},\"SEQN\":121}",
        [CRYPTOJS_RESET] = "{\"SEQN\":120}",
        [CRYPTOJS_UNSEQUENCED] = "{\"data\":{\"value\":300}}",
    };

    return texts[request];
}

/* The text, parsed, and where what it says goes. */
struct parsed {
    const struct cryptojs_message *message;
    const json_t *root;
    const uint8_t *text;
    size_t len;
    struct readings *readings;
    int64_t *number;
    enum cryptojs_fault fault; /* out */
};

/* The text as it came, for an object that is not flat. */
static enum decoder_result keep_whole(const struct parsed *parsed)
{
    struct text copy;
    struct reading whole = {.name = "", .unit = "", .format = FORMAT_JSON, .time = parsed->message->received};
    enum decoder_result result = readings_copy(parsed->readings, parsed->text, parsed->len, &copy);

    return result == DECODED ? flat_string(parsed->readings, &whole, READING_UNDECODED, copy) : result;
}

/* Each member of the object is a reading. */
static enum decoder_result read_members(const struct parsed *parsed, const json_t *object)
{
    const size_t before = parsed->readings->count;
    enum decoder_result result = flat_json(object, parsed->message->received, parsed->readings);

    if (result == OUT_OF_MEMORY || (result == DECODED && parsed->readings->count > before))
        return result;
    parsed->readings->count = before;
    return keep_whole(parsed);
}

static enum decoder_result read_number(const struct parsed *parsed)
{
    const char *value_name = parsed->message->value_name;
    struct reading reading;
    struct number number;
    struct text name;
    enum decoder_result result = readings_copy(parsed->readings, value_name, strlen(value_name), &name);

    if (result == DECODED)
        result = flat_begin(&reading, name, parsed->message->received);
    if (result == DECODED)
        result = json_value_number(parsed->root, &number);
    return result == DECODED ? flat_number(parsed->readings, &reading, &number) : result;
}

static enum cryptojs_fault read_seqn(const json_t *root, int64_t *number)
{
    const json_t *value = json_object_get(root, "SEQN");
    json_int_t seqn = json_integer_value(value);

    if (value == NULL)
        return CRYPTOJS_NOT_THIS;
    if (!json_is_integer(value) || seqn < 0 || seqn > CRYPTOJS_NUMBER_MAX)
        return CRYPTOJS_BAD_NUMBER;
    *number = seqn;
    return CRYPTOJS_GOOD;
}

static enum decoder_result read_data(struct parsed *parsed)
{
    const json_t *data = json_object_get(parsed->root, "data");

    parsed->fault = json_is_object(data) ? read_seqn(parsed->root, parsed->number) : CRYPTOJS_NOT_THIS;
    if (parsed->fault != CRYPTOJS_GOOD)
        return DECODED;
    return read_members(parsed, data);
}

static enum decoder_result read_reset(struct parsed *parsed)
{
    parsed->fault =
        json_object_size(parsed->root) == 1 ? read_seqn(parsed->root, parsed->number) : CRYPTOJS_NOT_THIS;
    return DECODED;
}

static enum decoder_result read_unsequenced(struct parsed *parsed)
{
    const json_t *data = json_object_get(parsed->root, "data");

    if (json_is_number(parsed->root))
        return read_number(parsed);
    if (!json_is_object(parsed->root)) {
        parsed->fault = CRYPTOJS_NOT_THIS;
        return DECODED;
    }
    return read_members(parsed, json_is_object(data) ? data : parsed->root);
}

static enum decoder_result (*const readers[CRYPTOJS_REQUESTS])(struct parsed *parsed) = {
    [CRYPTOJS_DATA] = read_data,
    [CRYPTOJS_RESET] = read_reset,
    [CRYPTOJS_UNSEQUENCED] = read_unsequenced,
};

int cryptojs_text_read(const struct cryptojs_message *message, const uint8_t *text, size_t len,
                       struct readings *readings, int64_t *number, enum cryptojs_fault *fault)
{
    struct parsed parsed = {
        .message = message, .text = text, .len = len, .readings = readings, .number = number};
    json_t *root;
    enum decoder_result result;

    if (!utf8_is_text((const char *)text, len)) {
        *fault = CRYPTOJS_NOT_UTF8;
        return 0;
    }
    result = json_value_parse_any(text, len, &root);
    if (result == UNDECODABLE)
        *fault = CRYPTOJS_NOT_JSON;
    if (result != DECODED)
        return result == OUT_OF_MEMORY ? -1 : 0;
    parsed.root = root;
    result = readers[message->request](&parsed);
    *fault = parsed.fault;
    json_decref(root);
    return result == DECODED ? 0 : -1;
}
