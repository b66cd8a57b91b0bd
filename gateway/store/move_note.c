#include "gateway/store/move_note.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const states[] = {
    [MOVE_IS_LEAVING] = "leaving", [MOVE_HAS_LEFT] = "left", [MOVE_IS_ARRIVING] = "arriving"};

/* ---- writing ---- */

static size_t put_hex(char *out, size_t size, const uint8_t *bytes, size_t len)
{
    size_t used = 0;

    for (size_t i = 0; i < len && used + 2 < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%02x", bytes[i]);
    return used;
}

/* One line: a number, or bytes behind an x. */
static size_t put_cell(char *out, size_t size, const struct transfer_cell *cell)
{
    size_t used;

    if (cell->kind == TRANSFER_INTEGER)
        return (size_t)snprintf(out, size, "%" PRId64 "\n", cell->value.integer);
    used = (size_t)snprintf(out, size, "x");
    used += put_hex(out + used, size - used, cell->value.bytes.at, cell->value.bytes.len);
    return used + (size_t)snprintf(out + used, size - used, "\n");
}

_Static_assert(MOVE_NOTE_MAX > 160 + MOVE_OTHER_MAX + TRANSFER_KEYS_MAX * (2 * TRANSFER_KEY_TEXT_MAX + 4),
               "the longest note fits");

size_t move_note_encode(const struct move_note *note, char text[MOVE_NOTE_MAX])
{
    size_t used = (size_t)snprintf(text, MOVE_NOTE_MAX, "bulla move 1\n%s\n%s\n%" PRId64 "\n%s\n",
                                   states[note->state], note->id, note->begun, note->other);

    used += (size_t)snprintf(text + used, MOVE_NOTE_MAX - used, "%" PRId64 "\n%d\n%zu\n", note->rows,
                             (int)note->table, note->key.count);
    for (size_t i = 0; i < note->key.count; i++)
        used += put_cell(text + used, MOVE_NOTE_MAX - used, &note->key.cells[i]);
    return used;
}

/* ---- reading ---- */

struct lines {
    const char *at;
    const char *end;
};

/* The next line without its end, copied and ended with a zero; false if there is none, or no room. */
static bool next_line(struct lines *lines, char *out, size_t size)
{
    const char *end =
        lines->at == lines->end ? NULL : memchr(lines->at, '\n', (size_t)(lines->end - lines->at));

    if (end == NULL || (size_t)(end - lines->at) >= size ||
        memchr(lines->at, '\0', (size_t)(end - lines->at)))
        return false;
    memcpy(out, lines->at, (size_t)(end - lines->at));
    out[end - lines->at] = '\0';
    lines->at = end + 1;
    return true;
}

static bool parse_number(const char *text, int64_t least, int64_t most, int64_t *number)
{
    char *end;

    if (!isdigit((unsigned char)text[0]) && text[0] != '-')
        return false;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *number >= least && *number <= most;
}

static bool next_number(struct lines *lines, int64_t least, int64_t most, int64_t *number)
{
    char line[24];

    return next_line(lines, line, sizeof(line)) && parse_number(line, least, most, number);
}

static bool parse_hex(const char *text, uint8_t *out, size_t room, size_t *len)
{
    *len = strlen(text) / 2;
    if (strlen(text) % 2 != 0 || *len > room || text[strspn(text, "0123456789abcdef")] != '\0')
        return false;
    for (size_t i = 0; i < *len; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return false;
        out[i] = (uint8_t)byte;
    }
    return true;
}

static bool read_cell(struct lines *lines, struct transfer_key *key, size_t i, enum transfer_kind kind)
{
    char line[2 * TRANSFER_KEY_TEXT_MAX + 2];
    struct transfer_cell *cell = &key->cells[i];

    if (!next_line(lines, line, sizeof(line)))
        return false;
    cell->kind = kind;
    if (kind == TRANSFER_INTEGER)
        return parse_number(line, INT64_MIN, INT64_MAX, &cell->value.integer);
    cell->value.bytes.at = key->texts[i];
    return line[0] == 'x' &&
           parse_hex(line + 1, key->texts[i], sizeof(key->texts[i]), &cell->value.bytes.len);
}

static bool read_place(struct move_note *note, struct lines *lines)
{
    int64_t table, count;

    if (!next_number(lines, 0, INT64_MAX, &note->rows) || !next_number(lines, 0, TRANSFER_TABLES, &table) ||
        !next_number(lines, 0, TRANSFER_KEYS_MAX, &count))
        return false;
    note->table = (enum transfer_table)table;
    note->key.count = (size_t)count;
    if (count != 0 && (table == TRANSFER_TABLES || (size_t)count != transfer_shapes[table].keys))
        return false;
    for (size_t i = 0; i < note->key.count; i++)
        if (!read_cell(lines, &note->key, i, transfer_shapes[table].columns[i].kind))
            return false;
    return true;
}

static bool read_state(struct move_note *note, const char *word)
{
    for (int i = 0; i < (int)(sizeof(states) / sizeof(states[0])); i++)
        if (strcmp(states[i], word) == 0) {
            note->state = (enum move_state)i;
            return true;
        }
    return false;
}

int move_note_decode(struct move_note *note, const char *text, size_t len)
{
    struct lines lines = {text, text + len};
    char line[32];

    *note = (struct move_note){.rows = 0};
    bool good = next_line(&lines, line, sizeof(line)) && strcmp(line, "bulla move 1") == 0 &&
                next_line(&lines, line, sizeof(line)) && read_state(note, line) &&
                next_line(&lines, note->id, sizeof(note->id)) && strlen(note->id) == MOVE_ID_SIZE &&
                next_number(&lines, 0, INT64_MAX, &note->begun) &&
                next_line(&lines, note->other, sizeof(note->other)) && read_place(note, &lines);
    return good && lines.at == lines.end ? 0 : -1;
}

/* ---- what it means for who opens a store ---- */

/* 1 there is such a note, 0 none. */
static int read_note(struct store *store, move_getter *get, const char *name, struct move_note *note,
                     const char *label, struct failure *failure)
{
    char text[MOVE_NOTE_MAX];
    size_t len = sizeof(text);
    int found = get(store, name, text, &len, failure);

    if (found > 0 && move_note_decode(note, text, len) != 0)
        return fail(failure,
                    "a move is noted in %.100s that this program does not understand: install the newer one",
                    label);
    return found;
}

int move_allows(struct store *store, move_getter *get, enum store_open_mode mode, const char *label,
                struct failure *failure)
{
    struct move_note note;
    int found = mode == STORE_ARRIVING ? 0 : read_note(store, get, MOVE_ARRIVING, &note, label, failure);

    if (found > 0)
        return fail(
            failure,
            "only a part of a registry is in %.80s: it is being moved there from %.80s. Type the same "
            "'bulla migrate' again to go on, or give it up with --abandon",
            label, note.other);
    if (found == 0 && mode != STORE_ARRIVING && mode != STORE_LEFT)
        found = read_note(store, get, MOVE_LEAVING, &note, label, failure);
    if (found > 0)
        return note.state == MOVE_HAS_LEFT
                   ? fail(failure,
                          "the registry in %.70s was moved to %.70s: use that. Messages would be stored "
                          "twice if "
                          "both were served; to come back to this one after all, type: bulla restored",
                          label, note.other)
                   : fail(failure,
                          "the registry in %.70s is being moved to %.70s: type the same 'bulla migrate' "
                          "again to "
                          "go on, or give it up with --abandon",
                          label, note.other);
    return found;
}
