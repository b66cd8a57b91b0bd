/*
 * bulla: seals the readings of small devices, and opens the sealed replies.
 *
 * PURPOSE
 *
 * A device draws (or is given) a credential: a name for the wire (`kid`), a secret of 32 bytes and an
 * algorithm. With it this library seals readings into messages that anything may carry, and opens the
 * gateway's replies, which prove what is stored. The protocol is in spec/PROTOCOL.md; "PROTOCOL 3" below
 * names a section of it.
 *
 * EXAMPLE
 *
 *     static struct bulla device;                      // at most 256 bytes
 *     static uint8_t buffer[128];
 *     struct bulla_message message;
 *
 *     if (bulla_open(&device, &credential, &port) < 0)
 *         stop();                                      // no randomness or no store: it would not be safe
 *     bulla_begin(&message, buffer, sizeof(buffer));
 *     bulla_add_float(&message, "temperature", "Cel", 23.4f);
 *     error = bulla_seal(&device, &message);
 *     while (error >= 0) {
 *         size_t length = post(message.data, message.size, answer);
 *         enum bulla_fate fate = BULLA_WAITING;
 *         if (bulla_open_reply(&device, answer, length, NULL) == 0) // else nothing of it is believed
 *             fate = bulla_fate(&device, &message);
 *         if (fate == BULLA_STORED)
 *             break;                                   // proven: done
 *         if (fate == BULLA_WAITING)
 *             error = bulla_resend(&device, &message); // silence: the same bytes
 *         else                                         // challenged, or overtaken: under a new number
 *             error = bulla_seal_again(&device, &message);
 *     }
 *
 * RULES THAT THE LIBRARY KEEPS FOR YOU
 *
 * - A nonce is never used twice: there is no way to pass a nonce or a sequence number; a counter is reserved
 * in the store before anything is sealed with it; when the random source or the store fails, sealing is
 * refused.
 * - Nothing of a reply is believed before it authenticates and names a message that this device sealed.
 *
 * RULES THAT YOU KEEP (all that there are)
 *
 * - One credential is for one board.
 * - A counter is provisioned once (bulla_provision_counter), for a fresh secret.
 * - One open context a store. (Two that are used in turn repeat no number, but they overtake each other, and
 * what is overtaken is refused as stale.)
 * - The port's random is the hardware's real source of randomness, and it reports failure. A board that has
 * none leaves it out (NULL) and uses a counter context.
 * - A context, a message and their buffers belong to one thread at a time.
 *
 * MEMORY
 *
 * Nothing is allocated and nothing is global. You own the context, the message, its buffer and the port
 * struct; the port must outlive the context. Secrets are wiped from the stack before every return, and from
 * the context by bulla_close().
 *
 * ERRORS
 *
 * Functions that can fail return a negative enum bulla_error, and 0 (or what their comment says) when they
 * did what they are for. After a failure the context is as it was before the call, but for the store and for
 * the next sequence number: it never goes back, and may go on, past numbers that the store says may have been
 * used, or past the one that sealing failed with.
 *
 * Only memcpy, memmove, memset, memcmp and strlen are needed from libc.
 */
#ifndef BULLA_H
#define BULLA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define BULLA_MUST_CHECK __attribute__((warn_unused_result))
#else
#define BULLA_MUST_CHECK
#endif

#define BULLA_SECRET_SIZE     32   /* bytes; the OSCORE Master Secret */
#define BULLA_KID_MAX         5    /* bytes; a kid has 1 to 5 */
#define BULLA_ID_CONTEXT_SIZE 8    /* bytes; names a session */
#define BULLA_CHALLENGE_SIZE  8    /* bytes */
#define BULLA_MESSAGE_MAX     4096 /* bytes of a whole sealed message */
#define BULLA_HEADROOM        66   /* bytes of a message's buffer that its header may take */
#define BULLA_TAG_MAX         16   /* bytes that the authentication tag may take behind the content */
#define BULLA_TRACKED         16   /* messages whose fate a context remembers */

/*
 * Every error, its number and its text: X(name, number, text).
 */
