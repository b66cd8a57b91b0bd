/* The connection: kept up, for as long as it is wanted. */
#include "gateway/mqtt/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/random.h>

#include "device/crypto.h"
#include "gateway/mqtt/client_parts.h"
#include "gateway/mqtt/reason.h"
#include "gateway/mqtt/tls.h"

#define RETRY_LEAST   250   /* milliseconds */
#define RETRY_MOST    60000 /* milliseconds */
#define STEADY        10000 /* milliseconds up, after which the pauses begin anew */
#define ANSWER_WITHIN 10000 /* milliseconds, for CONNACK and whatever else is asked for */
#define LONG_PATIENCE 3     /* times as long, for what takes its time */
#define TICK_MOST     5000  /* milliseconds */
#define TICK_LEAST    100   /* milliseconds */
#define THROWN_MOST   3     /* connections in sequence that end at once; then it is told what that may be */
#define SILENT_MOST   2     /* that a broker closes without a word; then it may not know 5.0 */

static void connect_now(struct mqtt_client *client);

/* ---- telling ---- */

/* What a broker or a network says again and again is told once, and then to who debugs. */
static void tell_away(struct mqtt_client *client, bool repeated)
{
    char quoted[2 * sizeof(client->state.why)];
    char name[2 * MQTT_NAME_SIZE];

    log_line(client->options.log, repeated ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "mqtt",
             "broker=%s state=away detail=%s", log_quote(name, sizeof(name), client->name),
             log_quote(quoted, sizeof(quoted), client->state.why));
}

static void tell_up(struct mqtt_client *client, bool resumed)
{
    char name[2 * MQTT_NAME_SIZE];
    char id[2 * MQTT_ID_SIZE];

    log_line(client->options.log, LOG_LEVEL_INFO, "mqtt",
             "broker=%s state=connected version=%s client_id=%s session=%s",
             log_quote(name, sizeof(name), client->name), client->state.version == MQTT_5 ? "5" : "3.1.1",
             log_quote(id, sizeof(id), client->client_id), resumed ? "kept" : "new");
}

/* ---- the way down, and what comes after it ---- */

static uint32_t draw(void)
{
    uint32_t chance = 0;

    if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) != sizeof(chance))
        chance = (uint32_t)uv_hrtime();
    return chance;
}

static void on_timer(uv_timer_t *timer);

/* Twice as long each time, and not all clients of a broker at the same moment. */
static void plan_retry(struct mqtt_client *client)
{
    unsigned half = client->pause / 2;

    uv_timer_start(&client->timer, on_timer, half + (half > 0 ? draw() % half : 0), 0);
    client->pause =
        client->pause > client->options.retry_most / 2 ? client->options.retry_most : 2 * client->pause;
}

/* Nothing of a connection is left. */
static void forget_connection(struct mqtt_client *client)
{
    if (client->transport != NULL)
        transport_close(client->transport, false);
    client->transport = NULL;
    session_break(&client->session);
    if (client->output.bytes != NULL)
        bulla_wipe(client->output.bytes, client->output.len);
    client->output.len = 0;
    client->input_len = 0;
    client->skipping = 0;
    client->pinged_at = 0;
    client->subscribed_at = 0;
    client->state.unsettled = 0;
    client->state.paused = false;
}

void client_down(struct mqtt_client *client, const char *format, ...)
{
    bool was_up = client->stage == CLIENT_UP;
    char why[sizeof(client->state.why)];
    bool repeated;
    va_list arguments;

    if (client->stage == CLIENT_WAITING || client->stage == CLIENT_CLOSED)
        return;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    repeated = client->told && !was_up && strcmp(why, client->state.why) == 0;
    if (was_up && uv_now(client->loop) - client->up_since >= STEADY)
        client->pause = client->options.retry_least;
    client->stage = CLIENT_WAITING;
    forget_connection(client);
    memcpy(client->state.why, why, sizeof(why));
    if (client->state.up || client->state.since == 0)
        client->state.since = (int64_t)time(NULL);
    client->state.up = false;
    client->told = true;
    tell_away(client, repeated);
    plan_retry(client);
    if (client->options.handlers->on_down != NULL)
        client->options.handlers->on_down(client->options.context, client->state.why);
}

