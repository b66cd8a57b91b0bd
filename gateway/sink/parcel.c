#include "gateway/sink/parcel.h"

#include <stdlib.h>
#include <string.h>

#include "device/bulla.h"

#define VERSION     1
#define CRC_SIZE    4
#define NUMBER_MAX  10 /* bytes of a number */
#define HEAD_ROOM   16 /* bytes of version and points: the number of points takes as many as it needs */
#define MESSAGE_MAX (7 * NUMBER_MAX + BULLA_NAME_MAX + 1 + SINK_CONTEXT_MAX)
#define READING_MAX 40 /* without its strings */

/* CRC-32 (IEEE 802.3), four bits at a time. */
static uint32_t crc32_of(const uint8_t *bytes, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        crc = table[crc & 15] ^ (crc >> 4);
        crc = table[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)((value >> 1) ^ (0 - (value & 1)));
}

/* ---- writing ---- */

void parcels_begin(struct parcels *parcels)
{
    parcels->used = 0;
    parcels->count = 0;
    parcels->open = false;
}

void parcels_wipe(struct parcels *parcels)
{
    free(parcels->bytes);
    free(parcels->items);
    memset(parcels, 0, sizeof(*parcels));
}

static int fail_memory(struct failure *failure)
{
    return fail(failure, "no memory is left for what sinks are to get");
}

static int reserve(struct parcels *parcels, size_t len, struct failure *failure)
{
    size_t room = parcels->room == 0 ? 16384 : parcels->room;
    uint8_t *bytes;

    while (room - parcels->used < len) {
        if (room > SIZE_MAX / 2)
            return fail_memory(failure);
        room *= 2;
    }
    if (room == parcels->room)
        return 0;
    bytes = realloc(parcels->bytes, room);
    if (bytes == NULL)
        return fail_memory(failure);
    parcels->bytes = bytes;
    parcels->room = room;
    return 0;
}

/* These write where room was made. */

static void put_bytes(struct parcels *parcels, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(parcels->bytes + parcels->used, bytes, len);
    parcels->used += len;
}

static void put_byte(struct parcels *parcels, uint8_t byte)
{
    parcels->bytes[parcels->used++] = byte;
}

static void put_number(struct parcels *parcels, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        put_byte(parcels, (uint8_t)(number | 0x80));
    put_byte(parcels, (uint8_t)number);
}

static void put_signed(struct parcels *parcels, int64_t number)
{
    put_number(parcels, zigzag(number));
}

static void put_string(struct parcels *parcels, const void *bytes, size_t len)
{
    put_number(parcels, len);
    put_bytes(parcels, bytes, len);
}

static void put_little(struct parcels *parcels, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        put_byte(parcels, (uint8_t)(value >> (8 * i)));
}

