/*
 * What a broker can do beneath MQTT, in TLS: its end of the connection is OpenSSL's here, over memory, so
 * that it says what no server would.
 */
#include "mqtt_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* ---- the broker's end ---- */

struct broker {
    struct world *world;
    char path[32]; /* of its certificate, in PEM */
    SSL_CTX *context;
    SSL *ssl;
    size_t heard; /* bytes of the client's, beneath TLS; what they say is of no interest */
};

/* `names` as a subjectAltName; good until so many seconds from now. */
static X509 *make_certificate(EVP_PKEY *key, const char *names, long until)
{
    X509 *certificate = X509_new();
    X509_EXTENSION *extension;

    assert_non_null(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"broker", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

static void write_certificate(struct broker *broker, X509 *certificate)
{
    FILE *file;
    int descriptor;

    strcpy(broker->path, "/tmp/bulla-broker-XXXXXX");
    descriptor = mkstemp(broker->path);
    assert_true(descriptor >= 0);
    file = fdopen(descriptor, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    assert_int_equal(fclose(file), 0);
}

static void open_broker_as(struct broker *broker, struct world *world, const char *names, long until)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key, names, until);

    *broker = (struct broker){.world = world, .context = SSL_CTX_new(TLS_server_method())};
    assert_int_equal(SSL_CTX_use_certificate(broker->context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(broker->context, key), 1);
    write_certificate(broker, certificate);
    X509_free(certificate);
    EVP_PKEY_free(key);
    broker->ssl = SSL_new(broker->context);
    SSL_set_bio(broker->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(broker->ssl);
    world->raw = true;
    world->url.tls = true;
    strcpy(world->url.ca, broker->path);
}

static void open_broker(struct broker *broker, struct world *world)
{
    open_broker_as(broker, world, "IP:127.0.0.1", 3600);
}

static void close_broker(struct broker *broker)
{
    SSL_free(broker->ssl);
    SSL_CTX_free(broker->context);
    unlink(broker->path);
}

/* Sends what its end of TLS has to say. */
static void leave(struct broker *broker)
{
    BIO *out = SSL_get_wbio(broker->ssl);
    char *at;
    long len = BIO_get_mem_data(out, &at);

    if (len > 0 && broker->world->peer != NULL)
        say(broker->world, at, (size_t)len);
    (void)BIO_reset(out);
}

/* Takes what came. Returns how much the client has said. */
static size_t hear(struct broker *broker)
{
    struct world *world = broker->world;
    char bytes[512];
    int got;

    if (world->input_len > 0)
        BIO_write(SSL_get_rbio(broker->ssl), world->input, (int)world->input_len);
    world->input_len = 0;
    got = SSL_read(broker->ssl, bytes, sizeof(bytes));
    leave(broker);
    broker->heard += got > 0 ? (size_t)got : 0;
    return broker->heard;
}

static void greet(struct broker *broker)
{
    open_client(broker->world);
    WAIT(broker->world, broker->world->peer != NULL);
    WAIT(broker->world, hear(broker) > 0); /* its CONNECT */
    assert_int_equal(SSL_write(broker->ssl, CONNACK_5, sizeof(CONNACK_5) - 1), 5);
    leave(broker);
    WAIT(broker->world, mqtt_client_state(broker->world->client)->up);
}

/* ---- tests ---- */

static void test_bytes_of_a_broker_under_tls(void **state)
{
    struct world *world = *state;
    struct broker broker;
    uint8_t bytes[64];
    size_t before;

    open_broker(&broker, world);
    greet(&broker);
    before = hear(&broker);
    SSL_write(broker.ssl, bytes, (int)make_publish(world, bytes, 1, 7, "a/b", "21.5", 4));
    leave(&broker);
    WAIT(world, world->kept_count == 1);
    assert_string_equal(world->kept[0].payload, "21.5");
    settle(world, 0);
    WAIT(world, hear(&broker) == before + 4); /* its PUBACK */
    assert_int_equal(world->downs, 0);
    close_broker(&broker);
}

/* It has others' keys changed, and does not read what that takes to answer: for some time, and not for ever.
 */
static void test_a_broker_that_asks_for_new_keys_and_does_not_read(void **state)
{
    static uint8_t payload[1 << 16];
    const struct mqtt_publish publish = {.topic = "a/b", .payload = payload, .payload_len = sizeof(payload)};
    struct world *world = *state;
    struct broker broker;

    world->options.output_maximum = 1 << 28;
    open_broker(&broker, world);
    greet(&broker);
    assert_int_equal(SSL_version(broker.ssl), TLS1_3_VERSION);
    stop_reading(world);
    for (int i = 0; i < 256; i++) /* more than the system keeps for who does not read */
        assert_int_equal(mqtt_client_publish(world->client, &publish, 0), 0);
    rest(world, 50);
    for (int i = 0; i < 20000 && world->downs == 0; i++) {
        assert_int_equal(SSL_key_update(broker.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(broker.ssl), 1);
        leave(&broker);
        if (i % 64 == 0)
            uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    WAIT(world, world->downs > 0);
    assert_non_null(strstr(world->why, "does not read"));
    close_broker(&broker);
}

/* Keys may change as often as it likes where it reads. */
static void test_a_broker_that_asks_for_new_keys(void **state)
{
    struct world *world = *state;
    struct broker broker;
    uint8_t bytes[64];

    open_broker(&broker, world);
    greet(&broker);
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(SSL_key_update(broker.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(broker.ssl), 1);
        leave(&broker);
        uv_run(&world->loop, UV_RUN_NOWAIT);
        (void)hear(&broker);
    }
    SSL_write(broker.ssl, bytes, (int)make_publish(world, bytes, 0, 0, "a/b", "1", 1));
    leave(&broker);
    WAIT(world, world->kept_count == 1);
    assert_int_equal(world->downs, 0);
    close_broker(&broker);
}

/* The authority is believed, and the certificate is not: nothing is said to who shows it. */
static void test_certificates_that_are_refused(void **state)
{
    static const struct {
        const char *names;
        long until;
        const char *why;
    } cases[] = {
        {"IP:127.0.0.2", 3600, "it is for another host than the URL names"},
        {"DNS:127.0.0.1", 3600, "it is for another host than the URL names"},
        {"IP:127.0.0.1", -300, "certificate has expired"},
    };
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct broker broker;

        world->downs = 0;
        open_broker_as(&broker, world, cases[i].names, cases[i].until);
        open_client(world);
        WAIT(world, (hear(&broker), world->downs > 0));
        assert_non_null(strstr(world->why, "is not believed"));
        assert_non_null(strstr(world->why, cases[i].why));
        assert_int_equal(broker.heard, 0);
        close_client(world);
        rest(world, 20);
        close_broker(&broker);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bytes_of_a_broker_under_tls),
        TEST(test_certificates_that_are_refused),
        TEST(test_a_broker_that_asks_for_new_keys_and_does_not_read),
        TEST(test_a_broker_that_asks_for_new_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
