/*
 * bulla simulate, in parts: the command and its options (simulate.c), the fleet's credentials and what the
 * database holds of it (simulate_fleet.c), messages over HTTP (simulate_http.c) and through a broker
 * (simulate_mqtt.c), what is told to the person (simulate_report.c). What happens in the simulated world is
 * in sim/.
 */
#ifndef SIMULATE_H
#define SIMULATE_H

#include <stdio.h>

#include "cli/database.h"
#include "sim/world.h"

#define SIMULATE_PREFIX_MAX 40 /* bytes: what follows fits into a device's name */
#define SIMULATE_RUN_SIZE   24 /* bytes of the name of a run's readings, with the terminating zero */

/* A number that may have been left out. */
struct simulate_number {
    double value;
    bool given;
};

struct simulate_options {
    struct database_options database;
    const char *to;
    int64_t devices;
    struct simulate_number rate;
    struct simulate_number duration;
    struct simulate_number counters;
    struct simulate_number seed;
    const char *prefix; /* NULL: sim-SEED */
    const char *credentials;
    bool keep;
    int64_t connections;
    int64_t patience;
    unsigned faults; /* enum simulate_faults */
    struct simulate_number loss;
    struct simulate_number duplicate;
    struct simulate_number reorder;
    struct simulate_number delay;
    struct simulate_number reboot;
    struct simulate_number sleep;
    struct simulate_number brown_out;
    struct simulate_number lost_store;
    struct simulate_number attack;
    unsigned format; /* enum simulate_format */
};

enum simulate_faults { FAULTS_SOME, FAULTS_NONE };
enum simulate_format { SIMULATE_TABLE, SIMULATE_JSON };

/* ---- the fleet ---- */

#define FLEET_BATCH 512 /* devices that are entered at a time */

/* Who the devices are. Entered in the registry for this run, or given, and then only sessions. */
struct fleet {
    const struct simulate_options *options;
    struct store *store; /* NULL: no database is looked at */
    struct vault vault;
    char prefix[SIMULATE_PREFIX_MAX + 1];
    char run[SIMULATE_RUN_SIZE];  /* name of this run's readings, drawn anew each time */
    struct device_entry *entries; /* FLEET_BATCH */
    int64_t *ids;                 /* of all that were entered */
    size_t id_count;
    size_t id_room;
    uint32_t renewals;
    FILE *credentials;
};

/* Opens database or file. Returns 0, or -1 with the failure; fleet_close() serves after both. */
MUST_CHECK int fleet_open(struct fleet *fleet, const struct simulate_options *options, uint64_t seed,
                          struct failure *failure);
void fleet_close(struct fleet *fleet);

/*
 * The next devices' credentials, at most FLEET_BATCH: entered in the registry in one transaction, under fresh
 * secrets of the system's random source, or read. Returns how many (fewer: there are no more lines), or -1
 * with the failure. Wipe them after use.
 */
MUST_CHECK int fleet_take(struct fleet *fleet, uint32_t first, size_t count, struct draw *draw,
                          struct bulla_credential *credentials, struct failure *failure);
/* A new credential for a board that lost its counter. */
MUST_CHECK int fleet_renew(struct fleet *fleet, uint32_t device, struct bulla_credential *credential);

/* Enters what the database holds of this run in the books. */
MUST_CHECK int fleet_find(struct fleet *fleet, struct ledger *ledger, struct failure *failure);

/* Takes entered devices out of the registry, as many as said at most; their readings stay. */
MUST_CHECK int fleet_remove(struct fleet *fleet, size_t most, struct failure *failure);

/* ---- messages ---- */

struct carrier_ops;

/* First member of every carrier's own struct: a way to the gateway, on several connections. */
struct carrier {
    struct sim_carrier carrier; /* first */
    const struct carrier_ops *ops;
    struct world *world;
    uint64_t answers; /* that came, whatever they said */
};

struct carrier_ops {
    bool (*takes)(const char *to);
    /* Also asks whether anybody is there. Returns 0, or -1 with the failure and nothing open. */
    int (*open)(struct carrier **carrier, const char *to, size_t connections, struct failure *failure);
    /* What is on the way is answered with silence. */
    void (*close)(struct carrier *carrier);
    /* Sends and receives for at most so many milliseconds, until something came. */
    int (*run)(struct carrier *carrier, int milliseconds, struct failure *failure);
    unsigned tells;    /* a bit for each answer that it can give (sim/counts.h) */
    size_t most;       /* devices that a connection serves at most; 0: any number */
    bool answers_each; /* every message has an answer of its own, with a status (sim/world.h) */
};

extern const struct carrier_ops carrier_http;
extern const struct carrier_ops carrier_mqtt;

/* ---- telling ---- */

#define REPORT_PROBLEMS 8

/* How a run went. */
struct report {
    const struct simulate_options *options;
    const struct world *world;
    uint64_t seed;
    size_t devices;
    double seconds;
    unsigned tells;   /* answers that the way to the gateway can give, a bit each */
    bool searched;    /* the database was looked at */
    bool interrupted; /* the person did not want to wait for what is on the way */
    struct ledger_balance balance;
    size_t problem_count;
    char problems[REPORT_PROBLEMS][200]; /* what does not add up */
};

/* One line on standard error: rewritten on a terminal, now and then elsewhere. */
struct progress {
    bool terminal;
    double last; /* seconds; when it was written */
    uint64_t told;
    bool written;
};

void progress_begin(struct progress *progress);
void progress_step(struct progress *progress, const struct world *world, double seconds);
void progress_count(struct progress *progress, const char *what, size_t done, size_t of, double seconds);
void progress_end(struct progress *progress);

/* Compares the books, and fills in what does not add up. */
void report_judge(struct report *report);
MUST_CHECK int report_print(const struct report *report, struct failure *failure);

#endif
