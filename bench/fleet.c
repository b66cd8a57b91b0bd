#include "bench/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/random.h>

#include "device/envelope.h"
#include "device/window.h"

#define ROUNDS_MAX   6   /* a device is proven after two, unless a challenge expires in between */
#define BUFFER_SIZE  160 /* bytes of a message's buffer */
#define REQUEST_SIZE 256 /* bytes that a request may take */

/* ---- the port: everything in memory ---- */

static int draw(void *context, uint8_t *out, size_t len)
{
    (void)context;
    return getrandom(out, len, 0) == (ssize_t)len ? 0 : -1;
}

static int load_slot(void *context, enum bulla_slot slot, uint8_t *out, size_t len)
{
    const struct fleet_device *device = context;

    if ((unsigned)slot >= FLEET_SLOTS || !device->written[slot])
        return -1;
    memcpy(out, device->slots[slot], len);
    return 0;
}

static int store_slot(void *context, enum bulla_slot slot, const uint8_t *data, size_t len)
{
    struct fleet_device *device = context;

    if ((unsigned)slot >= FLEET_SLOTS || len > BULLA_SLOT_SIZE)
        return -1;
    memcpy(device->slots[slot], data, len);
    device->written[slot] = true;
    return 0;
}

/* ---- loading ---- */

struct loading {
    struct fleet *fleet;
    const struct vault *vault;
    const char *prefix;
    size_t room;
    struct failure *failure;
    int result;
};

static int open_device(struct fleet *fleet, struct fleet_device *device,
                       const struct bulla_credential *credential)
{
    int error = 0;

    device->port = (struct bulla_port){
        .random = draw,
        .load = load_slot,
        .store = store_slot,
        .context = device,
        .crypto = &fleet->crypto,
    };
    if (credential->kind == BULLA_COUNTER)
        error = bulla_provision_counter(credential, &device->port);
    return error < 0 ? error : bulla_open(&device->bulla, credential, &device->port);
}

/* Counts first, so that the devices stay where they are once they are open. */
static int count_one(void *context, const struct device_row *row)
{
    struct loading *loading = context;

    loading->room += strncmp(row->name, loading->prefix, strlen(loading->prefix)) == 0;
    return 0;
}

static int load_one(void *context, const struct device_row *row)
{
    struct loading *loading = context;
    struct fleet *fleet = loading->fleet;
    struct bulla_credential credential = {.kid_len = row->kid_len, .alg = row->alg, .kind = row->kind};
    int error;

    if (strncmp(row->name, loading->prefix, strlen(loading->prefix)) != 0 || fleet->count == loading->room)
        return 0;
    memcpy(credential.kid, row->kid, sizeof(credential.kid));
    loading->result = vault_open_device(loading->vault, row, credential.secret, loading->failure);
    if (loading->result == 0) {
        error = open_device(fleet, &fleet->devices[fleet->count++], &credential);
        if (error < 0)
            loading->result = fail(loading->failure, "%s: %s", row->name, bulla_strerror(error));
    }
    bulla_wipe(&credential, sizeof(credential));
    return loading->result;
}

static int load_devices(struct fleet *fleet, struct store *store, struct loading *loading)
{
    if (store->ops->device_each(store, NULL, count_one, loading, loading->failure) < 0)
        return -1;
    if (loading->room == 0)
        return fail(loading->failure, "no device's name begins with \"%s\": provision some first",
                    loading->prefix);
    fleet->devices = calloc(loading->room, sizeof(*fleet->devices));
    if (fleet->devices == NULL)
        return fail(loading->failure, "memory is out");
    if (store->ops->device_each(store, NULL, load_one, loading, loading->failure) < 0)
        return -1;
    return loading->result;
}

int fleet_load(struct fleet *fleet, const struct database_options *database, const char *prefix,
               struct failure *failure)
{
    struct store *store;
    struct vault vault;
    struct loading loading = {.fleet = fleet, .vault = &vault, .prefix = prefix, .failure = failure};
    int result = -1;

    memset(fleet, 0, sizeof(*fleet));
    if (bulla_crypto_open(&fleet->crypto) < 0)
        return fail(failure, "cannot set up OpenSSL");
    if (database_open(&store, database, STORE_EXISTING, failure) < 0)
        return -1;
    if (database_vault(&vault, store, database, failure) == 0) {
        result = load_devices(fleet, store, &loading);
        vault_wipe(&vault);
    }
    database_close(store);
    return result;
}

void fleet_wipe(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++)
        bulla_close(&fleet->devices[i].bulla);
    free(fleet->devices);
    bulla_crypto_close(&fleet->crypto);
    memset(fleet, 0, sizeof(*fleet));
}

/* ---- sealing ---- */

static int allocate(struct load *load, size_t count, size_t snapshots)
{
    memset(load, 0, sizeof(*load));
    load->exchanges = calloc(count, sizeof(*load->exchanges));
    load->requests = malloc(count * REQUEST_SIZE);
    load->snapshots = malloc(snapshots * sizeof(*load->snapshots));
    if (load->exchanges == NULL || load->requests == NULL || load->snapshots == NULL)
        return -1;
    load->count = count;
    return 0;
}

void load_free(struct load *load)
{
    free(load->exchanges);
    free(load->requests);
    free(load->snapshots);
    memset(load, 0, sizeof(*load));
}

/* Leaves the kid context out again: sealed ahead of all replies, the library cannot know that they will come.
 */
