/*
 * A store keeps the registry (devices, contexts, events) and the readings. One file family per kind, behind
 * the vtable below, listed in stores[] (store.c): that line is all that the rest of the program knows of it.
 *
 * A struct store is a connection and belongs to one thread at a time. The gateway's store thread has one;
 * each command of the command line opens its own. Functions return -1 with a failure filled in, and then
 * nothing was changed.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/bulla.h"
#include "device/window.h"
#include "gateway/decode/reading.h"
#include "gateway/failure.h"
#include "gateway/store/look.h"
#include "gateway/store/transfer.h"
#include "gateway/wire/wire.h"

#define GATEWAY_ID_SIZE      6                 /* bytes (PROTOCOL 2) */
#define SEALED_SIZE(len)     (12 + (len) + 16) /* AES-256-GCM: nonce, ciphertext, tag (vault.h) */
#define SESSION_CLOSES_AFTER 3600              /* seconds after a newer one was proven (PROTOCOL 4.4) */
#define LABELS_MAX           16                /* of a device */
#define LABEL_KEY_MAX        63                /* bytes */
#define LABEL_VALUE_MAX      255               /* bytes */
#define WIRE_NODES_MAX       1024              /* devices that a group's nodes may become */
#define WIRE_HASHES_MAX      1000000           /* ciphertexts that are remembered of a device */
#define WIRE_CLOCK_SLACK     60                /* seconds that another gateway's clock may be ahead */

/* ---- rows ---- */

struct device_row {
    int64_t id;
    char name[BULLA_NAME_MAX + 1];
    uint8_t kid[BULLA_KID_MAX];
    uint8_t kid_len; /* 0: it has no native credential, and kid, alg, kind, secret mean nothing */
    uint8_t alg;     /* enum bulla_alg */
    uint8_t kind;    /* enum bulla_kind */
    bool revoked;
    bool exported;     /* a counter credential left once as a header for firmware */
    int64_t created;   /* Unix seconds */
    int64_t last_seen; /* microseconds since 1970 of the last stored message; 0: none. Filled by lists only */
    char wire[WIRE_NAME_MAX + 1]; /* its older wire, if that is open. Filled by lists only */
    uint64_t lost;                /* messages that it sealed and that can not be stored any more (lost.h) */
    uint8_t secret[SEALED_SIZE(BULLA_SECRET_SIZE)]; /* sealed at rest, bound to the kid */
};

/* A word that an operator puts on a device: site=roof. The gateway does not keep them in memory. */
struct label {
    const char *key;   /* [A-Za-z_][A-Za-z0-9_]*, at most LABEL_KEY_MAX bytes */
    const char *value; /* UTF-8 without control characters, at most LABEL_VALUE_MAX bytes; may be empty */
};

/* Why an older wire of a device takes nothing any more. They stand in databases: never change one. */
enum wire_closed {
    WIRE_OPEN = 0,
    WIRE_REMOVED = 1,  /* the device was removed, and the row is a tombstone */
    WIRE_UPGRADED = 2, /* the device is on the native wire; if it was removed since, `device` is 0 */
};

/*
 * A device's older wire (gateway/wire/wire.h). A group's node has a row of its own, without keys, which
 * points at the group's. A closed row has no keys any more; what it keeps (number, accepted ciphertexts) goes
 * on where a device is added again under the same route.
 */
struct wire_row {
    int64_t id;
    int64_t device;                /* 0: it was removed */
    int64_t group;                 /* of a node: its group's row; else 0 */
    char name[BULLA_NAME_MAX + 1]; /* the device's; "" if it was removed */
    bool revoked;                  /* the device is */
    char wire[WIRE_NAME_MAX + 1];
    char route[WIRE_ROUTE_MAX + 1];
    char session_topic[WIRE_ROUTE_MAX + 1]; /* "": the wire has no session ids */
    char node[WIRE_NODE_MAX + 1];           /* "": any, or none */
    char reading_name[WIRE_READING_MAX + 1];
    unsigned flags;   /* of enum wire_flag */
    int64_t lifetime; /* seconds that a session id is valid */
    int64_t grace;    /* seconds that one which was replaced stays valid */
    uint64_t number;  /* the last one accepted or set */
    uint64_t stored;  /* messages that were stored over this wire */
    uint64_t hashes;  /* ciphertexts that are remembered */
    int64_t seen;     /* microseconds since 1970 of the last stored message; 0: none */
    enum wire_closed closed;
    size_t keys_len;                          /* 0 if it is closed, or a node of a group */
    uint8_t keys[SEALED_SIZE(WIRE_KEYS_MAX)]; /* sealed at rest, bound to wire and route (vault.h) */
};

