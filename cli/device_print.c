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

void device_kid_text(const struct device_row *row, char out[2 * BULLA_KID_MAX + 1])
{
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
    fprintf(out,
            ",\"kid\":\"%s\",\"alg\":%u,\"kind\":\"%s\",\"revoked\":%s,\"created\":\"%s\",\"last_seen\":",
            kid, row->alg, device_kind_text(row->kind), row->revoked ? "true" : "false", created);
    if (row->last_seen == 0) {
        fputs("null", out);
    } else {
        when_format(seen, row->last_seen);
        fprintf(out, "\"%s\"", seen);
    }
    fprintf(out, ",\"lost\":%" PRIu64, row->lost);
}
