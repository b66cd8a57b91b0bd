/*
 * A session over deep sleep (PROTOCOL 2): saved in a blob with a checksum, good once.
 */
#include "context.h"

#include <string.h>

#define VERSION       0xb2
#define FLAGS_KEPT    (BULLA_F_RECEIPT | BULLA_F_KEEP | BULLA_F_CHALLENGED)
#define AT_FLAGS      1
#define AT_ID_CONTEXT 2
#define AT_NEXT       10 /* 6 bytes each */
#define AT_ANSWERED   16
#define AT_ECHO_UNTIL 22
#define AT_COMMAND    28 /* 8 bytes */
#define AT_CHALLENGE  36
#define AT_STORED     44 /* 2 bytes each */
#define AT_REFUSED    46
#define AT_BARE       48
#define AT_RUN        50 /* 1 byte: how many of the last messages, counted back from next-1, are tracked */
#define AT_CRC        (BULLA_SLEEP_SIZE - 4)

/*
 * Only messages numbered without a gap up to the next number are kept: where a receipt raised the number,
 * what was sealed before that is answered by then, or forgotten.
 */
static unsigned unbroken_run(const struct bulla *bulla)
{
    unsigned i = 0;

    while (i < BULLA_TRACKED && bulla->sent[i].marks != 0 && bulla->sent[i].behind == i + 1)
        i++;
    return i;
}

/* The messages that have a mark: bit i of 16 is message i. */
static uint16_t marked(const struct bulla *bulla, uint8_t mark)
{
    uint16_t bits = 0;

    for (unsigned i = BULLA_TRACKED; i-- > 0;)
        bits = (uint16_t)(bits << 1 | ((bulla->sent[i].marks & mark) != 0));
    return bits;
}

static void encode(const struct bulla *bulla, uint8_t blob[BULLA_SLEEP_SIZE])
{
    memset(blob, 0, BULLA_SLEEP_SIZE);
    blob[0] = VERSION;
    blob[AT_FLAGS] = bulla->flags & FLAGS_KEPT;
    memcpy(blob + AT_ID_CONTEXT, bulla->id_context, BULLA_ID_CONTEXT_SIZE);
    memcpy(blob + AT_NEXT, bulla->next, 6);
    memcpy(blob + AT_ANSWERED, bulla->answered, 6);
    memcpy(blob + AT_ECHO_UNTIL, bulla->echo_until, 6);
    bulla_put_le(blob + AT_COMMAND, bulla->last_command, 8);
    memcpy(blob + AT_CHALLENGE, bulla->challenge, BULLA_CHALLENGE_SIZE);
    bulla_put_le(blob + AT_STORED, marked(bulla, BULLA_M_STORED), 2);
    bulla_put_le(blob + AT_REFUSED, marked(bulla, BULLA_M_REFUSED), 2);
    bulla_put_le(blob + AT_BARE, marked(bulla, BULLA_M_BARE), 2);
    blob[AT_RUN] = (uint8_t)unbroken_run(bulla);
    bulla_put_le(blob + AT_CRC, bulla_record_crc(bulla->own.kid, bulla->own.kid_len, blob, AT_CRC), 4);
}

static int is_whole(const struct bulla *bulla, const uint8_t blob[BULLA_SLEEP_SIZE])
{
    return blob[0] == VERSION && blob[AT_RUN] <= BULLA_TRACKED && (blob[AT_FLAGS] & ~FLAGS_KEPT) == 0 &&
           bulla_get_le(blob + AT_NEXT, 6) <= BULLA_PIV_MAX + 1 &&
           bulla_get_le(blob + AT_CRC, 4) ==
               bulla_record_crc(bulla->own.kid, bulla->own.kid_len, blob, AT_CRC);
}

/* The saved session is there as this context left it: no other one restored from it has sealed, or slept
 * again. */
static int is_still_ours(const struct bulla *bulla)
{
    uint8_t blob[BULLA_SLEEP_SIZE] = {0};

    return bulla->port->load(bulla->port->context, BULLA_SLOT_SESSION, blob, sizeof(blob)) == 0 &&
           is_whole(bulla, blob) &&
           memcmp(blob + AT_ID_CONTEXT, bulla->id_context, BULLA_ID_CONTEXT_SIZE) == 0 &&
           bulla_get_le(blob + AT_NEXT, 6) <= bulla_get_le(bulla->next, sizeof(bulla->next));
}