/* A session id of a session topic (nodemcu): 32 hex digits that one message may name. */
struct session_row {
    char id[WIRE_SESSION_ID];
    int64_t issued; /* Unix seconds */
    int64_t
        retired; /* when another one took its place, Unix seconds; 0: it is the current one, or was spent */
    bool spent;
    bool has_hash; /* of a spent one: a message spent it; else it was voided */
    uint8_t hash[WIRE_HASH_SIZE];
};

/* A device to be entered. The labels' keys differ. */
struct device_entry {
    struct device_row row; /* row.id is set */
    bool proven;           /* of a counter: its secret was drawn for it (PROTOCOL 4.4) */
    struct wire_row *wire; /* of a device on an older wire, and then row.kid_len is 0; else NULL. Its number
                              counts where it is above what a removed device left */
    size_t
        per_route; /* of that: so many devices its route may have. 1: it goes on where a removed one ended */
    const struct label *labels;
    size_t label_count;
};

static inline bool devices_have_wire(const struct device_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i].wire != NULL)
            return true;
    return false;
}

/* Why a list of devices was not entered: the first entry that cannot be. */
enum device_clash {
    CLASH_NAME, /* the name is taken, in the registry or by an earlier entry */
    CLASH_KID,  /* so is the kid, or it was once (tombstone) */
};

/* A context's row (PROTOCOL 4.4, 4.5). A counter context has no id_context and exactly one row, made with its
 * device. */
struct context_row {
    int64_t device;
    bool counter;                              /* then id_context is not used */
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE]; /* of a session */
    bool proven;
    uint64_t
        proven_t; /* the challenge's T that proved it; 0: proven at provisioning, by hand, or not proven */
    int64_t closes_at; /* Unix seconds; 0: not superseded by a newer session */
    struct bulla_window window;
};

struct event_row {
    int64_t time;            /* microseconds since 1970 */
    const char *kind;        /* outcome's word (gateway/core/outcome.h) */
    int64_t device;          /* 0: not known */
    const char *device_name; /* reading back only; "" if not known */
    const char *source;      /* where it came from: an address, a topic */
    const char *detail;
    bool authentic; /* the message authenticated: kept apart from those that did not */
};

/* One row of `readings`, joined for people. Pointers last until the callback returns. */
struct reading_row {
    const char *device;
    int64_t received; /* microseconds since 1970 */
    uint64_t seq;     /* the message's piv */
    struct reading reading;
};

/* ---- the hot path ---- */

enum commit_verdict {
    COMMIT_DONE,     /* window moved, readings stored */
    COMMIT_CONFLICT, /* the row is not what it was taken for, or the device or the proof no longer holds:
                        nothing stored */
};

/* One context whose window a batch moves. */
struct commit_context {
    struct context_row
        before; /* as the gateway believed it; before.proven false and window empty: may have no row yet */
    struct context_row after;    /* after.proven_t: the T of the proof */
    const char *name;            /* the device's, for the outbox; NULL where there are no sinks */
    enum commit_verdict verdict; /* out */
};

/* Where readings go: a commit's, and a wire_change's. */
enum readings_way {
    READINGS_HERE, /* into the registry's own tables */
    READINGS_OUT,  /* into its outbox, for the sinks */
    READINGS_BOTH,
};

struct commit_message {
    size_t context; /* index into contexts */
    uint64_t piv;
    int64_t received; /* microseconds since 1970 */
    size_t first;     /* index of its first reading */
    size_t count;
};

struct commit {
    struct commit_context *contexts;
    size_t context_count;
    const struct commit_message *messages;
    size_t message_count;
    const struct reading *readings;
    enum readings_way way;
    int64_t generation; /* out: what generation() says, where the store read it along; else as it was */
};

/*
 * What a message that came over an older wire changes: all of it in one go.
 */
