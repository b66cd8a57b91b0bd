#include "cli/anatomy.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device/cose.h"
#include "device/envelope.h"
#include "gateway/decode/cbor_value.h"

#define SKIP_DEPTH 16

/* What each must be: PROTOCOL 3. */
static const struct part {
    const char *name;
    const char *text_key; /* or NULL: the key is the number */
    uint64_t key;
    enum bulla_cbor_major major;
    size_t least, most; /* bytes of a string */
    bool required;
} parts[] = {
    [ANATOMY_ALG] = {"alg (1)", NULL, 1, BULLA_CBOR_UINT, 0, 0, true},
    [ANATOMY_CONTENT_TYPE] = {"content type (3)", NULL, 3, BULLA_CBOR_UINT, 0, 0, true},
    [ANATOMY_RE] = {"\"re\"", "re", 0, BULLA_CBOR_UINT, 0, 0, false},
    [ANATOMY_ECHO] = {"\"echo\"", "echo", 0, BULLA_CBOR_BYTES, 8, 8, false},
    [ANATOMY_KID] = {"kid (4)", NULL, 4, BULLA_CBOR_BYTES, 1, BULLA_GATEWAY_ID_SIZE, true},
    [ANATOMY_PIV] = {"Partial IV (6)", NULL, 6, BULLA_CBOR_BYTES, 1, BULLA_PIV_SIZE, true},
    [ANATOMY_KID_CONTEXT] = {"kid context (10)", NULL, 10, BULLA_CBOR_BYTES, 8, 8, false},
    [ANATOMY_CIPHERTEXT] = {"ciphertext", NULL, 0, BULLA_CBOR_BYTES, 0, SIZE_MAX, true},
};

struct walk {
    struct anatomy *anatomy;
    const uint8_t *begin;
    struct bulla_cbor_reader reader;
};

/* ---- what is wrong: the first thing counts ---- */

__attribute__((format(printf, 3, 4))) static void complain(struct walk *walk, const uint8_t *at,
                                                           const char *format, ...)
{
    va_list arguments;

    if (walk->anatomy->why[0])
        return;
    walk->anatomy->where = (size_t)(at - walk->begin);
    va_start(arguments, format);
    vsnprintf(walk->anatomy->why, sizeof(walk->anatomy->why), format, arguments);
    va_end(arguments);
}

static const char *const majors[] = {
    "an unsigned number",        "a negative number", "a byte string", "a text", "an array", "a map", "a tag",
    "a simple value or a float",
};

/* Reads a head, of any type: -1 if none is there. What is not in its shortest form is complained of. */
static int take(struct walk *walk, const char *what, struct bulla_cbor_item *item)
{
    const uint8_t *at = walk->reader.at;

    if (bulla_cbor_next(&walk->reader, item) < 0) {
        complain(walk, at,
                 at == walk->reader.end ? "the bytes end where %s must stand"
                                        : "where %s must stand, it is cut off or no CBOR",
                 what);
        return -1;
    }
    if (item->info == 31)
        complain(walk, at, "%s is of indefinite length", what);
    else if (!item->shortest)
        complain(walk, at, "%s is not in the fewest bytes", what);
    return 0;
}

/* The same, and complains of another type: then -1 too. */
static int take_major(struct walk *walk, const char *what, enum bulla_cbor_major major,
                      struct bulla_cbor_item *item)
{
    const uint8_t *at = walk->reader.at;

    if (take(walk, what, item) < 0)
        return -1;
    if (item->major == (uint8_t)major)
        return 0;
    complain(walk, at, "%s must stand here as %s, and it is %s", what, majors[major], majors[item->major]);
    return -1;
}

/* ---- headers ---- */

uint64_t anatomy_piv(const struct bulla_cbor_item *item)
{
    uint64_t piv = 0;

    if (item->argument > sizeof(piv))
        return UINT64_MAX;
    for (size_t i = 0; i < item->argument; i++)
        piv = piv << 8 | item->data[i];
    return piv;
}

