#include "cli/label_text.h"

#include <string.h>

#include "cli/command.h"
#include "cli/text.h"

/* ---- reading ---- */

/* Where the key of a typed label ends, and its value (NULL: none); 0 if it has not the form. */
static size_t split(const char *text, enum label_form form, const char **value)
{
    size_t len = strcspn(text, "=");

    *value = text[len] == '=' ? text + len + 1 : NULL;
    if (*value != NULL || form == LABEL_ANY)
        return len;
    return form == LABEL_CHANGE && len > 0 && text[len - 1] == '-' ? len - 1 : 0;
}

static int parse_one(struct label_list *list, const char *text, enum label_form form, struct failure *failure)
{
    static const char *const forms[] = {
        [LABEL_ONLY] = "key=value",
        [LABEL_ANY] = "key=value, or key for any value",
        [LABEL_CHANGE] = "key=value, or key- to take it away",
    };
    struct label *label = &list->labels[list->count];
    char *key = list->keys[list->count];
    size_t len = split(text, form, &label->value);

    if (len == 0 || len > LABEL_KEY_MAX)
        return usage(failure, "'%.80s' is not a label; give %s", text, forms[form]);
    memcpy(key, text, len);
    key[len] = '\0';
    label->key = key;
    if (label_check(label, failure) != 0)
        return COMMAND_USAGE;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->labels[i].key, key) == 0)
            return usage(failure, "label %s is given twice", key);
    list->count++;
    return 0;
}

int label_list_parse(struct label_list *list, const char *const *texts, size_t count, enum label_form form,
                     struct failure *failure)
{
    list->count = 0;
    if (count > LABELS_MAX)
        return usage(failure, "these are %zu labels; a device has at most %d", count, LABELS_MAX);
    for (size_t i = 0; i < count; i++) {
        int result = parse_one(list, texts[i], form, failure);
        if (result < 0)
            return result;
    }
    return 0;
}

/* ---- printing ---- */

struct printing {
    FILE *out;
    size_t count;
};

static int to_text(void *context, const struct label *label)
{
    struct printing *printing = context;

    fprintf(printing->out, "%s%s=", printing->count++ > 0 ? " " : "", label->key);
    text_print(printing->out, label->value, strlen(label->value), TEXT_WHOLE);
    return 0;
}

static int to_json(void *context, const struct label *label)
{
    struct printing *printing = context;

    fprintf(printing->out, "%s\"%s\":", printing->count++ > 0 ? "," : "", label->key);
    text_json(printing->out, label->value, strlen(label->value));
    return 0;
}

int labels_print(FILE *out, struct store *store, int64_t device, struct failure *failure)
{
    struct printing printing = {.out = out};

    return store->ops->labels_each(store, device, to_text, &printing, failure);
}

int labels_json(FILE *out, struct store *store, int64_t device, struct failure *failure)
{
    struct printing printing = {.out = out};

    putc('{', out);
    if (store->ops->labels_each(store, device, to_json, &printing, failure) != 0)
        return -1;
    putc('}', out);
    return 0;
}