struct wire_change {
    int64_t row; /* whose number, count and `seen` move; of a group's message: its node's */
    int64_t device;
    const char *name; /* the device's, for the outbox */
    enum readings_way way;
    bool stored; /* it has readings, and counts: `number` or the row's new count is their seq */
    bool sets_number;
    uint64_t number;
    uint64_t lost;
    int64_t received;    /* microseconds since 1970 */
    const uint8_t *hash; /* of the ciphertext that is accepted, or NULL: none is remembered */
    const struct reading *readings;
    size_t count;
};

/* What a store's clock and floor say (PROTOCOL 4.4): read together with a context's row before answering
 * challenged. */
struct store_clock {
    int64_t now;    /* Unix seconds */
    uint64_t floor; /* F: the highest T of any context row that has gone */
};

/* ---- the outbox: readings that sinks have not confirmed yet (gateway/sink/) ---- */

#define SINKS_MAX       16      /* in a registry */
#define SINK_NAME_MAX   255     /* bytes */
#define SINK_HOLDER_MAX 32      /* bytes */
#define OUTBOX_LEAP     1048576 /* numbers that are left out, once a connection to a server */
#define SINK_LEASE_MOST 60      /* seconds: a literal in the stores' statements */
#define OUTBOX_ROW_MAX  1048576 /* bytes of a parcel: gateway/sink/parcel.h makes none that is larger */

/*
 * A place in the outbox: behind row n, with how many readings and bytes of parcels there were up to it since
 * the outbox was begun. What lies between two places follows by subtraction, and costs no look at the rows.
 */
struct outbox_place {
    int64_t n; /* 0: before the first row */
    int64_t points;
    int64_t bytes;
};

/*
 * A row of the outbox. Rows become visible in the order of n, in which their batches were stored. Some n may
 * be left out; none is given twice, not even by a server that has crashed, or by another one that took over
 * from it, and has forgotten rows that a sink's thread had seen already (MariaDB shows a commit a moment
 * before it is durable; a replica may lag behind): every connection ended with that, and the first rows of a
 * new one leap ahead. Else what is stored under such an n again would lie before the sink's cursor.
 */
struct outbox_row {
    struct outbox_place place; /* behind it */
    int64_t received;          /* of its oldest message: microseconds since 1970 */
    uint32_t points;           /* readings in it */
    const uint8_t *parcel;     /* gateway/sink/parcel.h */
    size_t len;
};

/* A sink that the registry keeps readings for. */
struct sink_row {
    char name[SINK_NAME_MAX + 1];
    struct outbox_place cursor;       /* what lies before it was confirmed, or let go */
    int64_t added;                    /* Unix seconds */
    int64_t confirmed;                /* when the cursor moved last, Unix seconds; 0: never */
    uint64_t lost;                    /* readings that were let go for it, because they were too old */
    uint64_t refused;                 /* readings that it can never take */
    char holder[SINK_HOLDER_MAX + 1]; /* which gateway writes to it; "": none */
    int64_t lease;                    /* until when, Unix seconds by the store's clock */
    struct outbox_place end;          /* the outbox's, at the same moment */
    int64_t oldest;                   /* received, of the first row behind the cursor; 0: there is none */
};

/* Whether a gateway holds the sink. A lease that ends later than any is given for was given before a clock
 * was set back: it is over, or nobody could write to the sink until that time has come again. */
static inline bool sink_is_held(const struct sink_row *row, int64_t now)
{
    return row->holder[0] != '\0' && row->lease > now && row->lease - now <= SINK_LEASE_MOST;
}

/* What a gateway has done for a sink, and that it goes on. */
struct sink_update {
    const char *name;
    int64_t lease;              /* seconds for which it holds the sink from now on, SINK_LEASE_MOST at most;
                                   0: no longer */
    struct outbox_place cursor; /* moves there, if that is further than it is */
    uint64_t lost;              /* since the last update */
    uint64_t refused;

    /* out */
    bool held; /* it holds the sink (or did, for lease 0): the update was done. Else nothing was changed: the
                  sink is another's for now, or was forgotten */
};

/* ---- selections ---- */

struct reading_filter {
    const char *device; /* name, or NULL: all */
    const char *name;   /* exact, or NULL */
    int64_t since;      /* microseconds since 1970, inclusive; INT64_MIN: no bound */
    int64_t until;      /* exclusive; INT64_MAX: no bound */
    int64_t limit;      /* the newest ones of that many; -1: all. They come oldest first */
};