#define BULLA_ERRORS(X)                                                                                      \
    X(BULLA_E_ARGUMENT, -1, "an argument is out of range")                                                   \
    X(BULLA_E_UNSAFE, -2,                                                                                    \
      "the board offers neither a random source nor a store that this kind of context needs")                \
    X(BULLA_E_RANDOM, -3, "the random source failed")                                                        \
    X(BULLA_E_STORE, -4, "the store failed, or did not read back what was written")                          \
    X(BULLA_E_NO_COUNTER, -5, "the store holds no counter for this credential: provision it, once")          \
    X(BULLA_E_PROVISIONED, -6, "the store holds a counter for this credential already")                      \
    X(BULLA_E_EXHAUSTED, -7, "the context's sequence numbers are used up")                                   \
    X(BULLA_E_SPACE, -8, "the buffer is too small, or the message would be longer than 4096 bytes")          \
    X(BULLA_E_STATE, -9, "the message is not in a state that allows this")                                   \
    X(BULLA_E_MALFORMED, -10, "not a message of this protocol")                                              \
    X(BULLA_E_FORGED, -11, "it does not authenticate")                                                       \
    X(BULLA_E_NOT_OURS, -12, "it answers none of the last 16 messages")                                      \
    X(BULLA_E_CRYPTO, -13, "the cryptographic provider failed")

enum bulla_error {
#define BULLA_ERROR_ENUM(name, number, text) name = number,
    BULLA_ERRORS(BULLA_ERROR_ENUM)
#undef BULLA_ERROR_ENUM
        BULLA_OK = 0
};

/* The text of an error, for a person. Never NULL. Costs flash only where it is called. */
const char *bulla_strerror(int error);

/* ---- credential (PROTOCOL 1) ---- */

/* COSE algorithm numbers (RFC 9053 4.2, 4.3). */
enum bulla_alg {
    BULLA_AES_CCM_16_64_128 = 10,  /* 8 bytes of tag: the default */
    BULLA_CHACHA20_POLY1305 = 24,  /* 16 bytes of tag; the fastest on 32-bit cores without an AES unit */
    BULLA_AES_CCM_16_128_128 = 30, /* 16 bytes of tag */
};

enum bulla_kind {
    BULLA_SESSION, /* needs a random source; writes nothing to flash */
    BULLA_COUNTER, /* needs a store; needs no random source */
};

/* What a device is provisioned with. May be const, in flash. */
struct bulla_credential {
    uint8_t secret[BULLA_SECRET_SIZE];
    uint8_t kid[BULLA_KID_MAX];
    uint8_t kid_len; /* 1 to 5 */
    uint8_t alg;     /* enum bulla_alg */
    uint8_t kind;    /* enum bulla_kind */
};

/*
 * What `bulla device export NAME --format header --derived` gives: the keys of a counter context (PROTOCOL
 * 2), derived beforehand, so that neither HKDF nor SHA-256 is on the board. Such a board can only seal: the
 * key of a reply is derived from the secret, which it does not have. May be const, in flash. A session's keys
 * are never derived beforehand: every session has its own.
 */
struct bulla_derived {
    uint8_t key[32];                /* of the sender; the algorithm's size of it counts */
    uint8_t common_iv[13];          /* likewise */
    uint8_t kid[BULLA_KID_MAX + 1]; /* the last byte is the library's own */
    uint8_t kid_len;                /* 1 to 5 */
    uint8_t alg;                    /* enum bulla_alg */
};

#define BULLA_NAME_MAX       64  /* bytes of a device's name, without the terminating zero */
#define BULLA_CREDENTIAL_MAX 320 /* bytes of the longest credential line, with the terminating zero */

/*
 * Reads the text form `bulla:NAME?kid=…&secret=…&alg=…[&context=counter]`. `line` is `len` bytes without a
 * line end. `name` (65 bytes, or NULL) receives the decoded name, zero-terminated. Returns 0 or
 * BULLA_E_MALFORMED.
 */
BULLA_MUST_CHECK int bulla_credential_parse(struct bulla_credential *credential, char *name, const char *line,
                                            size_t len);

/*
 * Writes the text form, zero-terminated, into `line` (BULLA_CREDENTIAL_MAX bytes). It holds the secret: wipe
 * it after use. Returns its length, or BULLA_E_ARGUMENT.
 */
BULLA_MUST_CHECK int bulla_credential_format(const struct bulla_credential *credential, const char *name,
                                             char *line);

/* ---- port: what the board offers ---- */

