#include "gateway/mqtt/reason.h"

#include <stddef.h>

static const struct {
    uint8_t code;
    const char *text;
} reasons[] = {
    {0x00, "a normal end"},
    {0x80, "for a reason that it does not tell"},
    {0x81, "it calls a packet of ours malformed"},
    {0x82, "it says that we break the protocol"},
    {0x83, "for a reason of its own"},
    {0x84, "it does not speak this version of MQTT"},
    {0x85, "it does not take this client id; give another one (client-id=)"},
    {0x86, "wrong user or password"},
    {0x87, "this user is not authorised; check its name, its password, and the broker's access list"},
    {0x88, "the server is not available"},
    {0x89, "the server is busy"},
    {0x8a, "this client is banned"},
    {0x8b, "it is shutting down"},
    {0x8c, "it wants another way of authentication"},
    {0x8d, "it heard nothing of us for too long"},
    {0x8e, "another client took this client id over; two gateways must not have the same one (client-id=)"},
    {0x8f, "it does not take this topic filter"},
    {0x90, "it does not take this topic"},
    {0x91, "a packet identifier is in use"},
    {0x92, "it does not know this packet identifier"},
    {0x93, "more messages are under way than it takes"},
    {0x94, "it does not take this topic alias"},
    {0x95, "a packet is longer than it takes"},
    {0x96, "messages come faster than it takes"},
    {0x97, "a quota is exceeded"},
    {0x98, "its administrator ended the connection"},
    {0x99, "it does not take this payload"},
    {0x9a, "it keeps no retained messages"},
    {0x9b, "it does not know this quality of service"},
    {0x9c, "use another server"},
    {0x9d, "the server moved"},
    {0x9e, "it has no shared subscriptions; leave --mqtt-share out"},
    {0x9f, "connections come too fast"},
    {0xa0, "a connection has reached its longest time"},
    {0xa1, "it knows no subscription identifiers"},
    {0xa2, "it takes no wildcards in subscriptions"},
};

static const char *const return_codes[] = {
    NULL,
    "it does not speak this version of MQTT",
    "it does not take this client id; give another one (client-id=)",
    "the server is not available",
    "wrong user or password",
    "this user is not authorised; check its name, its password, and the broker's access list",
};

const char *mqtt_reason(uint8_t code)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].code == code)
            return reasons[i].text;
    }
    return "for a reason that is not known";
}

const char *mqtt_return_code(uint8_t code)
{
    if (code == 0 || code >= sizeof(return_codes) / sizeof(return_codes[0]))
        return "for a reason that is not known";
    return return_codes[code];
}
