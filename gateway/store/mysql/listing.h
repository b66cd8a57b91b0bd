/* What writing readings, listing and following them share. */
#ifndef MYSQL_LISTING_H
#define MYSQL_LISTING_H

#include "gateway/store/mysql/mysql.h"
#include "gateway/store/series_digest.h"

/* A double's bits, the highest first: kept beside it where the type DOUBLE does not say them. */
void maria_bits_of(double value, uint8_t bytes[8]);

/* And back. */
double maria_real_of(const char *bytes, size_t len);

/* Adds a point's time as the columns `time` and `beyond` have it. */
void maria_put_time(struct mq_parameters *parameters, int64_t time);

/* Adds device and name, $1 and $2 of MQ_IS_SELECTED. */
void maria_selection(struct mq_parameters *parameters, const struct reading_filter *filter);

/* Visits the row of a result that has MQ_POINT_COLUMNS. 1 to go on, 0 enough, -1 a damaged row. */
MUST_CHECK int maria_show(struct mysql *my, const struct mq_result *result, reading_visitor *visit,
                          void *context, struct failure *failure);

/* The row's place in the order of commits. */
int64_t maria_point_number(const struct mq_result *result);

/* As readings_each(), of the points up to that number. */
MUST_CHECK int maria_list(struct mysql *my, const struct reading_filter *filter, int64_t newest,
                          reading_visitor *visit, void *context, struct failure *failure);

#endif
