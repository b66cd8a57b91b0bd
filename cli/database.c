#include "cli/database.h"

#include <limits.h>
#include <string.h>

int database_open(struct store **store, const struct database_options *options, enum store_open_mode mode,
                  struct failure *failure)
{
    *store = NULL;
    return store_open(store, options->db, mode, failure);
}

int database_vault(struct vault *vault, struct store *store, const struct database_options *options,
                   struct failure *failure)
{
    char beside[PATH_MAX];
    const char *path = options->key;

    if (!path) {
        if (vault_key_path(options->db, beside, sizeof(beside), failure) < 0)
            return -1;
        path = beside;
    }
    return vault_open(vault, store, path, failure);
}

static int none(const char *name, struct failure *failure)
{
    return fail(failure, "%s: no device has this name; 'bulla device list' shows them", name);
}

int database_device(struct store *store, const char *name, struct device_row *row, struct failure *failure)
{
    int found = store->ops->device_by_name(store, name, row, failure);

    if (found < 0)
        return -1;
    return found ? 0 : none(name, failure);
}

struct search {
    const char *name;
    struct device_row *row;
    bool found;
};

static int compare(void *context, const struct device_row *row)
{
    struct search *search = context;

    if (strcmp(row->name, search->name) != 0)
        return 0;
    *search->row = *row;
    search->found = true;
    return 1;
}

int database_device_seen(struct store *store, const char *name, struct device_row *row,
                         struct failure *failure)
{
    struct search search = {.name = name, .row = row};

    if (store->ops->device_each(store, NULL, compare, &search, failure) < 0)
        return -1;
    return search.found ? 0 : none(name, failure);
}

void database_close(struct store *store)
{
    if (store)
        store->ops->close(store);
}
