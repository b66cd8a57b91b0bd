#include "gateway/sink/influx_tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#define FILE_MOST 1048576 /* bytes */

/* ---- files ---- */

static int read_open(FILE *file, const char *path, struct influx_pem *pem, struct failure *failure)
{
    struct stat status;

    if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode))
        return fail(failure, "%.140s is not a file", path);
    if (status.st_size == 0 || status.st_size > FILE_MOST)
        return fail(failure, "%.140s is empty, or longer than %d bytes", path, FILE_MOST);
    pem->text = malloc((size_t)status.st_size);
    if (pem->text == NULL)
        return fail(failure, "memory is out");
    pem->len = fread(pem->text, 1, (size_t)status.st_size, file);
    return pem->len == (size_t)status.st_size ? 0 : fail(failure, "cannot read %.140s whole", path);
}

static int read_file(const char *path, struct influx_pem *pem, struct failure *failure)
{
    FILE *file = fopen(path, "re");
    int result;

    if (file == NULL)
        return fail(failure, "cannot open %.140s: %s", path, strerror(errno));
    setvbuf(file, NULL, _IONBF, 0); /* a key is in no other memory than what is wiped */
    result = read_open(file, path, pem, failure);
    fclose(file);
    return result;
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

/* ---- what is in them ---- */

/* A key under a pass-phrase: nobody is there to type it. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out, (void)size, (void)writing, (void)context;
    return -1;
}

static X509 *certificate_in(const struct influx_pem *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->text, (int)pem->len);
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);

    BIO_free(bio);
    ERR_clear_error();
    return certificate;
}

static EVP_PKEY *key_in(const struct influx_pem *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->text, (int)pem->len);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static int check_authorities(const struct influx_tls *tls, const struct influx_url *url,
                             struct failure *failure)
{
    X509 *certificate = certificate_in(&tls->ca);

    X509_free(certificate);
    if (certificate != NULL)
        return 0;
    return fail(failure, "ca %.140s: it has to hold certificates in PEM", url->ca);
}

static int check_certificate(const struct influx_tls *tls, const struct influx_url *url, const char *key_path,
                             struct failure *failure)
{
    X509 *certificate = certificate_in(&tls->cert);
    EVP_PKEY *key = key_in(&tls->key);
    int result = 0;

    if (certificate == NULL)
        result = fail(failure, "cert %.140s: it has to hold a certificate in PEM", url->cert);
    else if (key == NULL)
        result =
            fail(failure, "key %.140s: it has to hold the certificate's key in PEM, without a pass-phrase",
                 key_path);
    else if (X509_check_private_key(certificate, key) != 1)
        result = fail(failure, "key %.140s: it is not that of the certificate", key_path);
    ERR_clear_error();
    X509_free(certificate);
    EVP_PKEY_free(key);
    return result;
}

int influx_tls_read(struct influx_tls *tls, const struct influx_url *url, struct failure *failure)
{
    const char *key = url->key[0] != '\0' ? url->key : url->cert;

    if (url->ca[0] != '\0' &&
        (read_file(url->ca, &tls->ca, failure) < 0 || check_authorities(tls, url, failure) < 0))
        return -1;
    if (url->cert[0] == '\0')
        return 0;
    if (read_file(url->cert, &tls->cert, failure) < 0 || read_file(key, &tls->key, failure) < 0 ||
        check_certificate(tls, url, key, failure) < 0)
        return -1;
    return check_key_mode(key, failure);
}

static void wipe(struct influx_pem *pem)
{
    if (pem->text != NULL)
        explicit_bzero(pem->text, pem->len);
    free(pem->text);
    *pem = (struct influx_pem){0};
}

void influx_tls_wipe(struct influx_tls *tls)
{
    wipe(&tls->ca);
    wipe(&tls->cert);
    wipe(&tls->key);
}
