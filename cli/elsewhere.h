/*
 * Readings that are not here: they go to sinks.
 */
#ifndef ELSEWHERE_H
#define ELSEWHERE_H

#include "gateway/store/store.h"

/* Says on standard error to which sinks readings go, where a selection has none in this database. */
void elsewhere_tell(struct store *store, const struct reading_filter *filter);

#endif