struct event_filter {
    const char *kind;
    const char *device;
    int64_t limit;
};

/* Devices that have all of the labels, and were not heard lately. */
struct device_filter {
    const struct label *labels; /* value NULL: any value of that key */
    size_t label_count;
    int64_t
        silent_since; /* microseconds since 1970: not revoked, entered before and not seen since; 0: all */
};

/* Callbacks return 0 to go on, anything else to stop. */
typedef int label_visitor(void *context, const struct label *label);
typedef int device_visitor(void *context, const struct device_row *row);
typedef int context_visitor(void *context, const struct context_row *row);
typedef int reading_visitor(void *context, const struct reading_row *row);
typedef int event_visitor(void *context, const struct event_row *row);
typedef int wire_visitor(void *context, const struct wire_row *row);
typedef int sink_visitor(void *context, const struct sink_row *row);
typedef int outbox_visitor(void *context, const struct outbox_row *row);

/* ---- vtable ---- */

enum store_open_mode {
    STORE_EXISTING, /* fails if it is not there */
    STORE_CREATE,   /* makes it if it is not there */
    STORE_ALONE,    /* fails if it is not there, or if anybody else uses it; until it is closed, nobody can */
    STORE_LEFT,     /* as STORE_ALONE; also one whose registry has moved, or is moving, elsewhere (move.h) */
    STORE_ARRIVING, /* as STORE_ALONE; makes it if it is not there; also one that a move has half filled */
};

static inline bool store_is_alone(enum store_open_mode mode)
{
    return mode == STORE_ALONE || mode == STORE_LEFT || mode == STORE_ARRIVING;
}

static inline bool store_may_be_made(enum store_open_mode mode)
{
    return mode == STORE_CREATE || mode == STORE_ARRIVING;
}

/* ---- copies (PROTOCOL 9) ---- */

struct store_progress {
    /* Of how many pages (of a server: rows) so many are copied; other than 0 stops. May be NULL. */
    int (*tell)(void *context, int64_t done, int64_t all);
    void *context;
};

struct store_backup {
    const char *path;
    bool replace;          /* a file that is there */
    const void *challenge; /* a new K, sealed (vault_renew()); NULL: none, who serves from it draws one */
    size_t challenge_len;
    struct store_progress progress;
};

/* What is different once a backup is put in place of a database. */
enum restore_difference {
    RESTORE_REVOKED, /* the device was revoked since the backup, and comes back */
    RESTORE_REMOVED, /* it was removed since, and comes back */
    RESTORE_ADDED,   /* it was added since, and is forgotten */
    RESTORE_DIFFERENCES,
};

typedef void restore_visitor(void *context, enum restore_difference difference, const char *name);

struct store;
struct follower; /* of readings: what it has seen */

struct store_ops {
    const char *scheme; /* of the URL: "sqlite"; the first of stores[] also takes a bare path */
    const char *alias;  /* another word for it, or NULL */
    bool is_server;     /* reached over sockets; it has a clock of its own, and no files here */

    /* Opens (and migrates). A schema newer than this program is a failure. STORE_AWAY: it cannot be reached
     * now, and may be later. */
    int (*open)(struct store **store, const char *location, enum store_open_mode mode,
                struct failure *failure);
    void (*close)(struct store *store);

    /*
     * Loads what opening that location will need, and opens nothing: for a process that is about to give up
     * the right to load programs (names' look-up, plug-ins). Blocks, for some seconds at most. NULL: nothing.
     */
    void (*prepare)(const char *location);
    /*
     * Whether what failed last may pass by itself: the connection was lost, no writes are taken now, there is
     * no room. NULL: no.
     */
    bool (*may_pass)(const struct store *store);

    /* What the operator should be told about how this store keeps things, or NULL. The slot may be NULL. */
    const char *(*caution)(struct store *store);

    /* Where the master key lies if --key does not say: writes a path. -1 where there is no such place (a
     * server). */
    int (*key_path)(const char *location, char *path, size_t size, struct failure *failure);

    /*
     * Looks at what is at a location, while a gateway uses it, or when it is damaged or not there; changes
     * nothing. Every line goes to look->visit. 0 if it can be opened, and is of this program's schema.
     */
    int (*look)(const char *location, struct look *look);

