/*
 * An Arduino core on the host, so that the example sketches run as they are: time goes SPEED times as fast, Serial is
 * standard input and output, EEPROM and RTC memory are files, and what is posted goes to BULLA_URL.
 */
#include <Arduino.h>
#include <ESP8266HTTPClient.h>
#include <ESP8266WiFi.h>
#include <PubSubClient.h>

#include <cstdlib>
#include <cstring>

#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

extern "C" {
#include <avr/eeprom.h>
#include <c_types.h>
#include <osapi.h>
#include <spi_flash.h>
#include <user_interface.h>
}

#define SPEED 50

HardwareSerial Serial;
EspClass ESP;
ESP8266WiFiClass WiFi;

static bool radio_on;
static char content_type[80];
static uint8_t answer[512]; /* of the last post */
static size_t answered;
static size_t answer_read;

/* The bytes of a file that outlives the program. */
static uint8_t *memory(const char *variable, size_t size)
{
    const char *path = getenv(variable);
    int fd = path == NULL ? -1 : open(path, O_RDWR);
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED)
        abort();
    close(fd);
    return (uint8_t *)at;
}

/* ---- the core ---- */

unsigned long millis(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)(((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u) * SPEED);
}

void delay(unsigned long ms)
{
    usleep((useconds_t)(ms * 1000 / SPEED));
}

int analogRead(uint8_t)
{
    return 150;
}

int digitalRead(uint8_t)
{
    static int asked;
    const char *wire = getenv("PROVISION"); /* "stays", or it is taken away after a while */

    return wire != NULL && (strcmp(wire, "stays") == 0 || ++asked < 4) ? LOW : HIGH;
}

void digitalWrite(uint8_t, uint8_t)
{
}

void pinMode(uint8_t, uint8_t)
{
}

void HardwareSerial::begin(unsigned long)
{
}

int HardwareSerial::available()
{
    struct pollfd line = {0, POLLIN, 0};
    int ready = poll(&line, 1, 1);

    if (ready > 0 && (line.revents & POLLIN) == 0)
        exit(0); /* the line is gone */
    return ready;
}

int HardwareSerial::read()
{
    uint8_t byte;

    if (::read(0, &byte, 1) != 1)
        exit(0);
    return byte;
}

size_t HardwareSerial::write(uint8_t byte)
{
    return ::write(1, &byte, 1) == 1 ? 1 : 0;
}

size_t HardwareSerial::println(const char *text)
{
    return (size_t)fprintf(stderr, "%s\n", text);
}

void EspClass::deepSleep(uint64_t microseconds)
{
    exit(microseconds > 0 ? 0 : 1);
}

/* ---- the chips ---- */

uint8_t eeprom_read_byte(const uint8_t *at)
{
    static const uint8_t *bytes = memory("EEPROM", 1024);

    return bytes[(uintptr_t)at % 1024];
}

void eeprom_read_block(void *out, const void *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)out)[i] = eeprom_read_byte((const uint8_t *)at + i);
}

void eeprom_update_byte(uint8_t *at, uint8_t value)
{
    static uint8_t *bytes = memory("EEPROM", 1024);

    bytes[(uintptr_t)at % 1024] = value;
}

void eeprom_update_block(const void *data, void *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        eeprom_update_byte((uint8_t *)at + i, ((const uint8_t *)data)[i]);
}

bool system_rtc_mem_read(uint8 src_addr, void *des_addr, uint16 load_size)
{
    memcpy(des_addr, memory("RTC", 768) + src_addr * 4, load_size);
    return true;
}

bool system_rtc_mem_write(uint8 des_addr, const void *src_addr, uint16 save_size)
{
    memcpy(memory("RTC", 768) + des_addr * 4, src_addr, save_size);
    return true;
}

int os_get_random(unsigned char *buf, size_t len)
{
    return getrandom(buf, len, 0) == (ssize_t)len ? 0 : -1;
}

