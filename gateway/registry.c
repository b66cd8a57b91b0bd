#include "gateway/registry.h"

#include <limits.h>
#include <string.h>

#include "device/crypto.h"
#include "gateway/core/answer.h"
#include "gateway/core/older.h"

static int read_secrets(struct registry *registry, const char *key, int64_t now, struct outbox *outbox,
                        struct failure *failure)
{
    struct vault *vault = &registry->vault;
    struct store *store = registry->store;

    if (vault_open(vault, store, key, failure) < 0 ||
        vault_registry_secret(vault, store, "identity", registry->identity, failure) < 0 ||
        vault_registry_secret(vault, store, "challenge", registry->challenge_key, failure) < 0 ||
        gateway_id_draw(store, now, registry->gateway_id, failure) < 0)
        return -1;
    if (outbox_enter(outbox, store, now, failure) < 0)
        return -1;
    return older_read_roster(store, now, &registry->roster, failure);
}

static bool may_pass(const struct store *store)
{
    return store->ops->may_pass != NULL && store->ops->may_pass(store);
}

int registry_open(struct registry *registry, const char *db, const char *key, int64_t now,
                  struct outbox *outbox, struct failure *failure)
{
    char path[PATH_MAX];
    int result;

    memset(registry, 0, sizeof(*registry));
    if (key == NULL && vault_key_path(db, path, sizeof(path), failure) < 0)
        return -1;
    result = store_open(&registry->store, db, STORE_CREATE, failure);
    if (result < 0)
        return result;
    if (read_secrets(registry, key != NULL ? key : path, now, outbox, failure) == 0)
        return 0;
    result = may_pass(registry->store) ? STORE_AWAY : -1;
    registry_close(registry);
    return result;
}

void registry_close(struct registry *registry)
{
    if (registry->store != NULL)
        registry->store->ops->close(registry->store);
    roster_free(registry->roster); /* of an attempt that nobody waited for */
    bulla_wipe(registry, sizeof(*registry));
}
