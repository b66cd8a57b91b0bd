#include "gateway/mqtt/code.h"

#define IN(type) (1u << (type))

#define CON   IN(MQTT_CONNACK)
#define TAKE  (IN(MQTT_PUBACK) | IN(MQTT_PUBREC))
#define DONE  (IN(MQTT_PUBREL) | IN(MQTT_PUBCOMP))
#define SUB   IN(MQTT_SUBACK)
#define UNSUB IN(MQTT_UNSUBACK)
#define DIS   IN(MQTT_DISCONNECT)

/* Table 2-6, with the tables of each packet (3.2 to 3.14). */
static const struct code {
    uint8_t code;
    uint16_t server; /* the packets in which a server sends it */
    uint16_t client; /* ... and a client */
} codes[] = {
    {0x00, CON | TAKE | DONE | SUB | UNSUB | DIS, TAKE | DONE | DIS}, /* success */
    {0x01, SUB, 0},                                                   /* granted, quality of service 1 */
    {0x02, SUB, 0},                                                   /* granted, quality of service 2 */
    {0x04, 0, DIS},                                                   /* disconnect with will message */
    {0x10, TAKE, 0},                                                  /* no matching subscribers */
    {0x11, UNSUB, 0},                                                 /* no such subscription */
    {0x80, CON | TAKE | SUB | UNSUB | DIS, TAKE | DIS},               /* unspecified error */
    {0x81, CON | DIS, DIS},                                           /* malformed packet */
    {0x82, CON | DIS, DIS},                                           /* protocol error */
    {0x83, CON | TAKE | SUB | UNSUB | DIS, TAKE | DIS},               /* implementation specific error */
    {0x84, CON, 0},                                                   /* unsupported protocol version */
    {0x85, CON, 0},                                                   /* client identifier not valid */
    {0x86, CON, 0},                                                   /* bad user name or password */
    {0x87, CON | TAKE | SUB | UNSUB | DIS, TAKE},                     /* not authorized */
    {0x88, CON, 0},                                                   /* server unavailable */
    {0x89, CON | DIS, 0},                                             /* server busy */
    {0x8a, CON, 0},                                                   /* banned */
    {0x8b, DIS, 0},                                                   /* server shutting down */
    {0x8c, CON | DIS, 0},                                             /* bad authentication method */
    {0x8d, DIS, 0},                                                   /* keep alive timeout */
    {0x8e, DIS, 0},                                                   /* session taken over */
    {0x8f, SUB | UNSUB | DIS, 0},                                     /* topic filter invalid */
    {0x90, CON | TAKE | DIS, TAKE | DIS},                             /* topic name invalid */
    {0x91, TAKE | SUB | UNSUB, TAKE},                                 /* packet identifier in use */
    {0x92, DONE, DONE},                                               /* packet identifier not found */
    {0x93, DIS, DIS},                                                 /* receive maximum exceeded */
    {0x94, DIS, DIS},                                                 /* topic alias invalid */
    {0x95, CON | DIS, DIS},                                           /* packet too large */
    {0x96, DIS, DIS},                                                 /* message rate too high */
    {0x97, CON | TAKE | SUB | DIS, TAKE | DIS},                       /* quota exceeded */
    {0x98, DIS, DIS},                                                 /* administrative action */
    {0x99, CON | TAKE | DIS, TAKE | DIS},                             /* payload format invalid */
    {0x9a, CON | DIS, 0},                                             /* retain not supported */
    {0x9b, CON | DIS, 0},                                             /* quality of service not supported */
    {0x9c, CON | DIS, 0},                                             /* use another server */
    {0x9d, CON | DIS, 0},                                             /* server moved */
    {0x9e, SUB | DIS, 0},                                             /* shared subscriptions not supported */
    {0x9f, CON | DIS, 0},                                             /* connection rate exceeded */
    {0xa0, DIS, 0},                                                   /* maximum connect time */
    {0xa1, SUB | DIS, 0}, /* subscription identifiers not supported */
    {0xa2, SUB | DIS, 0}, /* wildcard subscriptions not supported */
};

#define RETURN_CODE_MAX 5 /* 3.1.1 3.2.2.3 */

#define CODES (sizeof(codes) / sizeof(codes[0]))

static const struct code *find(uint8_t code)
{
    for (size_t i = 0; i < CODES; i++)
        if (codes[i].code == code)
            return &codes[i];
    return NULL;
}

bool mqtt_is_server_code(enum mqtt_version version, enum mqtt_type type, uint8_t code)
{
    const struct code *known = find(code);

    if (version == MQTT_3_1_1 && type == MQTT_CONNACK)
        return code <= RETURN_CODE_MAX;
    if (version == MQTT_3_1_1 && type == MQTT_SUBACK)
        return code <= 2 || code == 0x80;
    return known != NULL && (known->server & IN(type)) != 0;
}

bool mqtt_is_client_code(enum mqtt_type type, uint8_t code)
{
    const struct code *known = find(code);

    return known != NULL && (known->client & IN(type)) != 0;
}

static const struct {
    int error;
    const char *text;
} errors[] = {
    {0, "no error"},
    {MQTT_E_LENGTH, "a length in the packet is wrong"},
    {MQTT_E_TOO_LONG, "the packet is longer than allowed"},
    {MQTT_E_TYPE, "a packet of that type is not allowed"},
    {MQTT_E_ID, "the packet identifier is 0"},
    {MQTT_E_TEXT, "a text is not UTF-8, or not a topic"},
    {MQTT_E_PROPERTY, "a property is unknown, not allowed, or given twice"},
    {MQTT_E_REST, "the packet has too many bytes, or too few"},
    {MQTT_E_VALUE, "a reason code, flag or quality of service is wrong"},
    {MQTT_E_ROOM, "the packet does not fit"},
};

const char *mqtt_strerror(int error)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (errors[i].error == error)
            return errors[i].text;
    return "unknown error";
}
