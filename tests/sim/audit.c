#include "audit.h"

#include <stdlib.h>
#include <string.h>

/* PROTOCOL 4.4, 4.5: not the gateway's constants, which might be wrong. */
#define WINDOW 64
#define HOUR   3600

void audit_open(struct audit *audit, struct lab *lab, bool clock_goes_back)
{
    memset(audit, 0, sizeof(*audit));
    audit->lab = lab;
    audit->clock_goes_back = clock_goes_back;
}

void audit_close(struct audit *audit)
{
    free(audit->sealings);
    audit->sealings = NULL;
}

void audit_device(struct audit *audit, uint32_t lane, int64_t device, bool proven)
{
    assert_true(lane < AUDIT_LANES);
    audit->lanes[lane].device = device;
    audit->lanes[lane].proven = proven;
}

void audit_revoked(struct audit *audit, uint32_t lane)
{
    for (unsigned i = 0; i < audit->context_count; i++) {
        struct audited *context = &audit->contexts[i];
        context->revoked = context->revoked || context->device == audit->lanes[lane].device;
    }
}

/* ---- contexts ---- */

static bool is_context(const struct audited *context, int64_t device, const uint8_t *id_context)
{
    if (context->device != device || context->counter != (id_context == NULL))
        return false;
    return id_context == NULL || memcmp(context->id_context, id_context, BULLA_ID_CONTEXT_SIZE) == 0;
}

static unsigned context_of(struct audit *audit, uint32_t lane, const uint8_t *id_context)
{
    int64_t device = audit->lanes[lane].device;
    struct audited *context;

    for (unsigned i = audit->context_count; i > 0; i--) {
        if (is_context(&audit->contexts[i - 1], device, id_context))
            return i - 1;
    }
    assert_true(audit->context_count < AUDIT_CONTEXTS);
    context = &audit->contexts[audit->context_count++];
    context->lane = lane;
    context->device = device;
    context->counter = id_context == NULL;
    context->proven = context->counter && audit->lanes[lane].proven;
    if (id_context != NULL)
        memcpy(context->id_context, id_context, BULLA_ID_CONTEXT_SIZE);
    return audit->context_count - 1;
}

void audit_restored(struct audit *audit)
{
    for (unsigned i = 0; i < audit->context_count; i++)
        audit->contexts[i].proven = false;
    for (unsigned i = 0; i < AUDIT_LANES; i++)
        audit->lanes[i].proven = false;
    audit->restored = audit->sealing_count;
}

/* ---- T ---- */

/* T as any gateway on this database may take it now: it never falls, and stays above the floor
 * (PROTOCOL 4.4). */
static uint64_t now_t(const struct audit *audit)
{
    uint64_t t = lab_t(audit->lab);
    int64_t kept;

    if (!audit->clock_goes_back)
        return t;
    kept = lab_number(audit->lab, "SELECT max((SELECT value FROM meta WHERE name = 'floor') + 2,"
                                  " coalesce((SELECT value FROM meta WHERE name = 'issued_t'), 0))");
    return (uint64_t)kept > t ? (uint64_t)kept : t;
}

void audit_arrival(struct audit *audit)
{
    audit->arrivals[audit->arrival_count++ % AUDIT_ARRIVALS] =
        (struct arrival){audit->lab->now, now_t(audit)};
}

/* The lowest that it can have been when a message of that time came in. */
static uint64_t arrival_t(const struct audit *audit, int64_t received)
{
    unsigned count = audit->arrival_count < AUDIT_ARRIVALS ? audit->arrival_count : AUDIT_ARRIVALS;
    uint64_t t = UINT64_MAX;

    for (unsigned i = 0; i < count; i++) {
        if (audit->arrivals[i].received == received && audit->arrivals[i].t < t)
            t = audit->arrivals[i].t;
    }
    assert_true(t != UINT64_MAX);
    return t;
}

/* ---- what devices do ---- */

void audit_sealed(struct audit *audit, uint32_t lane, uint32_t reading, uint64_t piv,
                  const uint8_t *id_context)
{
    size_t *last;

    assert_true(lane < AUDIT_LANES && reading < AUDIT_READINGS);
    if (audit->sealing_count == audit->sealing_room) {
        audit->sealing_room = audit->sealing_room == 0 ? 256 : audit->sealing_room * 2;
        audit->sealings = realloc(audit->sealings, audit->sealing_room * sizeof(*audit->sealings));
        assert_non_null(audit->sealings);
    }
    last = &audit->lanes[lane].readings[reading];
    audit->sealings[audit->sealing_count] = (struct sealing){
        .lane = lane,
        .reading = reading,
        .piv = piv,
        .t = now_t(audit),
        .context = context_of(audit, lane, id_context),
        .next = *last,
    };
    *last = ++audit->sealing_count;
}

static struct sealing *find(struct audit *audit, uint32_t lane, uint32_t reading, uint64_t piv)
{
    if (lane >= AUDIT_LANES || reading >= AUDIT_READINGS)
        return NULL;
    for (size_t i = audit->lanes[lane].readings[reading]; i > 0; i = audit->sealings[i - 1].next) {
        if (audit->sealings[i - 1].piv == piv)
            return &audit->sealings[i - 1];
    }
    return NULL;
}

