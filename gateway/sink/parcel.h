/*
 * Parcels: how readings lie in the outbox. Pure: bytes and structs, no clock, no I/O.
 *
 *     parcel  = %x01, points, 1*message, crc
 *     message = device id, name, %x00, context length, context, piv, received, index, count, count readings
 *     reading = type, name length, name, unit length, unit, time, value
 *     value   = 8 bytes (real, sum: IEEE 754, little-endian) / number (integer, boolean)
 *             / length, bytes (text, data) / format, length, bytes (payload, undecoded)
 *
 * Numbers are LEB128, of 64 bits at most; those with a sign in zigzag. `received` counts from the message
 * before (the first: from 0), `time` from `received`; both wrap around. `index` is that of its first reading:
 * a message may be continued in the next parcel. `crc` is CRC-32 (as in zlib) of all that is before it, 4
 * bytes, little-endian.
 */
#ifndef PARCEL_H
#define PARCEL_H

#include "gateway/sink/sink.h"
#include "gateway/store/store.h"

#define PARCEL_POINTS_MAX 4096
#define PARCEL_BYTES      ((size_t)262144) /* a parcel ends with the reading that brings it to so many */

/* ---- writing ---- */

/* A message's head. The strings need to last for the call only. */
struct parcel_message {
    int64_t device_id;
    const char *device;
    const uint8_t *context;
    size_t context_len; /* 0 to SINK_CONTEXT_MAX */
    uint64_t piv;
    int64_t received;
};

/* One parcel of those written. */
struct parcel {
    size_t at; /* in the bytes */
    size_t len;
    uint32_t points;
    int64_t received; /* of its oldest message */
};

/* Parcels that are written, and the memory that they lie in, which is kept for the next ones. */
struct parcels {
    uint8_t *bytes;
    size_t used;
    size_t room;
    struct parcel *items;
    size_t count; /* of those that are complete: after parcels_end() all */
    size_t item_room;
    bool open;        /* items[count] is being written */
    int64_t received; /* of the message before, in the one that is open */
};

/* Begins anew: forgets the parcels, keeps the memory. A struct of zeros is empty, too. */
void parcels_begin(struct parcels *parcels);

/* Appends the readings of a message. 0, or -1 with the failure: memory is out, or a reading is larger than a
 * parcel may be. */
MUST_CHECK int parcels_add(struct parcels *parcels, const struct parcel_message *message,
                           const struct reading *readings, size_t count, struct failure *failure);

/* Completes the last parcel. */
MUST_CHECK int parcels_end(struct parcels *parcels, struct failure *failure);

/* All of it: what a commit sends out, which is the messages of contexts whose verdict is COMMIT_DONE. There
 * may be none. */
MUST_CHECK int parcels_of_commit(struct parcels *parcels, const struct commit *commit,
                                 struct failure *failure);

/* Appends what a message of an older wire says; `seq` is what its readings are numbered with. */
MUST_CHECK int parcels_add_wire(struct parcels *parcels, const struct wire_change *change, uint64_t seq,
                                struct failure *failure);

void parcels_wipe(struct parcels *parcels);

/* ---- reading ---- */

/*
 * Reads a parcel into `points`, of which there are PARCEL_POINTS_MAX; their pointers lead into the parcel.
 * Returns how many, or -1 if it is not one.
 */
MUST_CHECK int parcel_read(const uint8_t *parcel, size_t len, struct sink_point points[PARCEL_POINTS_MAX]);

#endif