/* ---- the way up ---- */

static bool may_be_old(const struct mqtt_client *client)
{
    return client->url.version == 0 && !client->options.must_be_5 && client->state.version == MQTT_5;
}

void client_refused(struct mqtt_client *client, const struct mqtt_packet *connack)
{
    bool is_5 = client->state.version == MQTT_5;
    bool wants_old = is_5 && connack->code == 0x84;

    if (wants_old && may_be_old(client)) {
        client->state.version = MQTT_3_1_1;
        client->pause = client->options.retry_least;
        client_down(client, "the broker does not speak MQTT 5; it is tried with 3.1.1");
    } else if (wants_old && client->options.must_be_5) {
        client_down(client, "the broker does not speak MQTT 5, which shared subscriptions need; leave "
                            "--mqtt-share out");
    } else {
        client_down(client, "the broker refused the connection: %s",
                    is_5 ? mqtt_reason(connack->code) : mqtt_return_code(connack->code));
    }
}

static unsigned tick_of(unsigned keep_alive)
{
    unsigned tick = keep_alive * 1000 / 4;

    if (tick == 0 || tick > TICK_MOST)
        return TICK_MOST;
    return tick < TICK_LEAST ? TICK_LEAST : tick;
}

static void take_limits(struct mqtt_client *client, const struct mqtt_properties *properties)
{
    bool is_5 = client->state.version == MQTT_5;

    client->keep_alive = client->options.keep_alive;
    if (is_5 && properties->has_keep_alive && properties->keep_alive != 0 &&
        (client->keep_alive == 0 || properties->keep_alive < client->keep_alive))
        client->keep_alive = properties->keep_alive; /* one that is longer is kept to as well */
    client->state.packet_maximum = is_5 ? properties->maximum_packet_size : UINT32_MAX;
    client->publish_limit = is_5 ? properties->receive_maximum : UINT16_MAX;
    client->state.maximum_qos = is_5 ? properties->maximum_qos : 2;
    client->state.retains = !is_5 || properties->retain_available;
}

/* What a broker keeps for less time than it was asked to (5.0, 3.2.2.3.2) is lost sooner than people think.
 */
static void tell_expiry(struct mqtt_client *client, const struct mqtt_properties *properties)
{
    char name[2 * MQTT_NAME_SIZE];

    if (client->state.version != MQTT_5 || !properties->has_session_expiry ||
        properties->session_expiry >= client->options.session_expiry)
        return;
    log_line(
        client->options.log, LOG_LEVEL_WARN, "mqtt",
        "broker=%s state=short-session detail=\"it keeps the session for %u s only, and what comes for who "
        "is away longer is lost; %u s were asked for (session-expiry)\"",
        log_quote(name, sizeof(name), client->name), properties->session_expiry,
        client->options.session_expiry);
}

void client_up(struct mqtt_client *client, const struct mqtt_packet *connack)
{
    uint64_t now = uv_now(client->loop);

    if (connack->session_present && client->options.session_expiry == 0) { /* MQTT-3.2.2-4 */
        client_down(client, "the broker has kept a session that was not asked for");
        return;
    }
    if (client->state.version == MQTT_5 && !connack->properties.shared_available &&
        subscriptions_share(&client->subscriptions)) {
        client_down(client, "%s", mqtt_reason(0x9e));
        return;
    }
    client->stage = CLIENT_UP;
    take_limits(client, &connack->properties);
    if (!connack->session_present)
        session_forget(&client->session);
    client->ever_5 = client->ever_5 || client->state.version == MQTT_5;
    client->silent = 0;
    client->up_since = now;
    client->heard = now;
    client->told = false;
    client->state.up = true;
    client->state.since = (int64_t)time(NULL);
    client->state.why[0] = '\0';
    client->state.connections++;
    tell_up(client, connack->session_present);
    tell_expiry(client, &connack->properties);
    uv_timer_start(&client->timer, on_timer, tick_of(client->keep_alive), tick_of(client->keep_alive));
    subscriptions_restart(&client->subscriptions);
    client_write_subscriptions(client);
    if (client->stage == CLIENT_UP && client->options.handlers->on_up != NULL)
        client->options.handlers->on_up(client->options.context, connack->session_present);
}

