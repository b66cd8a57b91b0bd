/*
 * JSON files of vectors. Integers beyond what jansson holds (2^63 and more) are read as text.
 */
#ifndef BULLA_TEST_VECTOR_FILE_H
#define BULLA_TEST_VECTOR_FILE_H

#include <jansson.h>

#include "support.h"

/* Loads DIRECTORY/NAME; NULL if there is no such file, a failed test if it is no JSON. */
json_t *vector_file_load(const char *directory, const char *name);

/* A member that must be there. */
json_t *vector_member(json_t *object, const char *key);
const char *vector_text(json_t *object, const char *key);
uint64_t vector_u64(json_t *object, const char *key);

/* A member of bytes in hexadecimal. Returns how many. */
size_t vector_bytes(json_t *object, const char *key, uint8_t *out, size_t size);

/* 1 if the member is there and not null. */
int vector_has(json_t *object, const char *key);

#endif
