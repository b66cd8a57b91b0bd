/* Declarations for tests, written from the ESP8266 core's public documentation. */
#ifndef STUB_ESP8266HTTPCLIENT_H
#define STUB_ESP8266HTTPCLIENT_H

#include "ESP8266WiFi.h"

class HTTPClient
{
  public:
    bool begin(WiFiClient &client, const char *url);
    void addHeader(const char *name, const char *value);
    int POST(const uint8_t *payload, size_t size);
    int getSize();
    WiFiClient &getStream();
    void end();
};

#endif