static void on_open(void *context)
{
    struct mqtt_client *client = context;

    client->stage = CLIENT_GREETING;
    uv_timer_start(&client->timer, on_timer, ANSWER_WITHIN, 0);
    client_write_connect(client);
    client_send(client);
    transport_read(client->transport, true);
}

static void on_sent(void *context)
{
    client_soon(context);
}

/* Some old brokers say nothing at all to a CONNECT of 5.0. */
static void note_silence(struct mqtt_client *client)
{
    if (client->stage != CLIENT_GREETING || client->ever_5 || client->url.version != 0 ||
        client->options.must_be_5 || ++client->silent < SILENT_MOST)
        return;
    client->silent = 0;
    client->state.version = client->state.version == MQTT_5 ? MQTT_3_1_1 : MQTT_5;
}

/* Whether it ended soon after it stood, again and again: what two clients of one id do to each other, which
 * not every broker says. */
static bool is_thrown_out(struct mqtt_client *client)
{
    if (client->stage != CLIENT_UP)
        return false;
    if (uv_now(client->loop) - client->up_since >= STEADY)
        client->thrown = 0;
    return ++client->thrown >= THROWN_MOST;
}

static void on_end(void *context, const char *why)
{
    struct mqtt_client *client = context;

    note_silence(client);
    if (is_thrown_out(client))
        client_down(client,
                    "%s, again and again; does another client have the same id? Two gateways must not have "
                    "the same one (client-id=)",
                    why);
    else
        client_down(client, "%s", why);
}

static const struct transport_handlers transport_handlers = {
    .on_open = on_open,
    .room = client_room,
    .on_bytes = client_bytes,
    .on_sent = on_sent,
    .on_end = on_end,
};

static void connect_now(struct mqtt_client *client)
{
    struct failure failure;

    client->stage = CLIENT_OPENING;
    uv_timer_stop(&client->timer);
    if (transport_open(&client->transport, client->loop, &client->url, &transport_handlers, client,
                       &failure) < 0) {
        client->transport = NULL;
        client_down(client, "%s", failure.text);
    }
}

/* ---- keep-alive (3.1.2.10) ---- */

/* While nothing is read, its answers cannot be heard: the time does not count. */
static void excuse(struct mqtt_client *client, uint64_t now)
{
    client->heard = now;
    if (client->pinged_at != 0)
        client->pinged_at = now;
    if (client->subscribed_at != 0)
        client->subscribed_at = now;
}

/* Whether the broker owes something for too long; then the connection ends. A subscription may be answered
 * behind all that the broker had kept for us, and a slow line takes its time for what we send. */
static bool is_late(struct mqtt_client *client, uint64_t now, uint64_t patience)
{
    uint64_t pinged = client->pinged_at > client->heard ? client->pinged_at : client->heard;

    if (client_is_stuck(client) && now - client->said > LONG_PATIENCE * patience)
        client_down(client, "the broker does not read what it is sent (for %llu s)",
                    (unsigned long long)(now - client->said) / 1000);
    else if (client->pinged_at != 0 && now - pinged > patience)
        client_down(client, "the broker does not answer (for %llu s)",
                    (unsigned long long)(now - pinged) / 1000);
    else if (client->subscribed_at != 0 && now - client->subscribed_at > LONG_PATIENCE * patience)
        client_down(client, "the broker does not answer a subscription (for %llu s)",
                    (unsigned long long)(now - client->subscribed_at) / 1000);
    return client->stage != CLIENT_UP;
}