static int make_bare(const struct bulla *bulla, struct bulla_message *message, uint8_t *buffer)
{
    struct bulla_envelope envelope;
    uint8_t *content;
    size_t header_len;

    if (bulla_envelope_parse(&envelope, BULLA_TO_GATEWAY, message->data, message->size) < 0)
        return -1;
    if (envelope.id_context == NULL)
        return 0;
    envelope.id = bulla->own.kid;
    envelope.id_context = NULL;
    content = buffer + (envelope.ciphertext - buffer);
    header_len = bulla_envelope_header(&envelope, content, envelope.ciphertext_len);
    message->data = content - header_len;
    message->size = header_len + envelope.ciphertext_len;
    return 0;
}

/* Seals the fleet's next reading and writes the request that carries it. */
static int write_request(struct fleet *fleet, const struct way *way, size_t device, bool bare, uint8_t *out,
                         struct exchange *exchange)
{
    struct bulla *bulla = &fleet->devices[device].bulla;
    struct bulla_message message;
    uint8_t buffer[BUFFER_SIZE];
    int head_len = 0;

    bulla_begin(&message, buffer, sizeof(buffer));
    bulla_add_float(&message, "temperature", "Cel", (float)(fleet->sealed++ % 100000) / 1000.0f);
    if (bulla_seal(bulla, &message) < 0 || (bare && make_bare(bulla, &message, buffer) < 0))
        return -1;
    if (way->head != NULL)
        head_len = way->head((char *)out, REQUEST_SIZE, message.size);
    if (head_len < 0 || (size_t)head_len + message.size > REQUEST_SIZE)
        return -1;
    memcpy(out + head_len, message.data, message.size);
    exchange->request = out;
    exchange->request_len = (uint32_t)head_len + (uint32_t)message.size;
    exchange->device = (uint32_t)device;
    exchange->piv = message.piv;
    return 0;
}

static struct bulla *snapshot_of(const struct fleet *fleet, const struct load *load, size_t i)
{
    size_t round = i / fleet->count / BULLA_TRACKED;

    return &load->snapshots[round * fleet->count + i % fleet->count];
}

int fleet_seal(struct fleet *fleet, const struct way *way, struct load *load, size_t count, bool bare,
               struct failure *failure)
{
    size_t rounds = count / fleet->count / BULLA_TRACKED + 1;
    uint8_t *at;

    if (allocate(load, count, rounds * fleet->count) < 0)
        return fail(failure, "memory is out: choose a smaller --count");
    at = load->requests;
    for (size_t i = 0; i < count; i++) {
        size_t device = i % fleet->count;
        if (write_request(fleet, way, device, bare, at, &load->exchanges[i]) < 0)
            return fail(failure, "message %zu cannot be sealed", i);
        at += load->exchanges[i].request_len;
        *snapshot_of(fleet, load, i) = fleet->devices[device].bulla;
    }
    return 0;
}

/* ---- what came of it ---- */

static bool says_stored(struct bulla *bulla, struct exchange *exchange)
{
    struct bulla_reply reply;

    return bulla_open_reply(bulla, exchange->reply, exchange->reply_len, &reply) == 0 &&
           reply.re == exchange->piv && reply.has_receipt != 0 &&
           bulla_receipt_holds(reply.top, reply.bits, exchange->piv) != 0;
}

void fleet_verify(const struct fleet *fleet, struct load *load, size_t done, struct load_verdict *verdict)
{
    memset(verdict, 0, sizeof(*verdict));
    for (size_t i = 0; i < done; i++) {
        struct exchange *exchange = &load->exchanges[i];
        if (exchange->status != EXCHANGE_ANSWERED) {
            if (verdict->refused++ == 0)
                verdict->status = exchange->status;
        } else if (says_stored(snapshot_of(fleet, load, i), exchange)) {
            verdict->stored++;
        } else {
            verdict->unverified++;
        }
    }
}

/* ---- introducing ---- */

/* One round: the devices in `waiting` send. Those whose reply does not say stored are left in it. */
static int introduce_round(struct fleet *fleet, struct load *load, size_t *waiting, size_t *count,
                           const struct way *way, struct failure *failure)
{
    size_t left = 0;

    memset(load->exchanges, 0, *count * sizeof(*load->exchanges));
    for (size_t i = 0; i < *count; i++) {
        if (write_request(fleet, way, waiting[i], false, load->requests + i * REQUEST_SIZE,
                          &load->exchanges[i]) < 0)
            return fail(failure, "a first message cannot be sealed");
    }
    if (way->run(way->context, load->exchanges, *count, failure) < 0)
        return -1;
    for (size_t i = 0; i < *count; i++) {
        if (!says_stored(&fleet->devices[waiting[i]].bulla, &load->exchanges[i]))
            waiting[left++] = waiting[i];
    }
    *count = left;
    return 0;
}

int fleet_introduce(struct fleet *fleet, const struct way *way, struct failure *failure)
{
    size_t *waiting = malloc(fleet->count * sizeof(*waiting));
    size_t count = fleet->count;
    struct load load;
    int result = 0;

    if (allocate(&load, count, 1) < 0 || waiting == NULL)
        result = fail(failure, "memory is out");
    for (size_t i = 0; i < count && result == 0; i++)
        waiting[i] = i;
    for (int round = 0; round < ROUNDS_MAX && count > 0 && result == 0; round++)
        result = introduce_round(fleet, &load, waiting, &count, way, failure);
    if (result == 0 && count > 0)
        result = fail(failure, "%zu of %zu devices were not proven in %d rounds; the last status was %u",
                      count, fleet->count, ROUNDS_MAX, load.exchanges[0].status);
    load_free(&load);
    free(waiting);
    return result;
}
