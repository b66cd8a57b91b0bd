#include "cli/open_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/device_print.h"
#include "cli/diagnostic.h"
#include "cli/reading_print.h"
#include "cli/text.h"
#include "cli/when.h"
#include "device/cbor.h"
#include "device/window.h"
#include "gateway/decode/decode.h"

#define LABEL_WIDTH "%-15s"

/* ---- words ---- */

struct named {
    uint64_t number;
    const char *name;
};

static const struct named algs[] = {
    {BULLA_AES_CCM_16_64_128, "AES-CCM-16-64-128"},
    {BULLA_AES_CCM_16_128_128, "AES-CCM-16-128-128"},
    {BULLA_CHACHA20_POLY1305, "ChaCha20/Poly1305"},
    {0, NULL},
};

static const struct named content_types[] = {
    {BULLA_FORMAT_TEXT, "text"},
    {BULLA_FORMAT_BYTES, "bytes"},
    {BULLA_FORMAT_JSON, "JSON"},
    {BULLA_FORMAT_CBOR, "CBOR"},
    {BULLA_FORMAT_SENML_JSON, "SenML in JSON"},
    {BULLA_FORMAT_SENML_CBOR, "SenML in CBOR"},
    {UINT64_MAX, NULL},
};

static const char *name_of(const struct named *names, uint64_t number)
{
    while (names->name != NULL && names->number != number)
        names++;
    return names->name;
}

static const char *direction_text(const struct open_report *report)
{
    switch (report->anatomy.direction) {
    case ANATOMY_TO_GATEWAY:
        return "message";
    case ANATOMY_TO_DEVICE:
        return "reply";
    case ANATOMY_UNKNOWN:
        break;
    }
    return NULL;
}

static const struct bulla_cbor_item *part(const struct open_report *report, enum anatomy_part which)
{
    return report->anatomy.found[which] ? &report->anatomy.parts[which] : NULL;
}

static uint64_t number_of(const struct open_report *report, enum anatomy_part which)
{
    return report->anatomy.parts[which].argument;
}

/* The algorithm as it was written: any integer. */
static void print_alg(const struct bulla_cbor_item *item)
{
    struct diagnostic_stop unused;
    uint8_t bytes[9];
    struct bulla_cbor_writer writer = {bytes, sizeof(bytes), 0, 0};

    bulla_cbor_head(&writer, (enum bulla_cbor_major)item->major, item->argument);
    (void)!diagnostic_print(stdout, bytes, writer.used, &unused);
}

/* ---- the plaintext ---- */

enum content { CONTENT_CBOR, CONTENT_TEXT, CONTENT_BYTES };

/* Text that is none is shown as bytes. */
static enum content content_of(const struct open_report *report)
{
    uint64_t type = number_of(report, ANATOMY_CONTENT_TYPE);

    if (type == BULLA_FORMAT_CBOR || type == BULLA_FORMAT_SENML_CBOR)
        return CONTENT_CBOR;
    if (type == BULLA_FORMAT_TEXT || type == BULLA_FORMAT_JSON || type == BULLA_FORMAT_SENML_JSON)
        return CONTENT_TEXT;
    return CONTENT_BYTES;
}

/* Prints the items of the plaintext, of which there should be one. */
static void print_diagnostic(FILE *out, const uint8_t *bytes, size_t len)
{
    struct diagnostic_stop stop = {0, NULL};
    size_t at = 0;
    long size;

    do {
        if (at > 0)
            fputs(", ", out);
        size = diagnostic_print(out, bytes + at, len - at, &stop);
        at += size < 0 ? stop.at : (size_t)size;
    } while (size >= 0 && at < len);
    if (size < 0)
        fprintf(out, " / byte %zu: %s /", at, stop.why);
}

/* For a terminal; line ends stay. */
static void print_lines(const char *text, size_t len)
{
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t line = end ? (size_t)(end - text) : len;

        text_print(stdout, text, line, TEXT_WHOLE);
        line += end != NULL;
        if (end && line < len)
            putchar('\n');
        text += line;
        len -= line;
    }
}