/* Differences wrap around: they are no more than a way to write small numbers. */
static int64_t less(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static bool has_bytes(enum reading_type type)
{
    return type == READING_TEXT || type == READING_DATA || type == READING_PAYLOAD ||
           type == READING_UNDECODED;
}

static bool has_format(enum reading_type type)
{
    return type == READING_PAYLOAD || type == READING_UNDECODED;
}

static void put_value(struct parcels *parcels, const struct reading *reading)
{
    uint64_t bits;

    if (has_format(reading->type))
        put_number(parcels, reading->format);
    if (has_bytes(reading->type)) {
        put_string(parcels, reading->value.bytes.at, reading->value.bytes.len);
    } else if (reading->type == READING_REAL || reading->type == READING_SUM) {
        memcpy(&bits, &reading->value.real, sizeof(bits));
        put_little(parcels, bits, sizeof(bits));
    } else {
        put_signed(parcels, reading->value.integer);
    }
}

static void put_reading(struct parcels *parcels, const struct reading *reading, int64_t received)
{
    put_byte(parcels, (uint8_t)reading->type);
    put_string(parcels, reading->name, reading->name_len);
    put_string(parcels, reading->unit, reading->unit_len);
    put_signed(parcels, less(reading->time, received));
    put_value(parcels, reading);
}

static size_t reading_size(const struct reading *reading)
{
    size_t bytes = has_bytes(reading->type) ? reading->value.bytes.len : 0;

    if (reading->name_len > OUTBOX_ROW_MAX || reading->unit_len > OUTBOX_ROW_MAX || bytes > OUTBOX_ROW_MAX)
        return SIZE_MAX;
    return READING_MAX + reading->name_len + reading->unit_len + bytes;
}

/* The number of points is written at the end, right before what was written so far. */
static int open_parcel(struct parcels *parcels, int64_t received, struct failure *failure)
{
    size_t room = parcels->item_room == 0 ? 8 : parcels->item_room;

    if (parcels->count == room)
        room *= 2;
    if (room != parcels->item_room) {
        struct parcel *items = realloc(parcels->items, room * sizeof(*items));
        if (items == NULL)
            return fail_memory(failure);
        parcels->items = items;
        parcels->item_room = room;
    }
    if (reserve(parcels, HEAD_ROOM, failure) < 0)
        return -1;
    parcels->items[parcels->count] = (struct parcel){.at = parcels->used, .received = received};
    parcels->used += HEAD_ROOM;
    parcels->received = 0;
    parcels->open = true;
    return 0;
}

static int close_parcel(struct parcels *parcels, struct failure *failure)
{
    struct parcel *parcel = &parcels->items[parcels->count];
    size_t end = parcels->used;
    size_t head;

    if (reserve(parcels, CRC_SIZE, failure) < 0)
        return -1;
    parcels->used = parcel->at; /* to see how long the head is, */
    put_byte(parcels, VERSION);
    put_number(parcels, parcel->points);
    head = parcels->used - parcel->at;
    memmove(parcels->bytes + parcel->at + HEAD_ROOM - head, parcels->bytes + parcel->at, head);
    parcel->at += HEAD_ROOM - head; /* and to put it where it belongs */
    parcels->used = end;
    put_little(parcels, crc32_of(parcels->bytes + parcel->at, end - parcel->at), CRC_SIZE);
    parcel->len = parcels->used - parcel->at;
    parcels->count++;
    parcels->open = false;
    return 0;
}

static size_t parcel_size(const struct parcels *parcels)
{
    return parcels->used - parcels->items[parcels->count].at;
}

/* How many of the readings go into the parcel that is open; their size is added up. */
static size_t choose(const struct parcels *parcels, const struct reading *readings, size_t count,
                     size_t *bytes)
{
    size_t most = PARCEL_POINTS_MAX - parcels->items[parcels->count].points;
    size_t chosen = 0;

    *bytes = parcel_size(parcels) + MESSAGE_MAX;
    while (chosen < count && chosen < most && *bytes < PARCEL_BYTES) {
        size_t size = reading_size(&readings[chosen]);
        if (size > OUTBOX_ROW_MAX - CRC_SIZE - *bytes)
            break;
        *bytes += size;
        chosen++;
    }
    return chosen;
}

static void put_message(struct parcels *parcels, const struct parcel_message *message, size_t index,
                        size_t count)
{
    struct parcel *parcel = &parcels->items[parcels->count];

    put_number(parcels, (uint64_t)message->device_id);
    put_bytes(parcels, message->device, strlen(message->device) + 1);
    put_byte(parcels, (uint8_t)message->context_len);
    put_bytes(parcels, message->context, message->context_len);
    put_number(parcels, message->piv);
    put_signed(parcels, less(message->received, parcels->received));
    put_number(parcels, index);
    put_number(parcels, count);
    parcels->received = message->received;
    parcel->points += (uint32_t)count;
    if (message->received < parcel->received)
        parcel->received = message->received;
}

int parcels_add(struct parcels *parcels, const struct parcel_message *message, const struct reading *readings,
                size_t count, struct failure *failure)
{
    size_t done = 0;

    if (strlen(message->device) > BULLA_NAME_MAX || message->device[0] == '\0' ||
        message->context_len > SINK_CONTEXT_MAX)
        return fail(failure, "a reading for sinks has no device");
    while (done < count) {
        size_t bytes;
        bool fresh = !parcels->open;
        if (fresh && open_parcel(parcels, message->received, failure) < 0)
            return -1;
        size_t chosen = choose(parcels, readings + done, count - done, &bytes);
        if (chosen == 0 && fresh)
            return fail(failure, "a reading is too large for sinks");
        if (chosen > 0) {
            if (reserve(parcels, bytes + CRC_SIZE - parcel_size(parcels), failure) < 0)
                return -1;
            put_message(parcels, message, done, chosen);
            for (size_t i = done; i < done + chosen; i++)
                put_reading(parcels, &readings[i], message->received);
            done += chosen;
        }
        if (done < count && close_parcel(parcels, failure) < 0)
            return -1;
    }
    return 0;
}

int parcels_end(struct parcels *parcels, struct failure *failure)
{
    return parcels->open ? close_parcel(parcels, failure) : 0;
}

int parcels_of_commit(struct parcels *parcels, const struct commit *commit, struct failure *failure)
{
    parcels_begin(parcels);
    for (size_t i = 0; i < commit->message_count; i++) {
        const struct commit_message *message = &commit->messages[i];
        const struct commit_context *context = &commit->contexts[message->context];
        const struct parcel_message head = {
            .device_id = context->after.device,
            .device = context->name == NULL ? "" : context->name,
            .context = context->after.id_context,
            .context_len = context->after.counter ? 0 : BULLA_ID_CONTEXT_SIZE,
            .piv = message->piv,
            .received = message->received,
        };
        if (context->verdict == COMMIT_DONE &&
            parcels_add(parcels, &head, commit->readings + message->first, message->count, failure) < 0)
            return -1;
    }
    return parcels_end(parcels, failure);
}

int parcels_add_wire(struct parcels *parcels, const struct wire_change *change, uint64_t seq,
                     struct failure *failure)
{
    uint8_t context[SINK_CONTEXT_MAX] = {SINK_CONTEXT_OLDER};
    const struct parcel_message head = {
        .device_id = change->device,
        .device = change->name == NULL ? "" : change->name,
        .context = context,
        .context_len = sizeof(context),
        .piv = seq,
        .received = change->received,
    };

    for (size_t i = 0; i < 8; i++)
        context[1 + i] = (uint8_t)((uint64_t)change->row >> (56 - 8 * i));
    return parcels_add(parcels, &head, change->readings, change->count, failure);
}

/* ---- reading ---- */

/* What is left of a parcel; `bad` once something was not there, and then nothing more is. */
struct rest {
    const uint8_t *at;
    size_t len;
    bool bad;
};

static const uint8_t *take_bytes(struct rest *rest, uint64_t len)
{
    const uint8_t *at = rest->at;

    if (rest->bad || len > rest->len) {
        rest->bad = true;
        return NULL;
    }
    rest->at += len;
    rest->len -= len;
    return at;
}

static uint8_t take_byte(struct rest *rest)
{
    const uint8_t *at = take_bytes(rest, 1);

    return at == NULL ? 0 : *at;
}

/* Written in as few bytes as it needs, or it is none. */
static uint64_t take_number(struct rest *rest)
{
    uint64_t number = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = take_byte(rest);
        uint64_t bits = byte & 0x7f;
        if (rest->bad || (shift == 63 && bits > 1) || (byte == 0 && shift > 0))
            break;
        number |= bits << shift;
        if (byte < 0x80)
            return number;
    }
    rest->bad = true;
    return 0;
}

