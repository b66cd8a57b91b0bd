/* The outbox and the sinks. */
#include "store_memory.h"

#include <stdlib.h>
#include <string.h>

void memory_send_out(struct store *store)
{
    struct memory *memory = (struct memory *)store;
    struct memory_place *place = memory->place;

    for (size_t i = 0; i < memory->parcels.count; i++) {
        const struct parcel *parcel = &memory->parcels.items[i];
        place->end.n++;
        place->end.points += parcel->points;
        place->end.bytes += (int64_t)parcel->len;
        const struct outbox_row row = {
            .place = place->end,
            .received = parcel->received,
            .points = parcel->points,
            .parcel = memory_copy(memory->parcels.bytes + parcel->at, parcel->len),
            .len = parcel->len,
        };
        memory_put(&place->outbox, &row, sizeof(row));
    }
    parcels_begin(&memory->parcels);
}

void memory_free_outbox(struct memory_place *place)
{
    EACH (struct outbox_row, row, &place->outbox)
        free((void *)row->parcel);
    free(place->outbox.at);
    free(place->sinks.at);
}

static struct sink_row *sink_of(struct memory_place *place, const char *name)
{
    EACH (struct sink_row, sink, &place->sinks)
        if (strcmp(sink->name, name) == 0)
            return sink;
    return NULL;
}

int memory_sink_add(struct store *store, const char *name, int64_t now, struct failure *failure)
{
    struct memory_place *place = place_of(store);
    struct sink_row row = {.cursor = place->end, .added = now};

    if (sink_of(place, name) != NULL)
        return 0;
    if (place->sinks.count == SINKS_MAX)
        return sinks_fail_full(failure);
    strcpy(row.name, name);
    memory_put(&place->sinks, &row, sizeof(row));
    return 1;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct sink_row *)a)->name, ((const struct sink_row *)b)->name);
}

int memory_sinks_each(struct store *store, sink_visitor *visit, void *context, struct failure *failure)
{
    struct memory_place *place = place_of(store);

    (void)failure;
    if (place->sinks.count > 0)
        qsort(place->sinks.at, place->sinks.count, sizeof(struct sink_row), compare_names);
    EACH (struct sink_row, sink, &place->sinks) {
        struct sink_row row = *sink;
        row.end = place->end;
        EACH (struct outbox_row, parcel, &place->outbox)
            if (parcel->place.n > row.cursor.n && row.oldest == 0)
                row.oldest = parcel->received;
        if (visit(context, &row) != 0)
            break;
    }
    return 0;
}

int memory_sink_forget(struct store *store, const char *name, struct failure *failure)
{
    struct sink_row *sink = sink_of(place_of(store), name);

    (void)failure;
    if (sink == NULL)
        return 0;
    memory_take_out(&place_of(store)->sinks, sink);
    return 1;
}

int memory_sinks_update(struct store *store, const char *holder, struct sink_update *updates, size_t count,
                        int64_t now, struct failure *failure)
{
    (void)failure;
    for (size_t i = 0; i < count; i++) {
        struct sink_update *update = &updates[i];
        struct sink_row *sink = sink_of(place_of(store), update->name);
        update->held = sink != NULL && (strcmp(sink->holder, holder) == 0 || !sink_is_held(sink, now));
        if (!update->held)
            continue;
        if (update->cursor.n > sink->cursor.n) {
            sink->cursor = update->cursor;
            sink->confirmed = now;
        }
        sink->lost += update->lost;
        sink->refused += update->refused;
        strcpy(sink->holder, update->lease > 0 ? holder : "");
        sink->lease = update->lease > 0 ? now + update->lease : 0;
    }
    return 0;
}

int memory_outbox_read(struct store *store, int64_t after, size_t bytes, outbox_visitor *visit, void *context,
                       struct failure *failure)
{
    size_t read = 0;
    int count = 0;

    (void)failure;
    EACH (struct outbox_row, row, &place_of(store)->outbox) {
        if (row->place.n <= after)
            continue;
        if (read >= bytes)
            break;
        read += row->len;
        count++;
        if (visit(context, row) != 0)
            break;
    }
    return count;
}

int memory_outbox_trim(struct store *store, size_t most, struct failure *failure)
{
    struct memory_place *place = place_of(store);
    int64_t passed = INT64_MAX;
    int gone = 0;

    (void)failure;
    EACH (struct sink_row, sink, &place->sinks)
        passed = sink->cursor.n < passed ? sink->cursor.n : passed;
    while (place->outbox.count > 0 && (size_t)gone < most) {
        struct outbox_row *row = (struct outbox_row *)(void *)place->outbox.at;
        if (row->place.n > passed)
            break;
        free((void *)row->parcel);
        memory_take_out(&place->outbox, row);
        gone++;
    }
    return gone;
}
