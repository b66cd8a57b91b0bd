/* What listing readings and following them share. */
#ifndef POSTGRES_LISTING_H
#define POSTGRES_LISTING_H

#include "gateway/store/postgres/postgres.h"

/* What a snapshot sees. */
struct postgres_view {
    const char *snapshot; /* pg_snapshot's text */
    int64_t begun;        /* a column's time: what was received before counts as seen in any case */
};

/* Adds device and name. False where no series can have them, because they are no text. */
bool postgres_selection(struct pg_parameters *parameters, const struct reading_filter *filter);

/* As readings_each(), of what the view sees (NULL: all). */
MUST_CHECK int postgres_list(struct postgres *pg, const struct reading_filter *filter,
                             const struct postgres_view *view, reading_visitor *visit, void *context,
                             struct failure *failure);

#endif
