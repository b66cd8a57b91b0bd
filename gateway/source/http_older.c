/*
 * The wire `cryptojs` over HTTP (docs/older-wires.md): its routes are there as long as a device uses them.
 *
 *     GET /wsn/ID              the device's number, encrypted
 *     POST /wsn/ID             sets it
 *     POST /data/ID            readings with a number
 *     POST /setdata/ID         readings without one; also POST /setdata, where one device alone may
 *
 * To the network every refusal is the same 401, and all of them wait for a cycle.
 */
#include "gateway/source/http_route.h"

#include "gateway/wire/cryptojs.h"

#define SUCCESS "{\"success\":true}"

_Static_assert(WIRE_REPLY_MAX <= REPLY_MAX && sizeof(SUCCESS) <= REPLY_MAX, "a reply does not fit");

extern const struct wire_ops wire_cryptojs;

static void on_answer(struct inbound *inbound, enum outcome outcome, const uint8_t *reply, size_t reply_len)
{
    struct request *request = (struct request *)inbound;

    switch (outcome) {
    case OUTCOME_STORED:
    case OUTCOME_RESET:
        http_answer(request, MHD_HTTP_OK, "application/json", SUCCESS, sizeof(SUCCESS) - 1);
        break;
    case OUTCOME_ANSWERED:
        http_answer(request, MHD_HTTP_OK, "text/plain", reply, reply_len);
        break;
    case OUTCOME_BUSY:
        http_answer(request, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, NULL, 0);
        break;
    default:
        http_answer(request, MHD_HTTP_UNAUTHORIZED, NULL, NULL, 0);
    }
}

static const struct inbound_ops inbound_ops = {on_answer, http_describe};

static void submit(struct request *request)
{
    struct inbound *inbound = &request->inbound;

    inbound->ops = &inbound_ops;
    inbound->wire = &wire_cryptojs;
    inbound->route = request->route->has_id ? request->id : NULL;
    inbound->request = request->route->asks;
    pipeline_receive_older(request->source->pipeline, inbound);
}

/* ---- which routes there are ---- */

/* While the registry is not open yet, all of them: who comes is told to try again, and not that there is
 * nothing. */
static bool used(const struct source_http *source)
{
    const struct roster *roster = pipeline_roster(source->pipeline);

    return !source->pipeline->open || (roster != NULL && roster->paths > 0);
}

static bool used_unsequenced(const struct source_http *source)
{
    const struct roster *roster = pipeline_roster(source->pipeline);

    return !source->pipeline->open || (roster != NULL && roster->unsequenced > 0);
}

static bool used_by_one(const struct source_http *source)
{
    const struct roster *roster = pipeline_roster(source->pipeline);

    return !source->pipeline->open || (roster != NULL && roster->unsequenced == 1);
}

const struct http_route http_older_routes[] = {
    {.path = "/wsn/",
     .has_id = true,
     .method = MHD_HTTP_METHOD_GET,
     .exists = used,
     .submit = submit,
     .asks = WIRE_GET_NUMBER},
    {.path = "/wsn/",
     .has_id = true,
     .method = MHD_HTTP_METHOD_POST,
     .body_max = CRYPTOJS_BODY_MAX,
     .exists = used,
     .submit = submit,
     .asks = WIRE_SET_NUMBER},
    {.path = "/data/",
     .has_id = true,
     .method = MHD_HTTP_METHOD_POST,
     .body_max = CRYPTOJS_BODY_MAX,
     .exists = used,
     .submit = submit,
     .asks = WIRE_READING},
    {.path = "/setdata/",
     .has_id = true,
     .method = MHD_HTTP_METHOD_POST,
     .body_max = CRYPTOJS_BODY_MAX,
     .exists = used_unsequenced,
     .submit = submit,
     .asks = WIRE_SET_DATA},
    {.path = "/setdata",
     .method = MHD_HTTP_METHOD_POST,
     .body_max = CRYPTOJS_BODY_MAX,
     .exists = used_by_one,
     .submit = submit,
     .asks = WIRE_SET_DATA},
    {0},
};
