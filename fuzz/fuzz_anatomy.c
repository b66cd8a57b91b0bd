/*
 * What explains messages agrees with what decides about them: nothing is wrong exactly where the gateway, or
 * the device, takes one; and then the headers are the same.
 */
#include "require.h"

#include <string.h>

#include "cli/anatomy.h"
#include "device/envelope.h"

static void check_headers(const struct anatomy *anatomy, const struct bulla_envelope *envelope)
{
    const struct bulla_cbor_item *parts = anatomy->parts;

    require(anatomy->found[ANATOMY_KID] && parts[ANATOMY_KID].data == envelope->id);
    require(anatomy->found[ANATOMY_PIV] && anatomy_piv(&parts[ANATOMY_PIV]) == envelope->piv);
    require(parts[ANATOMY_CONTENT_TYPE].argument == envelope->content_format);
    require(anatomy->found[ANATOMY_RE] == (envelope->has_re != 0));
    require(anatomy->found[ANATOMY_ECHO] == (envelope->echo != NULL));
    require(anatomy->found[ANATOMY_KID_CONTEXT] == (envelope->id_context != NULL));
    require(parts[ANATOMY_CIPHERTEXT].argument == envelope->ciphertext_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t copy[2 * BULLA_MESSAGE_MAX];
    struct bulla_envelope envelope;
    struct anatomy anatomy;
    enum bulla_direction direction;

    if (size > sizeof(copy))
        return 0;
    memcpy(copy, data, size);
    anatomy_read(&anatomy, copy, size);
    direction = anatomy.direction == ANATOMY_TO_DEVICE ? BULLA_TO_DEVICE : BULLA_TO_GATEWAY;
    require(anatomy.where <= size && memchr(anatomy.why, 0, sizeof(anatomy.why)) != NULL);
    if (anatomy.why[0] == 0) {
        require(bulla_envelope_parse(&envelope, direction, copy, size) == 0);
        check_headers(&anatomy, &envelope);
        return 0;
    }
    require(bulla_envelope_parse(&envelope, BULLA_TO_GATEWAY, copy, size) < 0);
    require(bulla_envelope_parse(&envelope, BULLA_TO_DEVICE, copy, size) < 0);
    return 0;
}
