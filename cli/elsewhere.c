#include "cli/elsewhere.h"

#include <stdio.h>
#include <string.h>

#include "cli/text.h"

static int note(void *context, const struct reading_row *row)
{
    (void)row;
    *(bool *)context = true;
    return 1;
}

static int name_sink(void *context, const struct sink_row *row)
{
    size_t *count = context;

    fputs((*count)++ == 0 ? "bulla: there are none here; readings go to " : ", ", stderr);
    text_print(stderr, row->name, strlen(row->name), TEXT_WHOLE);
    return 0;
}

void elsewhere_tell(struct store *store, const struct reading_filter *filter)
{
    struct reading_filter newest = *filter;
    struct failure unsaid;
    bool here = false;
    size_t count = 0;

    newest.limit = 1;
    if (store->ops->sinks_each == NULL ||
        store->ops->readings_each(store, &newest, note, &here, &unsaid) < 0 || here)
        return;
    (void)!store->ops->sinks_each(store, name_sink, &count, &unsaid);
    if (count > 0)
        fputs(" (bulla serve --sink)\n", stderr);
}