static void print_plaintext(const struct open_report *report)
{
    const struct opening *opening = &report->opening;

    printf(LABEL_WIDTH, "plaintext");
    if (opening->plaintext_len == 0)
        fputs("(empty)", stdout);
    else if (content_of(report) == CONTENT_CBOR)
        print_diagnostic(stdout, opening->plaintext, opening->plaintext_len);
    else if (content_of(report) == CONTENT_TEXT)
        print_lines((const char *)opening->plaintext, opening->plaintext_len);
    else
        text_hex(stdout, opening->plaintext, opening->plaintext_len);
    putchar('\n');
}

/* ---- the readings in it ---- */

/* Shows each reading as if it had been received now. */
static int each_reading(const struct open_report *report, reading_visitor *visit, void *context,
                        struct failure *failure)
{
    const struct opening *opening = &report->opening;
    struct reading_row row = {
        .device = report->keys->name,
        .received = when_now(),
        .seq = anatomy_piv(&report->anatomy.parts[ANATOMY_PIV]),
    };
    struct readings readings;
    int result;

    readings_init(&readings);
    result = decode((uint16_t)number_of(report, ANATOMY_CONTENT_TYPE), opening->plaintext,
                    opening->plaintext_len, row.received, &readings);
    for (size_t i = 0; result == 0 && i < readings.count; i++) {
        row.reading = readings.items[i];
        if (visit(context, &row) != 0)
            break;
    }
    readings_wipe(&readings);
    return result < 0 ? fail(failure, "memory is out") : 0;
}

static int print_readings(const struct open_report *report, struct failure *failure)
{
    struct table table;

    if (table_begin(&table, reading_columns, READING_COLUMNS, failure) < 0)
        return -1;
    if (each_reading(report, reading_print_table, &table, failure) < 0) {
        table_drop(&table);
        return -1;
    }
    puts("\nIts readings, as if it had come now:");
    return table_end(&table, stdout, failure);
}

/* ---- what a reply says (PROTOCOL 5) ---- */

struct reply_body {
    uint64_t number[3]; /* keys 0, 1, 2 */
    bool has[6];
};

/* The known keys of a reply's map; what is of another form is left out: it stands in the notation above. */
static void read_reply(const struct opening *opening, struct reply_body *body)
{
    struct bulla_cbor_reader reader = {opening->plaintext, opening->plaintext + opening->plaintext_len};
    struct bulla_cbor_item map, key, value;

    if (bulla_cbor_expect(&reader, BULLA_CBOR_MAP, &map) < 0)
        return;
    for (; map.argument > 0; map.argument--) {
        struct bulla_cbor_reader ahead;

        if (bulla_cbor_next(&reader, &key) < 0)
            return;
        ahead = reader;
        if (bulla_cbor_skip(&reader, DIAGNOSTIC_DEPTH) < 0)
            return;
        if (key.major != BULLA_CBOR_UINT || key.argument > 5)
            continue;
        if (key.argument > 2) {
            body->has[key.argument] = true;
        } else if (bulla_cbor_expect(&ahead, BULLA_CBOR_UINT, &value) == 0) {
            body->has[key.argument] = true;
            body->number[key.argument] = value.argument;
        }
    }
}

static void print_reply(const struct open_report *report)
{
    struct reply_body body = {{0}, {0}};
    uint64_t re = number_of(report, ANATOMY_RE);
    char time[WHEN_TEXT_SIZE];

    read_reply(&report->opening, &body);
    printf(LABEL_WIDTH "it answers message %" PRIu64, "says", re);
    if (body.has[0] && body.has[1])
        printf(", which is %s by this receipt; the highest stored is %" PRIu64,
               bulla_receipt_holds(body.number[0], body.number[1], re) ? "stored" : "not stored",
               body.number[0]);
    if (body.has[2] && body.number[2] <= INT64_MAX / 1000000) {
        when_format(time, (int64_t)body.number[2] * 1000000);
        printf("; the time is %s", time);
    }
    if (body.has[3])
        fputs("; it challenges: to be sealed again, with the challenge", stdout);
    if (body.has[4])
        fputs("; it brings a command", stdout);
    if (body.has[5])
        fputs("; it offers a new secret", stdout);
    putchar('\n');
}

/* ---- text ---- */

