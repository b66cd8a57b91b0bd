#include "gateway/source/source.h"

extern const struct source_ops source_http;
extern const struct source_ops source_mqtt;

const struct source_ops *const sources[] = {&source_http, &source_mqtt, NULL};

int sources_open(struct source_list *list, const struct source_settings *settings, struct failure *failure)
{
    struct source_settings own = *settings;

    list->count = 0;
    own.others = list;
    for (const struct source_ops *const *ops = sources; *ops != NULL; ops++) {
        int opened;
        list->open[list->count] = NULL;
        opened = (*ops)->open(&list->open[list->count], &own, failure);
        if (opened < 0) {
            list->count += list->open[list->count] != NULL;
            sources_close(list);
            return -1;
        }
        list->count += opened > 0;
    }
    return 0;
}

void sources_begin(struct source_list *list, const uint8_t identity[32])
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->open[i]->ops->begin != NULL)
            list->open[i]->ops->begin(list->open[i], identity);
    }
}

const char *sources_address(const struct source_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->open[i]->ops->address != NULL)
            return list->open[i]->ops->address(list->open[i]);
    }
    return "";
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

void sources_away(const struct source_list *list, source_away_teller *tell, void *context)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->open[i]->ops->away != NULL)
            list->open[i]->ops->away(list->open[i], tell, context);
    }
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