    /*
     * Writes a consistent copy, while others write to the store, mode 0600; under its name once it is whole,
     * checked and on the disk. In the copy every context is unproven and K is another (PROTOCOL 9).
     */
    int (*backup)(struct store *store, const struct store_backup *backup, struct failure *failure);
    /*
     * What a store that came back needs (PROTOCOL 9): marks every context unproven, keeps its window, and
     * replaces K. `contexts` receives how many were proven. If its registry had moved elsewhere, it is back.
     */
    int (*restored)(struct store *store, const void *challenge, size_t len, int64_t *contexts,
                    struct failure *failure);
    /*
     * Begins to put the backup `file` in the place of what is at `location`, which nobody may use meanwhile
     * and from then on: opens a checked copy of it, a store like any other (whose `ops` may be set already,
     * and are to be used then), which is to be restored(). Closing it ends all that and changes nothing.
     */
    int (*restore_begin)(struct store **copy, const char *location, const char *file,
                         const struct store_progress *progress, struct failure *failure);
    /*
     * Compares it with what it replaces, whose gateway ids it takes over, and what its older wires must not
     * forget: 1, or 0 if there is nothing.
     */
    int (*restore_compare)(struct store *copy, restore_visitor *visit, void *context,
                           struct failure *failure);
    /*
     * Does it, so that whenever this is killed the one or the other is there, whole. `kept` receives the path
     * of what was replaced, "" if nothing is kept: there was nothing, or `discard` says so and it was not
     * damaged. Afterwards, -1 or not, the copy can only be closed.
     */
    int (*restore_finish)(struct store *copy, bool discard, char *kept, size_t size, struct failure *failure);

    /* How everything moves from one store to another. NULL: it does not. */
    const struct transfer_ops *transfer;

    /* Registry's own values (sealed K, R, the key's check). get: 1 found, 0 none; *len is room, then size. */
    int (*meta_get)(struct store *store, const char *name, void *value, size_t *len, struct failure *failure);
    /* Sets a value that is not there yet: 1 set, 0 there was one (it is kept). */
    int (*meta_put)(struct store *store, const char *name, const void *value, size_t len,
                    struct failure *failure);

    /* 1 found, 0 none. */
    int (*device_by_kid)(struct store *store, const uint8_t *kid, size_t kid_len, struct device_row *row,
                         struct failure *failure);
    /* Whether a kid cannot be given to a new device: 1 a device has it, or had it (tombstone); 0 it is free.
     */
    int (*kid_is_taken)(struct store *store, const uint8_t *kid, size_t kid_len, struct failure *failure);
    int (*device_by_name)(struct store *store, const char *name, struct device_row *row,
                          struct failure *failure);
    /*
     * Enters devices with their labels, and of each counter its context row, in one transaction: all or none.
     * 1 entered; 0 none, and `*at` is the index of an entry that clashes, `*clash` says how; -1 with failure.
     */
    int (*devices_add)(struct store *store, struct device_entry *entries, size_t count, size_t *at,
                       enum device_clash *clash, struct failure *failure);
    /* By name. `filter` NULL: all. The visitor may use the store. */
    int (*device_each)(struct store *store, const struct device_filter *filter, device_visitor *visit,
                       void *context, struct failure *failure);
    int (*device_count)(struct store *store, int64_t *count, struct failure *failure);
    int (*device_revoke)(struct store *store, int64_t device, struct failure *failure);
    /*
     * Removes device and contexts, raises the floor to their T, leaves the kid's tombstone, and that of an
     * older wire (enum wire_closed). With a group go its nodes, but for those that have a native credential.
     * Its readings stay.
     */
    int (*device_remove)(struct store *store, int64_t device, struct failure *failure);
    /* Marks that a counter credential was exported for firmware. 1 marked now; 0 it was before, by whomever.
     */
    int (*device_exported)(struct store *store, int64_t device, struct failure *failure);
    /*
     * Sets labels, and takes away those whose value is NULL, in one transaction. 1 done, 0 it was so before;
     * -1 with failure, also when there are more than LABELS_MAX then. Not for the gateway: leaves the
     * generation alone.
     */
    int (*device_label)(struct store *store, int64_t device, const struct label *labels, size_t count,
                        struct failure *failure);
    /* A device's labels by key. The pointers last until the visitor returns, which may not use the store. */
    int (*labels_each)(struct store *store, int64_t device, label_visitor *visit, void *context,
                       struct failure *failure);
    /*
     * Gives a device that has no native credential one: kid, alg, kind and secret of `row`, row->id says
     * which; `proven` as in struct device_entry. Its older wire stays open until a message of it is stored
     * natively (commit() closes it), or closes now. row->kid_len 0: it has one, and only that is done. 1
     * done, 0 the kid is taken; -1 with failure, also where it is a group or has a credential.
     */
    int (*device_upgrade)(struct store *store, const struct device_row *row, bool proven, bool at_once,
                          struct failure *failure);
    /*
     * Proves a counter context by hand (PROTOCOL 9), and raises its lower limit to `lower`. 1 done, 0 it was
     * so already.
     */
    int (*device_trust)(struct store *store, int64_t device, uint64_t lower, struct failure *failure);

