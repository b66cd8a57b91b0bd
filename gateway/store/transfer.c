#include "gateway/store/transfer.h"

#include <endian.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

/* ---- the tables ---- */

#define NUMBER(name)                                                                                         \
    {                                                                                                        \
        name, TRANSFER_INTEGER                                                                               \
    }
#define TEXT(name)                                                                                           \
    {                                                                                                        \
        name, TRANSFER_TEXT                                                                                  \
    }
#define BYTES(name)                                                                                          \
    {                                                                                                        \
        name, TRANSFER_BYTES                                                                                 \
    }

static const struct transfer_column columns_of_meta[] = {TEXT("name"), BYTES("value")};
static const struct transfer_column columns_of_devices[] = {
    NUMBER("id"),      TEXT("name"),       BYTES("kid"),      NUMBER("alg"),   NUMBER("kind"),
    NUMBER("revoked"), NUMBER("exported"), NUMBER("created"), BYTES("secret"), NUMBER("lost")};
static const struct transfer_column columns_of_tombstones[] = {BYTES("kid"), TEXT("name"), NUMBER("removed")};
static const struct transfer_column columns_of_labels[] = {NUMBER("device"), TEXT("key"), TEXT("value")};
static const struct transfer_column columns_of_contexts[] = {
    NUMBER("device"), BYTES("id_context"), NUMBER("proven"), NUMBER("proven_t"), NUMBER("closes_at"),
    NUMBER("top"),    NUMBER("bits"),      NUMBER("lower"),  NUMBER("seen"),     NUMBER("rank")};
static const struct transfer_column columns_of_gateway_ids[] = {BYTES("id"), NUMBER("started")};
static const struct transfer_column columns_of_wires[] = {
    NUMBER("id"),          NUMBER("device"), NUMBER("grp"),        TEXT("wire"),     TEXT("route"),
    TEXT("session_topic"), TEXT("node"),     TEXT("reading_name"), NUMBER("flags"),  NUMBER("lifetime"),
    NUMBER("grace"),       BYTES("keys"),    NUMBER("number"),     NUMBER("stored"), NUMBER("hashes"),
    NUMBER("seen"),        NUMBER("closed")};
static const struct transfer_column columns_of_wire_hashes[] = {NUMBER("wire"), BYTES("hash")};
static const struct transfer_column columns_of_session_ids[] = {
    NUMBER("n"),       TEXT("topic"),   TEXT("id"),   NUMBER("issued"),
    NUMBER("retired"), NUMBER("spent"), BYTES("hash")};
static const struct transfer_column columns_of_series[] = {
    NUMBER("id"),     NUMBER("device"),    TEXT("name"),    TEXT("unit"),  TEXT("type"),
    NUMBER("format"), TEXT("device_name"), NUMBER("first"), NUMBER("last")};
static const struct transfer_column columns_of_points[] = {
    [POINT_TIME] = NUMBER("time"),         [POINT_PLACE] = NUMBER("place"),
    [POINT_SERIES] = NUMBER("series"),     [POINT_PIV] = NUMBER("piv"),
    [POINT_RECEIVED] = NUMBER("received"), [POINT_VALUE] = {"value", TRANSFER_VALUE}};
static const struct transfer_column columns_of_events[] = {
    NUMBER("authentic"), NUMBER("id"),        NUMBER("time"), TEXT("kind"),
    NUMBER("device"),    TEXT("device_name"), TEXT("source"), TEXT("detail")};
static const struct transfer_column columns_of_outbox[] = {NUMBER("n"),         NUMBER("received"),
                                                           NUMBER("points"),    NUMBER("all_points"),
                                                           NUMBER("all_bytes"), BYTES("parcel")};
static const struct transfer_column columns_of_sinks[] = {
    TEXT("name"),        NUMBER("n"),    NUMBER("points"),  NUMBER("bytes"), NUMBER("added"),
    NUMBER("confirmed"), NUMBER("lost"), NUMBER("refused"), TEXT("holder"),  NUMBER("lease")};
static const struct transfer_column columns_of_numbers[] = {TEXT("name"), NUMBER("value")};

#define SHAPE(of, name, keys)                                                                                \
    {                                                                                                        \
        name, columns_of_##of, sizeof(columns_of_##of) / sizeof(columns_of_##of[0]), keys                    \
    }

const struct transfer_shape transfer_shapes[TRANSFER_TABLES] = {
    [TRANSFER_META] = SHAPE(meta, "meta", 1),
    [TRANSFER_DEVICES] = SHAPE(devices, "devices", 1),
    [TRANSFER_TOMBSTONES] = SHAPE(tombstones, "tombstones", 1),
    [TRANSFER_LABELS] = SHAPE(labels, "labels", 2),
    [TRANSFER_CONTEXTS] = SHAPE(contexts, "contexts", 2),
    [TRANSFER_GATEWAY_IDS] = SHAPE(gateway_ids, "gateway_ids", 1),
    [TRANSFER_WIRES] = SHAPE(wires, "wires", 1),
    [TRANSFER_WIRE_HASHES] = SHAPE(wire_hashes, "wire_hashes", 2),
    [TRANSFER_SESSION_IDS] = SHAPE(session_ids, "session_ids", 1),
    [TRANSFER_SERIES] = SHAPE(series, "series", 1),
    [TRANSFER_POINTS] = SHAPE(points, "points", 2),
    [TRANSFER_EVENTS] = SHAPE(events, "events", 2),
    [TRANSFER_OUTBOX] = SHAPE(outbox, "outbox", 1),
    [TRANSFER_SINKS] = SHAPE(sinks, "sinks", 1),
    [TRANSFER_NUMBERS] = SHAPE(numbers, "numbers", 1),
};