/*
 * Something is sent within the time that the broker was promised; and where nothing was heard for as long, it
 * is asked, and has to answer.
 */
static void keep_alive(struct mqtt_client *client)
{
    uint64_t now = uv_now(client->loop);
    uint64_t limit = (uint64_t)client->keep_alive * 1000;
    uint64_t patience = limit > 0 && limit < ANSWER_WITHIN ? limit : ANSWER_WITHIN;
    bool silent = now - client->heard >= limit && client->pinged_at == 0;

    if (client_is_paused(client))
        excuse(client, now);
    if (is_late(client, now, patience) || limit == 0 || (now - client->said < limit / 2 && !silent))
        return;
    if (client->pinged_at == 0)
        client->pinged_at = now;
    client_write_ping(client);
    client_send(client);
}

static void on_timer(uv_timer_t *timer)
{
    struct mqtt_client *client = timer->data;

    switch (client->stage) {
    case CLIENT_WAITING:
        connect_now(client);
        break;
    case CLIENT_GREETING:
        client_down(client, "the broker does not answer; does it speak MQTT on this port?");
        break;
    case CLIENT_UP:
        keep_alive(client);
        break;
    case CLIENT_OPENING:
    case CLIENT_CLOSED:
    default:
        break;
    }
}

/* ---- going on ---- */

void mqtt_client_flush(struct mqtt_client *client)
{
    if (client->stage != CLIENT_UP && client->stage != CLIENT_GREETING)
        return;
    uv_idle_stop(&client->soon);
    client_acknowledge(client);
    client_process(client);
    client_send(client);
    if (client->transport == NULL)
        return;
    client->state.paused = client_is_paused(client);
    transport_read(client->transport, !client->state.paused);
}

static void on_soon(uv_idle_t *soon)
{
    uv_idle_stop(soon);
    mqtt_client_flush(soon->data);
}

void client_soon(struct mqtt_client *client)
{
    uv_idle_start(&client->soon, on_soon);
}

void mqtt_client_settle(struct mqtt_client *client, struct mqtt_delivery *delivery)
{
    delivery->settled = true;
    client_soon(client);
}

void mqtt_client_restart(struct mqtt_client *client, const char *why)
{
    if (client->stage != CLIENT_CLOSED)
        client_down(client, "%s", why);
}

void mqtt_client_pause(struct mqtt_client *client, bool paused)
{
    if (paused == client->pause_asked)
        return;
    client->pause_asked = paused;
    if (client->stage == CLIENT_UP)
        client_soon(client);
}

int mqtt_client_subscribe(struct mqtt_client *client, const struct mqtt_subscription *subscriptions,
                          size_t count, struct failure *failure)
{
    for (size_t i = 0; i < count; i++) {
        const char *filter = subscriptions[i].filter;
        if (!mqtt_is_filter(filter, strlen(filter)))
            return fail(failure,
                        "'%.80s' is no topic filter; + and # stand alone between two /, # at the end",
                        filter);
        if (subscriptions_add(&client->subscriptions, &subscriptions[i], failure) < 0)
            return -1;
    }
    if (client->stage == CLIENT_UP)
        client_write_subscriptions(client);
    return 0;
}

void mqtt_client_unsubscribe(struct mqtt_client *client, const char *filter)
{
    char *copy = strdup(filter); /* it may be the list's own */

    if (subscriptions_remove(&client->subscriptions, filter) && client->stage == CLIENT_UP && copy != NULL)
        client_write_unsubscribe(client, copy);
    free(copy);
}

void mqtt_client_renounce(struct mqtt_client *client, const char *filter)
{
    if (client->stage == CLIENT_UP)
        client_write_unsubscribe(client, filter);
}

const struct mqtt_client_state *mqtt_client_state(const struct mqtt_client *client)
{
    return &client->state;
}

