/*
 * A source takes messages from somewhere and answers them. One file per kind, behind the vtable below, listed
 * in sources[] (source.c): that line is all that the rest of the program knows of it. All of it runs on the
 * event loop.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdio.h>

#include <uv.h>

#include "gateway/core/pipeline.h"
#include "gateway/serve.h"

#define SOURCES_MAX 8 /* open at a time */

struct source_list;

/* What a source is opened with. All of it outlives the source. */
struct source_settings {
    const struct serve_options *options;
    const struct source_list *others; /* that were opened before it */
    uv_loop_t *loop;
    struct pipeline *pipeline;
    struct log *log;
};

struct source;

/* What a source takes messages from, and cannot reach now. */
struct source_away {
    const char *name;
    int64_t since;   /* Unix seconds */
    const char *why; /* words, from outside too */
};

typedef void source_away_teller(void *context, const struct source_away *away);

/* Slots may be NULL where it is said. */
struct source_ops {
    const char *name;
    /* Opens it, if the options ask for it: 1 open, 0 not asked for, -1 with the failure: then what
     * it has put into *source is closed and released as any other. */
    int (*open)(struct source **source, const struct source_settings *settings, struct failure *failure);
    /*
     * What the options asked for can be taken from now on: the registry is open. `identity`: 32 secret bytes
     * that it keeps, for ever the same. NULL: it listens, and tells who comes before that to try again.
     */
    void (*begin)(struct source *source, const uint8_t identity[32]);
    /* Where it listens, HOST:PORT. NULL: nowhere. */
    const char *(*address)(const struct source *source);
    /* Says where it listens, a line for a person. */
    void (*announce)(const struct source *source, FILE *out);
    /* Sends the answers that were given since. */
    void (*flush)(struct source *source);
    /* Takes no new messages; those that wait are still answered. */
    void (*quiesce)(struct source *source);
    /* Its own counters, in Prometheus' text format. */
    void (*metrics)(const struct source *source, FILE *out);
    /* Tells what it cannot reach now. NULL: it waits to be reached. */
    void (*away)(const struct source *source, source_away_teller *tell, void *context);
    /* Closes its handles; every message was answered. The loop runs once more before release(). */
    void (*close)(struct source *source);
    void (*release)(struct source *source);
};

/* First member of every source's own struct. */
struct source {
    const struct source_ops *ops;
};

extern const struct source_ops *const sources[]; /* NULL at the end */

struct source_list {
    struct source *open[SOURCES_MAX];
    size_t count;
};

/* Opens all that the options ask for, or none. */
MUST_CHECK int sources_open(struct source_list *list, const struct source_settings *settings,
                            struct failure *failure);
void sources_begin(struct source_list *list, const uint8_t identity[32]);
/* Where the first that listens does so, or "". */
const char *sources_address(const struct source_list *list);
void sources_announce(const struct source_list *list, FILE *out);
void sources_flush(struct source_list *list);
void sources_quiesce(struct source_list *list);
void sources_metrics(const struct source_list *list, FILE *out);
void sources_away(const struct source_list *list, source_away_teller *tell, void *context);
void sources_close(struct source_list *list);
void sources_release(struct source_list *list);

#endif
