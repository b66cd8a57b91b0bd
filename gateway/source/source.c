#include "gateway/source/source.h"

extern const struct source_ops source_http;

const struct source_ops *const sources[] = {&source_http, NULL};

int sources_open(struct source_list *list, const struct source_settings *settings, struct failure *failure)
{
    list->count = 0;
    for (const struct source_ops *const *ops = sources; *ops != NULL; ops++) {
        int opened = (*ops)->open(&list->open[list->count], settings, failure);
        if (opened < 0) {
            sources_close(list);
            return -1;
        }
        list->count += opened > 0;
    }
    return 0;
}

void sources_announce(const struct source_list *list, FILE *out)
{
    for (size_t i = 0; i < list->count; i++)
        list->open[i]->ops->announce(list->open[i], out);
}

void sources_flush(struct source_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        list->open[i]->ops->flush(list->open[i]);
}

void sources_quiesce(struct source_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        list->open[i]->ops->quiesce(list->open[i]);
}

void sources_metrics(const struct source_list *list, FILE *out)
{
    for (size_t i = 0; i < list->count; i++)
        list->open[i]->ops->metrics(list->open[i], out);
}

void sources_close(struct source_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        list->open[i]->ops->close(list->open[i]);
}

void sources_release(struct source_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        list->open[i]->ops->release(list->open[i]);
    list->count = 0;
}
