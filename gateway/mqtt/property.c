#include "gateway/mqtt/property.h"

enum property_id {
    PAYLOAD_FORMAT = 0x01,
    MESSAGE_EXPIRY = 0x02,
    CONTENT_TYPE = 0x03,
    RESPONSE_TOPIC = 0x08,
    CORRELATION_DATA = 0x09,
    SUBSCRIPTION_ID = 0x0b,
    SESSION_EXPIRY = 0x11,
    ASSIGNED_CLIENT_ID = 0x12,
    SERVER_KEEP_ALIVE = 0x13,
    SERVER_REFERENCE = 0x1c,
    REASON_STRING = 0x1f,
    RECEIVE_MAXIMUM = 0x21,
    TOPIC_ALIAS_MAXIMUM = 0x22,
    TOPIC_ALIAS = 0x23,
    MAXIMUM_QOS = 0x24,
    RETAIN_AVAILABLE = 0x25,
    USER_PROPERTY = 0x26,
    MAXIMUM_PACKET_SIZE = 0x27,
    WILDCARD_AVAILABLE = 0x28,
    SUBSCRIPTION_ID_AVAILABLE = 0x29,
    SHARED_AVAILABLE = 0x2a,
};

#define IN(type)  (1u << (type))
#define PUBLISHED IN(MQTT_PUBLISH)
#define CONNECTED IN(MQTT_CONNACK)
#define ACKS      (IN(MQTT_PUBACK) | IN(MQTT_PUBREC) | IN(MQTT_PUBREL) | IN(MQTT_PUBCOMP))
#define ANSWERS   (CONNECTED | ACKS | IN(MQTT_SUBACK) | IN(MQTT_UNSUBACK) | IN(MQTT_DISCONNECT))

enum form { ONE = 1, TWO = 2, FOUR = 4, VARIABLE, BYTES, TEXT, TOPIC, PAIR };

/*
 * Table 2-4, as far as a server may send them to a client that asked for nothing: no authentication
 * (4.12.0-6) and no response information (3.1.2-28). Session expiry is the client's in DISCONNECT (3.14.2-2).
 */
static const struct property {
    uint8_t id;
    uint8_t form;
    bool many;      /* may stand there more than once */
    uint16_t sets;  /* the packets that have it */
    uint32_t least; /* of a number; where it is 0, any is allowed */
    uint32_t most;  /* of a number; where it is 0, any is allowed */
} properties[] = {
    {PAYLOAD_FORMAT, ONE, false, PUBLISHED, 0, 1},
    {MESSAGE_EXPIRY, FOUR, false, PUBLISHED, 0, 0},
    {CONTENT_TYPE, TEXT, false, PUBLISHED, 0, 0},
    {RESPONSE_TOPIC, TOPIC, false, PUBLISHED, 0, 0},
    {CORRELATION_DATA, BYTES, false, PUBLISHED, 0, 0},
    {SUBSCRIPTION_ID, VARIABLE, true, PUBLISHED, 1, 0},
    {SESSION_EXPIRY, FOUR, false, CONNECTED, 0, 0},
    {ASSIGNED_CLIENT_ID, TEXT, false, CONNECTED, 0, 0},
    {SERVER_KEEP_ALIVE, TWO, false, CONNECTED, 0, 0},
    {SERVER_REFERENCE, TEXT, false, CONNECTED | IN(MQTT_DISCONNECT), 0, 0},
    {REASON_STRING, TEXT, false, ANSWERS, 0, 0},
    {RECEIVE_MAXIMUM, TWO, false, CONNECTED, 1, 0},
    {TOPIC_ALIAS_MAXIMUM, TWO, false, CONNECTED, 0, 0},
    {TOPIC_ALIAS, TWO, false, PUBLISHED, 1, 0},
    {MAXIMUM_QOS, ONE, false, CONNECTED, 0, 1},
    {RETAIN_AVAILABLE, ONE, false, CONNECTED, 0, 1},
    {USER_PROPERTY, PAIR, true, ANSWERS | PUBLISHED, 0, 0},
    {MAXIMUM_PACKET_SIZE, FOUR, false, CONNECTED, 1, 0},
    {WILDCARD_AVAILABLE, ONE, false, CONNECTED, 0, 1},
    {SUBSCRIPTION_ID_AVAILABLE, ONE, false, CONNECTED, 0, 1},
    {SHARED_AVAILABLE, ONE, false, CONNECTED, 0, 1},
};

#define PROPERTIES (sizeof(properties) / sizeof(properties[0]))

struct value {
    uint32_t number;
    struct mqtt_bytes bytes;
};