/* ---- rows ---- */

int transfer_rows_open(struct transfer_rows *rows, struct failure *failure)
{
    *rows = (struct transfer_rows){
        .cells = calloc(TRANSFER_ROWS_MAX * TRANSFER_COLUMNS_MAX, sizeof(*rows->cells)),
        .room = malloc(TRANSFER_ROOM_SIZE),
        .size = TRANSFER_ROOM_SIZE,
    };
    if (rows->cells != NULL && rows->room != NULL)
        return 0;
    transfer_rows_close(rows);
    return fail(failure, "no memory is left to copy rows");
}

void transfer_rows_close(struct transfer_rows *rows)
{
    free(rows->cells);
    free(rows->room);
    *rows = (struct transfer_rows){.count = 0};
}

void transfer_rows_begin(struct transfer_rows *rows, enum transfer_table table)
{
    rows->table = table;
    rows->count = 0;
    rows->used = 0;
}

/* Nothing points into an empty room. */
static int grow(struct transfer_rows *rows, size_t len, struct failure *failure)
{
    uint8_t *room = realloc(rows->room, len);

    if (room == NULL)
        return fail(failure, "no memory is left for a row of %zu bytes", len);
    rows->room = room;
    rows->size = len;
    return 1;
}

int transfer_rows_add(struct transfer_rows *rows, size_t len, struct transfer_cell **cells,
                      struct failure *failure)
{
    if (rows->count == TRANSFER_ROWS_MAX || (rows->size - rows->used < len && rows->count > 0))
        return 0;
    if (rows->size < len && grow(rows, len, failure) < 0)
        return -1;
    *cells = transfer_row(rows, rows->count++);
    for (size_t i = 0; i < transfer_shapes[rows->table].count; i++)
        (*cells)[i].kind = TRANSFER_NULL;
    return 1;
}

void transfer_rows_drop(struct transfer_rows *rows, size_t count)
{
    size_t columns = transfer_shapes[rows->table].count;

    rows->count -= count;
    memmove(rows->cells, rows->cells + count * columns, rows->count * columns * sizeof(*rows->cells));
}

void transfer_set_number(struct transfer_cell *cell, int64_t value)
{
    cell->kind = TRANSFER_INTEGER;
    cell->value.integer = value;
}

void transfer_set_real(struct transfer_cell *cell, double value)
{
    cell->kind = TRANSFER_REAL;
    cell->value.real = value;
}

void transfer_point_at(struct transfer_cell *cell, enum transfer_kind kind, const void *bytes, size_t len)
{
    cell->kind = kind;
    cell->value.bytes.at = len == 0 ? (const uint8_t *)"" : bytes;
    cell->value.bytes.len = len;
}

void transfer_set_bytes(struct transfer_rows *rows, struct transfer_cell *cell, enum transfer_kind kind,
                        const void *bytes, size_t len)
{
    uint8_t *at = rows->room + rows->used;

    if (len > 0)
        memcpy(at, bytes, len);
    rows->used += len;
    transfer_point_at(cell, kind, at, len);
}

void transfer_names(char *out, size_t size, enum transfer_table table, size_t count, const char *quote)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s%s%s", i == 0 ? "" : ", ", quote,
                                 transfer_shapes[table].columns[i].name, quote);
}

/* ---- keys ---- */

static bool is_text(const struct transfer_cell *cell)
{
    return cell->kind == TRANSFER_TEXT || cell->kind == TRANSFER_BYTES;
}

int transfer_key_keep(struct transfer_key *key, enum transfer_table table, const struct transfer_cell *row,
                      struct failure *failure)
{
    key->count = transfer_shapes[table].keys;
    for (size_t i = 0; i < key->count; i++) {
        key->cells[i] = row[i];
        if (!is_text(&row[i]))
            continue;
        if (row[i].value.bytes.len > TRANSFER_KEY_TEXT_MAX)
            return fail(failure, "a row of %s is damaged: its key has %zu bytes", transfer_shapes[table].name,
                        row[i].value.bytes.len);
        memcpy(key->texts[i], row[i].value.bytes.at, row[i].value.bytes.len);
        key->cells[i].value.bytes.at = key->texts[i];
    }
    return 0;
}

void transfer_key_copy(struct transfer_key *to, const struct transfer_key *from)
{
    *to = *from;
    for (size_t i = 0; i < to->count; i++)
        if (is_text(&to->cells[i]))
            to->cells[i].value.bytes.at = to->texts[i];
}