/* Checks a value that stands at `at`. False: it is not even of its type. */
static bool check_value(struct walk *walk, enum anatomy_part which, const struct bulla_cbor_item *item,
                        const uint8_t *at)
{
    const struct part *part = &parts[which];
    bool is_string = part->major == BULLA_CBOR_BYTES;

    /* Any integer is an algorithm: one that is not the credential's is forged, not malformed. */
    if (item->major != (uint8_t)part->major && !(which == ANATOMY_ALG && item->major == BULLA_CBOR_NINT)) {
        complain(walk, at, "%s is %s, not %s", part->name, majors[item->major], majors[part->major]);
        return false;
    }
    if (item->info == 31)
        return false;
    if (is_string && item->argument < part->least)
        complain(walk, at, "%s has %" PRIu64 " bytes: too few", part->name, item->argument);
    else if (is_string && item->argument > part->most)
        complain(walk, at, "%s has %" PRIu64 " bytes: too many", part->name, item->argument);
    else if (which == ANATOMY_CONTENT_TYPE && item->argument > UINT16_MAX)
        complain(walk, at, "content type %" PRIu64 " is beyond 65535", item->argument);
    else if (which == ANATOMY_PIV && item->argument > 1 && item->data[0] == 0)
        complain(walk, at, "the Partial IV begins with a zero byte that it does not need");
    return true;
}

static bool is_key_of(const struct part *part, const struct bulla_cbor_item *key)
{
    if (part->text_key == NULL)
        return key->major == BULLA_CBOR_UINT && key->argument == part->key;
    return key->major == BULLA_CBOR_TEXT && key->info != 31 && key->argument == strlen(part->text_key) &&
           memcmp(key->data, part->text_key, (size_t)key->argument) == 0;
}

/* Complains of the required headers from `from` to `to` (not included) that are not there. */
static void miss(struct walk *walk, const uint8_t *at, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        if (parts[i].required)
            complain(walk, at, "%s must stand here", parts[i].name);
    }
}

/* Reads a header's value. -1 if nothing behind it can be read. */
static int take_value(struct walk *walk, unsigned which, bool again)
{
    const uint8_t *at = walk->reader.at;
    struct bulla_cbor_item item;

    if (take(walk, parts[which].name, &item) < 0)
        return -1;
    if (check_value(walk, which, &item, at) && !again) {
        walk->anatomy->parts[which] = item;
        walk->anatomy->at[which] = (size_t)(at - walk->begin);
        walk->anatomy->found[which] = true;
        return 0;
    }
    walk->reader.at = at;
    return bulla_cbor_skip(&walk->reader, SKIP_DEPTH);
}

/* One key with its value. `*next` is the first header that may stand here. */
static int take_header(struct walk *walk, unsigned first, unsigned end, unsigned *next)
{
    const uint8_t *at = walk->reader.at;
    struct bulla_cbor_item key;
    unsigned which = first;

    if (take(walk, "a header's key", &key) < 0)
        return -1;
    while (which < end && !is_key_of(&parts[which], &key))
        which++;
    if (which == end) {
        complain(walk, at, "this header does not belong here");
        return bulla_cbor_skip(&walk->reader, SKIP_DEPTH);
    }
    if (which < *next) {
        complain(walk, at, "%s stands twice, or behind a header that it must precede", parts[which].name);
    } else {
        miss(walk, at, *next, which);
        *next = which + 1;
    }
    return take_value(walk, which, walk->anatomy->found[which]);
}

/* A map of the headers from `first` to `end` (not included). */
static int take_headers(struct walk *walk, const char *what, unsigned first, unsigned end)
{
    struct bulla_cbor_item map;
    struct cbor_walk entries;
    unsigned next = first;
    int more;

    if (take_major(walk, what, BULLA_CBOR_MAP, &map) < 0)
        return -1;
    entries = cbor_walk_begin(&map);
    while ((more = cbor_walk_next(&entries, &walk->reader)) > 0) {
        if (take_header(walk, first, end, &next) < 0) {
            complain(walk, walk->reader.at, "what stands here is cut off, or no CBOR");
            return -1;
        }
    }
    miss(walk, walk->reader.at, next, end);
    return more;
}

/* The protected headers stand in a byte string of their own. */
static int take_protected(struct walk *walk)
{
    struct walk within = *walk;
    struct bulla_cbor_item bytes;

    if (take_major(walk, "the string of the protected headers", BULLA_CBOR_BYTES, &bytes) < 0 ||
        bytes.info == 31)
        return -1;
    within.reader.at = bytes.data;
    within.reader.end = bytes.data + bytes.argument;
    if (take_headers(&within, "the map of the protected headers", ANATOMY_ALG, ANATOMY_KID) == 0 &&
        within.reader.at != within.reader.end)
        complain(&within, within.reader.at, "bytes follow the protected headers");
    return 0; /* what is wrong inside does not hide what follows */
}