static int64_t take_signed(struct rest *rest)
{
    return unzigzag(take_number(rest));
}

static uint64_t take_little(struct rest *rest, size_t size)
{
    const uint8_t *at = take_bytes(rest, size);
    uint64_t value = 0;

    for (size_t i = 0; at != NULL && i < size; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static const uint8_t *take_string(struct rest *rest, size_t *len)
{
    uint64_t size = take_number(rest);
    const uint8_t *at = take_bytes(rest, size);

    *len = at == NULL ? 0 : (size_t)size;
    return at;
}

static int64_t more(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void take_value(struct rest *rest, struct reading *reading)
{
    uint64_t format = has_format(reading->type) ? take_number(rest) : 0;
    uint64_t bits;

    if (format > UINT16_MAX)
        rest->bad = true;
    reading->format = (uint16_t)format;
    if (has_bytes(reading->type)) {
        reading->value.bytes.at = take_string(rest, &reading->value.bytes.len);
    } else if (reading->type == READING_REAL || reading->type == READING_SUM) {
        bits = take_little(rest, sizeof(bits));
        memcpy(&reading->value.real, &bits, sizeof(bits));
    } else {
        reading->value.integer = take_signed(rest);
        if (reading->type == READING_BOOLEAN && (uint64_t)reading->value.integer > 1)
            rest->bad = true;
    }
}

static void take_reading(struct rest *rest, struct reading *reading, int64_t received)
{
    uint8_t type = take_byte(rest);

    memset(reading, 0, sizeof(*reading));
    if (type >= READING_TYPE_COUNT)
        rest->bad = true;
    reading->type = (enum reading_type)type;
    reading->name = (const char *)take_string(rest, &reading->name_len);
    reading->unit = (const char *)take_string(rest, &reading->unit_len);
    reading->time = more(received, take_signed(rest));
    if (!rest->bad)
        take_value(rest, reading);
}

static const char *take_name(struct rest *rest)
{
    const uint8_t *end = memchr(rest->at, 0, rest->len);
    size_t len = end == NULL ? 0 : (size_t)(end - rest->at);

    if (len == 0 || len > BULLA_NAME_MAX) {
        rest->bad = true;
        return NULL;
    }
    return (const char *)take_bytes(rest, len + 1);
}

/* A message's head, as each of its points has it. Returns how many these are. */
static uint64_t take_message(struct rest *rest, struct sink_point *point, int64_t before)
{
    uint64_t index;
    uint64_t count;

    memset(point, 0, sizeof(*point));
    point->device_id = (int64_t)take_number(rest);
    point->device = take_name(rest);
    point->context_len = take_byte(rest);
    if (point->context_len > SINK_CONTEXT_MAX)
        rest->bad = true;
    point->context = take_bytes(rest, point->context_len);
    point->piv = take_number(rest);
    point->received = more(before, take_signed(rest));
    index = take_number(rest);
    count = take_number(rest);
    if (index > UINT32_MAX - PARCEL_POINTS_MAX || count == 0 || count > PARCEL_POINTS_MAX)
        rest->bad = true;
    point->index = (uint32_t)index;
    return rest->bad ? 0 : count;
}

static bool is_whole(const uint8_t *parcel, size_t len)
{
    struct rest crc;

    if (len < CRC_SIZE || len > OUTBOX_ROW_MAX)
        return false;
    crc = (struct rest){.at = parcel + len - CRC_SIZE, .len = CRC_SIZE};
    return take_little(&crc, CRC_SIZE) == crc32_of(parcel, len - CRC_SIZE);
}

int parcel_read(const uint8_t *parcel, size_t len, struct sink_point points[PARCEL_POINTS_MAX])
{
    struct rest rest = {.at = parcel, .len = len - CRC_SIZE};
    int64_t received = 0;
    uint64_t all;
    size_t count = 0;

    if (!is_whole(parcel, len) || take_byte(&rest) != VERSION)
        return -1;
    all = take_number(&rest);
    if (rest.bad || all == 0 || all > PARCEL_POINTS_MAX)
        return -1;
    while (rest.len > 0) {
        struct sink_point head;
        uint64_t readings = take_message(&rest, &head, received);
        if (rest.bad || readings > all - count)
            return -1;
        received = head.received;
        for (uint64_t i = 0; i < readings && !rest.bad; i++, head.index++) {
            points[count] = head;
            take_reading(&rest, &points[count++].reading, received);
        }
        if (rest.bad)
            return -1;
    }
    return count == all ? (int)count : -1;
}