static int compare(const struct transfer_cell *a, const struct transfer_cell *b)
{
    if (!is_text(a))
        return (a->value.integer > b->value.integer) - (a->value.integer < b->value.integer);
    size_t shorter = a->value.bytes.len < b->value.bytes.len ? a->value.bytes.len : b->value.bytes.len;
    int order = memcmp(a->value.bytes.at, b->value.bytes.at, shorter);
    return order != 0 ? order
                      : (a->value.bytes.len > b->value.bytes.len) - (a->value.bytes.len < b->value.bytes.len);
}

bool transfer_is_behind(const struct transfer_key *key, const struct transfer_cell *row)
{
    for (size_t i = 0; i < key->count; i++) {
        int order = compare(&row[i], &key->cells[i]);
        if (order != 0)
            return order > 0;
    }
    return key->count == 0;
}

void transfer_place(struct transfer_places *places, struct transfer_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        struct transfer_cell *row = transfer_row(rows, i);
        if (row[POINT_TIME].value.integer != places->time)
            *places = (struct transfer_places){.time = row[POINT_TIME].value.integer};
        transfer_set_number(&row[POINT_PLACE], places->next++);
    }
}

/* ---- checksums ---- */

struct transfer_hasher {
    EVP_MD *sha256;
    EVP_MD_CTX *state;
};

struct transfer_hasher *transfer_hasher_open(struct failure *failure)
{
    struct transfer_hasher *hasher = calloc(1, sizeof(*hasher));

    if (hasher != NULL) {
        hasher->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        hasher->state = EVP_MD_CTX_new();
        if (hasher->sha256 != NULL && hasher->state != NULL)
            return hasher;
    }
    transfer_hasher_close(hasher);
    fail(failure, "cannot make checksums: there is no SHA-256, or no memory");
    return NULL;
}

void transfer_hasher_close(struct transfer_hasher *hasher)
{
    if (hasher == NULL)
        return;
    EVP_MD_free(hasher->sha256);
    EVP_MD_CTX_free(hasher->state);
    free(hasher);
}

/* One NaN is as good as another one. */
static uint64_t bits_of(const struct transfer_cell *cell)
{
    uint64_t bits;

    if (cell->kind == TRANSFER_NULL)
        return 0;
    if (cell->kind == TRANSFER_INTEGER)
        return (uint64_t)cell->value.integer;
    if (is_text(cell))
        return cell->value.bytes.len;
    if (isnan(cell->value.real))
        return UINT64_C(0x7ff8000000000000);
    memcpy(&bits, &cell->value.real, sizeof(bits));
    return bits;
}

/* A head for each cell, its kind and a number of 64 bits (of texts their length), then the texts. */
static bool hash_row(struct transfer_hasher *hasher, const struct transfer_cell *row, size_t count,
                     uint64_t digest[4])
{
    uint8_t heads[TRANSFER_COLUMNS_MAX * 9];
    uint8_t *at = heads;

    for (size_t i = 0; i < count; i++) {
        uint64_t bits = htobe64(bits_of(&row[i]));
        *at++ = (uint8_t)row[i].kind;
        memcpy(at, &bits, sizeof(bits));
        at += sizeof(bits);
    }
    bool good = EVP_DigestInit_ex2(hasher->state, hasher->sha256, NULL) == 1 &&
                EVP_DigestUpdate(hasher->state, heads, (size_t)(at - heads)) == 1;
    for (size_t i = 0; good && i < count; i++)
        if (is_text(&row[i]))
            good = EVP_DigestUpdate(hasher->state, row[i].value.bytes.at, row[i].value.bytes.len) == 1;
    return good && EVP_DigestFinal_ex(hasher->state, (uint8_t *)digest, NULL) == 1;
}

static void add(struct transfer_sum *sum, const uint64_t digest[4])
{
    uint64_t carry = 0;

    for (size_t i = 0; i < 4; i++) {
        uint64_t word = le64toh(digest[i]);
        uint64_t with = sum->words[i] + carry;
        carry = with < carry;
        sum->words[i] = with + word;
        carry += sum->words[i] < word;
    }
    sum->rows++;
}

int transfer_sum_add(struct transfer_hasher *hasher, struct transfer_sum *sum,
                     const struct transfer_rows *rows, struct failure *failure)
{
    size_t count = transfer_shapes[rows->table].count;
    uint64_t digest[4];

    for (size_t i = 0; i < rows->count; i++) {
        if (!hash_row(hasher, transfer_row(rows, i), count, digest))
            return fail(failure, "cannot make checksums: no memory is left");
        add(sum, digest);
    }
    return 0;
}

void transfer_sum_text(const struct transfer_sum *sum, char text[TRANSFER_SUM_TEXT])
{
    for (size_t i = 0; i < 4; i++)
        snprintf(text + 16 * i, TRANSFER_SUM_TEXT - 16 * i, "%016llx", (unsigned long long)sum->words[3 - i]);
}
