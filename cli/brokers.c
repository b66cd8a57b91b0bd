#include "cli/brokers.h"

#include "device/crypto.h"
#include "gateway/mqtt/url.h"
#include "gateway/source/mqtt_topic.h"

int option_broker(const struct option *option, const char *text, void *field, struct failure *failure)
{
    struct mqtt_url url;
    int result = 0;

    if (text[0] != '@') {
        result = mqtt_url_parse(&url, text, false, failure);
        bulla_wipe(&url, sizeof(url));
    } else if (text[1] == '\0') {
        result = fail(failure, "behind @ stands no file; give @FILE");
    }
    return result < 0 ? -1 : option_strings(option, text, field, failure);
}

int option_mqtt_topic(const struct option *option, const char *text, void *field, struct failure *failure)
{
    return mqtt_topic_check(text, failure) < 0 ? -1 : option_string(option, text, field, failure);
}

int option_mqtt_share(const struct option *option, const char *text, void *field, struct failure *failure)
{
    return mqtt_share_check(text, failure) < 0 ? -1 : option_string(option, text, field, failure);
}
