/* A sealed message's way to the gateway, until a reply proves what became of it (PROTOCOL 3, Resending). */
#include "cli/send.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/client.h"
#include "cli/text.h"

#define ATTEMPT_MOST 10000 /* milliseconds that one answer is waited for */
#define PAUSE_FIRST  250   /* milliseconds before the first resend; each next is twice as long */
#define PAUSE_MOST   10000
#define SEALINGS     6 /* a challenge is answered at once; an honest gateway needs two or three */

struct delivery {
    struct bulla *bulla;
    struct bulla_message *message;
    const struct send_options *options;
    FILE *record; /* NULL: none */
    struct client *client;
    struct client_answer answer;
    int opened;    /* what bulla_open_reply() said of the last answer; 1: it had no body */
    int64_t until; /* milliseconds of the monotonic clock */
    int64_t pause;
    bool complained; /* about silence, once */
};

static int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* ---- what it tells ---- */

static int record(struct delivery *delivery, struct failure *failure)
{
    if (delivery->options->verbose)
        fprintf(stderr, "bulla: sealed seq %" PRIu64 ", %zu bytes\n", delivery->message->piv,
                delivery->message->size);
    if (!delivery->record)
        return 0;
    text_hex(delivery->record, delivery->message->data, delivery->message->size);
    putc('\n', delivery->record);
    if (fflush(delivery->record) != 0)
        return fail(failure, "%s: %s", delivery->options->record, strerror(errno));
    return 0;
}

/* "status 401, ", where answers have one. */
static const char *status_of(const struct client_answer *answer, char text[32])
{
    *text = 0;
    if (answer->status != 0)
        snprintf(text, 32, "status %ld, ", answer->status);
    return text;
}

static void tell_answer(const struct delivery *delivery, const struct client_answer *answer,
                        const struct bulla_reply *reply)
{
    char status[32];

    if (!delivery->options->verbose)
        return;
    status_of(answer, status);
    if (delivery->opened > 0)
        fprintf(stderr, "bulla: answer: %sempty\n", status);
    else if (delivery->opened < 0)
        fprintf(stderr, "bulla: answer: %s%zu bytes: %s\n", status, answer->len,
                bulla_strerror(delivery->opened));
    else
        fprintf(stderr, "bulla: answer: %san authentic reply to seq %" PRIu64 "%s\n", status, reply->re,
                reply->challenged ? ": a challenge" : "");
}

/* Somebody who mistyped a URL should not wait in silence for the time to run out. */
static void tell_silence(struct delivery *delivery)
{
    if (delivery->options->verbose && !delivery->answer.came)
        fprintf(stderr, "bulla: no answer: %s\n", delivery->client->error);
    if (delivery->complained || delivery->options->verbose)
        return;
    delivery->complained = true;
    if (!delivery->answer.came)
        fprintf(stderr, "bulla: %s: %s; trying again for %" PRId64 " s\n", delivery->client->name,
                delivery->client->error, delivery->options->timeout);
    else
        fprintf(stderr, "bulla: %s: status %ld; trying again for %" PRId64 " s\n", delivery->client->name,
                delivery->answer.status, delivery->options->timeout);
}

/*
 * What an answer without an authentic reply most likely means (PROTOCOL 8), for a person: nothing of it is
 * proven.
 */
static int explain(const struct delivery *delivery, struct failure *failure)
{
    static const struct {
        long status;
        const char *text;
    } reasons[] = {
        {400, "what arrived is no message; something on the way changed it"},
        {401, "the gateway does not know this kid, has revoked it, or holds another secret, algorithm or "
              "kind of context for it; 'bulla events' at the gateway says which"},
        {404, "nothing takes messages there; is it the address of the gateway's device listener?"},
        {405, "nothing takes messages there; is it the address of the gateway's device listener?"},
        {413, "the message is too large for it"},
        {415, "it does not take this content type; is it a bulla gateway?"},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == delivery->answer.status)
            return fail(failure, "not known to be stored: status %ld: %s", delivery->answer.status,
                        reasons[i].text);
    }
    return fail(failure, "not known to be stored: status %ld without a reply; is it a bulla gateway?",
                delivery->answer.status);
}

static int out_of_time(const struct delivery *delivery, struct failure *failure)
{
    char status[32];

    if (!delivery->answer.came)
        return fail(failure, "not known to be stored: no answer from %s: %s; %s", delivery->client->name,
                    delivery->client->error, delivery->client->advice);
    if (delivery->opened < 0)
        return fail(failure,
                    "not known to be stored: %sbut the reply is not the gateway's: %s; something on the way "
                    "changes it, or the credential is another one",
                    status_of(&delivery->answer, status), bulla_strerror(delivery->opened));
    if (delivery->answer.status == 503)
        return fail(failure, "not known to be stored: status 503; the gateway's store is down or its queue "
                             "full; try again later");
    return fail(failure, "not known to be stored: %stry again later", status_of(&delivery->answer, status));
}

/* ---- what it does ---- */

