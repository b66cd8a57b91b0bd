/* bulla send --raw: what somebody on the way could do, sending recorded messages again. */
#include "cli/send.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/input.h"
#include "cli/text.h"

#define RAW_SIZE (1 << 20) /* bytes of the longest recording */

static int post(struct client *client, const struct send_options *options, const uint8_t *message, size_t len,
                struct failure *failure)
{
    struct client_answer answer;
    int64_t wait = options->timeout * 1000;

    if (wait < SEND_ATTEMPT_LEAST) /* 0 would be without end to the client */
        wait = SEND_ATTEMPT_LEAST;
    client_post(client, message, len, (long)wait, &answer);
    if (!answer.came)
        return fail(failure, "%s: %s", client->name, client->error);
    if (answer.status == 0)
        printf("a reply of %zu bytes\n", answer.len);
    else if (answer.len > 0)
        printf("status %ld, a reply of %zu bytes\n", answer.status, answer.len);
    else
        printf("status %ld, empty\n", answer.status);
    return answer.status == 0 || (answer.status >= 200 && answer.status < 300) ? 0 : 1;
}

/* Lines of hex, as --record writes them. Returns -1 if one is none, or the result of the worst. */
static int post_lines(struct client *client, const struct send_options *options, const char *text, size_t len,
                      struct failure *failure)
{
    uint8_t message[BULLA_MESSAGE_MAX + 1]; /* one too many may be wanted, to see it refused */
    int worst = 0;

    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line = end ? (size_t)(end - text) - at : len - at;
        int bytes = text_parse_hex(text + at, line, message, sizeof(message));
        int result;

        if (bytes < 0)
            return fail(failure, "--raw: neither a sealed message nor lines of hex, as --record writes them");
        result = post(client, options, message, (size_t)bytes, failure);
        if (result < 0)
            return -1;
        worst |= result;
        at += line + 1;
    }
    return worst;
}

/*
 * A sealed message begins with d0 83 (PROTOCOL 3), which no text does; but what is sent need not be a good
 * one.
 */
static bool is_hex(const char *text, size_t len)
{
    return len >= 2 && strspn(text, "0123456789abcdefABCDEF\n") == len;
}

int send_raw(const struct send_options *options, struct failure *failure)
{
    struct client *client = NULL;
    char *bytes = malloc(RAW_SIZE + 1);
    int result = -1;
    int len;

    if (!bytes)
        return fail(failure, "memory is out");
    len = input_file(options->raw + (*options->raw == '@'), bytes, RAW_SIZE, failure);
    if (len >= 0 && client_open(&client, options->to, failure) == 0) {
        bytes[len] = 0;
        if (is_hex(bytes, (size_t)len))
            result = post_lines(client, options, bytes, (size_t)len, failure);
        else
            result = post(client, options, (const uint8_t *)bytes, (size_t)len, failure);
    }
    client_close(client);
    free(bytes);
    if (result > 0)
        *failure->text = 0; /* the status was printed, and says all that is known */
    return result == 0 ? 0 : -1;
}
