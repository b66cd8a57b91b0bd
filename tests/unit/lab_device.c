#include "lab_device.h"

#include <stdio.h>
#include <string.h>

#include "device/cbor.h"
#include "device/context.h"
#include "device/envelope.h"
#include "provider.h"

/* ---- provisioning ---- */

static void draw_credential(struct lab *lab, struct lab_device *device)
{
    struct bulla_credential *credential = &device->credential;

    lab->next_kid++;
    credential->kid_len = (uint8_t)(2 + lab->next_kid % 4);
    for (unsigned i = 0; i < credential->kid_len; i++)
        credential->kid[i] = (uint8_t)((uint64_t)lab->next_kid >> (8 * i));
    test_fill(&lab->seed, credential->secret, sizeof(credential->secret));
}

static struct device_row row_of(struct lab *lab, const struct lab_device *device)
{
    const struct bulla_credential *credential = &device->credential;
    struct device_row row = {
        .kid_len = credential->kid_len, .alg = credential->alg, .kind = credential->kind};
    struct failure failure;

    snprintf(row.name, sizeof(row.name), "%s", device->name);
    memcpy(row.kid, credential->kid, credential->kid_len);
    assert_int_equal(vault_seal_device(&lab->vault, &row, credential->secret, &failure), 0);
    return row;
}

static void enter(struct lab *lab, struct lab_device *device, bool proven)
{
    struct device_row row = row_of(lab, device);
    struct failure failure;

    assert_int_equal(store_device_add(lab->office, &row, proven, &failure), 1);
    device->id = row.id;
}

static void provision(struct lab *lab, struct lab_device *device, const char *name, enum bulla_kind kind,
                      enum bulla_alg alg)
{
    memset(device, 0, sizeof(*device));
    device->lab = lab;
    snprintf(device->name, sizeof(device->name), "%s", name);
    draw_credential(lab, device);
    device->credential.kind = (uint8_t)kind;
    device->credential.alg = (uint8_t)alg;
    board_open(&device->board, test_random(&lab->seed));
    if (kind == BULLA_COUNTER)
        assert_int_equal(bulla_provision_counter(&device->credential, &device->board.port), 0);
}

void lab_add_as(struct lab *lab, struct lab_device *device, const char *name, enum bulla_kind kind,
                enum bulla_alg alg, bool proven)
{
    provision(lab, device, name, kind, alg);
    enter(lab, device, proven);
    lab_boot(device);
}

int lab_upgrade(struct lab *lab, struct lab_device *device, int64_t id, enum bulla_kind kind, bool at_once)
{
    struct device_row row;
    struct failure failure;

    provision(lab, device, "upgraded", kind, BULLA_AES_CCM_16_64_128);
    device->id = id;
    row = row_of(lab, device);
    row.id = id;
    lab_boot(device);
    return lab->office->ops->device_upgrade(lab->office, &row, true, at_once, &failure);
}

void lab_add(struct lab *lab, struct lab_device *device, const char *name, enum bulla_kind kind)
{
    lab_add_as(lab, device, name, kind, BULLA_AES_CCM_16_64_128, true);
}

void lab_boot(struct lab_device *device)
{
    assert_int_equal(bulla_open(&device->bulla, &device->credential, &device->board.port), 0);
}

const uint8_t *lab_session(const struct lab_device *device)
{
    return device->credential.kind == BULLA_SESSION ? device->bulla.id_context : NULL;
}

/* ---- the device sends ---- */

static struct lab_packet packet_of(const struct lab_device *device)
{
    struct lab_packet packet = {.len = device->message.size, .piv = device->message.piv};

    assert_true(packet.len <= sizeof(packet.bytes));
    memcpy(packet.bytes, device->message.data, packet.len);
    return packet;
}

/* The board's timer follows the lab's clock. */
static void tick(struct lab_device *device)
{
    device->board.now = (uint32_t)(device->lab->now / 1000);
}

struct lab_packet lab_seal(struct lab_device *device, int64_t value)
{
    tick(device);
    bulla_begin(&device->message, device->buffer, sizeof(device->buffer));
    bulla_add_integer(&device->message, "n", NULL, value);
    assert_int_equal(bulla_seal(&device->bulla, &device->message), 0);
    return packet_of(device);
}

