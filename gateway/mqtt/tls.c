#include "gateway/mqtt/tls.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

struct tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO *from_peer; /* the ssl's, both */
    BIO *to_peer;
};

/* What OpenSSL said first, which is the cause; its queue is empty afterwards. */
static const char *reason(void)
{
    unsigned long error = ERR_peek_error();
    const char *text =
        ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);

    ERR_clear_error();
    return text != NULL ? text : "no reason is known";
}

/* ---- files ---- */

/* A key under a pass-phrase: nobody is there to type it. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out, (void)size, (void)writing, (void)context;
    return -1;
}

static int check_key_mode(const char *path, struct failure *failure)
{
    struct stat status;

    if (stat(path, &status) == 0 && (status.st_mode & (S_IRWXO | S_IWGRP)) != 0)
        return fail(failure,
                    "others may read or change the key %.100s (its mode is %03o); type: chmod 600 %.60s",
                    path, (unsigned)(status.st_mode & 0777), path);
    return 0;
}

static int take_authorities(SSL_CTX *context, const struct mqtt_url *url, struct failure *failure)
{
    if (url->ca[0] == '\0' && SSL_CTX_set_default_verify_paths(context) != 1)
        return fail(failure, "this system's authorities cannot be read: %s; give ca", reason());
    if (url->ca[0] != '\0' && SSL_CTX_load_verify_file(context, url->ca) != 1)
        return fail(failure, "ca %.140s: %s; it has to hold certificates in PEM", url->ca, reason());
    return 0;
}

static int take_certificate(SSL_CTX *context, const struct mqtt_url *url, struct failure *failure)
{
    const char *key = url->key[0] != '\0' ? url->key : url->cert;

    if (url->cert[0] == '\0')
        return 0;
    if (SSL_CTX_use_certificate_chain_file(context, url->cert) != 1)
        return fail(failure, "cert %.140s: %s; it has to hold a certificate in PEM", url->cert, reason());
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return fail(failure,
                    "key %.140s: %s; it has to hold the certificate's key in PEM, without a pass-phrase", key,
                    reason());
    if (SSL_CTX_check_private_key(context) != 1)
        return fail(failure, "key %.140s: it is not that of the certificate", key);
    return check_key_mode(key, failure);
}

/* ---- opening ---- */

/* The certificate has to be for this host: a name, or an address. */
static int expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static int open_context(struct tls *tls, const struct mqtt_url *url, struct failure *failure)
{
    tls->context = SSL_CTX_new(TLS_client_method());
    if (tls->context == NULL || SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1)
        return fail(failure, "cannot set up TLS: %s", reason());
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS);
    if (take_authorities(tls->context, url, failure) < 0)
        return -1;
    return take_certificate(tls->context, url, failure);
}

static int open_connection(struct tls *tls, const struct mqtt_url *url, struct failure *failure)
{
    tls->ssl = SSL_new(tls->context);
    tls->from_peer = BIO_new(BIO_s_mem());
    tls->to_peer = BIO_new(BIO_s_mem());
    if (tls->ssl == NULL || tls->from_peer == NULL || tls->to_peer == NULL) {
        BIO_free(tls->from_peer);
        BIO_free(tls->to_peer);
        return fail(failure, "cannot set up TLS: %s", reason());
    }
    SSL_set_bio(tls->ssl, tls->from_peer, tls->to_peer);
    SSL_set_connect_state(tls->ssl);
    if (!expect_host(tls->ssl, url->host))
        return fail(failure, "cannot set up TLS: %s", reason());
    return 0;
}

int tls_open(struct tls **tls, const struct mqtt_url *url, struct failure *failure)
{
    struct tls *made = calloc(1, sizeof(*made));

    *tls = NULL;
    if (made == NULL)
        return fail(failure, "out of memory");
    ERR_clear_error();
    if (open_context(made, url, failure) < 0 || open_connection(made, url, failure) < 0) {
        tls_close(made);
        return -1;
    }
    *tls = made;
    return 0;
}

void tls_close(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    free(tls);
}

/* ---- bytes ---- */

int tls_feed(struct tls *tls, const uint8_t *bytes, size_t len)
{
    return len <= INT_MAX && BIO_write(tls->from_peer, bytes, (int)len) == (int)len ? 0 : -1;
}

static int fail_verification(const struct tls *tls, struct failure *failure)
{
    return fail(failure, "TLS: the broker's certificate is not believed: %s%s",
                X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl)),
                SSL_get_verify_result(tls->ssl) == X509_V_ERR_HOSTNAME_MISMATCH ||
                        SSL_get_verify_result(tls->ssl) == X509_V_ERR_IP_ADDRESS_MISMATCH
                    ? "; it is for another host than the URL names"
                    : "; ca=FILE names the authority that signed it");
}

/* After a call that did not succeed: 0 the peer has to say more, or -1 with the failure. */
static int explain(const struct tls *tls, int result, struct failure *failure)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        ERR_clear_error();
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return fail(failure, "the broker closed the connection");
    default:
        if (!SSL_is_init_finished(tls->ssl) && SSL_get_verify_result(tls->ssl) != X509_V_OK) {
            ERR_clear_error();
            return fail_verification(tls, failure);
        }
        return fail(failure, "TLS: %s", reason());
    }
}

int tls_handshake(struct tls *tls, struct failure *failure)
{
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(tls->ssl);
    return result == 1 ? 1 : explain(tls, result, failure);
}

int tls_read(struct tls *tls, uint8_t *out, size_t room, struct failure *failure)
{
    int result;

    ERR_clear_error();
    result = SSL_read(tls->ssl, out, room < INT_MAX ? (int)room : INT_MAX);
    return result > 0 ? result : explain(tls, result, failure);
}

int tls_write(struct tls *tls, const uint8_t *bytes, size_t len, struct failure *failure)
{
    if (len == 0)
        return 0;
    ERR_clear_error();
    if (len <= INT_MAX && SSL_write(tls->ssl, bytes, (int)len) == (int)len) /* memory takes all of it */
        return 0;
    return fail(failure, "TLS: %s", reason());
}

void tls_end(struct tls *tls)
{
    ERR_clear_error();
    if (SSL_is_init_finished(tls->ssl))
        (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

size_t tls_waiting(struct tls *tls, const uint8_t **bytes)
{
    char *at = NULL;
    long len = BIO_get_mem_data(tls->to_peer, &at);

    *bytes = (const uint8_t *)at;
    return len > 0 ? (size_t)len : 0;
}

void tls_sent(struct tls *tls)
{
    (void)BIO_reset(tls->to_peer);
}
