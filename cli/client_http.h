/* The HTTP client, for those that post with libcurl's handles of their own. */
#ifndef CLIENT_HTTP_H
#define CLIENT_HTTP_H

#include <curl/curl.h>

#include "cli/client.h"

struct client_http {
    struct client client;
    CURL *curl;
    struct curl_slist *headers; /* of every request */
    char *url;                  /* with its path; client.name too */
    char error[CURL_ERROR_SIZE];
};

#endif