/* Places in the store. Each holds BULLA_SLOT_SIZE bytes, and is written as a whole. */
enum bulla_slot {
    BULLA_SLOT_COUNTER_A, /* two copies of the counter, in flash or EEPROM, in different erase units */
    BULLA_SLOT_COUNTER_B,
    BULLA_SLOT_SESSION, /* a sleeping session, in memory that survives deep sleep (RTC memory will do) */
};

#define BULLA_SLOT_SIZE    64 /* bytes: room that every slot has */
#define BULLA_COUNTER_SIZE 16 /* bytes written to a counter's slot */
#define BULLA_SLEEP_SIZE   56 /* bytes written to the session's slot */

struct bulla_crypto;

/* Callbacks return 0, or anything else for failure. What the board does not have is NULL. */
struct bulla_port {
    /* Fills `out` with `len` bytes (8) from a real random source. */
    int (*random)(void *context, uint8_t *out, size_t len);
    /* Reads the `len` bytes written last to a slot; fails if there are none. */
    int (*load)(void *context, enum bulla_slot slot, uint8_t *out, size_t len);
    /* Writes a slot, durably. A cut in the middle may leave anything in that slot, and must leave the others
     * alone. */
    int (*store)(void *context, enum bulla_slot slot, const uint8_t *data, size_t len);
    /* Milliseconds since any moment; wraps around at 2^32. It must go on while the board sleeps and keeps its
     * RAM, or be NULL: how late a reply is, is reckoned by it. (A board that seals nothing for 49 days takes
     * a reply to what it sealed before that for one as much younger.) */
    uint32_t (*timer)(void *context);
    void *context;               /* handed to each of them */
    struct bulla_crypto *crypto; /* state of a provider that keeps any (OpenSSL); NULL always works */
};

/* ---- context (PROTOCOL 2) ---- */

/* A message that was sealed: the library's own. */
struct bulla_sent {
    uint16_t behind; /* how far its Partial IV is below the next one: 1 to 65,278 */
    uint8_t age;     /* in 256 ms, since it was sealed; 255: too long */
    uint8_t marks;   /* 0: it cannot be answered */
};

/*
 * A security context. Yours to place, the library's to read and write. Numbers are 6 bytes, the least
 * significant first. What is used most stands first, where small cores reach it by short instructions.
 */
struct bulla {
    const struct bulla_port *port;
    int (*ready)(struct bulla *bulla); /* NULL, or to be called before a number is taken: a counter reserves
                                          numbers; a session that is saved in the store is destroyed there.
                                          From here to `flags` all is of one session, and ends with it */
    uint8_t next[6];                   /* Partial IV of the next message */
    uint8_t limit[6];                  /* counter: numbers below it are reserved in the store */
    uint8_t answered[6];               /* 1 + the highest "re" accepted, 0: none yet */
    uint8_t echo_until[6];             /* a receipt for a message from this piv on ends the echo */
    uint8_t gateway_id[6];
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];
    uint8_t challenge[BULLA_CHALLENGE_SIZE];
    uint8_t gateway_key[32];               /* of the gateway id above, once it has opened something */
    struct bulla_sent sent[BULLA_TRACKED]; /* the last sealed first */
    uint8_t flags;
    struct bulla_derived own; /* keys: the sender's */
    uint32_t clock;           /* the port's timer when the ages were last brought up to date */
    uint64_t last_command;    /* id of the last command carried out (PROTOCOL 6) */
    uint8_t secret[BULLA_SECRET_SIZE];
};

/*
 * Opens a context: derives its keys; a session context draws its id, a counter context reads its counter.
 * Returns 0, BULLA_E_UNSAFE, BULLA_E_RANDOM, BULLA_E_NO_COUNTER, BULLA_E_ARGUMENT or BULLA_E_CRYPTO; after an
 * error the context seals nothing.
 */
BULLA_MUST_CHECK int bulla_open(struct bulla *bulla, const struct bulla_credential *credential,
                                const struct bulla_port *port);

/*
 * Opens a session context, as bulla_open() does. A board that has no counter calls this, and needs no flash
 * for the counter's code. BULLA_E_ARGUMENT also for the credential of a counter.
 */
BULLA_MUST_CHECK int bulla_open_session(struct bulla *bulla, const struct bulla_credential *credential,
                                        const struct bulla_port *port);

/*
 * Opens a session context that slept, from BULLA_SLOT_SESSION; begins a new session if none is saved there.
 * Returns 1 (restored), 0 (new), or an error as bulla_open does. What was restored is destroyed in the store
 * before the next message is sealed; if that fails a new session begins, so a saved session is good once.
 */
