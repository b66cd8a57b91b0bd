/*
 * A loop on which gateway/mqtt/client.h meets a broker that says what the test wants it to.
 */
#ifndef BULLA_TESTS_MQTT_WORLD_H
#define BULLA_TESTS_MQTT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* cmocka's; failure.h has its own */

#include "gateway/mqtt/client.h"

#define HEARD_MAX    512
#define INPUT_MAX    (1 << 20)
#define PATIENCE     10000 /* milliseconds */
#define KEPT_MAX     64
#define CONNACK_5    "\x20\x03\x00\x00\x00"
#define CONNACK_KEPT "\x20\x03\x01\x00\x00"
#define CONNACK_OLD  "\x20\x02\x00\x00"

/* A message as the client handed it over. */
struct kept {
    struct mqtt_delivery *delivery;
    char topic[64];
    char payload[64];
    uint8_t qos;
};

struct packet {
    uint8_t type;
    uint8_t first;
    uint8_t body[512]; /* behind the fixed header, as far as it fits */
    size_t len;
};

struct world {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_tcp_t *peer; /* the connection that stands, or NULL */
    unsigned connections;
    uint8_t input[INPUT_MAX];
    size_t input_len;
    struct packet heard[HEARD_MAX];
    size_t heard_count;
    size_t heard_at; /* the next that expect() looks at */
    bool forgets;    /* what it hears */
    bool raw;        /* what comes is left in `input`: no packets, but TLS */
    uint16_t port;

    struct mqtt_url url;
    struct mqtt_client_options options;
    struct mqtt_client *client;
    struct mqtt_client *closed[16]; /* to be released once the loop has run */
    size_t closed_count;
    bool subscribes;

    struct kept kept[KEPT_MAX];
    size_t kept_count;
    unsigned ups, downs;
    bool resumed;
    char why[256];
    uint64_t down_at[64];
    uint64_t published[KEPT_MAX];
    unsigned codes[KEPT_MAX];
    size_t published_count;
    bool settles; /* at once */
};

/* A test's fixture: the world is its state. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
int begin(void **state);
int finish(void **state);

/* The client. open_client() leaves it calling; connect_client() takes it up to a session that stands. */
void open_client(struct world *world);
void close_client(struct world *world);
void connect_client(struct world *world, const char *connack, size_t len);
#define CONNECT(world, connack) connect_client(world, connack, sizeof(connack) - 1)
/* Settles a message that it handed over. */
void settle(struct world *world, size_t which);

/* The broker: takes calls, on a free port if this one is 0; hangs up; says bytes on the connection that
 * stands. */
void listen_on(struct world *world, uint16_t port);
void hang_up(struct world *world);
void start_reading(struct world *world);
void stop_reading(struct world *world);
void say(struct world *world, const void *bytes, size_t len);
#define SAY(world, literal) say(world, literal, sizeof(literal) - 1)

/* A PUBLISH of 5.0 (or 3.1.1, which has no properties). */
size_t make_publish(const struct world *world, uint8_t *out, uint8_t qos, uint16_t id, const char *topic,
                    const void *payload, size_t len);
void say_publish(struct world *world, uint8_t qos, uint16_t id, const char *payload);
void say_ack(struct world *world, enum mqtt_type type, uint16_t id);

/* Turns the loop, until a condition holds; `PATIENCE` at most. */
#define WAIT(world, condition)                                                                               \
    do {                                                                                                     \
        uint64_t end_ = uv_hrtime() + (uint64_t)PATIENCE * 1000000;                                          \
        uv_timer_t timer_;                                                                                   \
        uv_timer_init(&(world)->loop, &timer_);                                                              \
        uv_timer_start(&timer_, world_on_late, 5, 5);                                                        \
        while (!(condition) && uv_hrtime() < end_)                                                           \
            uv_run(&(world)->loop, UV_RUN_ONCE);                                                             \
        uv_close((uv_handle_t *)&timer_, NULL);                                                              \
        uv_run(&(world)->loop, UV_RUN_NOWAIT);                                                               \
        assert_true(condition);                                                                              \
    } while (0)
void world_on_late(uv_timer_t *timer);

/* Turns the loop for so many milliseconds. */
void rest(struct world *world, unsigned milliseconds);

/* The next packet that the client sent: it has to be of this type. */
const struct packet *expect(struct world *world, enum mqtt_type type);
void expect_id(struct world *world, enum mqtt_type type, uint16_t id);

/* Nothing more was sent, and is not for a while. */
void expect_nothing(struct world *world);

#endif
