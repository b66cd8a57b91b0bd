/*
 * The native wire over HTTP (PROTOCOL 8): POST /d, one message in the body, the answer in the response.
 */
#include "gateway/source/http_route.h"

#include <string.h>

#include "gateway/source/content_type.h"

#define REPLY_TYPE "application/cose; cose-type=\"cose-encrypt0\""

/* PROTOCOL 8. Refusals that did not authenticate all look the same. */
static const unsigned statuses[OUTCOME_COUNT] = {
    [OUTCOME_STORED] = MHD_HTTP_OK,
    [OUTCOME_DUPLICATE] = MHD_HTTP_OK,
    [OUTCOME_CHALLENGED] = MHD_HTTP_UNAUTHORIZED,
    [OUTCOME_STALE] = MHD_HTTP_CONFLICT,
    [OUTCOME_MALFORMED] = MHD_HTTP_BAD_REQUEST,
    [OUTCOME_UNKNOWN] = MHD_HTTP_UNAUTHORIZED,
    [OUTCOME_REVOKED] = MHD_HTTP_UNAUTHORIZED,
    [OUTCOME_FORGED] = MHD_HTTP_UNAUTHORIZED,
    [OUTCOME_BUSY] = MHD_HTTP_SERVICE_UNAVAILABLE,
};

static void on_answer(struct inbound *inbound, enum outcome outcome, const uint8_t *reply, size_t reply_len)
{
    http_answer((struct request *)inbound, statuses[outcome], REPLY_TYPE, reply, reply_len);
}

static const struct inbound_ops inbound_ops = {on_answer, http_describe};

static bool takes_type(const char *type)
{
    return content_type_is_ours(type, type != NULL ? strlen(type) : 0);
}

static void submit(struct request *request)
{
    request->inbound.ops = &inbound_ops;
    pipeline_receive(request->source->pipeline, &request->inbound);
}

const struct http_route http_native_routes[] = {
    {.path = "/d",
     .method = MHD_HTTP_METHOD_POST,
     .body_max = BULLA_MESSAGE_MAX,
     .takes_type = takes_type,
     .submit = submit},
    {0},
};
