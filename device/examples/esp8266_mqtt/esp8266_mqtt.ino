/*
 * A thermometer on an ESP8266 that stays awake and sends once a minute over MQTT, through a broker that it need not
 * trust. Needs the library PubSubClient.
 *
 *     bulla device add kitchen
 *     bulla device export kitchen --format header > credential.h     # beside this file, not in version control
 */
#include <Arduino.h>
#include <ESP8266WiFi.h>
#include <PubSubClient.h>

#include <bulla.hpp>

#include "credential.h"

static const char WIFI_NAME[] = "my network";
static const char WIFI_PASSWORD[] = "its password";
static const char BROKER[] = "192.168.1.10";
static const unsigned long EVERY_MS = 60000;
static const unsigned long PATIENCE_MS = 5000; /* until a message without an answer is sent again */

static WiFiClient network;
static PubSubClient mqtt(network);
static Bulla device;
static char up[32]; /* bulla/KID/up and .../down, KID in hexadecimal */
static char down[32];
static unsigned long measured;
static unsigned long sent;

static void on_message(char *topic, uint8_t *payload, unsigned int length)
{
    (void)topic; /* anyone may have published it: what counts is inside */
    if (device.openReply(payload, length) < 0)
        Serial.println("a reply that is none: not believed");
    else if (!device.isStored())
        sent = millis() - PATIENCE_MS; /* a challenge: answered at once */
}

static void connect()
{
    if (WiFi.status() != WL_CONNECTED || mqtt.connected())
        return;
    if (mqtt.connect(up)) /* the client's id: any that no other client has */
        mqtt.subscribe(down);
}

static void send()
{
    sent = millis();
    mqtt.publish(up, device.data(), static_cast<unsigned>(device.size())); /* lost or not: the reply tells */
}

void setup()
{
    char kid[2 * BULLA_KID_MAX + 1] = "";

    Serial.begin(115200);
    for (uint8_t i = 0; i < credential.kid_len; i++)
        snprintf(kid + 2 * i, 3, "%02x", credential.kid[i]);
    snprintf(up, sizeof(up), "bulla/%s/up", kid);
    snprintf(down, sizeof(down), "bulla/%s/down", kid);
    WiFi.mode(WIFI_STA);
    WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
    mqtt.setServer(BROKER, 1883);
    mqtt.setCallback(on_message);
    for (int error; (error = device.begin(credential)) < 0; delay(1000)) /* no randomness: no context */
        Serial.println(bulla_strerror(error));
    measured = millis() - EVERY_MS;
}

void loop()
{
    connect();
    mqtt.loop();
    if (millis() - measured >= EVERY_MS) {
        measured += EVERY_MS;
        device.clear();
        device.add("temperature", "Cel", static_cast<float>(analogRead(A0)) / 10.0f - 50.0f);
        if (device.seal() == 0)
            send();
    }
    if (device.size() > 0 && !device.isStored() && millis() - sent >= PATIENCE_MS && device.again() == 0)
        send(); /* after silence the same bytes, after a challenge sealed anew */
}
