#include "gateway/mqtt/code.h"
#include "gateway/mqtt/property.h"

#include <string.h>

#define DUP    0x08u
#define RETAIN 0x01u

/* What the readers below share: the packet, and what is left of its bytes. */
struct reading_packet {
    struct mqtt_packet *packet;
    enum mqtt_version version;
    uint8_t flags; /* of the first byte */
    struct mqtt_reader in;
};

static void get_id(struct reading_packet *at)
{
    at->packet->id = mqtt_get_u16(&at->in);
    if (at->packet->id == 0)
        mqtt_reader_fail(&at->in, MQTT_E_ID); /* MQTT-2.2.1-3 */
}

static void get_properties(struct reading_packet *at)
{
    mqtt_get_properties(&at->in, at->packet->type, &at->packet->properties);
}

static bool is_rest(const struct reading_packet *at)
{
    return at->in.at != at->in.end;
}

static void check_code(struct reading_packet *at, uint8_t code)
{
    if (!mqtt_is_server_code(at->version, at->packet->type, code))
        mqtt_reader_fail(&at->in, MQTT_E_VALUE);
}

/* 3.2 */
static void read_connack(struct reading_packet *at)
{
    struct mqtt_packet *packet = at->packet;
    uint8_t flags = mqtt_get_u8(&at->in);

    packet->code = mqtt_get_u8(&at->in);
    mqtt_properties_default(&packet->properties);
    if (at->version == MQTT_5)
        get_properties(at);
    packet->session_present = flags == 1;
    if (flags > 1 || (flags == 1 && packet->code != 0)) /* MQTT-3.2.2-1, MQTT-3.2.2-6 */
        mqtt_reader_fail(&at->in, MQTT_E_VALUE);
    check_code(at, packet->code);
}

/* Whether there may be no topic: an alias stands for it (3.3.2.3.4). It is checked once that is known. */
static struct mqtt_bytes get_topic_or_none(struct reading_packet *at)
{
    const uint8_t *rest = at->in.at;

    if (at->version == MQTT_5 && at->in.end - rest >= 2 && rest[0] == 0 && rest[1] == 0)
        return mqtt_get_bytes(&at->in);
    return mqtt_get_topic(&at->in);
}

/* 3.3 */
static void read_publish(struct reading_packet *at)
{
    struct mqtt_packet *packet = at->packet;

    packet->dup = (at->flags & DUP) != 0;
    packet->qos = at->flags >> 1 & 3;
    packet->retain = (at->flags & RETAIN) != 0;
    if (packet->qos > 2 || (packet->qos == 0 && packet->dup)) /* MQTT-3.3.1-4, MQTT-3.3.1-2 */
        mqtt_reader_fail(&at->in, MQTT_E_VALUE);
    packet->topic = get_topic_or_none(at);
    if (packet->qos > 0)
        get_id(at);
    if (at->version == MQTT_5)
        get_properties(at);
    if (packet->topic.len == 0 && packet->properties.topic_alias == 0)
        mqtt_reader_fail(&at->in, MQTT_E_TEXT);
    packet->payload = mqtt_get_span(&at->in, (size_t)(at->in.end - at->in.at));
}

/* 3.4 to 3.7. In 5.0 the code is left out where it is 0, and the properties where there are none. */
static void read_ack(struct reading_packet *at)
{
    get_id(at);
    if (at->version == MQTT_5 && is_rest(at))
        at->packet->code = mqtt_get_u8(&at->in);
    if (at->version == MQTT_5 && is_rest(at))
        get_properties(at);
    check_code(at, at->packet->code);
}

/* One for each topic filter: there is at least one. */
static void get_codes(struct reading_packet *at)
{
    struct mqtt_packet *packet = at->packet;

    do {
        uint8_t code = mqtt_get_u8(&at->in);

        check_code(at, code);
        if (packet->code_count == MQTT_CODES_MAX)
            mqtt_reader_fail(&at->in, MQTT_E_TOO_LONG);
        else
            packet->codes[packet->code_count++] = code;
    } while (is_rest(at));
}