    /* A number that changes whenever anything in the registry is changed by an operator. Cheap: asked several
     * times a second. */
    int (*generation)(struct store *store, int64_t *generation, struct failure *failure);

    /*
     * Raises the highest T that challenges are made of, kept over restarts, to `t`, and reads it: it never
     * falls, so that a clock set back brings no T back.
     */
    int (*issued_t)(struct store *store, uint64_t t, uint64_t *kept, struct failure *failure);

    /* Writes something small, durably: whether batches would go through. Does not wait for other writers. */
    int (*probe)(struct store *store, struct failure *failure);

    /*
     * Finds a context that is open at `clock->now` (id_context NULL: the counter's). 1 found, 0 none. Fills
     * in the clock in any case, in the same read.
     */
    int (*context_find)(struct store *store, int64_t device, const uint8_t *id_context,
                        struct context_row *row, struct store_clock *clock, struct failure *failure);
    /* The device's newest proven session. 1 found, 0 none. */
    int (*context_newest)(struct store *store, int64_t device, struct context_row *row,
                          struct store_clock *clock, struct failure *failure);
    int (*context_each)(struct store *store, int64_t device, context_visitor *visit, void *context,
                        struct failure *failure);
    /* Deletes the rows of sessions whose time to close has come, and raises the floor to their T. Returns how
     * many. */
    int (*contexts_close)(struct store *store, int64_t now, struct failure *failure);

    /* Enters a gateway's id (PROTOCOL 2). 1 entered, 0 taken: draw again. */
    int (*gateway_id_add)(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                          struct failure *failure);

    /*
     * Stores a batch in one transaction and makes it durable (PROTOCOL 4.7). In it, for each context: the row
     * must still be `before` and the device neither revoked nor removed; a context that gets proven must have
     * a T above the floor and not two below the one that issued_t() keeps; its row keeps the higher of the
     * two; and it supersedes the device's other sessions, which then close at now + SESSION_CLOSES_AFTER. The
     * first message of a context closes the device's older wire, if it has one. What commit->way sends out
     * goes into the outbox in the same transaction: the messages whose verdict is COMMIT_DONE, in parcels
     * (parcels_of_commit()), under a lock that is taken last and held until the end. 0 done (see the
     * verdicts), -1 nothing was stored.
     */
    int (*commit)(struct store *store, struct commit *commit, int64_t now, struct failure *failure);

    /* Appends events and lets the oldest go past the bound (PROTOCOL 4: 50,000 authentic, 50,000 others). */
    int (*events_add)(struct store *store, const struct event_row *events, size_t count,
                      struct failure *failure);

    int (*readings_each)(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                         void *context, struct failure *failure);
    int (*events_each)(struct store *store, const struct event_filter *filter, event_visitor *visit,
                       void *context, struct failure *failure);

    /*
     * Follows new readings of a selection (device, name): first visits the newest filter->limit that are
     * there (-1: all; since and until are not used), as readings_each() does; what is stored
     * afterwards is visited by follow_next(). 0, and *follower is the caller's to close; or -1.
     */
    int (*follow_open)(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                       void *context, struct follower **follower, struct failure *failure);
    /*
     * Visits, each once, the readings stored since the last call, in order of reception; where they are many,
     * some of them: call again. Returns how many were visited, 0 when nothing is new (cheap), or -1. To be
     * called every few seconds or more often. A reading is missed only where more than FOLLOW_SLACK seconds
     * went by between its reception and its commit, or where the clock is set back by more.
     */
    int (*follow_next)(struct store *store, struct follower *follower, reading_visitor *visit, void *context,
                       struct failure *failure);
    void (*follow_close)(struct follower *follower);

