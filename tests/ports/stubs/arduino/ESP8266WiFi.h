/* Declarations for tests, written from the ESP8266 core's public documentation. */
#ifndef STUB_ESP8266WIFI_H
#define STUB_ESP8266WIFI_H

#include "Arduino.h"

enum WiFiMode_t { WIFI_OFF, WIFI_STA };
enum wl_status_t { WL_IDLE_STATUS, WL_CONNECTED = 3 };

class Client : public Stream
{
};

class WiFiClient : public Client
{
};

class ESP8266WiFiClass
{
  public:
    bool mode(WiFiMode_t mode);
    wl_status_t begin(const char *ssid, const char *passphrase);
    wl_status_t status();
};

extern ESP8266WiFiClass WiFi;

#endif