static int64_t left(const struct delivery *delivery)
{
    int64_t now = clock_ms();

    return delivery->until > now ? delivery->until - now : 0;
}

/* An answer came. Where anybody can send some, only one that tells the message's fate ends the waiting. */
static bool on_answer(void *context, const struct client_answer *answer)
{
    struct delivery *delivery = context;
    struct bulla_reply reply = {0};
    uint8_t body[BULLA_MESSAGE_MAX]; /* it is opened in place */

    delivery->opened = 1;
    if (answer->len > 0) {
        memcpy(body, answer->body, answer->len);
        delivery->opened = bulla_open_reply(delivery->bulla, body, answer->len, &reply);
    }
    tell_answer(delivery, answer, &reply);
    return bulla_fate(delivery->bulla, delivery->message) != BULLA_WAITING;
}

static void post(struct delivery *delivery)
{
    int64_t wait = left(delivery);

    if (wait > ATTEMPT_MOST)
        wait = ATTEMPT_MOST;
    if (wait < SEND_ATTEMPT_LEAST)
        wait = SEND_ATTEMPT_LEAST;
    delivery->opened = 1;
    client_post(delivery->client, delivery->message->data, delivery->message->size, (long)wait,
                &delivery->answer);
}

/*
 * A gateway's refusal has no body, a web server's has a page. Both are only hints, since anyone can send
 * them; but something that looks like a reply and does not authenticate hints at nothing.
 */
static bool looks_refused(const struct delivery *delivery)
{
    long status = delivery->answer.status;
    bool is_reply = delivery->opened <= 0 && delivery->opened != BULLA_E_MALFORMED;

    return !is_reply && status >= 300 && status < 500 && status != 408 && status != 425 && status != 429;
}

static int seal_again(struct delivery *delivery, struct failure *failure)
{
    int error = bulla_seal_again(delivery->bulla, delivery->message);

    return error < 0 ? fail(failure, "sealing again: %s", bulla_strerror(error)) : record(delivery, failure);
}

/* Puts the kid context in, where it was left out: says so, since only then the bytes are others. */
static int prepare_resend(struct delivery *delivery, bool *changed, struct failure *failure)
{
    size_t before = delivery->message->size;
    int error = bulla_resend(delivery->bulla, delivery->message);

    *changed = delivery->message->size != before;
    if (error < 0)
        return fail(failure, "resending: %s", bulla_strerror(error));
    return *changed ? record(delivery, failure) : 0;
}

/* After an answer that proves nothing. Returns 0 to send again. */
static int wait_to_resend(struct delivery *delivery, struct failure *failure)
{
    int64_t pause = delivery->pause;
    bool changed;

    if (prepare_resend(delivery, &changed, failure) < 0)
        return -1;
    if (changed && left(delivery) > 0)
        return 0;
    if (looks_refused(delivery))
        return explain(delivery, failure);
    if (pause < delivery->answer.retry_after * 1000)
        pause = delivery->answer.retry_after * 1000;
    if (left(delivery) <= pause)
        return out_of_time(delivery, failure);
    tell_silence(delivery);
    sleep_ms(pause);
    delivery->pause = delivery->pause * 2 < PAUSE_MOST ? delivery->pause * 2 : PAUSE_MOST;
    return 0;
}

static int deliver(struct delivery *delivery, struct failure *failure)
{
    int sealings = 1;

    for (;;) {
        int result = 0;

        post(delivery);
        switch (bulla_fate(delivery->bulla, delivery->message)) {
        case BULLA_STORED:
            return 0;
        case BULLA_SEAL_AGAIN:
        case BULLA_FORGOTTEN:
            if (sealings++ == SEALINGS)
                return fail(failure, "not stored: the gateway challenged or refused it %d times", SEALINGS);
            result = seal_again(delivery, failure);
            break;
        case BULLA_WAITING:
            result = wait_to_resend(delivery, failure);
            break;
        }
        if (result < 0)
            return -1;
    }
}

static int begin(struct delivery *delivery, struct failure *failure)
{
    int error;

    if (delivery->options->record) {
        delivery->record = fopen(delivery->options->record, "ae");
        if (!delivery->record)
            return fail(failure, "%s: %s", delivery->options->record, strerror(errno));
    }
    if (client_open(&delivery->client, delivery->options->to, failure) < 0)
        return -1;
    delivery->client->settled = on_answer;
    delivery->client->context = delivery;
    error = bulla_seal(delivery->bulla, delivery->message);
    if (error < 0)
        return fail(failure, "sealing: %s", bulla_strerror(error));
    return record(delivery, failure);
}

int send_deliver(struct bulla *bulla, struct bulla_message *message, const struct send_options *options,
                 struct failure *failure)
{
    struct delivery delivery = {
        .bulla = bulla,
        .message = message,
        .options = options,
        .until = clock_ms() + options->timeout * 1000,
        .pause = PAUSE_FIRST,
    };
    int result = begin(&delivery, failure);

    if (result == 0)
        result = deliver(&delivery, failure);
    client_close(delivery.client);
    if (delivery.record)
        fclose(delivery.record);
    return result;
}
