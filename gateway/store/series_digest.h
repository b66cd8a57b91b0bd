/*
 * What tells a device's series apart, in a size that an index takes: names may be longer. It stands in
 * databases: it is never made in another way.
 */
#ifndef SERIES_DIGEST_H
#define SERIES_DIGEST_H

#include "gateway/failure.h"
#include "gateway/store/series_cache.h"

#define SERIES_DIGEST 32 /* bytes: SHA-256 */

/* `type` is the word for key->type, which is not looked at. False where there is no SHA-256. */
MUST_CHECK bool series_digest(const struct series_key *key, const char *type, size_t type_len,
                              uint8_t digest[SERIES_DIGEST]);

#endif
