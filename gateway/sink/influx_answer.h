/*
 * What InfluxDB's answer to a write means. Pure: a status and the beginning of a body in, what to do out.
 */
#ifndef SINK_INFLUX_ANSWER_H
#define SINK_INFLUX_ANSWER_H

#include "gateway/sink/influx_url.h"

/*
 * Returns an enum sink_result; other than SINK_WRITTEN, the failure says what the server said and what to do.
 * Refused is only what the server says it can never take: a status that is not understood is SINK_AWAY, which
 * loses nothing. `credential` is what was sent to be let in, or "": neither it nor the URL's password is
 * quoted, should the server say it.
 */
MUST_CHECK int influx_judge(const struct influx_url *url, const char *credential, long status,
                            const char *body, size_t len, struct failure *failure);

#endif
