#include "cli/database.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/text.h"

int database_open(struct store **store, const struct database_options *options, enum store_open_mode mode,
                  struct failure *failure)
{
    *store = NULL;
    return store_open(store, options->db, mode, failure);
}

bool database_is_there(const struct database_options *options)
{
    struct store *store;
    struct failure unused;

    if (!store_is_server(options->db))
        return access(options->db, F_OK) == 0;
    if (database_open(&store, options, STORE_EXISTING, &unused) != 0)
        return false;
    database_close(store);
    return true;
}

/* Where the master key is: as told, or beside the database; NULL with the failure. */
static const char *key_path(const struct database_options *options, char *beside, size_t size,
                            struct failure *failure)
{
    if (options->key != NULL)
        return options->key;
    return vault_key_path(options->db, beside, size, failure) < 0 ? NULL : beside;
}

int database_vault(struct vault *vault, struct store *store, const struct database_options *options,
                   struct failure *failure)
{
    char beside[PATH_MAX];
    const char *path = key_path(options, beside, sizeof(beside), failure);

    return path == NULL ? -1 : vault_open(vault, store, path, failure);
}

int database_spare_key(const struct database_options *options, const char *file, struct failure *failure)
{
    char beside[PATH_MAX];
    const char *path = key_path(options, beside, sizeof(beside), failure);
    struct stat key, other;

    if (path == NULL)
        return -1;
    if (stat(path, &key) != 0 || stat(file, &other) != 0 || key.st_dev != other.st_dev ||
        key.st_ino != other.st_ino)
        return 0;
    return fail(failure, "%s is the master key; give another name. Nothing was changed.", file);
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

void database_hint_device(struct store *store, const char *name)
{
    struct device_row row;
    struct failure unsaid;

    if (name == NULL || store->ops->device_by_name(store, name, &row, &unsaid) != 0)
        return;
    fputs("bulla: ", stderr);
    text_print(stderr, name, strlen(name), TEXT_WHOLE);
    fputs(": no device has this name, and nothing of one is here; 'bulla device list' shows them\n", stderr);
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
