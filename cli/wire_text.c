#include "cli/wire_text.h"

#include <inttypes.h>
#include <string.h>

#include "cli/text.h"
#include "cli/when.h"

/* ---- what it does not protect against ---- */

/* Calls `say` with each sentence. */
static void each_gap(const struct wire_ops *wire, unsigned flags, void (*say)(void *context, const char *gap),
                     void *context)
{
    for (size_t i = 0; wire->gaps[i] != NULL; i++)
        say(context, wire->gaps[i]);
    if ((flags & WIRE_ALLOW_RESET) != 0 && wire->gap_of_reset != NULL)
        say(context, wire->gap_of_reset);
    if ((flags & WIRE_ALLOW_UNSEQUENCED) != 0 && wire->gap_of_unsequenced != NULL)
        say(context, wire->gap_of_unsequenced);
}

struct lines {
    FILE *out;
    const char *before;
    bool some;
};

static void say_line(void *context, const char *gap)
{
    struct lines *lines = context;

    fprintf(lines->out, "%s%s\n", lines->before, gap);
}

void wire_print_gaps(FILE *out, const struct wire_ops *wire, unsigned flags, const char *before)
{
    struct lines lines = {.out = out, .before = before};

    each_gap(wire, flags, say_line, &lines);
}

/* ---- of one device ---- */

static void print_text(FILE *out, const char *label, const char *text)
{
    fprintf(out, "%-10s ", label);
    text_print(out, text, strlen(text), TEXT_WHOLE);
    fputc('\n', out);
}

static const char *state_of(const struct wire_row *row)
{
    return row->closed == WIRE_OPEN ? "" : ", closed since the device was upgraded";
}

static bool is_group(const struct wire_ops *wire, const struct wire_row *row)
{
    return wire != NULL && wire->has_groups && row->group == 0 && row->node[0] == '\0';
}

static void print_sessions(FILE *out, const struct wire_ops *wire, const struct wire_row *row, int64_t nodes)
{
    print_text(out, "sessions", row->session_topic);
    fprintf(out, "           valid %" PRId64 " s, %" PRId64 " s more once replaced%s\n", row->lifetime,
            row->grace, (row->flags & WIRE_STRICT) != 0 ? "; strict: whatever comes spends one" : "");
    if (is_group(wire, row))
        fprintf(out, "node       any: a group, of %" PRId64 " nodes so far\n", nodes);
    else
        print_text(out, "node", row->node);
}

static void print_allowed(FILE *out, const struct wire_row *row)
{
    if ((row->flags & (WIRE_ALLOW_RESET | WIRE_ALLOW_UNSEQUENCED)) == 0)
        return;
    fprintf(out, "allowed    %s%s%s\n", (row->flags & WIRE_ALLOW_RESET) != 0 ? "resets" : "",
            (row->flags & (WIRE_ALLOW_RESET | WIRE_ALLOW_UNSEQUENCED)) ==
                    (WIRE_ALLOW_RESET | WIRE_ALLOW_UNSEQUENCED)
                ? ", "
                : "",
            (row->flags & WIRE_ALLOW_UNSEQUENCED) != 0 ? "messages without a number" : "");
    fprintf(out, "remembered %" PRIu64 " ciphertexts of at most %d\n", row->hashes, WIRE_HASHES_MAX);
}

void wire_print_table(FILE *out, const struct wire_row *row, int64_t nodes)
{
    const struct wire_ops *wire = wire_find(row->wire);

    fprintf(out, "wire       %s%s\n", row->wire, state_of(row));
    print_text(out, wire != NULL ? wire->route_word : "route", row->route);
    if (row->session_topic[0] != '\0')
        print_sessions(out, wire, row, nodes);
    else
        fprintf(out, "number     %" PRIu64 "\n", row->number);
    fprintf(out, "stored     %" PRIu64 " messages\n", row->stored);
    print_allowed(out, row);
    if (row->closed != WIRE_OPEN || wire == NULL)
        return;
    fputs("protects less than the native wire:\n", out);
    wire_print_gaps(out, wire, row->flags, "  - ");
}

/* ---- JSON ---- */

static void json_text(FILE *out, const char *name, const char *text)
{
    fprintf(out, ",\"%s\":", name);
    if (text[0] == '\0')
        fputs("null", out);
    else
        text_json(out, text, strlen(text));
}

static const char *truth(unsigned flags, unsigned flag)
{
    return (flags & flag) != 0 ? "true" : "false";
}

static void say_json(void *context, const char *gap)
{
    struct lines *lines = context;

    if (lines->some)
        fputc(',', lines->out);
    lines->some = true;
    text_json(lines->out, gap, strlen(gap));
}

void wire_print_json(FILE *out, const struct wire_row *row, int64_t nodes)
{
    const struct wire_ops *wire = wire_find(row->wire);
    struct lines lines = {.out = out};

    fprintf(out, "{\"wire\":\"%s\",\"open\":%s", row->wire, row->closed == WIRE_OPEN ? "true" : "false");
    json_text(out, "route", row->route);
    json_text(out, "session_topic", row->session_topic);
    json_text(out, "node", row->node);
    json_text(out, "reading_name", row->reading_name);
    fprintf(out, ",\"group\":%s,\"nodes\":%" PRId64, is_group(wire, row) ? "true" : "false", nodes);
    fprintf(out, ",\"session_lifetime\":%" PRId64 ",\"session_grace\":%" PRId64 ",\"strict\":%s",
            row->lifetime, row->grace, truth(row->flags, WIRE_STRICT));
    fprintf(out, ",\"allow_reset\":%s,\"allow_unsequenced\":%s", truth(row->flags, WIRE_ALLOW_RESET),
            truth(row->flags, WIRE_ALLOW_UNSEQUENCED));
    fprintf(out, ",\"number\":%" PRIu64 ",\"stored\":%" PRIu64 ",\"remembered\":%" PRIu64, row->number,
            row->stored, row->hashes);
    fputs(",\"weaknesses\":[", out);
    if (wire != NULL && row->closed == WIRE_OPEN)
        each_gap(wire, row->flags, say_json, &lines);
    fputs("]}", out);
}

/* ---- restores ---- */

struct kinds {
    int64_t numbered; /* whose number goes back with the copy */
    int64_t sessions; /* whose session ids are void */
};

static int count_wire(void *context, const struct wire_row *row)
{
    struct kinds *kinds = context;

    if (row->session_topic[0] != '\0')
        kinds->sessions++;
    else
        kinds->numbered++;
    return 0;
}

int wire_print_restored(FILE *out, struct store *store, struct failure *failure)
{
    struct kinds kinds = {0};

    if (store->ops->wires_each(store, count_wire, &kinds, failure) < 0)
        return -1;
    if (kinds.sessions > 0)
        fprintf(out,
                "%" PRId64
                " devices or groups on wires with session ids: all unspent ids are void, so nothing "
                "recorded\nunder them is stored.\n",
                kinds.sessions);
    if (kinds.numbered > 0)
        fprintf(out,
                "%" PRId64
                " devices on wires with numbers: no challenge can raise them. What was recorded since "
                "the copy was made\nmay open once each, unless a restore could still read what it replaced. "
                "'bulla "
                "device upgrade' ends that.\n",
                kinds.numbered);
    return 0;
}
