/* Declarations for tests, written from PubSubClient's public documentation. */
#ifndef STUB_PUBSUBCLIENT_H
#define STUB_PUBSUBCLIENT_H

#include "ESP8266WiFi.h"

typedef void (*MqttCallback)(char *topic, uint8_t *payload, unsigned int length);

class PubSubClient
{
  public:
    explicit PubSubClient(Client &client);
    PubSubClient &setServer(const char *domain, uint16_t port);
    PubSubClient &setCallback(MqttCallback callback);
    bool connect(const char *id);
    bool connected();
    bool subscribe(const char *topic);
    bool publish(const char *topic, const uint8_t *payload, unsigned int length);
    bool loop();
};

#endif