static void print_hex_part(const struct open_report *report, enum anatomy_part which, const char *label)
{
    const struct bulla_cbor_item *item = part(report, which);

    if (item == NULL)
        return;
    printf(LABEL_WIDTH, label);
    text_hex(stdout, item->data, (size_t)item->argument);
    putchar('\n');
}

static void print_number_part(const struct open_report *report, enum anatomy_part which, const char *label,
                              const struct named *names)
{
    const struct bulla_cbor_item *item = part(report, which);
    const char *name;

    if (item == NULL)
        return;
    printf(LABEL_WIDTH, label);
    if (which == ANATOMY_ALG)
        print_alg(item);
    else
        printf("%" PRIu64, item->argument);
    name = names != NULL && item->major == BULLA_CBOR_UINT ? name_of(names, item->argument) : NULL;
    printf(name ? " (%s)\n" : "\n", name);
}

static void print_headers(const struct open_report *report)
{
    const struct bulla_cbor_item *piv = part(report, ANATOMY_PIV);
    bool reply = report->anatomy.direction == ANATOMY_TO_DEVICE;

    print_number_part(report, ANATOMY_ALG, "alg", algs);
    print_number_part(report, ANATOMY_CONTENT_TYPE, "content type", content_types);
    print_number_part(report, ANATOMY_RE, "re", NULL);
    print_hex_part(report, ANATOMY_ECHO, "echo");
    print_hex_part(report, ANATOMY_KID, reply ? "gateway" : "kid");
    if (piv != NULL && piv->argument <= 8)
        printf(LABEL_WIDTH "%" PRIu64 "\n", "partial iv", anatomy_piv(piv));
    else
        print_hex_part(report, ANATOMY_PIV, "partial iv");
    print_hex_part(report, ANATOMY_KID_CONTEXT, "kid context");
    if (part(report, ANATOMY_CIPHERTEXT) != NULL)
        printf(LABEL_WIDTH "%" PRIu64 " bytes\n", "ciphertext", number_of(report, ANATOMY_CIPHERTEXT));
}

static void print_verdict(const struct open_report *report)
{
    const struct opening *opening = &report->opening;

    printf(LABEL_WIDTH, "authentic");
    if (opening->authentic) {
        fputs("yes: sealed ", stdout);
        fputs(report->anatomy.direction == ANATOMY_TO_DEVICE ? "for " : "by ", stdout);
        text_print(stdout, report->keys->name, strlen(report->keys->name), TEXT_WHOLE);
    } else if (opening->opened) {
        printf("the secret opens it, but the gateway refuses it: %s", opening->why);
    } else {
        printf("no: %s", opening->why);
        if (opening->tried > 0)
            printf("\n" LABEL_WIDTH "%s", "tried", opening->what);
    }
    if (opening->opened && opening->session) {
        fputs(opening->authentic ? ", in session " : "; it is of session ", stdout);
        text_hex(stdout, opening->id_context, BULLA_ID_CONTEXT_SIZE);
    }
    putchar('\n');
    if (report->keys->revoked)
        printf(LABEL_WIDTH "the device was revoked: the gateway refuses whatever it seals\n", "");
}

int open_print_text(const struct open_report *report, struct failure *failure)
{
    const char *direction = direction_text(report);

    printf(LABEL_WIDTH "%zu bytes\n", direction ? direction : "bytes", report->len);
    if (!report->formed)
        printf(LABEL_WIDTH "byte %zu: %s\n", "malformed", report->anatomy.where, report->anatomy.why);
    print_headers(report);
    if (!report->formed && report->keys != NULL)
        printf(LABEL_WIDTH "not tried: nobody opens what is malformed\n", "authentic");
    if (!report->formed || report->keys == NULL)
        return 0;
    print_verdict(report);
    if (!report->opening.opened)
        return 0;
    print_plaintext(report);
    if (report->anatomy.direction == ANATOMY_TO_GATEWAY)
        return print_readings(report, failure);
    print_reply(report);
    return 0;
}

/* ---- JSON ---- */

static void json_hex(const char *key, const uint8_t *bytes, size_t len)
{
    printf(",\"%s\":\"", key);
    text_hex(stdout, bytes, len);
    putchar('"');
}

