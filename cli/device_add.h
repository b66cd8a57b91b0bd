/*
 * bulla device add: its options, and the many devices of --from.
 */
#ifndef DEVICE_ADD_H
#define DEVICE_ADD_H

#include "cli/credential_new.h"
#include "cli/database.h"

struct add_options {
    struct database_options database;
    struct credential_options credential; /* its `out` is a folder with --from */
    const char *from;
    bool dry_run;
    struct option_strings labels;

    /* of a device on an older wire */
    const char *wire; /* its name; NULL: the native one */
    const char *keys; /* @FILE or "-" */
    const char *id;
    const char *topic;
    const char *session_topic;
    const char *node;
    const char *reading_name;
    int64_t number;
    int64_t session_lifetime; /* seconds */
    int64_t session_grace;
    bool strict;
    bool allow_reset;
    bool allow_unsequenced;
};

/* Adds the devices of a table. Returns what a command returns. */
MUST_CHECK int device_add_from(const struct add_options *options, struct failure *failure);

/* As ops->devices_add() for one device: 1 entered, 0 its kid is taken, -1 with the failure. */
MUST_CHECK int device_add_entry(struct store *store, struct device_entry *entry, struct failure *failure);

/* Adds a device on an older wire. Returns what a command returns. */
MUST_CHECK int device_add_wire(const struct add_options *options, const char *name, struct failure *failure);

/* Whether an option of older wires was given. */
bool device_add_wire_is_meant(const struct add_options *options);

#define SESSION_LIFETIME     "600"       /* seconds that a session id is valid, unless told */
#define SESSION_GRACE        "30"        /* seconds that a replaced one stays valid, unless told */
#define SESSION_LIFETIME_MAX (7 * 86400) /* a message that is withheld opens as long */
#define SESSION_GRACE_MAX    3600
#define NUMBER_MAX           9007199254740991 /* JavaScript's largest safe integer */

/* The rows of the table of `bulla device add`. */
/* clang-format off */
#define WIRE_OPTIONS                                                                                   \
    {.name = "wire",                                                                                   \
     .argument = "WIRE",                                                                               \
     .help = "the device speaks an older format: nodemcu (over MQTT) or cryptojs (over HTTP)",         \
     .parse = option_string,                                                                           \
     .words = wire_names,                                                                              \
     .offset = offsetof(struct add_options, wire)},                                                    \
    {.name = "keys",                                                                                   \
     .argument = "@FILE|-",                                                                            \
     .help = "with --wire: its keys, as lines NAME=VALUE",                                             \
     .parse = option_string,                                                                           \
     .offset = offsetof(struct add_options, keys)},                                                    \
    {.name = "id",                                                                                     \
     .argument = "ID",                                                                                 \
     .help = "of cryptojs: the id in the path of its requests",                                        \
     .parse = option_string,                                                                           \
     .offset = offsetof(struct add_options, id)},                                                      \
    {.name = "number",                                                                                 \
     .argument = "N",                                                                                  \
     .help = "of cryptojs: the last number that it has used, with another server",                     \
     .fallback = "0",                                                                                  \
     .parse = option_number,                                                                           \
     .least = 0,                                                                                       \
     .most = NUMBER_MAX,                                                                               \
     .offset = offsetof(struct add_options, number)},                                                  \
    {.name = "allow-reset",                                                                            \
     .help = "of cryptojs: the device may set its number (POST /wsn/ID)",                              \
     .parse = option_flag,                                                                             \
     .offset = offsetof(struct add_options, allow_reset)},                                             \
    {.name = "allow-unsequenced",                                                                      \
     .help = "of cryptojs: takes messages without a number (POST /setdata)",                           \
     .parse = option_flag,                                                                             \
     .offset = offsetof(struct add_options, allow_unsequenced)},                                       \
    {.name = "topic",                                                                                  \
     .argument = "TOPIC",                                                                              \
     .help = "of nodemcu: the topic that it publishes on",                                             \
     .parse = option_string,                                                                           \
     .offset = offsetof(struct add_options, topic)},                                                   \
    {.name = "session-topic",                                                                          \
     .argument = "TOPIC",                                                                              \
     .help = "of nodemcu: the topic that it takes session ids from",                                   \
     .parse = option_string,                                                                           \
     .offset = offsetof(struct add_options, session_topic)},                                           \
    {.name = "node",                                                                                   \
     .argument = "ID",                                                                                 \
     .help = "of nodemcu: takes this node id only (default: a group, of any node that has its keys)",  \
     .parse = option_string,                                                                           \
     .offset = offsetof(struct add_options, node)},                                                    \
    {.name = "strict",                                                                                 \
     .help = "of nodemcu: whatever comes on the topic spends the session id, forged messages too",     \
     .parse = option_flag,                                                                             \
     .offset = offsetof(struct add_options, strict)},                                                  \
    {.name = "session-lifetime",                                                                       \
     .argument = "S",                                                                                  \
     .help = "of nodemcu: seconds that a session id is valid",                                         \
     .fallback = SESSION_LIFETIME,                                                                     \
     .parse = option_number,                                                                           \
     .least = 10,                                                                                      \
     .most = SESSION_LIFETIME_MAX,                                                                     \
     .offset = offsetof(struct add_options, session_lifetime)},                                        \
    {.name = "session-grace",                                                                          \
     .argument = "S",                                                                                  \
     .help = "of nodemcu: seconds that one which was replaced stays valid",                            \
     .fallback = SESSION_GRACE,                                                                        \
     .parse = option_number,                                                                           \
     .least = 0,                                                                                       \
     .most = SESSION_GRACE_MAX,                                                                        \
     .offset = offsetof(struct add_options, session_grace)},                                           \
    {.name = "reading-name",                                                                           \
     .argument = "NAME",                                                                               \
     .help = "of older wires: what a reading that has no name is called (default: value)",             \
     .parse = option_string,                                                                           \
     .offset = offsetof(struct add_options, reading_name)}
/* clang-format on */

#endif
