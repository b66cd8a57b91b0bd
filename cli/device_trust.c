/* bulla device trust: proves a counter context by hand (PROTOCOL 9). */
#include "cli/command.h"

#include <stdio.h>

#include "cli/device_change.h"
#include "device/keys.h"

struct trust_options {
    struct device_change_options change; /* first */
    int64_t above;                       /* -1: the window as it is */
};

static const struct option options_table[] = {
    {.name = "above",
     .argument = "PIV",
     .help =
         "takes only messages above this sequence number from now on; the highest that the device has sealed "
         "with, as far as you know; -1: leaves that as it is",
     .fallback = "-1",
     .parse = option_number,
     .least = -1,
     .most = (int64_t)BULLA_PIV_MAX,
     .offset = offsetof(struct trust_options, above)},
    DEVICE_CHANGE_OPTIONS,
    {0},
};

static int trust(const void *options, struct store *store, const struct device_row *row,
                 struct failure *failure)
{
    const struct trust_options *trust_options = options;

    if (device_needs_native(row, failure) != 0)
        return -1;
    if (row->kind != BULLA_COUNTER)
        return fail(failure,
                    "%s: its sessions prove themselves, by answering a challenge; only a counter device can "
                    "be trusted by hand",
                    row->name);
    return store->ops->device_trust(store, row->id, (uint64_t)(trust_options->above + 1), failure);
}

static void tell(const struct device_row *row, bool changed)
{
    (void)row;
    puts(changed
             ? " is trusted: its messages are stored without a challenge. Messages that it sealed since the\n"
               "backup was made (or before its secret was imported) may open once: whoever recorded one can "
               "have\n"
               "it stored, unless its number is not above that of --above"
             : " was proven already; nothing changed");
}

static int run(const void *values, int argc, char **argv, struct failure *failure)
{
    static const struct device_change what = {"trusted", trust, tell};

    (void)argc;
    return device_change(&what, values, argv[0], failure);
}

const struct command command_device_trust = {
    .name = "trust",
    .summary = "proves a counter device by hand, where it can hear no challenge",
    .arguments = "NAME",
    .words = device_names,
    .details =
        "A counter device with an imported secret, and every device after a restore, is challenged before "
        "anything of it is stored. One that can hear no reply cannot answer. This takes its word instead: "
        "its replay window stays as it was, so messages that it sealed since the backup, or before the "
        "import, may open once each. Where you know the highest number that it has used, --above shuts "
        "them out.",
    .example = "bulla device trust shed\n"
               "bulla device trust shed --above 131072",
    .options = options_table,
    .options_size = sizeof(struct trust_options),
    .least = 1,
    .most = 1,
    .run = run,
};
