/* bulla device label: an operator's words on a device. */
#include "cli/command.h"

#include <stdio.h>

#include "cli/device_change.h"
#include "cli/device_print.h"
#include "cli/label_text.h"

/* What change() is given: the options, and what was typed. */
struct labelling {
    struct device_change_options change; /* first */
    struct label_list list;
};

static int change(const void *options, struct store *store, const struct device_row *row,
                  struct failure *failure)
{
    const struct labelling *labelling = options;

    return store->ops->device_label(store, row->id, labelling->list.labels, labelling->list.count, failure);
}

static void tell(const struct device_row *row, bool changed)
{
    (void)row;
    puts(changed ? " is labelled; 'bulla device show' shows it"
                 : " had these labels already; nothing changed");
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    static const struct device_change what = {"labelled", change, tell};
    struct labelling labelling = {.change = *(const struct device_change_options *)values};
    int result = label_list_parse(&labelling.list, (const char *const *)argv + 1, (size_t)argc - 1,
                                  LABEL_CHANGE, failure);

    return result < 0 ? result : device_change(&what, &labelling.change, argv[0], failure);
}

const struct command command_device_label = {
    .name = "label",
    .summary = "puts labels on a device, or takes them away",
    .arguments = "NAME KEY=VALUE|KEY- …",
    .words = device_names,
    .details =
        "A device has at most 16 labels. A key takes letters, digits and _ (63 bytes at most, not a digit "
        "first), a value any text without control characters (255 bytes at most). KEY- takes the label "
        "away.",
    .example = "bulla device label kitchen site=home floor=2\n"
               "bulla device label kitchen floor-\n"
               "bulla device list --label site=home",
    .options = device_change_options,
    .options_size = sizeof(struct device_change_options),
    .least = 2,
    .most = -1,
    .run = run,
};
