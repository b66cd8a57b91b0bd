/* What stands in a file and in the environment, because it is secret. */
#include "gateway/mqtt/url.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/url_file.h"

static int take_line(struct mqtt_url *url, char *line, bool *has_url, struct failure *failure)
{
    char *key;
    char *value;

    if (!*has_url) {
        *has_url = true;
        return mqtt_url_parse(url, line, true, failure);
    }
    if (url_file_part(line, &key, &value, failure) < 0)
        return -1;
    return mqtt_url_set(url, key, value, failure);
}

static int take_lines(struct mqtt_url *url, const char *path, struct url_file *file, struct failure *failure)
{
    struct failure why;
    bool has_url = false;
    char *line;

    while ((line = url_file_line(file)) != NULL) {
        if (take_line(url, line, &has_url, &why) < 0)
            return fail(failure, "%.100s:%u: %s", path, file->number, why.text);
    }
    if (!has_url)
        return fail(failure, "%.100s: there is no URL in it; its first line is mqtt://HOST or mqtts://HOST",
                    path);
    if (mqtt_url_check(url, &why) < 0)
        return fail(failure, "%.100s: %s", path, why.text);
    return 0;
}

static int load_file(struct mqtt_url *url, const char *path, struct failure *failure)
{
    struct url_file file;
    int result = url_file_read(&file, path, failure);

    if (result == 0)
        result = take_lines(url, path, &file, failure);
    if (result == 0 && url->password[0] != '\0')
        result = url_file_check_mode(&file, path, "a password", failure);
    url_file_wipe(&file);
    return result;
}

static int take_environment(struct mqtt_url *url, struct failure *failure)
{
    const char *password = getenv(MQTT_PASSWORD_VARIABLE);
    struct failure why;

    if (password == NULL || *password == '\0' || url->user[0] == '\0' || url->password[0] != '\0')
        return 0;
    if (mqtt_url_set(url, "password", password, &why) == 0)
        return 0;
    return fail(failure, MQTT_PASSWORD_VARIABLE ": %s", why.text);
}

int mqtt_url_load(struct mqtt_url *url, const char *argument, struct failure *failure)
{
    memset(url, 0, sizeof(*url));
    if (argument[0] == '@') {
        if (load_file(url, argument + 1, failure) < 0)
            return -1;
    } else if (mqtt_url_parse(url, argument, false, failure) < 0) {
        return -1;
    }
    return take_environment(url, failure);
}