struct lab_packet lab_resend(struct lab_device *device)
{
    tick(device);
    assert_int_equal(bulla_resend(&device->bulla, &device->message), 0);
    return packet_of(device);
}

struct lab_packet lab_seal_again(struct lab_device *device)
{
    tick(device);
    assert_int_equal(bulla_seal_again(&device->bulla, &device->message), 0);
    return packet_of(device);
}

void lab_keep_kid_context(struct lab_device *device)
{
    device->bulla.flags |= BULLA_F_KEEP;
}

struct bulla_reply lab_accept(struct lab_device *device, const struct lab_letter *letter)
{
    uint8_t copy[REPLY_MAX];
    struct bulla_reply reply;

    tick(device);
    assert_true(letter->reply_len > 0);
    memcpy(copy, letter->reply, letter->reply_len);
    assert_int_equal(bulla_open_reply(&device->bulla, copy, letter->reply_len, &reply), 0);
    return reply;
}

void lab_tell(struct lab_device *device, int64_t value)
{
    struct lab_packet packet = lab_seal(device, value);

    for (unsigned tries = 0; tries < 4; tries++) {
        lab_accept(device, lab_deliver(device->lab, &packet));
        if (bulla_fate(&device->bulla, &device->message) == BULLA_STORED)
            return;
        packet = lab_seal_again(device);
    }
    lab_fail("%s cannot get %lld stored", device->name, (long long)value);
}

/* ---- by hand ---- */

static struct bulla_schedule schedule_of(const struct lab_device *device, const uint8_t *id_context)
{
    return (struct bulla_schedule){.crypto = provider_state(),
                                   .secret = device->credential.secret,
                                   .id_context = id_context,
                                   .alg = device->credential.alg};
}

static size_t write_reading(uint8_t *out, size_t size, int64_t value)
{
    struct bulla_cbor_writer writer = {out, size, 0, 0};

    bulla_cbor_head(&writer, BULLA_CBOR_ARRAY, 1);
    bulla_cbor_head(&writer, BULLA_CBOR_MAP, 2);
    bulla_cbor_head(&writer, BULLA_CBOR_UINT, 0);
    bulla_cbor_text(&writer, "n", 1);
    bulla_cbor_head(&writer, BULLA_CBOR_UINT, 2);
    bulla_cbor_integer(&writer, value);
    assert_false(writer.overflow);
    return writer.used;
}

static struct bulla_envelope envelope_of(const struct lab_device *device, const struct lab_craft *craft)
{
    const uint8_t *named = craft->bare ? NULL : craft->id_context;

    return (struct bulla_envelope){
        .id = craft->kid != NULL ? craft->kid : device->credential.kid,
        .id_len = device->credential.kid_len,
        .id_context = craft->says != NULL ? craft->says : named,
        .echo = craft->echo,
        .piv = craft->piv,
        .alg = craft->alg != 0 ? craft->alg : device->credential.alg,
        .content_format = BULLA_FORMAT_SENML_CBOR,
    };
}

struct lab_packet lab_craft(const struct lab_device *device, const struct lab_craft *craft)
{
    struct bulla_schedule schedule = schedule_of(device, craft->id_context);
    struct bulla_envelope envelope = envelope_of(device, craft);
    struct lab_packet packet = {.piv = craft->piv};
    uint8_t room[LAB_PACKET];
    uint8_t *content = room + BULLA_HEADROOM;
    size_t len = write_reading(content, 64, craft->value);
    uint8_t key[BULLA_KEY_MAX];
    uint8_t iv[BULLA_NONCE_MAX];
    int header;

    schedule.alg = envelope.alg;
    assert_int_equal(bulla_derive_key(&schedule, envelope.id, envelope.id_len, key), 0);
    assert_int_equal(bulla_derive_common_iv(&schedule, iv), 0);
    header = bulla_envelope_seal(&envelope, provider_state(), key, iv, content, len);
    assert_true(header > 0);
    packet.len = (size_t)header + len + bulla_tag_size(envelope.alg);
    memcpy(packet.bytes, content - header, packet.len);
    return packet;
}

