#include <string.h>

#include "gateway/decode/utf8.h"
#include "gateway/store/store.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool key_is_good(const char *key, size_t len)
{
    if (len == 0 || len > LABEL_KEY_MAX || !is_letter(key[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!is_letter(key[i]) && (key[i] < '0' || key[i] > '9'))
            return false;
    return true;
}

int label_check(const struct label *label, struct failure *failure)
{
    if (!key_is_good(label->key, strlen(label->key)))
        return fail(failure,
                    "'%.70s' cannot be a label's key: it takes letters (a to z, A to Z), digits and _, not a "
                    "digit first, at most %d bytes",
                    label->key, LABEL_KEY_MAX);
    if (label->value == NULL)
        return 0;
    size_t len = strlen(label->value);
    if (len > LABEL_VALUE_MAX)
        return fail(failure, "the value of label %s has %zu bytes; at most %d", label->key, len,
                    LABEL_VALUE_MAX);
    if (!utf8_is_plain(label->value, len))
        return fail(failure, "the value of label %s is not UTF-8 without control characters", label->key);
    return 0;
}
