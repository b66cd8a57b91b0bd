/*
 * A thermometer on an ATmega328P (Arduino Uno, Nano, Pro Mini) at a Raspberry Pi's serial port, which only passes on what it
 * cannot read:
 *
 *     bulla forward --serial /dev/ttyUSB0 --to http://gateway:8080
 *
 * The chip has no randomness, so its credential is a counter's, which is put on one board, once:
 *
 *     bulla device add shed --counter
 *     bulla device export shed --format header > credential.h        # beside this file, not in version control
 *
 * A start with D2 at ground makes the counter in the EEPROM and waits: the LED blinks, fast where it could not be made. Take
 * the wire away then. A board that lost its counter (a chip erase without the fuse EESAVE) needs a new credential. Frames
 * are those of frame.h, at 9600 baud.
 */
#include <Arduino.h>

#include <bulla.hpp>
#include <frame.h>

#include "credential.h"

static const uint8_t PROVISION_PIN = 2; /* at ground, once: make the counter */
static const uint8_t LED_PIN = 13;      /* on: the last reading is not proven to be stored */
static const unsigned long EVERY_MS = 60000;
static const unsigned long PATIENCE_MS = 5000;

static Bulla device;
static struct bulla_frame line;
static uint8_t answer[128];
static unsigned long measured;
static unsigned long sent;

static void put(void *context, uint8_t byte)
{
    (void)context;
    Serial.write(byte);
}

static void send()
{
    sent = millis();
    if (bulla_frame_put(device.data(), device.size(), put, NULL) < 0)
        digitalWrite(LED_PIN, HIGH); /* it has no size: nothing was put */
}

static void receive()
{
    while (Serial.available() > 0) {
        int length = bulla_frame_take(&line, static_cast<uint8_t>(Serial.read()));

        if (length <= 0 || device.openReply(answer, static_cast<size_t>(length)) < 0)
            continue; /* more to come, or noise */
        if (device.isStored())
            digitalWrite(LED_PIN, LOW);
        else
            sent = millis() - PATIENCE_MS; /* a challenge: answered at once */
    }
}

/* A wire that stayed would make a new counter where the old one was lost, and with it numbers that were used. */
static void provision()
{
    unsigned long pause = device.provisionCounter(credential) == 0 ? 500 : 50;

    for (uint8_t light = LOW; digitalRead(PROVISION_PIN) == LOW; light = light == LOW ? HIGH : LOW) {
        digitalWrite(LED_PIN, light);
        delay(pause);
    }
    digitalWrite(LED_PIN, HIGH);
}

void setup()
{
    pinMode(PROVISION_PIN, INPUT_PULLUP);
    pinMode(LED_PIN, OUTPUT);
    digitalWrite(LED_PIN, HIGH);
    Serial.begin(9600);
    bulla_frame_begin(&line, answer, sizeof(answer));
    if (digitalRead(PROVISION_PIN) == LOW)
        provision();
    while (device.begin(credential) < 0) /* no counter: nothing is safe to send */
        delay(1000);
    measured = millis() - EVERY_MS;
}

void loop()
{
    receive();
    if (millis() - measured >= EVERY_MS) {
        measured += EVERY_MS;
        digitalWrite(LED_PIN, HIGH);
        device.clear();
        device.add("temperature", "Cel", static_cast<float>(analogRead(0)) * 500.0f / 1024.0f - 50.0f); /* TMP36 */
        if (device.seal() == 0)
            send();
    }
    if (device.size() > 0 && !device.isStored() && millis() - sent >= PATIENCE_MS && device.again() == 0)
        send(); /* after silence the same bytes, after a challenge sealed anew */
}
