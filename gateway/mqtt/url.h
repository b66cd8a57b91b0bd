/*
 * Where a broker is and how it is spoken to:
 *
 *     mqtt[s]://[USER@]HOST[:PORT][?KEY=VALUE&...]
 *     @FILE
 *
 * A file has such a URL in its first line and KEY = VALUE in the others; blank lines and those that begin
 * with # are skipped. A password stands in a file, or in the environment: what is typed can be read by every
 * user of the machine (ps). Everything in a URL may be percent-encoded (RFC 3986 2.1).
 */
#ifndef MQTT_URL_H
#define MQTT_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/failure.h"
#include "gateway/mqtt/packet.h"
#include "gateway/url.h"

#define MQTT_PASSWORD_VARIABLE "BULLA_MQTT_PASSWORD"

#define MQTT_HOST_SIZE     URL_HOST_SIZE /* bytes, as all of these with the terminating zero */
#define MQTT_USER_SIZE     URL_USER_SIZE
#define MQTT_PASSWORD_SIZE URL_PASSWORD_SIZE
#define MQTT_PATH_SIZE     1024
#define MQTT_ID_SIZE       128
#define MQTT_NAME_SIZE     URL_NAME_SIZE /* of HOST:PORT */

/* Whose messages a connection of the gateway carries: what a broker delivers comes in one line. */
enum mqtt_devices {
    MQTT_DEVICES_ALL,
    MQTT_DEVICES_NATIVE,
    MQTT_DEVICES_OLDER, /* those on older wires (gateway/wire/) */
};

struct mqtt_url {
    char host[MQTT_HOST_SIZE]; /* a name, or an address without brackets */
    uint16_t port;
    bool tls;
    char user[MQTT_USER_SIZE];         /* "": none */
    char password[MQTT_PASSWORD_SIZE]; /* "": none */
    char ca[MQTT_PATH_SIZE];           /* PEM of the authorities that are believed; "": the system's */
    char cert[MQTT_PATH_SIZE];         /* PEM of the client's certificate, and those between; "": none */
    char key[MQTT_PATH_SIZE];          /* PEM of its key; "": it stands in `cert` */
    char client_id[MQTT_ID_SIZE];      /* "": whoever opens the client chooses one */
    int version;                       /* enum mqtt_version, or 0: 5, or 3.1.1 where the broker wants that */
    uint16_t keep_alive;               /* seconds; 0: not said */
    int64_t session_expiry;            /* seconds; -1: not said */
    uint16_t receive_maximum;          /* messages; 0: not said */
    enum mqtt_devices devices;         /* of the gateway; elsewhere it says nothing */
};

/*
 * Parses a URL. Pure: no file is opened. Returns 0, or -1 with what is wrong with it; the failure never
 * quotes a password. One that holds a password is refused unless `may_hold_password`.
 */
MUST_CHECK int mqtt_url_parse(struct mqtt_url *url, const char *text, bool may_hold_password,
                              struct failure *failure);

/* Sets what a key of a URL's query, or of a file's line, says. */
MUST_CHECK int mqtt_url_set(struct mqtt_url *url, const char *key, const char *value,
                            struct failure *failure);

/* Whether what was said fits together: 0, or -1 with what does not. mqtt_url_parse() has looked already. */
MUST_CHECK int mqtt_url_check(const struct mqtt_url *url, struct failure *failure);

/* "HOST:PORT", or "[HOST]:PORT": to be logged and shown. Returns `out`. */
const char *mqtt_url_name(const struct mqtt_url *url, char out[MQTT_NAME_SIZE]);

/*
 * A URL, or @FILE. A file that holds a password must be closed to other users than its owner and group. Where
 * there is a user and no password, BULLA_MQTT_PASSWORD in the environment is it. The caller wipes `url`
 * (bulla_wipe), whatever is returned.
 */
MUST_CHECK int mqtt_url_load(struct mqtt_url *url, const char *argument, struct failure *failure);

#endif