BULLA_MUST_CHECK int bulla_wake(struct bulla *bulla, const struct bulla_credential *credential,
                                const struct bulla_port *port);

/*
 * Saves a session context in BULLA_SLOT_SESSION. Returns 0, BULLA_E_STORE, or BULLA_E_STATE for a counter
 * context. BULLA_E_STORE also if it was saved before and that is not there any more: it may have been woken
 * elsewhere. The next seal then begins a new session, which may sleep.
 */
BULLA_MUST_CHECK int bulla_sleep(struct bulla *bulla);

/* Wipes the context. */
void bulla_close(struct bulla *bulla);

/*
 * Makes the counter of a counter credential: to be called once, when a fresh secret is put on the board,
 * never at start-up. Returns 0, BULLA_E_PROVISIONED if the store holds one for this kid (good or damaged in
 * one copy), BULLA_E_STORE, BULLA_E_UNSAFE if the port has no store, BULLA_E_ARGUMENT if it is no counter
 * credential.
 */
BULLA_MUST_CHECK int bulla_provision_counter(const struct bulla_credential *credential,
                                             const struct bulla_port *port);

/* ---- message (PROTOCOL 3) ---- */

/* CoAP content-formats of the content (RFC 7252 12.3, RFC 8428 12.3). */
enum bulla_format {
    BULLA_FORMAT_TEXT = 0,
    BULLA_FORMAT_BYTES = 42,
    BULLA_FORMAT_JSON = 50,
    BULLA_FORMAT_CBOR = 60,
    BULLA_FORMAT_SENML_JSON = 110,
    BULLA_FORMAT_SENML_CBOR = 112,
};

/* A message being built, then sealed. `data`, `size` and `piv` are for reading once it is sealed; the rest is
 * the library's. */
struct bulla_message {
    uint8_t *data;    /* the sealed message, inside the buffer */
    size_t size;      /* its bytes, 0 until it is sealed */
    uint8_t *content; /* where the content begins; while it is being built, behind a pack's own head */
    uint8_t *at;      /* where it goes on */
    uint8_t *end;     /* where its room ends */
    uint8_t *record;  /* the last record */
    uint64_t piv;
    uint16_t records; /* in the pack; 0 also for content that is not SenML */
    uint16_t format;
    int8_t error; /* the first error of the builder, told by bulla_seal() */
    uint8_t state;
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE]; /* of the session that sealed it; zero in a counter context */
};

/*
 * Begins a message of SenML records in `buffer`. Of its `size` bytes BULLA_HEADROOM and BULLA_TAG_MAX are
 * overhead; what is left holds the records (a temperature takes about 11 + the name's length). The buffer is
 * the message's until its fate is known.
 */
void bulla_begin(struct bulla_message *message, void *buffer, size_t size);

/* Begins a message of another content-format, whose content bulla_add_bytes() appends. */
void bulla_begin_content(struct bulla_message *message, uint16_t format, void *buffer, size_t size);

/*
 * Append one reading. `name` is zero-terminated, of characters that SenML allows (A-Z a-z 0-9 - : . / _);
 * `unit` is a SenML unit ("Cel", "%RH") or NULL. It and `text` are zero-terminated UTF-8. Errors are kept in
 * the message and told by bulla_seal().
 */
void bulla_add_float(struct bulla_message *message, const char *name, const char *unit, float value);
void bulla_add_double(struct bulla_message *message, const char *name, const char *unit, double value);
void bulla_add_integer(struct bulla_message *message, const char *name, const char *unit, int64_t value);
void bulla_add_boolean(struct bulla_message *message, const char *name, int value);
void bulla_add_text(struct bulla_message *message, const char *name, const char *text);

/* Set when the reading added last was taken: Unix seconds (at least 2^28), or how many seconds ago. Without:
 * now. */
void bulla_set_time(struct bulla_message *message, int64_t unix_seconds);
void bulla_set_age(struct bulla_message *message, uint32_t seconds);

/* Appends bytes to content begun by bulla_begin_content(). */
void bulla_add_bytes(struct bulla_message *message, const void *bytes, size_t len);

/*
 * Seals the message in place, under the next sequence number. Returns 0, or the builder's first error,
 * BULLA_E_SPACE, BULLA_E_STATE (sealed already), BULLA_E_EXHAUSTED, BULLA_E_STORE, BULLA_E_RANDOM,
 * BULLA_E_CRYPTO: then the content is lost, and the message is to be begun anew; after the three before it,
 * it can be sealed once they work.
 */