struct lab_packet lab_numbered(const struct lab_device *device, uint64_t piv, int64_t value)
{
    struct lab_craft craft = {.piv = piv, .value = value, .id_context = lab_session(device)};

    return lab_craft(device, &craft);
}

void lab_challenge(const struct lab_device *device, const uint8_t *id_context, uint64_t t,
                   uint8_t challenge[BULLA_CHALLENGE_SIZE])
{
    struct challenge_subject subject = {device->credential.kid, device->credential.kid_len, id_context};

    assert_int_equal(challenge_make(device->lab->challenge_key, &subject, t, challenge), 0);
}

/* ---- replies ---- */

static uint64_t read_number(struct bulla_cbor_reader *reader)
{
    struct bulla_cbor_item item;

    assert_int_equal(bulla_cbor_expect(reader, BULLA_CBOR_UINT, &item), 0);
    return item.argument;
}

static void read_value(struct bulla_cbor_reader *reader, uint64_t key, struct lab_reply *reply)
{
    uint64_t *const numbers[] = {&reply->top, &reply->bits, &reply->time};
    struct bulla_cbor_item item;

    if (key < COUNT(numbers)) {
        *numbers[key] = read_number(reader);
        return;
    }
    assert_int_equal(key, 3);
    assert_int_equal(bulla_cbor_expect(reader, BULLA_CBOR_BYTES, &item), 0);
    assert_int_equal(item.argument, BULLA_CHALLENGE_SIZE);
    memcpy(reply->challenge, item.data, BULLA_CHALLENGE_SIZE);
}

/* Keys rise, as deterministic CBOR has it. */
static void read_body(const uint8_t *body, size_t len, struct lab_reply *reply)
{
    struct bulla_cbor_reader reader = {body, body + len};
    struct bulla_cbor_item map;

    assert_int_equal(bulla_cbor_expect(&reader, BULLA_CBOR_MAP, &map), 0);
    for (uint64_t i = 0; i < map.argument; i++) {
        uint64_t key = read_number(&reader);
        assert_true(key <= 3);
        assert_true(reply->keys >> key == 0);
        reply->keys |= KEY(key);
        read_value(&reader, key, reply);
    }
    assert_ptr_equal(reader.at, reader.end);
    assert_true((reply->keys & KEY(2)) != 0);
    assert_int_equal((reply->keys & KEY(0)) != 0, (reply->keys & KEY(1)) != 0);
}

struct lab_reply lab_read(const struct lab_device *device, const uint8_t *id_context,
                          const struct lab_letter *letter)
{
    struct bulla_schedule schedule = schedule_of(device, id_context);
    struct lab_reply reply = {0};
    struct bulla_envelope envelope;
    uint8_t copy[REPLY_MAX];
    uint8_t key[BULLA_KEY_MAX];
    uint8_t iv[BULLA_NONCE_MAX];

    memcpy(copy, letter->reply, letter->reply_len);
    assert_int_equal(bulla_envelope_parse(&envelope, BULLA_TO_DEVICE, copy, letter->reply_len), 0);
    assert_int_equal(envelope.alg, device->credential.alg);
    assert_int_equal(envelope.content_format, BULLA_FORMAT_CBOR);
    assert_int_equal(envelope.id_len, GATEWAY_ID_SIZE);
    memcpy(reply.gateway, envelope.id, GATEWAY_ID_SIZE);
    reply.piv = envelope.piv;
    reply.re = envelope.re;
    assert_int_equal(bulla_derive_key(&schedule, envelope.id, envelope.id_len, key), 0);
    assert_int_equal(bulla_derive_common_iv(&schedule, iv), 0);
    assert_int_equal(bulla_envelope_open(&envelope, provider_state(), key, iv), 0);
    read_body(envelope.ciphertext, envelope.ciphertext_len - bulla_tag_size(envelope.alg), &reply);
    return reply;
}

void assert_receipt(const struct lab_reply *reply, uint64_t top, uint64_t bits)
{
    assert_int_equal(reply->keys, KEY(0) | KEY(1) | KEY(2));
    assert_int_equal(reply->top, top);
    assert_int_equal(reply->bits, bits);
}
