/* What can be said about the brokers: metrics, and what /healthz tells. */
#include <inttypes.h>

#include "gateway/prometheus.h"
#include "gateway/source/mqtt.h"

static const char *const refusal_words[] = {
#define MQTT_REFUSAL_WORD(name, word) [name] = word,
    MQTT_REFUSALS(MQTT_REFUSAL_WORD)
#undef MQTT_REFUSAL_WORD
};

typedef uint64_t broker_value(const struct mqtt_broker *broker, const struct mqtt_client_state *state);

#define BROKER_VALUE(name, value)                                                                            \
    static uint64_t name(const struct mqtt_broker *broker, const struct mqtt_client_state *state)            \
    {                                                                                                        \
        (void)broker, (void)state;                                                                           \
        return value;                                                                                        \
    }

BROKER_VALUE(value_connected, state->up)
BROKER_VALUE(value_connections, state->connections)
BROKER_VALUE(value_unsettled, state->unsettled)
BROKER_VALUE(value_waiting, broker->count)
BROKER_VALUE(value_paused, state->paused)
BROKER_VALUE(value_replies_lost, state->unsent)

/* One value for each broker. */
static const struct {
    const char *name;
    const char *type;
    const char *help;
    broker_value *value;
} values[] = {
    {"bulla_mqtt_connected", "gauge", "1 while the broker is connected.", value_connected},
    {"bulla_mqtt_connections_total", "counter", "Connections to the broker that came about.",
     value_connections},
    {"bulla_mqtt_unsettled", "gauge", "Messages of the broker that are not acknowledged yet.",
     value_unsettled},
    {"bulla_mqtt_waiting", "gauge", "Messages of the broker that are not answered yet.", value_waiting},
    {"bulla_mqtt_paused", "gauge", "1 while nothing is read from the broker.", value_paused},
    {"bulla_mqtt_replies_lost_total", "counter", "Replies that could not be sent to the broker.",
     value_replies_lost},
};

static void write_values(const struct mqtt_source *source, FILE *out)
{
    for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
        prometheus_head(out, values[k].name, values[k].type, values[k].help);
        for (size_t i = 0; i < source->broker_count; i++) {
            const struct mqtt_broker *broker = &source->brokers[i];
            fprintf(out, "%s{broker=\"%s\"} %" PRIu64 "\n", values[k].name, broker->name,
                    values[k].value(broker, mqtt_client_state(broker->client)));
        }
    }
}

static void write_received(const struct mqtt_source *source, FILE *out)
{
    prometheus_head(out, "bulla_mqtt_received_total", "counter",
                    "Messages that brokers delivered, by quality of service; also those sent again.");
    for (size_t i = 0; i < source->broker_count; i++) {
        const struct mqtt_client_state *state = mqtt_client_state(source->brokers[i].client);
        for (int qos = 0; qos <= 2; qos++)
            fprintf(out, "bulla_mqtt_received_total{broker=\"%s\",qos=\"%d\"} %" PRIu64 "\n",
                    source->brokers[i].name, qos, state->received[qos]);
    }
}

static void write_outcome(const struct mqtt_broker *broker, const char *outcome, uint64_t count, FILE *out)
{
    fprintf(out, "bulla_mqtt_messages_total{broker=\"%s\",outcome=\"%s\"} %" PRIu64 "\n", broker->name,
            outcome, count);
}

static void write_outcomes(const struct mqtt_source *source, FILE *out)
{
    prometheus_head(out, "bulla_mqtt_messages_total", "counter",
                    "Messages of brokers by what became of them, also before they were opened.");
    for (size_t i = 0; i < source->broker_count; i++) {
        const struct mqtt_broker *broker = &source->brokers[i];
        for (int k = 0; k < OUTCOME_COUNT; k++)
            write_outcome(broker, outcome_word((enum outcome)k), broker->outcomes[k], out);
        for (int k = 0; k < MQTT_REFUSAL_COUNT; k++)
            write_outcome(broker, refusal_words[k],
                          broker->refused[k] +
                              (k == MQTT_REFUSED_SIZE ? mqtt_client_state(broker->client)->oversize : 0),
                          out);
    }
}

void mqtt_source_metrics(const struct source *base, FILE *out)
{
    const struct mqtt_source *source = (const struct mqtt_source *)base;

    write_values(source, out);
    write_received(source, out);
    write_outcomes(source, out);
}

void mqtt_source_away(const struct source *base, source_away_teller *tell, void *context)
{
    const struct mqtt_source *source = (const struct mqtt_source *)base;

    for (size_t i = 0; i < source->broker_count; i++) {
        const struct mqtt_client_state *state = mqtt_client_state(source->brokers[i].client);
        const struct source_away away = {source->brokers[i].name, state->since, state->why};
        if (!state->up)
            tell(context, &away);
    }
}
