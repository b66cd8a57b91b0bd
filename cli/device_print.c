#include "cli/device_print.h"

#include <inttypes.h>
#include <string.h>

#include "cli/text.h"
#include "cli/when.h"

const char *const device_formats[] = {[DEVICE_FORMAT_TABLE] = "table", [DEVICE_FORMAT_JSON] = "json", NULL};

const char *device_kind_text(uint8_t kind)
{
    return kind == BULLA_COUNTER ? "counter" : "session";
}

const char *device_wire_text(const struct device_row *row)
{
    return row->wire[0] == '\0' ? "native" : row->wire;
}

int device_needs_native(const struct device_row *row, struct failure *failure)
{
    if (row->kid_len > 0)
        return 0;
    return fail(failure,
                "%s: it is on an older wire and has no credential; 'bulla device upgrade' gives it one",
                row->name);
}

void device_kid_text(const struct device_row *row, char out[2 * BULLA_KID_MAX + 1])
{
    out[0] = '\0';
    for (size_t i = 0; i < row->kid_len && i < BULLA_KID_MAX; i++)
        snprintf(out + 2 * i, 3, "%02x", row->kid[i]);
}

void device_print_name(FILE *out, const struct device_row *row)
{
    text_print(out, row->name, strlen(row->name), TEXT_WHOLE);
}

void device_json_members(FILE *out, const struct device_row *row)
{
    char kid[2 * BULLA_KID_MAX + 1] = "";
    char created[WHEN_TEXT_SIZE];
    char seen[WHEN_TEXT_SIZE];

    device_kid_text(row, kid);
    when_format(created, row->created * 1000000);
    fputs("\"name\":", out);
    text_json(out, row->name, strlen(row->name));
    if (row->kid_len > 0)
        fprintf(out, ",\"kid\":\"%s\",\"alg\":%u,\"kind\":\"%s\"", kid, row->alg,
                device_kind_text(row->kind));
    else
        fputs(",\"kid\":null,\"alg\":null,\"kind\":null", out);
    fprintf(out, ",\"wire\":\"%s\",\"revoked\":%s,\"created\":\"%s\",\"last_seen\":", device_wire_text(row),
            row->revoked ? "true" : "false", created);
    if (row->last_seen == 0) {
        fputs("null", out);
    } else {
        when_format(seen, row->last_seen);
        fprintf(out, "\"%s\"", seen);
    }
    fprintf(out, ",\"lost\":%" PRIu64, row->lost);
}
