/*
 * A thermometer on an ESP8266 that sleeps deeply for ten minutes, wakes, measures, and sends over HTTP until the gateway has
 * proven that the reading is stored. Its session sleeps in RTC memory; nothing is written to flash.
 *
 *     bulla device add kitchen
 *     bulla device export kitchen --format header > credential.h     # beside this file, not in version control
 *
 * Wiring: a TMP36 at A0 (through the board's divider to 1 V), D0 (GPIO16) to RST, which is what wakes the chip.
 */
#include <Arduino.h>
#include <ESP8266HTTPClient.h>
#include <ESP8266WiFi.h>

#include <bulla.hpp>

#include "credential.h"

static const char WIFI_NAME[] = "my network";
static const char WIFI_PASSWORD[] = "its password";
static const char GATEWAY[] = "http://192.168.1.10:8080/d";
static const uint64_t SLEEP_US = 600000000;

static Bulla device;

static float measure()
{
    float millivolts = static_cast<float>(analogRead(A0)) * 3300.0f / 1024.0f;

    return (millivolts - 500.0f) / 10.0f;
}

static bool connect()
{
    WiFi.mode(WIFI_STA);
    WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
    for (int i = 0; i < 100 && WiFi.status() != WL_CONNECTED; i++)
        delay(100);
    return WiFi.status() == WL_CONNECTED;
}

/* Sends the message once and opens what comes back. The status of HTTP means nothing: anyone could forge it. */
static void post()
{
    static uint8_t answer[256];
    WiFiClient client;
    HTTPClient http;
    int size = 0;

    if (!http.begin(client, GATEWAY))
        return;
    http.addHeader("Content-Type", "application/cose; cose-type=\"cose-encrypt0\"");
    if (http.POST(device.data(), device.size()) > 0)
        size = http.getSize();
    if (size > 0 && size <= static_cast<int>(sizeof(answer)))
        size = static_cast<int>(http.getStream().readBytes(answer, static_cast<size_t>(size)));
    else
        size = 0;
    http.end();
    if (size > 0 && device.openReply(answer, static_cast<size_t>(size)) < 0)
        Serial.println("a reply that is none: not believed");
}

void setup()
{
    Serial.begin(115200);
    float celsius = measure();
    if (connect()) { /* before begin(): without the radio there is no randomness */
        int error = device.begin(credential);
        device.add("temperature", "Cel", celsius);
        if (error >= 0)
            error = device.seal();
        for (int attempt = 0; attempt < 6 && error >= 0 && !device.isStored(); attempt++) {
            post();
            error = device.again(); /* after a challenge sealed anew, after silence the same bytes */
        }
        Serial.println(error < 0 ? bulla_strerror(error) : device.isStored() ? "stored" : "not proven to be stored");
        if (device.sleep() < 0)
            Serial.println("the next one begins a new session"); /* safe, and costs one challenge */
    }
    ESP.deepSleep(SLEEP_US);
}

void loop()
{
}