    /* ---- older wires: low volume, so each slot does one thing; core/older_judge.c puts them together ----
     */

    /*
     * Begins a transaction: what the slots below read stays true until wires_end(), and nothing of the store
     * but these slots is called in between. It waits for other writers as commit() does.
     */
    int (*wires_begin)(struct store *store, struct failure *failure);
    /*
     * Ends it: durably, if `result` is not negative; otherwise, or if that fails, nothing was changed, and -1
     * (for a negative `result` the failure is the caller's).
     */
    int (*wires_end)(struct store *store, int result, struct failure *failure);
    /*
     * The rows of a route, but for those of groups' nodes: open ones first, those with a node before others,
     * and those that an upgrade has closed. `route` NULL: the open ones of that wire that have
     * WIRE_ALLOW_UNSEQUENCED. Fills in at most `room`, returns how many.
     */
    int (*wire_find)(struct store *store, const char *wire, const char *route, struct wire_row *rows,
                     size_t room, struct failure *failure);
    /* The row of a group's node, open or closed by an upgrade: 1 found, 0 none. */
    int (*wire_node)(struct store *store, int64_t group, const char *node, struct wire_row *row,
                     struct failure *failure);
    /*
     * Enters a node of the group, which has no row, as a device of its own, with that name. Raises the
     * generation. 1 entered, and `row` is filled in; 0 the group has WIRE_NODES_MAX open ones, or the name is
     * taken.
     */
    int (*wire_node_add)(struct store *store, const struct wire_row *group, const char *node,
                         const char *name, int64_t now, struct wire_row *row, struct failure *failure);
    /* Whether a ciphertext was accepted from the device of this row before: 1 or 0. */
    int (*wire_remembers)(struct store *store, int64_t row, const uint8_t hash[WIRE_HASH_SIZE],
                          struct failure *failure);
    /* Carries a change out. What goes to the outbox is gathered, and written by wires_end(). */
    int (*wire_change)(struct store *store, const struct wire_change *change, struct failure *failure);

    /*
     * The session ids of a topic: unspent ones, newest first, then the last WIRE_SESSIONS_SPENT spent ones,
     * the one that was spent last first. Fills in at most WIRE_SESSIONS_MAX, returns how many.
     */
    int (*session_list)(struct store *store, const char *topic, struct session_row rows[WIRE_SESSIONS_MAX],
                        struct failure *failure);
    /*
     * Enters a new current id, retires the one that was, and lets those go that are too many: of the unspent
     * ones beyond WIRE_SESSIONS_VALID the oldest, of the spent ones those that were spent before the last
     * WIRE_SESSIONS_SPENT. Those that were retired at a time that has not come, by more than
     * WIRE_CLOCK_SLACK, go too: the clock was set back, and when it gets there again they are not to be valid
     * once more. 1 entered, 0 there is such an id already: draw again.
     */
    int (*session_issue)(struct store *store, const char *topic, const char id[WIRE_SESSION_ID], int64_t now,
                         struct failure *failure);
    /* Spends an id that is not spent; `hash` of the message that did (NULL: it is void). 1 done, 0 it was. */
    int (*session_spend)(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                         const uint8_t *hash, struct failure *failure);

    /* A number that changes whenever wires or session ids do. Cheap. */
    int (*wires_version)(struct store *store, int64_t *version, struct failure *failure);
    /* Visits the open rows that are no group's nodes, in the order of their ids. `keys` are not filled in.
     * The visitor may not use the store. */
    int (*wires_each)(struct store *store, wire_visitor *visit, void *context, struct failure *failure);
    /* The wire of a device, open or upgraded: 1 found, 0 it has none. `nodes` (or NULL) receives how many
     * open nodes it has, of a group. */
    int (*wire_of)(struct store *store, int64_t device, struct wire_row *row, int64_t *nodes,
                   struct failure *failure);

