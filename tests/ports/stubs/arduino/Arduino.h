/* Declarations for tests, written from Arduino's public documentation: as much of a core as the examples use.
 */
#ifndef STUB_ARDUINO_H
#define STUB_ARDUINO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LOW             0
#define HIGH            1
#define OUTPUT          1
#define INPUT_PULLUP    2
#define A0              14
#define RTC_NOINIT_ATTR /* of the ESP32's core */

#ifdef __cplusplus
extern "C" {
#endif

unsigned long millis(void);
void delay(unsigned long ms);
int analogRead(uint8_t pin);
int digitalRead(uint8_t pin);
void digitalWrite(uint8_t pin, uint8_t value);
void pinMode(uint8_t pin, uint8_t mode);
void setup(void);
void loop(void);

#ifdef __cplusplus
}

class Stream
{
  public:
    size_t readBytes(uint8_t *buffer, size_t length);
};

class HardwareSerial : public Stream
{
  public:
    void begin(unsigned long baud);
    int available();
    int read();
    size_t write(uint8_t byte);
    size_t println(const char *text);
};

class EspClass
{
  public:
    void deepSleep(uint64_t microseconds);
};

extern HardwareSerial Serial;
extern EspClass ESP;
#endif

#endif
