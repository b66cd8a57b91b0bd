/*
 * Tables of devices: any bytes. Fields lie inside the bytes, one behind the other; the reading ends; and what
 * is a row of devices is told or taken, never both.
 */
#include "require.h"

#include <string.h>

#include "cli/csv.h"
#include "cli/provision.h"

#define FIELDS 8

static char *copy_of(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);

    require(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

static void check_records(const uint8_t *data, size_t size)
{
    char *bytes = copy_of(data, size);
    struct csv_field fields[FIELDS];
    size_t records = 0;
    struct csv csv;
    int count;

    csv_open(&csv, bytes, size);
    while ((count = csv_next(&csv, fields, FIELDS)) > 0) {
        char *from = bytes;

        require(count <= FIELDS && ++records <= size && csv.record <= csv.line);
        for (int i = 0; i < count; i++) {
            require(fields[i].text >= from && fields[i].text + fields[i].len <= bytes + size);
            require(fields[i].text[fields[i].len] == 0);
            from = fields[i].text + fields[i].len;
        }
    }
    require((count < 0) == (csv.why != NULL));
    free(bytes);
}

static void check_devices(const uint8_t *data, size_t size)
{
    char *bytes = copy_of(data, size);
    struct provision provision = {.source = "fuzz", .quiet = true};
    struct failure failure;

    if (provision_read_csv(&provision, bytes, size, &failure) == 0 && provision.problems == 0) {
        require(provision.count > 0);
        for (size_t i = 0; i < provision.count; i++) {
            const struct provision_row *row = &provision.rows[i];

            require(provision_check_name(row->name, strlen(row->name), &failure) == 0);
            require(row->credential.kid_len <= BULLA_KID_MAX && row->label_count <= LABELS_MAX);
            for (size_t k = 0; k < row->label_count; k++)
                require(label_check(&row->labels[k], &failure) == 0);
        }
    }
    provision_wipe(&provision);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_records(data, size);
    check_devices(data, size);
    return 0;
}
