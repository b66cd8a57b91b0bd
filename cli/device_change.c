#include "cli/device_change.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/device_print.h"
#include "cli/text.h"

const struct option device_change_options[] = {
    DEVICE_CHANGE_OPTIONS,
    {0},
};

static void print_json(const struct device_row *row, const char *done)
{
    fputs("{\"name\":", stdout);
    text_json(stdout, row->name, strlen(row->name));
    fputs(",\"kid\":", stdout);
    if (row->kid_len > 0) {
        putchar('"');
        text_hex(stdout, row->kid, row->kid_len);
        putchar('"');
    } else {
        fputs("null", stdout);
    }
    printf(",\"done\":\"%s\"}\n", done);
}

static int change(const struct device_change *what, const struct device_change_options *options,
                  struct store *store, const char *name, struct failure *failure)
{
    struct device_row row;
    int changed = database_device(store, name, &row, failure);

    if (changed == 0)
        changed = what->change(options, store, &row, failure);
    if (changed < 0)
        return COMMAND_FAILED;
    if (options->format == DEVICE_FORMAT_JSON) {
        print_json(&row, changed ? what->done : "nothing");
    } else {
        device_print_name(stdout, &row);
        what->tell(&row, changed);
    }
    return COMMAND_DONE;
}

int device_change(const struct device_change *what, const struct device_change_options *options,
                  const char *name, struct failure *failure)
{
    struct store *store;
    int result;

    if (database_open(&store, &options->database, STORE_EXISTING, failure) < 0)
        return COMMAND_FAILED;
    result = change(what, options, store, name, failure);
    database_close(store);
    return result;
}
