/*
 * MQTT's control packets, as a client reads and writes them: versions 3.1.1 and 5.0 (OASIS standards; section
 * numbers below are those of 5.0). Pure: bytes in, structs out, no I/O, no memory of its own. What a broker
 * sends is hostile: whatever the standard forbids is an error, and an error ends the connection.
 */
#ifndef MQTT_PACKET_H
#define MQTT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mqtt_version {
    MQTT_3_1_1 = 4, /* protocol level, as it stands in CONNECT */
    MQTT_5 = 5,
};

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH,
};

/* Errors. mqtt_strerror() says each in a few words, for the log. */
enum mqtt_error {
    MQTT_E_LENGTH = -1,   /* a length that is not one, or that goes past the packet's end */
    MQTT_E_TOO_LONG = -2, /* longer than the client takes */
    MQTT_E_TYPE = -3,     /* a packet that no broker may send, or reserved bits of its first byte */
    MQTT_E_ID = -4,       /* packet identifier 0 */
    MQTT_E_TEXT = -5,     /* not UTF-8, or with a zero, a surrogate or (in a topic) a wildcard */
    MQTT_E_PROPERTY = -6, /* unknown, not of this packet, given twice, or of a value that is not allowed */
    MQTT_E_REST = -7,     /* bytes after the packet's last field, or one that is missing */
    MQTT_E_VALUE = -8,    /* a reason code, flag or quality of service that is not one */
    MQTT_E_ROOM = -9,     /* writing: it does not fit */
};

const char *mqtt_strerror(int error);

/* Bytes in the packet that was read; not zero-terminated. at is NULL where there are none. */
struct mqtt_bytes {
    const uint8_t *at;
    size_t len;
};

/* What the client uses of the properties (2.2.2.2) of packets that it receives; the others are checked and
 * skipped. */
struct mqtt_properties {
    uint16_t receive_maximum;       /* CONNACK; 65,535 where it is not given */
    uint32_t maximum_packet_size;   /* CONNACK; UINT32_MAX */
    uint16_t topic_alias_maximum;   /* CONNACK; 0 */
    uint16_t topic_alias;           /* PUBLISH; 0: none */
    uint8_t maximum_qos;            /* CONNACK; 2 */
    bool retain_available;          /* CONNACK; true */
    bool shared_available;          /* CONNACK; true */
    bool wildcard_available;        /* CONNACK; true */
    bool has_keep_alive;            /* CONNACK: the server's counts */
    uint16_t keep_alive;            /* seconds */
    bool has_session_expiry;        /* CONNACK: the server's counts */
    uint32_t session_expiry;        /* seconds */
    struct mqtt_bytes client_id;    /* CONNACK: assigned */
    struct mqtt_bytes reason;       /* text for people, of any packet */
    struct mqtt_bytes content_type; /* PUBLISH */
    struct mqtt_bytes other_server; /* CONNACK, DISCONNECT: where to go instead */
};

#define MQTT_CODES_MAX 64 /* subscriptions in one SUBSCRIBE, and so codes in a SUBACK */

/* A packet that a broker sent. Fields that its type does not have are 0. */
struct mqtt_packet {
    enum mqtt_type type;
    uint16_t id;  /* of PUBLISH with QoS 1 and 2, PUBACK to UNSUBACK */
    uint8_t code; /* reason code (5.0) or return code (3.1.1 CONNACK) of CONNACK, PUBACK ... DISCONNECT; 0 */
    bool session_present;          /* CONNACK */
    uint8_t qos;                   /* PUBLISH */
    bool dup;                      /* PUBLISH */
    bool retain;                   /* PUBLISH */
    struct mqtt_bytes topic;       /* PUBLISH; empty only with a topic alias */
    struct mqtt_bytes payload;     /* PUBLISH */
    uint8_t codes[MQTT_CODES_MAX]; /* SUBACK, UNSUBACK (5.0), one for each topic filter */
    size_t code_count;
    struct mqtt_properties properties;
};

/*
 * How long the first packet in `bytes` is, with its fixed header (2.1): 1 and *size, 0 if more bytes are
 * needed to say it, or MQTT_E_LENGTH, MQTT_E_TOO_LONG (more than `limit`), MQTT_E_TYPE.
 */
int mqtt_packet_size(const uint8_t *bytes, size_t len, size_t limit, size_t *size);

/* Reads one whole packet of that size. 0, or an error. What it fills in points into `bytes`. */
int mqtt_packet_read(struct mqtt_packet *packet, enum mqtt_version version, const uint8_t *bytes,
                     size_t size);

/* ---- writing: each returns the packet's size, or MQTT_E_ROOM, MQTT_E_TOO_LONG, MQTT_E_TEXT; and for what
 * the standard forbids MQTT_E_ID, MQTT_E_TYPE, MQTT_E_VALUE ---- */

struct mqtt_connect {
    const char *client_id;   /* may be "" with clean_start */
    const char *user;        /* or NULL */
    const uint8_t *password; /* or NULL; in 3.1.1 only with a user */
    size_t password_len;
    bool clean_start;
    uint16_t keep_alive;          /* seconds */
    uint32_t session_expiry;      /* seconds, 5.0; UINT32_MAX: never */
    uint16_t receive_maximum;     /* 5.0; not 0 */
    uint32_t maximum_packet_size; /* 5.0; not 0 */
};

struct mqtt_publish {
    const char *topic;
    const uint8_t *payload;
    size_t payload_len;
    const char *content_type; /* 5.0, or NULL */
    uint16_t id;              /* with QoS 1 and 2 */
    uint8_t qos;
    bool retain;
    bool dup;
};

struct mqtt_subscription {
    const char *filter; /* "$share/GROUP/FILTER" for a shared one (4.8.2) */
    uint8_t qos;
    /* 5.0; with 3.1.1 neither is to be had */
    bool retain_as_published;
    bool no_retained; /* retained messages are not sent (retain handling 2) */
    bool is_optional; /* the client's: a broker that refuses it is not left */
};

int mqtt_write_connect(uint8_t *out, size_t room, enum mqtt_version version,
                       const struct mqtt_connect *connect);
int mqtt_write_publish(uint8_t *out, size_t room, enum mqtt_version version,
                       const struct mqtt_publish *publish);
/* PUBACK, PUBREC, PUBREL or PUBCOMP. A code other than 0 is written in 5.0 only. */
int mqtt_write_ack(uint8_t *out, size_t room, enum mqtt_version version, enum mqtt_type type, uint16_t id,
                   uint8_t code);
int mqtt_write_subscribe(uint8_t *out, size_t room, enum mqtt_version version, uint16_t id,
                         const struct mqtt_subscription *subscriptions, size_t count);
int mqtt_write_unsubscribe(uint8_t *out, size_t room, enum mqtt_version version, uint16_t id,
                           const char *const *filters, size_t count);
int mqtt_write_ping(uint8_t *out, size_t room);
int mqtt_write_disconnect(uint8_t *out, size_t room, enum mqtt_version version, uint8_t code);

/* A topic name that may be published to (4.7): 1 to 65,535 bytes of UTF-8, no wildcard, no zero. */
bool mqtt_is_topic(const char *text, size_t len);
/* A topic filter that may be subscribed to: + and # only where they may stand. */
bool mqtt_is_filter(const char *text, size_t len);
/* Whether a topic name is one of those that a filter means ($-topics only where the filter says so). */
bool mqtt_matches(const char *filter, const char *topic, size_t topic_len);

#endif
