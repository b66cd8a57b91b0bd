#include "vector_file.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAFE_DIGITS 18 /* an integer of so many fits in jansson's */

static char *read_all(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *text;
    long size;

    if (file == NULL)
        return NULL;
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    text = malloc((size_t)size + 1);
    assert_non_null(text);
    *len = fread(text, 1, (size_t)size, file);
    text[*len] = '\0';
    fclose(file);
    return text;
}

/* A copy in which integers of more than 18 digits stand between quotes. */
static char *quote_big_integers(const char *text, size_t len)
{
    char *out = malloc(len * 2 + 1);
    size_t used = 0;
    int in_string = 0;

    assert_non_null(out);
    for (size_t i = 0; i < len;) {
        size_t digits = strspn(text + i, "0123456789");
        if (!in_string && digits > SAFE_DIGITS) {
            used += (size_t)sprintf(out + used, "\"%.*s\"", (int)digits, text + i);
            i += digits;
            continue;
        }
        if (text[i] == '"')
            in_string = !in_string;
        if (text[i] == '\\' && in_string)
            out[used++] = text[i++];
        out[used++] = text[i++];
    }
    out[used] = '\0';
    return out;
}

json_t *vector_file_load(const char *directory, const char *name)
{
    char path[1024];
    char *text;
    char *quoted;
    size_t len;
    json_error_t error;
    json_t *root;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    text = read_all(path, &len);
    if (text == NULL)
        return NULL;
    quoted = quote_big_integers(text, len);
    root = json_loads(quoted, JSON_ALLOW_NUL, &error);
    if (root == NULL)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    free(quoted);
    free(text);
    return root;
}

json_t *vector_member(json_t *object, const char *key)
{
    json_t *member = json_object_get(object, key);

    if (member == NULL)
        fail_msg("a vector has no \"%s\"", key);
    return member;
}

const char *vector_text(json_t *object, const char *key)
{
    json_t *member = vector_member(object, key);

    if (!json_is_string(member))
        fail_msg("\"%s\" is not text", key);
    return json_string_value(member);
}

uint64_t vector_u64(json_t *object, const char *key)
{
    json_t *member = vector_member(object, key);

    if (json_is_string(member))
        return strtoull(json_string_value(member), NULL, 10);
    if (!json_is_integer(member))
        fail_msg("\"%s\" is not an integer", key);
    return (uint64_t)json_integer_value(member);
}

size_t vector_bytes(json_t *object, const char *key, uint8_t *out, size_t size)
{
    return from_hex(out, size, vector_text(object, key));
}

int vector_has(json_t *object, const char *key)
{
    json_t *member = json_object_get(object, key);

    return member != NULL && !json_is_null(member);
}
