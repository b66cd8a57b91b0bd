/* From the arguments of `bulla send` to a message's content. */
#include "cli/send.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/send_value.h"
#include "cli/text.h"

#define SECOND        1000000
#define EARLIEST_TIME ((int64_t)1 << 28) /* seconds: RFC 8428 4.5.3, smaller ones are relative */

static void add(struct bulla_message *message, const struct send_value *value)
{
    switch (value->type) {
    case SEND_INTEGER:
        bulla_add_integer(message, value->name, value->unit, value->integer);
        break;
    case SEND_FLOAT:
        bulla_add_float(message, value->name, value->unit, (float)value->real);
        break;
    case SEND_DOUBLE:
        bulla_add_double(message, value->name, value->unit, value->real);
        break;
    case SEND_BOOLEAN:
        bulla_add_boolean(message, value->name, (int)value->integer);
        break;
    case SEND_TEXT:
        bulla_add_text(message, value->name, value->text);
        break;
    }
}

static int build_senml(struct bulla_message *message, const struct send_options *options, int argc,
                       char **argv, struct failure *failure)
{
    struct send_value value;

    for (int i = 0; i < argc; i++) {
        if (send_value_parse(&value, argv[i], failure) < 0)
            return COMMAND_USAGE;
        add(message, &value);
        if (options->time.given)
            bulla_set_time(message, options->time.micros / SECOND);
        if (options->age > 0)
            bulla_set_age(message, (uint32_t)options->age);
    }
    return 0;
}

static void print_json(FILE *out, const struct send_value *value)
{
    char number[TEXT_DOUBLE_SIZE];

    text_json(out, value->name, strlen(value->name));
    putc(':', out);
    if (value->type == SEND_INTEGER)
        fprintf(out, "%lld", (long long)value->integer);
    else if (value->type == SEND_BOOLEAN)
        fputs(value->integer ? "true" : "false", out);
    else if (value->type == SEND_TEXT)
        text_json(out, value->text, strlen(value->text));
    else
        fwrite(number, 1, text_double(number, value->real), out);
}

static int print_object(FILE *out, int argc, char **argv, struct failure *failure)
{
    struct send_value value;

    for (int i = 0; i < argc; i++) {
        if (send_value_parse(&value, argv[i], failure) < 0)
            return COMMAND_USAGE;
        if (value.unit)
            return usage(failure, "%s: flat JSON has no units; send SenML, the default, or leave ':%s' out",
                         value.name, value.unit);
        for (int before = 0; before < i; before++) { /* cut at '=' by now, so each begins with its name */
            if (strcmp(argv[before], value.name) == 0)
                return usage(failure, "%s: flat JSON takes a name once", value.name);
        }
        putc(i == 0 ? '{' : ',', out);
        print_json(out, &value);
    }
    putc('}', out);
    return 0;
}

static int build_json(struct bulla_message *message, int argc, char **argv, struct failure *failure)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    int result;

    if (!out)
        return fail(failure, "memory is out");
    result = print_object(out, argc, argv, failure);
    if (fclose(out) != 0 && result == 0)
        result = fail(failure, "memory is out");
    if (result == 0)
        bulla_add_bytes(message, text, len);
    free(text);
    return result;
}

/* Plain text is named "value" at the gateway. */
static int build_plain(struct bulla_message *message, int argc, char **argv, struct failure *failure)
{
    static const char prefix[] = "value=";
    const char *text = argv[0];

    if (argc != 1)
        return usage(failure, "plain text holds one value; %d are given", argc);
    if (strncmp(text, prefix, strlen(prefix)) == 0)
        text += strlen(prefix);
    else if (strchr(text, '='))
        return usage(failure, "%.60s: plain text has no name; give the value alone", text);
    bulla_add_bytes(message, text, strlen(text));
    return 0;
}

static int check_time(const struct send_options *options, struct failure *failure)
{
    if (!options->time.given && options->age == 0)
        return 0;
    if (options->time.given && options->age > 0)
        return usage(failure, "--time and --age say the same; give one");
    if (options->format != SEND_SENML)
        return usage(failure, "only SenML carries a time; leave --format out");
    if (options->time.given && options->time.micros / SECOND < EARLIEST_TIME)
        return usage(failure, "--time: SenML has no times before July 1978");
    return 0;
}

int send_build(struct bulla_message *message, uint8_t *buffer, size_t size,
               const struct send_options *options, int argc, char **argv, struct failure *failure)
{
    int result = check_time(options, failure);

    if (result < 0)
        return result;
    switch ((enum send_format)options->format) {
    case SEND_JSON:
        bulla_begin_content(message, BULLA_FORMAT_JSON, buffer, size);
        return build_json(message, argc, argv, failure);
    case SEND_PLAIN:
        bulla_begin_content(message, BULLA_FORMAT_TEXT, buffer, size);
        return build_plain(message, argc, argv, failure);
    case SEND_SENML:
        break;
    }
    bulla_begin(message, buffer, size);
    return build_senml(message, options, argc, argv, failure);
}