/* 3.9 */
static void read_suback(struct reading_packet *at)
{
    get_id(at);
    if (at->version == MQTT_5)
        get_properties(at);
    get_codes(at);
}

/* 3.11 */
static void read_unsuback(struct reading_packet *at)
{
    get_id(at);
    if (at->version == MQTT_3_1_1)
        return;
    get_properties(at);
    get_codes(at);
}

/* 3.13 */
static void read_pingresp(struct reading_packet *at)
{
    (void)at;
}

/* 3.14. A server of 3.1.1 sends none. */
static void read_disconnect(struct reading_packet *at)
{
    if (at->version == MQTT_3_1_1)
        mqtt_reader_fail(&at->in, MQTT_E_TYPE);
    if (is_rest(at))
        at->packet->code = mqtt_get_u8(&at->in);
    if (is_rest(at))
        get_properties(at);
    check_code(at, at->packet->code);
}

#define ANY_FLAGS 0x10

/* What a server may send: 2.1.2, and the flags of 2.1.3. AUTH only follows a CONNECT that asked for it. */
static const struct kind {
    void (*read)(struct reading_packet *at);
    uint8_t flags;
} kinds[16] = {
    [MQTT_CONNACK] = {read_connack, 0},   [MQTT_PUBLISH] = {read_publish, ANY_FLAGS},
    [MQTT_PUBACK] = {read_ack, 0},        [MQTT_PUBREC] = {read_ack, 0},
    [MQTT_PUBREL] = {read_ack, 2},        [MQTT_PUBCOMP] = {read_ack, 0},
    [MQTT_SUBACK] = {read_suback, 0},     [MQTT_UNSUBACK] = {read_unsuback, 0},
    [MQTT_PINGRESP] = {read_pingresp, 0}, [MQTT_DISCONNECT] = {read_disconnect, 0},
};

static const struct kind *find_kind(uint8_t first)
{
    const struct kind *kind = &kinds[first >> 4];

    if (kind->read == NULL || (kind->flags != ANY_FLAGS && kind->flags != (first & 0x0f)))
        return NULL;
    return kind;
}

int mqtt_packet_size(const uint8_t *bytes, size_t len, size_t limit, size_t *size)
{
    uint32_t remaining;
    int digits;

    if (len == 0)
        return 0;
    if (find_kind(bytes[0]) == NULL)
        return MQTT_E_TYPE;
    digits = mqtt_variable_read(bytes + 1, len - 1, &remaining);
    if (digits <= 0)
        return digits;
    *size = 1 + (size_t)digits + remaining;
    return *size <= limit ? 1 : MQTT_E_TOO_LONG;
}

int mqtt_packet_read(struct mqtt_packet *packet, enum mqtt_version version, const uint8_t *bytes, size_t size)
{
    struct reading_packet at = {.packet = packet, .version = version};
    size_t whole;
    int found = mqtt_packet_size(bytes, size, SIZE_MAX, &whole);

    memset(packet, 0, sizeof(*packet));
    if (found <= 0 || whole != size)
        return found < 0 ? found : MQTT_E_LENGTH;
    packet->type = (enum mqtt_type)(bytes[0] >> 4);
    at.flags = bytes[0] & 0x0f;
    at.in = (struct mqtt_reader){bytes + 1, bytes + size, 0};
    if (version == MQTT_5)
        mqtt_get_variable(&at.in); /* the remaining length again: in its fewest bytes */
    else
        at.in.at += mqtt_variable_read(bytes + 1, size - 1, &(uint32_t){0});
    find_kind(bytes[0])->read(&at);
    if (is_rest(&at))
        mqtt_reader_fail(&at.in, MQTT_E_REST);
    return at.in.error;
}
