/*
 * The media types in which a sealed message may come (PROTOCOL 8), over whatever carries it.
 */
#ifndef SOURCE_CONTENT_TYPE_H
#define SOURCE_CONTENT_TYPE_H

#include <stdbool.h>
#include <stddef.h>

/* application/cose, application/octet-stream or none (NULL); parameters do not matter. */
bool content_type_is_ours(const char *type, size_t len);

#endif
