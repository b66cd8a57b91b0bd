/*
 * The provider that a test is linked with: its kept state, where it has one.
 */
#ifndef BULLA_TEST_PROVIDER_H
#define BULLA_TEST_PROVIDER_H

#include "device/bulla.h"

extern const char provider_name[];

/* Kept state, or NULL where the provider has none. The same one at every call. */
struct bulla_crypto *provider_state(void);

/* 1 if it has this algorithm. What it has not is skipped, and the test's output says so once. */
int provider_offers(int alg);

/* What bulla_hkdf_sha256() returns for a salt and an output of those sizes: 0, or BULLA_E_ARGUMENT where the
 * provider has none so long. The test's output then says so once. */
int provider_hkdf(size_t salt_len, size_t out_len);

#endif