void mqtt_properties_default(struct mqtt_properties *known)
{
    known->receive_maximum = UINT16_MAX;
    known->maximum_packet_size = UINT32_MAX;
    known->maximum_qos = 2;
    known->retain_available = true;
    known->shared_available = true;
    known->wildcard_available = true;
}

static void keep(struct mqtt_properties *known, uint8_t id, const struct value *value)
{
    switch (id) {
    case CONTENT_TYPE:
        known->content_type = value->bytes;
        break;
    case SESSION_EXPIRY:
        known->has_session_expiry = true;
        known->session_expiry = value->number;
        break;
    case ASSIGNED_CLIENT_ID:
        known->client_id = value->bytes;
        break;
    case SERVER_KEEP_ALIVE:
        known->has_keep_alive = true;
        known->keep_alive = (uint16_t)value->number;
        break;
    case SERVER_REFERENCE:
        known->other_server = value->bytes;
        break;
    case REASON_STRING:
        known->reason = value->bytes;
        break;
    case RECEIVE_MAXIMUM:
        known->receive_maximum = (uint16_t)value->number;
        break;
    case TOPIC_ALIAS_MAXIMUM:
        known->topic_alias_maximum = (uint16_t)value->number;
        break;
    case TOPIC_ALIAS:
        known->topic_alias = (uint16_t)value->number;
        break;
    case MAXIMUM_QOS:
        known->maximum_qos = (uint8_t)value->number;
        break;
    case RETAIN_AVAILABLE:
        known->retain_available = value->number != 0;
        break;
    case MAXIMUM_PACKET_SIZE:
        known->maximum_packet_size = value->number;
        break;
    case WILDCARD_AVAILABLE:
        known->wildcard_available = value->number != 0;
        break;
    case SHARED_AVAILABLE:
        known->shared_available = value->number != 0;
        break;
    default:
        break;
    }
}

static struct value get_value(struct mqtt_reader *reader, uint8_t form)
{
    struct value value = {0};

    switch (form) {
    case ONE:
        value.number = mqtt_get_u8(reader);
        break;
    case TWO:
        value.number = mqtt_get_u16(reader);
        break;
    case FOUR:
        value.number = mqtt_get_u32(reader);
        break;
    case VARIABLE:
        value.number = mqtt_get_variable(reader);
        break;
    case BYTES:
        value.bytes = mqtt_get_bytes(reader);
        break;
    case TOPIC:
        value.bytes = mqtt_get_topic(reader);
        break;
    case PAIR:
        mqtt_get_text(reader);
        value.bytes = mqtt_get_text(reader);
        break;
    default:
        value.bytes = mqtt_get_text(reader);
        break;
    }
    return value;
}

/* The property with this identifier; NULL if the packet has none such. (Identifiers are variable byte
 * integers, but all of them are one byte.) */
static const struct property *find(uint8_t id, enum mqtt_type type)
{
    for (size_t i = 0; i < PROPERTIES; i++)
        if (properties[i].id == id)
            return (properties[i].sets & IN(type)) != 0 ? &properties[i] : NULL;
    return NULL;
}

static bool is_allowed(const struct property *property, uint32_t number)
{
    return number >= property->least && (property->most == 0 || number <= property->most);
}

/* `seen` has a bit for each identifier that stood there before. */
static void get_property(struct mqtt_reader *reader, enum mqtt_type type, struct mqtt_properties *known,
                         uint64_t *seen)
{
    const struct property *property = find(mqtt_get_u8(reader), type);
    struct value value;
    uint64_t bit;

    if (property == NULL) {
        mqtt_reader_fail(reader, MQTT_E_PROPERTY);
        return;
    }
    value = get_value(reader, property->form);
    if (reader->error != 0)
        return;
    bit = UINT64_C(1) << property->id;
    if (!is_allowed(property, value.number) || (!property->many && (*seen & bit) != 0)) {
        mqtt_reader_fail(reader, MQTT_E_PROPERTY);
        return;
    }
    *seen |= bit;
    keep(known, property->id, &value);
}

void mqtt_get_properties(struct mqtt_reader *reader, enum mqtt_type type, struct mqtt_properties *known)
{
    size_t len = mqtt_get_variable(reader);
    struct mqtt_bytes bytes = mqtt_get_span(reader, len);
    struct mqtt_reader inside = {bytes.at, bytes.at, 0};
    uint64_t seen = 0;

    if (reader->error != 0)
        return;
    inside.end = bytes.at + bytes.len;
    while (inside.at != inside.end)
        get_property(&inside, type, known, &seen);
    if (inside.error != 0)
        mqtt_reader_fail(reader, inside.error);
}
