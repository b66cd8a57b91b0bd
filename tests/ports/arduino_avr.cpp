/*
 * As much of an Arduino core for the ATmega328P as the serial example uses: time, a serial line that receives by
 * interrupt, a pin. Sketches of tests are linked with it instead of the core itself, which Debian has in another form.
 */
#include <Arduino.h>

#include <avr/interrupt.h>
#include <avr/io.h>

HardwareSerial Serial;

static volatile unsigned long ticks; /* of 1.024 ms */
static volatile uint8_t ring[64];
static volatile uint8_t head;
static volatile uint8_t tail;

ISR(TIMER0_OVF_vect)
{
    ticks++;
}

ISR(USART_RX_vect)
{
    uint8_t byte = UDR0;

    if ((uint8_t)(head - tail) < sizeof(ring))
        ring[head++ % sizeof(ring)] = byte;
}

unsigned long millis(void)
{
    unsigned long now;

    cli();
    now = ticks;
    sei();
    return now + now / 42; /* 1.024 */
}

void delay(unsigned long ms)
{
    unsigned long begun = millis();

    while (millis() - begun < ms)
        ;
}

int analogRead(uint8_t)
{
    return 150;
}

int digitalRead(uint8_t pin)
{
    return (PIND >> pin & 1) != 0 ? HIGH : LOW;
}

void digitalWrite(uint8_t, uint8_t)
{
}

void pinMode(uint8_t, uint8_t)
{
}

void HardwareSerial::begin(unsigned long baud)
{
    UBRR0 = (uint16_t)(F_CPU / 16 / baud - 1);
    UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0;
}

int HardwareSerial::available()
{
    return (uint8_t)(head - tail);
}

int HardwareSerial::read()
{
    return head == tail ? -1 : ring[tail++ % sizeof(ring)];
}

size_t HardwareSerial::write(uint8_t byte)
{
    while ((UCSR0A & 1 << UDRE0) == 0)
        ;
    UDR0 = byte;
    return 1;
}

extern "C" int atexit(void (*)(void))
{
    return 0; /* a sketch never ends */
}

int main()
{
    TCCR0B = 1 << CS01 | 1 << CS00; /* 16 MHz / 64 / 256 */
    TIMSK0 = 1 << TOIE0;
    sei();
    setup();
    for (;;)
        loop();
}