void audit_told(struct audit *audit, uint32_t lane, uint32_t reading, uint64_t piv)
{
    struct sealing *sealing = find(audit, lane, reading, piv);

    assert_non_null(sealing);
    assert_false(sealing->told);
    sealing->told = true;
    if (sealing->stored == 0)
        lab_fail("device %u was told that %u, number %llu, is stored, and it is not", lane, reading,
                 (unsigned long long)piv);
}

/* ---- what is stored ---- */

/* Its session is closed where a newer one was proven an hour ago: its row goes, with all that it held. */
static bool is_open(const struct audit *audit, const struct audited *context, int64_t now)
{
    return context->proven && (audit->clock_goes_back || context->closes == 0 || now < context->closes);
}

static void prove(struct audit *audit, struct audited *context, const struct sealing *sealing,
                  int64_t received, int64_t now)
{
    uint64_t t = arrival_t(audit, received);

    if (t > sealing->t + 1)
        lab_fail("device %u: number %llu, sealed at T = %llu, proved its context at T = %llu", sealing->lane,
                 (unsigned long long)sealing->piv, (unsigned long long)sealing->t, (unsigned long long)t);
    if ((size_t)(sealing - audit->sealings) < audit->restored)
        lab_fail("device %u: number %llu, sealed before the restore, proved its context", sealing->lane,
                 (unsigned long long)sealing->piv);
    context->proven = true;
    context->closes = 0;
    context->lower = sealing->piv > context->lower || !context->any ? sealing->piv : context->lower;
    for (unsigned i = 0; i < audit->context_count && !context->counter; i++) {
        struct audited *other = &audit->contexts[i];
        if (other != context && other->device == context->device && other->proven && other->closes == 0)
            other->closes = now + HOUR;
    }
}

static void check_window(struct audited *context, const struct sealing *sealing)
{
    if (context->any && sealing->piv + WINDOW <= context->top)
        lab_fail("device %u: number %llu was stored below the window, whose top is %llu", sealing->lane,
                 (unsigned long long)sealing->piv, (unsigned long long)context->top);
    if (sealing->piv < context->lower)
        lab_fail("device %u: number %llu was stored below the lower limit %llu", sealing->lane,
                 (unsigned long long)sealing->piv, (unsigned long long)context->lower);
    if (!context->any || sealing->piv > context->top)
        context->top = sealing->piv;
    context->any = true;
}

static void check_owner(const struct audit *audit, const struct sealing *sealing,
                        const struct context_row *row)
{
    const struct audited *context = &audit->contexts[sealing->context];

    assert_int_equal(context->device, row->device);
    assert_false(context->revoked);
    assert_int_equal(context->counter, row->counter);
    if (!row->counter)
        assert_memory_equal(context->id_context, row->id_context, BULLA_ID_CONTEXT_SIZE);
}

static void audit_message(struct audit *audit, const struct commit *commit,
                          const struct commit_message *message, int64_t now)
{
    const struct reading *reading = &commit->readings[message->first];
    struct sealing *sealing = NULL;
    struct audited *context;
    uint32_t number;
    size_t lane;

    assert_int_equal(message->count, 1);
    assert_int_equal(reading->type, READING_INTEGER);
    if (ledger_identify(reading->value.integer, &lane, &number))
        sealing = find(audit, (uint32_t)lane, number, message->piv);
    if (sealing == NULL)
        lab_fail("value %lld was stored under number %llu, and never sealed so",
                 (long long)reading->value.integer, (unsigned long long)message->piv);
    check_owner(audit, sealing, &commit->contexts[message->context].after);
    if (sealing->stored++ > 0)
        lab_fail("device %u: number %llu was stored again", sealing->lane, (unsigned long long)message->piv);
    context = &audit->contexts[sealing->context];
    if (!is_open(audit, context, now))
        prove(audit, context, sealing, message->received, now);
    check_window(context, sealing);
    audit->stored++;
}

void audit_commit(void *auditor, const struct commit *commit, int64_t now)
{
    for (size_t i = 0; i < commit->message_count; i++) {
        const struct commit_message *message = &commit->messages[i];
        if (commit->contexts[message->context].verdict == COMMIT_DONE)
            audit_message(auditor, commit, message, now);
    }
}

/* ---- in the end ---- */

static void check_row(struct audit *audit, struct ledger *ledger, sqlite3_stmt *rows)
{
    uint64_t piv = (uint64_t)sqlite3_column_int64(rows, 1);
    struct sealing *sealing = NULL;
    uint32_t reading;
    size_t lane;

    if (ledger_identify(sqlite3_column_int64(rows, 0), &lane, &reading))
        sealing = find(audit, (uint32_t)lane, reading, piv);
    assert_non_null(sealing);
    assert_int_equal(sealing->stored, 1);
    ledger_found(ledger, lane, reading, piv);
}

void audit_database(struct audit *audit, struct ledger *ledger)
{
    struct ledger_balance balance;
    sqlite3_stmt *rows;

    assert_int_equal(sqlite3_prepare_v2(audit->lab->view, "SELECT value, piv FROM points", -1, &rows, NULL),
                     SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW)
        check_row(audit, ledger, rows);
    sqlite3_finalize(rows);
    balance = ledger_balance(ledger);
    assert_int_equal(ledger->found, audit->stored);
    assert_int_equal(ledger->twice, 0);
    assert_int_equal(ledger->strange, 0);
    assert_int_equal(balance.lost, 0);
}