uint8 wifi_get_opmode(void)
{
    return radio_on ? STATION_MODE : NULL_MODE;
}

SpiFlashOpResult spi_flash_erase_sector(uint16)
{
    return SPI_FLASH_RESULT_ERR; /* the sketches use sessions */
}

SpiFlashOpResult spi_flash_write(uint32, uint32 *, uint32)
{
    return SPI_FLASH_RESULT_ERR;
}

SpiFlashOpResult spi_flash_read(uint32, uint32 *, uint32)
{
    return SPI_FLASH_RESULT_ERR;
}

/* ---- the network ---- */

bool ESP8266WiFiClass::mode(WiFiMode_t mode)
{
    radio_on = mode != WIFI_OFF;
    return true;
}

wl_status_t ESP8266WiFiClass::begin(const char *, const char *)
{
    return status();
}

wl_status_t ESP8266WiFiClass::status()
{
    return radio_on ? WL_CONNECTED : WL_IDLE_STATUS;
}

static size_t on_body(char *data, size_t size, size_t count, void *)
{
    if (size * count > sizeof(answer) - answered)
        return 0;
    memcpy(answer + answered, data, size * count);
    answered += size * count;
    return size * count;
}

/* The status, or 0. */
static int post(const uint8_t *payload, size_t size)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, content_type);
    long status = 0;

    answered = answer_read = 0;
    curl_easy_setopt(curl, CURLOPT_URL, getenv("BULLA_URL"));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, payload);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)size);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    fprintf(stderr, "status %ld\n", status);
    return (int)status;
}

size_t Stream::readBytes(uint8_t *buffer, size_t length)
{
    size_t some = length < answered - answer_read ? length : answered - answer_read;

    memcpy(buffer, answer + answer_read, some);
    answer_read += some;
    return some;
}

bool HTTPClient::begin(WiFiClient &, const char *url)
{
    return radio_on && strncmp(url, "http://", 7) == 0;
}

void HTTPClient::addHeader(const char *name, const char *value)
{
    snprintf(content_type, sizeof(content_type), "%s: %s", name, value);
}

int HTTPClient::POST(const uint8_t *payload, size_t size)
{
    return post(payload, size);
}

int HTTPClient::getSize()
{
    return (int)answered;
}

WiFiClient &HTTPClient::getStream()
{
    static WiFiClient client;

    return client;
}

void HTTPClient::end()
{
}

/* A broker, and behind it a gateway that answers what is published: to the subscriber, at the next loop(). */
static MqttCallback subscriber;
static char up[64];
static char down[64];
static bool is_connected;

PubSubClient::PubSubClient(Client &)
{
}

PubSubClient &PubSubClient::setServer(const char *, uint16_t)
{
    return *this;
}

PubSubClient &PubSubClient::setCallback(MqttCallback callback)
{
    subscriber = callback;
    return *this;
}

bool PubSubClient::connect(const char *)
{
    return is_connected = true;
}

bool PubSubClient::connected()
{
    return is_connected;
}

bool PubSubClient::subscribe(const char *topic)
{
    snprintf(down, sizeof(down), "%s", topic);
    return true;
}

bool PubSubClient::publish(const char *topic, const uint8_t *payload, unsigned int length)
{
    if (!is_connected)
        return false;
    snprintf(up, sizeof(up), "%s", topic);
    snprintf(content_type, sizeof(content_type), "Content-Type: application/cose");
    post(payload, length);
    return true;
}

bool PubSubClient::loop()
{
    const char *wanted_up = getenv("TOPIC_UP");
    const char *wanted_down = getenv("TOPIC_DOWN");
    size_t size = answered;

    answered = 0;
    if (size > 0 && wanted_up != NULL && strcmp(up, wanted_up) == 0 && strcmp(down, wanted_down) == 0)
        subscriber(down, answer, (unsigned)size);
    usleep(1000);
    return true;
}

int main()
{
    setup();
    for (;;)
        loop();
}
