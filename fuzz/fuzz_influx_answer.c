/*
 * What an InfluxDB answers, and what its URL may be: any bytes. What is said of an answer is one short line
 * of text, never a secret; and a URL that is taken is shown and posted to without its secrets.
 */
#include "require.h"

#include <string.h>

#include "gateway/decode/utf8.h"
#include "gateway/sink/influx_answer.h"

static void check_answer(const uint8_t *data, size_t size)
{
    static const long statuses[] = {200, 204, 302, 400, 401, 403, 404, 413, 422, 429, 500, 503};
    struct influx_url url = {.database = "db", .password = "hunter2"};
    struct failure failure = {.text = ""};
    int result;

    if (size == 0)
        return;
    long status = statuses[data[0] % 12];
    result = influx_judge(&url, "Zm9v", status, (const char *)data + 1, size - 1, &failure);
    require((result == SINK_WRITTEN) == (status == 204));
    require(result != SINK_REFUSED || status == 400 || status == 413 || status == 422);
    require(strlen(failure.text) < sizeof(failure.text) - 1);
    require(failure.text[0] == '\0' || utf8_is_text(failure.text, strlen(failure.text)));
    require(strpbrk(failure.text, "\n\r\t\x1b\x7f") == NULL);
    require(strstr(failure.text, "hunter2") == NULL && strstr(failure.text, "Zm9v") == NULL);
}

static void check_url(const uint8_t *data, size_t size)
{
    char text[4097];
    struct sink_address address = {.url = text, .in_file = size % 2 != 0};
    struct influx_url url;
    struct failure failure;
    char name[SINK_NAME_SIZE];
    char target[INFLUX_TARGET_SIZE];

    size = size < sizeof(text) ? size : sizeof(text) - 1;
    memcpy(text, data, size);
    text[size] = '\0';
    if (influx_url_load(&url, &address, &failure) == 0 && influx_url_show(&url, name, &failure) == 0) {
        influx_url_target(&url, target);
        require(strncmp(target, "http", 4) == 0 && strpbrk(target, " \n\r\"<>") == NULL);
        require(strncmp(name, "influx", 6) == 0 && strpbrk(name, " \n\r\"<>@") == NULL);
        require(address.in_file || (url.password[0] == '\0' && url.token[0] == '\0'));
    }
    explicit_bzero(&url, sizeof(url));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_answer(data, size);
    check_url(data, size);
    return 0;
}
