#include "cli/client.h"

#include <string.h>

/* The last one says what is wrong with an address that nobody takes. */
static const struct client_ops *const ways[] = {&client_mqtt, &client_http};

int client_open(struct client **client, const char *to, struct failure *failure)
{
    size_t i = 0;

    while (i + 1 < sizeof(ways) / sizeof(ways[0]) && !ways[i]->takes(to))
        i++;
    *client = NULL;
    return ways[i]->open(client, to, failure);
}

void client_close(struct client *client)
{
    if (client)
        client->ops->close(client);
}

void client_post(struct client *client, const void *message, size_t len, long timeout,
                 struct client_answer *answer)
{
    memset(answer, 0, offsetof(struct client_answer, body));
    *client->error = 0;
    client->advice = "";
    client->ops->post(client, message, len, timeout, answer);
}