BULLA_MUST_CHECK int bulla_seal(struct bulla *bulla, struct bulla_message *message);

enum bulla_fate {
    BULLA_WAITING,    /* no reply yet: bulla_resend() and send the same bytes */
    BULLA_STORED,     /* proven to be stored: done */
    BULLA_SEAL_AGAIN, /* answered, and not stored: bulla_seal_again(), or build and seal the reading anew */
    BULLA_FORGOTTEN,  /* not one of this context's last 16: as BULLA_SEAL_AGAIN, but of a session that has
                         ended it must be built anew; either way the reading may be stored twice */
};

/* What is known of a sealed message. */
enum bulla_fate bulla_fate(const struct bulla *bulla, const struct bulla_message *message);

/*
 * Makes a sealed message ready to be sent again: the same bytes, except that the kid context is put in if it
 * was left out (PROTOCOL 3, Resending). Returns 0 or BULLA_E_STATE.
 */
BULLA_MUST_CHECK int bulla_resend(struct bulla *bulla, struct bulla_message *message);

/*
 * Opens the device's own message and seals its content under a new number. Times given by bulla_set_age() are
 * then counted from now. Returns 0 or an error as bulla_seal() does; BULLA_E_STATE unless its fate, in this
 * session, is BULLA_SEAL_AGAIN or BULLA_FORGOTTEN (PROTOCOL 3: while it waits, it is resent). When the store
 * or the random source failed, call it again; after BULLA_E_CRYPTO build the reading anew.
 */
BULLA_MUST_CHECK int bulla_seal_again(struct bulla *bulla, struct bulla_message *message);

/* ---- derived keys: a board that only seals ---- */

/* Such a board's context, in a tenth of the memory of struct bulla. Yours to place, the library's to read and
 * write. */
struct bulla_sealer {
    const struct bulla_port *port;
    const struct bulla_derived *derived;
    uint8_t next[6];  /* the next Partial IV, its least significant byte first */
    uint8_t limit[6]; /* numbers below it are reserved in the store */
};

/* As bulla_provision_counter(): once, when fresh keys are put on the board. */
BULLA_MUST_CHECK int bulla_provision_derived(const struct bulla_derived *derived,
                                             const struct bulla_port *port);

/*
 * Reads the counter. `derived` must outlive the sealer, as `port` must. Returns 0, BULLA_E_UNSAFE,
 * BULLA_E_NO_COUNTER or BULLA_E_ARGUMENT; after an error the sealer seals nothing.
 */
BULLA_MUST_CHECK int bulla_open_derived(struct bulla_sealer *sealer, const struct bulla_derived *derived,
                                        const struct bulla_port *port);

/*
 * Seals a message, as bulla_seal() does. It may be sent again as it is, as often as the application likes
 * (PROTOCOL 3); bulla_fate() and what follows from it are not for it.
 */
BULLA_MUST_CHECK int bulla_seal_derived(struct bulla_sealer *sealer, struct bulla_message *message);

/* ---- reply (PROTOCOL 5) ---- */

/* What a reply said. */
struct bulla_reply {
    uint64_t re;         /* piv of the message that it answers */
    uint64_t top;        /* if has_receipt: the highest piv stored in this context */
    uint64_t bits;       /* bit i (0 to 62): piv top-1-i is stored */
    int64_t time;        /* if has_time: Unix seconds, fresh enough to set a clock by */
    uint8_t has_receipt; /* 0 or 1, as the next ones */
    uint8_t has_time;
    uint8_t challenged; /* every message now carries the challenge until a receipt ends that */
};

/*
 * Opens a reply in place and does what it says: notes what is stored, keeps the challenge, raises the
 * sequence number. `bytes` is overwritten. `reply` may be NULL. Returns 0, BULLA_E_MALFORMED, BULLA_E_FORGED,
 * BULLA_E_NOT_OURS, BULLA_E_CRYPTO, or BULLA_E_STATE if the context is not open; after an error nothing of it
 * was believed.
 */
BULLA_MUST_CHECK int bulla_open_reply(struct bulla *bulla, void *bytes, size_t len,
                                      struct bulla_reply *reply);

#ifdef __cplusplus
}
#endif

#endif