/* ---- PROTOCOL 5: what is asked of a reply beyond the common form ---- */

static void check_direction(struct walk *walk)
{
    struct anatomy *anatomy = walk->anatomy;
    const uint8_t *begin = walk->begin;

    if (!anatomy->found[ANATOMY_KID])
        return;
    anatomy->direction = anatomy->parts[ANATOMY_KID].argument == BULLA_GATEWAY_ID_SIZE ? ANATOMY_TO_DEVICE
                                                                                       : ANATOMY_TO_GATEWAY;
    if (anatomy->direction == ANATOMY_TO_GATEWAY)
        return;
    if (anatomy->found[ANATOMY_ECHO])
        complain(walk, begin + anatomy->at[ANATOMY_ECHO],
                 "a kid of 6 bytes is a gateway's, and its replies have no \"echo\"");
    if (anatomy->found[ANATOMY_KID_CONTEXT])
        complain(walk, begin + anatomy->at[ANATOMY_KID_CONTEXT],
                 "a kid of 6 bytes is a gateway's, and its replies have no kid context");
    if (!anatomy->found[ANATOMY_RE])
        complain(walk, begin + anatomy->at[ANATOMY_KID],
                 "a kid of 6 bytes is a gateway's, and its replies have \"re\"");
    if (anatomy->found[ANATOMY_CONTENT_TYPE] &&
        anatomy->parts[ANATOMY_CONTENT_TYPE].argument != BULLA_FORMAT_CBOR)
        complain(walk, begin + anatomy->at[ANATOMY_CONTENT_TYPE],
                 "a kid of 6 bytes is a gateway's, and its replies have content type 60");
}

/* ---- the whole ---- */

/* The tag and the array's head. -1 if there is no array. */
static int take_frame(struct walk *walk)
{
    const uint8_t *at = walk->reader.at;
    struct bulla_cbor_item item;

    if (take(walk, "tag 16 (COSE_Encrypt0)", &item) < 0)
        return -1;
    if (item.major != BULLA_CBOR_TAG) {
        complain(walk, at, "tag 16 (COSE_Encrypt0) must stand here, and it is %s", majors[item.major]);
        walk->reader.at = at;
    } else if (item.argument != BULLA_COSE_ENCRYPT0) {
        complain(walk, at, "tag 16 (COSE_Encrypt0) must stand here, not %" PRIu64, item.argument);
    }
    at = walk->reader.at;
    if (take_major(walk, "the array of 3", BULLA_CBOR_ARRAY, &item) < 0)
        return -1;
    if (item.info != 31 && item.argument != 3)
        complain(walk, at, "the array of 3 must stand here, not of %" PRIu64, item.argument);
    return 0;
}

static void take_message(struct walk *walk)
{
    struct bulla_cbor_item item;

    if (take_frame(walk) < 0 || take_protected(walk) < 0)
        return;
    if (take_headers(walk, "the map of the unprotected headers", ANATOMY_KID, ANATOMY_CIPHERTEXT) < 0)
        return;
    if (take_major(walk, "the ciphertext", BULLA_CBOR_BYTES, &item) < 0 || item.info == 31)
        return;
    walk->anatomy->parts[ANATOMY_CIPHERTEXT] = item;
    walk->anatomy->found[ANATOMY_CIPHERTEXT] = true;
    if (walk->reader.at != walk->reader.end)
        complain(walk, walk->reader.at, "bytes follow the message");
}

void anatomy_read(struct anatomy *anatomy, const uint8_t *bytes, size_t len)
{
    struct walk walk = {.anatomy = anatomy, .begin = bytes, .reader = {bytes, bytes + len}};

    memset(anatomy, 0, sizeof(*anatomy));
    if (len > BULLA_MESSAGE_MAX)
        complain(&walk, bytes + BULLA_MESSAGE_MAX, "it is longer than %d bytes", BULLA_MESSAGE_MAX);
    take_message(&walk);
    check_direction(&walk);
}
