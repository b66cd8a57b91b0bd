/*
 * What the files of the library share about a context (struct bulla). Not for applications.
 */
#ifndef BULLA_CONTEXT_H
#define BULLA_CONTEXT_H

#include "bulla.h"
#include "cose.h"
#include "counter.h"

/* Bits of struct bulla's flags. */
#define BULLA_F_OPEN        0x01 /* keys are there */
#define BULLA_F_COUNTER     0x02 /* it is a counter context */
#define BULLA_F_RECEIPT     0x04 /* a reply with key 0 was accepted: the kid context may be left out */
#define BULLA_F_KEEP        0x08 /* a message without kid context went unanswered: it stays in */
#define BULLA_F_CHALLENGED  0x10 /* messages carry "echo" */
#define BULLA_F_GATEWAY_KEY 0x20 /* gateway_key belongs to gateway_id */
#define BULLA_F_AWAKE       0x40 /* message 0 was sealed since boot or waking */

#define BULLA_AGE_UNIT 256u /* milliseconds: a shift, where a division is long */
#define BULLA_AGE_MAX  255u

/* Marks of a message that was sealed (struct bulla_sent). */
#define BULLA_M_TRACKED 0x01 /* it is this context's, and can be answered */
#define BULLA_M_STORED  0x02 /* a receipt said that it is stored */
#define BULLA_M_REFUSED 0x04 /* its own reply said that it was not stored */
#define BULLA_M_BARE    0x08 /* it went out without kid context */

/* struct bulla_message's state. */
enum bulla_message_state {
    BULLA_MESSAGE_PACK,    /* SenML records are being added */
    BULLA_MESSAGE_TIMED,   /* likewise, and the last record has its time */
    BULLA_MESSAGE_CONTENT, /* bytes are being added */
    BULLA_MESSAGE_SEALED,  /* with kid context, or of a counter context */
    BULLA_MESSAGE_BARE,    /* sealed, without kid context */
    BULLA_MESSAGE_OPENED,  /* opened again, to be sealed under another number */
};

/* Whether a message may be sealed now: 0, its builder's error, BULLA_E_STATE or BULLA_E_SPACE. */
BULLA_MUST_CHECK int bulla_message_check(const struct bulla_message *message);

/* Seals the content, a pack behind the head that counts its records, and ends the message. 0 or an error. */
BULLA_MUST_CHECK int bulla_message_seal(struct bulla_message *message, const struct bulla_cose *cose);

/* Writes the header of a content that is sealed: the message is then. */
void bulla_message_end(struct bulla_message *message, const struct bulla_cose *cose);

/* The key schedule of the context's own secret. */
void bulla_schedule_of(const struct bulla *bulla, struct bulla_schedule *schedule);

/* Derives the key of the sender that `keys` names. 0 or an error. */
BULLA_MUST_CHECK int bulla_context_key(const struct bulla *bulla, struct bulla_derived *keys);

/* Begins a new session: draws its id_context, derives its keys; nothing of the old one is left. 0 or an
 * error. */
BULLA_MUST_CHECK int bulla_session_begin(struct bulla *bulla);

/* Derives the sender's key and the Common IV; afterwards the context is open. 0 or an error. */
BULLA_MUST_CHECK int bulla_context_derive(struct bulla *bulla);

/* What every way of opening begins with: nothing is open yet, the credential is copied. 0 or
 * BULLA_E_ARGUMENT. */
BULLA_MUST_CHECK int bulla_context_prepare(struct bulla *bulla, const struct bulla_credential *credential,
                                           const struct bulla_port *port);

/* Brings the ages of the tracked messages up to date. */
void bulla_context_tick(struct bulla *bulla);

#define BULLA_AHEAD 0x80u /* more than the window of a receipt: its top may lie above the next number */
#define BULLA_FAR   (UINT16_MAX - 2 * BULLA_AHEAD) /* messages that lie so far behind are forgotten */

/* The tracked message that has this Partial IV, or NULL. */
struct bulla_sent *bulla_sent_find(struct bulla *bulla, const uint8_t piv[BULLA_NUMBER_SIZE]);

/* Notes that the next number is taken by a message with these marks. */
void bulla_sent_push(struct bulla *bulla, uint8_t marks);

/* Raises `next` to a number `plus` 0 or 1, never lowers it; forgets messages that then lie too far behind to
 * be told apart. */
void bulla_context_raise(struct bulla *bulla, const uint8_t number[BULLA_NUMBER_SIZE], uint8_t plus);

/* Raises a number to another one `plus` 0 or 1, never lowers it. Returns whether it did. */
uint8_t bulla_number_raise(uint8_t number[BULLA_NUMBER_SIZE], const uint8_t above[BULLA_NUMBER_SIZE],
                           uint8_t plus);

/* a - b + BULLA_AHEAD where 16 bits hold that, else UINT16_MAX. */
uint16_t bulla_number_gap(const uint8_t a[BULLA_NUMBER_SIZE], const uint8_t b[BULLA_NUMBER_SIZE]);

/* CRC-32 (IEEE 802.3) continued over `len` bytes; begin and end with 0. */
uint32_t bulla_crc32(uint32_t crc, const uint8_t *bytes, size_t len);

/* The CRC of a stored record: bound to the credential's kid, so another credential's record is not taken for
 * ours. */
uint32_t bulla_record_crc(const uint8_t *kid, size_t kid_len, const uint8_t *record, size_t len);

/* Writes it, in 4 bytes, the least significant first. */
void bulla_put_crc(uint8_t *out, const uint8_t *kid, size_t kid_len, const uint8_t *record, size_t len);

/* A number in `len` bytes, the least significant first, as uint64_t. */
void bulla_number_read(uint64_t *value, const uint8_t *bytes, uint8_t len);

/* Notes a message's number, and gives it back in bytes: they may stand in `room`. */
void bulla_message_number(struct bulla_message *message, const uint8_t number[BULLA_NUMBER_SIZE]);
const uint8_t *bulla_message_piv(const struct bulla_message *message, uint8_t room[BULLA_NUMBER_SIZE]);

#endif