/* ---- opening and closing ---- */

/* What the URL says goes before what the options say. */
static void take_options(struct mqtt_client *client, const struct mqtt_client_options *options)
{
    struct mqtt_client_options *own = &client->options;

    *own = *options;
    client->url = *options->url;
    own->url = &client->url;
    if (client->url.keep_alive != 0)
        own->keep_alive = client->url.keep_alive;
    if (client->url.session_expiry >= 0)
        own->session_expiry = (uint32_t)client->url.session_expiry;
    if (client->url.receive_maximum != 0)
        own->receive_maximum = client->url.receive_maximum;
    if (own->retry_least == 0)
        own->retry_least = RETRY_LEAST;
    if (own->retry_most == 0)
        own->retry_most = RETRY_MOST;
    client->pause = own->retry_least;
    snprintf(client->client_id, sizeof(client->client_id), "%s",
             client->url.client_id[0] != '\0' || options->client_id == NULL ? client->url.client_id
                                                                            : options->client_id);
    own->client_id = client->client_id;
    mqtt_url_name(&client->url, client->name);
    client->state.version = client->url.version != 0 ? (enum mqtt_version)client->url.version : MQTT_5;
    client->state.client_id = client->client_id;
}

static int check(const struct mqtt_client *client, struct failure *failure)
{
    struct tls *tls = NULL;

    if (client->options.must_be_5 && client->url.version == MQTT_3_1_1)
        return fail(failure, "shared subscriptions need MQTT 5; take version=3.1.1 or --mqtt-share away");
    if (client->url.tls && tls_open(&tls, &client->url, failure) < 0)
        return -1;
    tls_close(tls);
    return 0;
}

static void free_client(struct mqtt_client *client)
{
    session_wipe(&client->session);
    subscriptions_wipe(&client->subscriptions);
    free(client->input);
    free(client->output.bytes);
    bulla_wipe(client, sizeof(*client));
    free(client);
}

int mqtt_client_open(struct mqtt_client **out, uv_loop_t *loop, const struct mqtt_client_options *options,
                     struct failure *failure)
{
    struct mqtt_client *client = calloc(1, sizeof(*client));

    if (client == NULL)
        return fail(failure, "out of memory");
    client->loop = loop;
    take_options(client, options);
    client->input = malloc(options->packet_maximum);
    if (client->input == NULL ||
        session_init(&client->session, client->options.receive_maximum, options->publish_maximum) < 0) {
        free_client(client);
        return fail(failure, "out of memory");
    }
    if (check(client, failure) < 0) {
        free_client(client);
        return -1;
    }
    uv_timer_init(loop, &client->timer);
    uv_idle_init(loop, &client->soon);
    client->timer.data = client;
    client->soon.data = client;
    client->state.since = (int64_t)time(NULL);
    snprintf(client->state.why, sizeof(client->state.why), "not connected yet");
    client->stage = CLIENT_WAITING;
    if (!options->is_held)
        uv_timer_start(&client->timer, on_timer, 0, 0);
    *out = client;
    return 0;
}

void mqtt_client_begin(struct mqtt_client *client, const char *client_id)
{
    if (client->url.client_id[0] == '\0')
        snprintf(client->client_id, sizeof(client->client_id), "%s", client_id);
    uv_timer_start(&client->timer, on_timer, 0, 0);
}

void mqtt_client_close(struct mqtt_client *client)
{
    bool up = client->stage == CLIENT_UP;

    if (up) {
        client_acknowledge(client);
        client_write_disconnect(client, 0);
        client_send(client);
    }
    client->stage = CLIENT_CLOSED;
    if (client->transport != NULL)
        transport_close(client->transport, up);
    client->transport = NULL;
    uv_close((uv_handle_t *)&client->timer, NULL);
    uv_close((uv_handle_t *)&client->soon, NULL);
}

void mqtt_client_release(struct mqtt_client *client)
{
    free_client(client);
}