/* Destroys it in the store. 0, or BULLA_E_STORE if it may still be there, or was not any more. */
static int destroy(struct bulla *bulla)
{
    uint8_t blank[BULLA_SLEEP_SIZE];
    uint8_t read_back[BULLA_SLEEP_SIZE];

    if (!is_still_ours(bulla))
        return BULLA_E_STORE;
    memset(blank, 0, sizeof(blank));
    memset(read_back, 0xff, sizeof(read_back));
    if (bulla->port->store(bulla->port->context, BULLA_SLOT_SESSION, blank, sizeof(blank)) != 0 ||
        bulla->port->load(bulla->port->context, BULLA_SLOT_SESSION, read_back, sizeof(read_back)) != 0 ||
        memcmp(blank, read_back, sizeof(blank)) != 0)
        return BULLA_E_STORE;
    bulla->ready = NULL;
    return 0;
}

/* What is not destroyed may wake once more: so this session ends here. */
static int destroy_saved(struct bulla *bulla)
{
    return destroy(bulla) < 0 ? bulla_session_begin(bulla) : 0;
}

/* A mark of message i, if its bit is set. */
static uint8_t mark_of(const uint8_t bits[2], unsigned i, uint8_t mark)
{
    return (bits[i / 8] >> i % 8 & 1) != 0 ? mark : 0;
}

static void decode(struct bulla *bulla, const uint8_t blob[BULLA_SLEEP_SIZE])
{
    bulla->flags = blob[AT_FLAGS];
    bulla->ready = destroy_saved;
    memcpy(bulla->id_context, blob + AT_ID_CONTEXT, BULLA_ID_CONTEXT_SIZE);
    memcpy(bulla->next, blob + AT_NEXT, 6);
    memcpy(bulla->answered, blob + AT_ANSWERED, 6);
    memcpy(bulla->echo_until, blob + AT_ECHO_UNTIL, 6);
    bulla->last_command = bulla_get_le(blob + AT_COMMAND, 8);
    memcpy(bulla->challenge, blob + AT_CHALLENGE, BULLA_CHALLENGE_SIZE);
    memset(bulla->sent, 0, sizeof(bulla->sent));
    for (unsigned i = 0; i < blob[AT_RUN]; i++) {
        struct bulla_sent *sent = &bulla->sent[i];

        sent->behind = (uint16_t)(i + 1);
        sent->age = (uint8_t)BULLA_AGE_MAX; /* how long it slept is not known: no key 2 or 4 for these */
        sent->marks = BULLA_M_TRACKED | mark_of(blob + AT_STORED, i, BULLA_M_STORED) |
                      mark_of(blob + AT_REFUSED, i, BULLA_M_REFUSED) |
                      mark_of(blob + AT_BARE, i, BULLA_M_BARE);
    }
}

int bulla_sleep(struct bulla *bulla)
{
    uint8_t blob[BULLA_SLEEP_SIZE];
    uint8_t read_back[BULLA_SLEEP_SIZE] = {0};

    if ((bulla->flags & BULLA_F_COUNTER) != 0 || (bulla->flags & BULLA_F_OPEN) == 0)
        return BULLA_E_STATE;
    if (bulla->port->load == NULL || bulla->port->store == NULL)
        return BULLA_E_STORE;
    if (bulla->ready != NULL && !is_still_ours(bulla))
        return BULLA_E_STORE; /* who destroyed it went on with its numbers: they must not be saved again */
    encode(bulla, blob);
    bulla->ready = destroy_saved; /* even if it fails: who knows what was written */
    if (bulla->port->store(bulla->port->context, BULLA_SLOT_SESSION, blob, sizeof(blob)) != 0 ||
        bulla->port->load(bulla->port->context, BULLA_SLOT_SESSION, read_back, sizeof(read_back)) != 0 ||
        memcmp(blob, read_back, sizeof(blob)) != 0)
        return BULLA_E_STORE;
    return 0;
}

/* 1 if a saved session was restored, 0 if there is none, or an error. */
static int restore(struct bulla *bulla, const struct bulla_credential *credential,
                   const struct bulla_port *port)
{
    uint8_t blob[BULLA_SLEEP_SIZE] = {0};
    int error = bulla_context_prepare(bulla, credential, port);

    if (error < 0)
        return error;
    if (port->load(port->context, BULLA_SLOT_SESSION, blob, sizeof(blob)) != 0 || !is_whole(bulla, blob))
        return 0;
    decode(bulla, blob);
    error = bulla_context_derive(bulla);
    if (error < 0)
        bulla_close(bulla);
    return error < 0 ? error : 1;
}

int bulla_wake(struct bulla *bulla, const struct bulla_credential *credential, const struct bulla_port *port)
{
    if (credential->kind == BULLA_SESSION && port->random != NULL && port->load != NULL &&
        port->store != NULL) {
        int restored = restore(bulla, credential, port);
        if (restored != 0)
            return restored;
    }
    return bulla_open(bulla, credential, port);
}