static void json_hex_part(const struct open_report *report, enum anatomy_part which, const char *key)
{
    const struct bulla_cbor_item *item = part(report, which);

    if (item != NULL)
        json_hex(key, item->data, (size_t)item->argument);
    else
        printf(",\"%s\":null", key);
}

static void json_number_part(const struct open_report *report, enum anatomy_part which, const char *key)
{
    const struct bulla_cbor_item *item = part(report, which);

    printf(",\"%s\":", key);
    if (item == NULL)
        fputs("null", stdout);
    else if (which == ANATOMY_ALG)
        print_alg(item);
    else if (which == ANATOMY_PIV && item->argument > sizeof(uint64_t))
        fputs("null", stdout); /* "malformed" says so */
    else
        printf("%" PRIu64, which == ANATOMY_PIV ? anatomy_piv(item) : item->argument);
}

static void json_text(const char *key, const char *text)
{
    printf(",\"%s\":", key);
    if (text != NULL && *text)
        text_json(stdout, text, strlen(text));
    else
        fputs("null", stdout);
}

static int json_reading(void *context, const struct reading_row *row)
{
    bool *first = context;

    fputs(*first ? "\n " : ",\n ", stdout);
    *first = false;
    return reading_print_json(stdout, row);
}

static int json_plaintext(const struct open_report *report, struct failure *failure)
{
    const struct opening *opening = &report->opening;
    enum content content = content_of(report);
    bool first = true;
    char *notation = NULL;
    size_t len;
    FILE *out;

    json_hex("plaintext", opening->plaintext, opening->plaintext_len);
    if (content == CONTENT_CBOR) {
        out = open_memstream(&notation, &len);
        if (out == NULL)
            return fail(failure, "memory is out");
        print_diagnostic(out, opening->plaintext, opening->plaintext_len);
        fclose(out);
        fputs(",\"diagnostic\":", stdout);
        text_json(stdout, notation, len);
        free(notation);
    } else if (content == CONTENT_TEXT) {
        fputs(",\"text\":", stdout);
        text_json(stdout, (const char *)opening->plaintext, opening->plaintext_len);
    }
    if (report->anatomy.direction != ANATOMY_TO_GATEWAY)
        return 0;
    fputs(",\"readings\":[", stdout);
    if (each_reading(report, json_reading, &first, failure) < 0)
        return -1;
    putchar(']');
    return 0;
}

static int json_opening(const struct open_report *report, struct failure *failure)
{
    const struct opening *opening = &report->opening;

    printf(",\"authentic\":%s,\"opened\":%s", opening->authentic ? "true" : "false",
           opening->opened ? "true" : "false");
    json_text("device", report->keys->name);
    printf(",\"revoked\":%s", report->keys->revoked ? "true" : "false");
    json_text("why", opening->why);
    json_text("tried", opening->what);
    if (opening->opened && opening->session)
        json_hex("session", opening->id_context, BULLA_ID_CONTEXT_SIZE);
    else
        fputs(",\"session\":null", stdout);
    return opening->opened ? json_plaintext(report, failure) : 0;
}

int open_print_json(const struct open_report *report, struct failure *failure)
{
    int result = 0;

    printf("{\"bytes\":%zu", report->len);
    json_text("direction", direction_text(report));
    if (report->formed) {
        fputs(",\"malformed\":null", stdout);
    } else {
        printf(",\"malformed\":{\"offset\":%zu", report->anatomy.where);
        json_text("why", report->anatomy.why);
        putchar('}');
    }
    json_number_part(report, ANATOMY_ALG, "alg");
    json_number_part(report, ANATOMY_CONTENT_TYPE, "content_type");
    json_number_part(report, ANATOMY_RE, "re");
    json_hex_part(report, ANATOMY_ECHO, "echo");
    json_hex_part(report, ANATOMY_KID, "kid");
    json_number_part(report, ANATOMY_PIV, "piv");
    json_hex_part(report, ANATOMY_KID_CONTEXT, "kid_context");
    json_number_part(report, ANATOMY_CIPHERTEXT, "ciphertext_bytes");
    if (report->formed && report->keys != NULL)
        result = json_opening(report, failure);
    else
        fputs(",\"authentic\":null", stdout);
    puts("}");
    return result;
}