    /*
     * Deletes at most `most` of the oldest readings whose time is before `before` (microseconds since 1970),
     * or, when there are none left, at most that many series without readings, in one transaction. Does not
     * wait for other writers. Returns how many rows went; fewer than `most`: it is through for now.
     */
    int (*readings_expire)(struct store *store, int64_t before, size_t most, struct failure *failure);

    /* ---- the outbox. The slots below may be NULL: then the store cannot have sinks ---- */

    /*
     * Enters a sink, whose cursor is at the end of the outbox: it gets what is stored from now on. 1 entered,
     * 0 it is there already; -1 with failure, also where there are SINKS_MAX.
     */
    int (*sink_add)(struct store *store, const char *name, int64_t now, struct failure *failure);
    /* By name, in one read. The visitor may not use the store. Cheap: asked several times a second. */
    int (*sinks_each)(struct store *store, sink_visitor *visit, void *context, struct failure *failure);
    /* Takes a sink out. 1 done, 0 there is none of that name. Its rows go with outbox_trim(). */
    int (*sink_forget)(struct store *store, const char *name, struct failure *failure);
    /*
     * Updates sinks, in one transaction: of each the holder must be `holder`, or nobody, or somebody whose
     * lease is over (by the store's clock; `now` is for stores without one; see sink_is_held()). Need not be
     * durable when it returns, only in order: what a lost update had confirmed is written again. 0, or -1:
     * nothing was changed.
     */
    int (*sinks_update)(struct store *store, const char *holder, struct sink_update *updates, size_t count,
                        int64_t now, struct failure *failure);
    /*
     * Visits rows behind row `after`, in their order, until the parcels of those visited take `bytes` or more
     * (so the first one at least), or there are no more. The visitor may not use the store. Returns how many,
     * or -1. Changes nothing, and does not wait for writers.
     */
    int (*outbox_read)(struct store *store, int64_t after, size_t bytes, outbox_visitor *visit, void *context,
                       struct failure *failure);
    /*
     * Deletes at most `most` of the oldest rows that every sink's cursor has passed, or any where there is no
     * sink. Returns how many went; fewer than `most`: it is through for now. Does not wait for other writers.
     */
    int (*outbox_trim)(struct store *store, size_t most, struct failure *failure);
};

/* First member of every store's own struct. */
struct store {
    const struct store_ops *ops;
    /* Unix seconds; NULL: the store's own clock counts. Tests put another here. */
    int64_t (*now)(void *now_context);
    void *now_context;
};

#define FOLLOW_SLACK 10
#define STORE_AWAY   (-2)

extern const struct store_ops *const stores[]; /* NULL at the end */

/* For stores: fails because there are SINKS_MAX already. */
int sinks_fail_full(struct failure *failure);

/* Whether a label is one: 0, or -1 with what is wrong with it. `value` NULL is not looked at. */
MUST_CHECK int label_check(const struct label *label, struct failure *failure);

/*
 * Opens the store that a URL (or a bare path: SQLite) names. The caller closes it with store->ops->close().
 */
MUST_CHECK int store_open(struct store **store, const char *url, enum store_open_mode mode,
                          struct failure *failure);

/* As ops->prepare(), for the store that a URL names, if it names one. */
void store_prepare(const char *url);

/*
 * Enters one device (row->id is set) and, for a counter, its context row, proven or not. 1 entered; 0 the kid
 * is taken, or was once (tombstone); -1 with failure, also when the name is taken.
 */
MUST_CHECK int store_device_add(struct store *store, struct device_row *row, bool proven,
                                struct failure *failure);

/* Writes the URL as it may be shown: with *** for a password in it. */
void store_url_shown(const char *url, char *out, size_t size);

/* Whether a URL names a store that is reached over sockets. */
bool store_is_server(const char *url);

/* Looks at the store that a URL names: ops->look(). A URL that names none is a line too. */
MUST_CHECK int store_look(const char *url, struct look *look);

/* As ops->restore_begin(), for the store that a URL names. */
MUST_CHECK int store_restore(struct store **copy, const char *url, const char *file,
                             const struct store_progress *progress, struct failure *failure);

/* Where the master key of that store lies by default. */
MUST_CHECK int store_key_path(const char *url, char *path, size_t size, struct failure *failure);

#endif
