#include "cli/sink_options.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/sink/sink.h"

int option_sink(const struct option *option, const char *text, void *field, struct failure *failure)
{
    struct sink *sink;

    if (text[0] == '@' && text[1] == '\0')
        return fail(failure, "behind @ stands no file; give @FILE");
    if (text[0] != '@') {
        if (sink_open(&sink, text, failure) < 0)
            return -1;
        sink->ops->close(sink);
    }
    return option_strings(option, text, field, failure);
}

struct unit {
    char letter;
    int64_t worth;
};

/* A whole number and the letter of a unit, from `least` to `most` of what it counts in: -1 it is not. */
static int read_units(const char *text, const struct unit *units, int64_t least, int64_t most, int64_t *value)
{
    size_t digits = strspn(text, "0123456789");
    int64_t number;

    if (digits == 0 || digits > 15)
        return -1;
    number = strtoll(text, NULL, 10);
    for (; units->worth != 0; units++) {
        bool fits = units->letter == text[digits] && (units->letter == '\0' || text[digits + 1] == '\0');
        if (!fits || number > most / units->worth || number * units->worth < least)
            continue;
        *value = number * units->worth;
        return 0;
    }
    return -1;
}

int option_size(const struct option *option, const char *text, void *field, struct failure *failure)
{
    static const struct unit units[] = {{'\0', 1},
                                        {'K', INT64_C(1) << 10},
                                        {'M', INT64_C(1) << 20},
                                        {'G', INT64_C(1) << 30},
                                        {'T', INT64_C(1) << 40},
                                        {0}};

    if (read_units(text, units, option->least, option->most, field) == 0)
        return 0;
    return fail(failure, "'%.40s' is no size; give bytes, from %lld on, or such as 100M, 2G", text,
                (long long)option->least);
}

int option_age(const struct option *option, const char *text, void *field, struct failure *failure)
{
    static const struct unit units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {0}};

    if (strcmp(text, "forever") == 0) {
        *(int64_t *)field = 0;
        return 0;
    }
    if (read_units(text, units, option->least, option->most, field) == 0)
        return 0;
    return fail(failure, "'%.40s' is neither 'forever' nor an age such as 90s, 15m, 12h, 30d", text);
}
