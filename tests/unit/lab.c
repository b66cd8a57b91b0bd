#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "provider.h"
#include "recorder.h"

/* ---- messages on their way ---- */

/* What the pipeline holds of a letter: freed when it is answered, as a source may do. */
struct parcel {
    struct inbound inbound;
    struct lab *lab;
    struct lab_letter *letter;
    uint8_t bytes[];
};

const char *lab_fate(const struct lab_letter *letter)
{
    return letter->answers == 0 ? "waiting" : outcome_word(letter->outcome);
}

static void on_answer(struct inbound *inbound, enum outcome outcome, const uint8_t *reply, size_t reply_len)
{
    struct parcel *parcel = (struct parcel *)inbound;
    struct lab_letter *letter = parcel->letter;

    assert_true(reply_len <= sizeof(letter->reply));
    assert_int_equal(reply != NULL, reply_len > 0);
    letter->answers++;
    letter->outcome = outcome;
    letter->reply_len = reply_len;
    if (reply_len > 0)
        memcpy(letter->reply, reply, reply_len);
    parcel->lab->unanswered--;
    free(parcel);
}

static void on_describe(const struct inbound *inbound, char *out, size_t size)
{
    (void)inbound;
    snprintf(out, size, "lab 192.0.2.7");
}

static const struct inbound_ops parcel_ops = {on_answer, on_describe};

/* A parcel with these bytes, whose fate its letter tells. */
static struct parcel *pack(struct lab *lab, unsigned gateway, const uint8_t *bytes, size_t len)
{
    struct lab_letter *letter = calloc(1, sizeof(*letter));
    struct parcel *parcel = calloc(1, sizeof(*parcel) + len);

    assert_non_null(letter);
    assert_non_null(parcel);
    assert_true(lab->gateways[gateway].up);
    letter->next = lab->letters;
    lab->letters = letter;
    lab->unanswered++;
    parcel->lab = lab;
    parcel->letter = letter;
    if (len > 0)
        memcpy(parcel->bytes, bytes, len);
    parcel->inbound.ops = &parcel_ops;
    parcel->inbound.bytes = parcel->bytes;
    parcel->inbound.len = len;
    return parcel;
}

struct lab_letter *lab_send_to(struct lab *lab, unsigned gateway, const struct lab_packet *packet)
{
    struct parcel *parcel = pack(lab, gateway, packet->bytes, packet->len);
    struct lab_letter *letter = parcel->letter;

    pipeline_receive(&lab->gateways[gateway].pipeline, &parcel->inbound);
    return letter;
}

struct lab_letter *lab_send_older(struct lab *lab, unsigned gateway, const struct lab_older *older)
{
    struct parcel *parcel = pack(lab, gateway, older->bytes, older->len);
    struct lab_letter *letter = parcel->letter;

    parcel->inbound.wire = older->wire;
    parcel->inbound.route = older->route;
    parcel->inbound.request = older->request;
    pipeline_receive_older(&lab->gateways[gateway].pipeline, &parcel->inbound);
    return letter;
}

struct lab_letter *lab_send(struct lab *lab, const struct lab_packet *packet)
{
    return lab_send_to(lab, 0, packet);
}

struct lab_letter *lab_deliver(struct lab *lab, const struct lab_packet *packet)
{
    struct lab_letter *letter = lab_send(lab, packet);

    lab_run(lab);
    assert_int_equal(letter->answers, 1);
    return letter;
}

static void free_letters(struct lab *lab)
{
    while (lab->letters != NULL) {
        struct lab_letter *letter = lab->letters;
        lab->letters = letter->next;
        assert_true(letter->answers <= 1);
        free(letter);
    }
}

/* ---- cycles ---- */

bool lab_begin_of(struct lab *lab, unsigned number, bool idle_work)
{
    struct lab_gateway *gateway = &lab->gateways[number];
    struct cycle *cycle = pipeline_take(&gateway->pipeline, idle_work);

    if (cycle == NULL)
        return false;
    cycle_run(cycle, &gateway->store.store);
    lab->now += gateway->slow * SECOND;
    return true;
}

void lab_end_of(struct lab *lab, unsigned gateway)
{
    pipeline_finish(&lab->gateways[gateway].pipeline);
}

bool lab_begin(struct lab *lab)
{
    return lab_begin_of(lab, 0, false);
}

void lab_end(struct lab *lab)
{
    lab_end_of(lab, 0);
}

bool lab_cycle_of(struct lab *lab, unsigned gateway)
{
    if (!lab_begin_of(lab, gateway, false))
        return false;
    lab_end_of(lab, gateway);
    return true;
}

void lab_run(struct lab *lab)
{
    bool busy = true;

    for (unsigned rounds = 0; busy; rounds++) {
        busy = false;
        for (unsigned i = 0; i < LAB_GATEWAYS; i++)
            busy = (lab->gateways[i].up && lab_cycle_of(lab, i)) || busy;
        assert_true(rounds < 10000); /* it goes round in circles */
    }
}

void lab_idle(struct lab *lab)
{
    lab_forward(lab, 1);
    for (unsigned i = 0; i < LAB_GATEWAYS; i++) {
        if (lab->gateways[i].up && lab_begin_of(lab, i, true))
            lab_end_of(lab, i);
    }
}

void lab_forward(struct lab *lab, int64_t seconds)
{
    lab->now += seconds * SECOND;
}

/* ---- the log: only for who asks for it (the linker's --wrap) ---- */

__attribute__((format(printf, 4, 5))) void __wrap_log_line(struct log *log, enum log_level level,
                                                           const char *event, const char *pairs, ...);

void __wrap_log_line(struct log *log, enum log_level level, const char *event, const char *pairs, ...)
{
    va_list arguments;

    if (getenv("BULLA_LAB_LOG") == NULL || !log_wants(log, level))
        return;
    fprintf(stderr, "%s ", event);
    va_start(arguments, pairs);
    if (pairs != NULL)
        vfprintf(stderr, pairs, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

/* ---- clocks ---- */

static int64_t clock_microseconds(void *context)
{
    return ((struct lab *)context)->now;
}

static int64_t clock_seconds(void *context)
{
    return ((struct lab *)context)->now / SECOND;
}

uint64_t lab_t(const struct lab *lab)
{
    return (uint64_t)(lab->now / SECOND / T_SECONDS);
}

/* ---- opening and closing ---- */

static struct store *open_store(struct lab *lab, enum store_open_mode mode)
{
    struct failure failure;
    struct store *store;

    if (store_open(&store, lab->path, mode, &failure) < 0)
        lab_fail("%s", failure.text);
    store->now = clock_seconds;
    store->now_context = lab;
    return store;
}

void lab_start(struct lab *lab, unsigned number)
{
    struct lab_gateway *gateway = &lab->gateways[number];
    struct pipeline_config config = {
        .crypto = provider_state(),
        .vault = &lab->vault,
        .log = &lab->log,
        .challenge_key = lab->challenge_key,
        .gateway_id = gateway->id,
        .queue = lab->queue,
        .devices = lab->devices,
        .clock = clock_microseconds,
        .clock_context = lab,
    };
    struct failure failure;

    assert_false(gateway->up);
    memset(gateway, 0, sizeof(*gateway));
    gateway->lab = lab;
    lab_store_init(&gateway->store, open_store(lab, STORE_EXISTING));
    assert_int_equal(gateway_id_draw(&gateway->store.store, lab->now / SECOND, gateway->id, &failure), 0);
    assert_int_equal(pipeline_init(&gateway->pipeline, &config), 0);
    gateway->up = true;
}

static void free_list(struct inbound_list *list)
{
    struct inbound *inbound;

    while ((inbound = inbound_pop(list)) != NULL)
        free(inbound);
}

/* What waits in a cycle is lost with the process. */
static void free_cycle(struct cycle *cycle)
{
    for (size_t i = 0; i < cycle->lookup_count; i++)
        free(cycle->lookups[i].inbound);
    for (size_t i = 0; i < cycle->message_count; i++)
        free(cycle->inbounds[i]);
    for (size_t i = 0; i < cycle->older.count; i++)
        free(cycle->older.messages[i].inbound);
    free_list(&cycle->parked);
}

void lab_kill(struct lab *lab, unsigned number)
{
    struct lab_gateway *gateway = &lab->gateways[number];

    assert_true(gateway->up);
    gateway->up = false;
    free_cycle(&gateway->pipeline.cycles[0]);
    free_cycle(&gateway->pipeline.cycles[1]);
    free_list(&gateway->pipeline.older);
    lab->unanswered -= gateway->pipeline.waiting;
    pipeline_wipe(&gateway->pipeline);
    gateway->store.inner->ops->close(gateway->store.inner);
}

void lab_restart(struct lab *lab)
{
    lab_kill(lab, 0);
    lab_start(lab, 0);
}

/* A folder in memory where there is one: what fsync costs is not what these tests are about. */
static void make_folder(struct lab *lab)
{
    strcpy(lab->folder, "/dev/shm/bulla-lab-XXXXXX");
    if (mkdtemp(lab->folder) == NULL) {
        strcpy(lab->folder, "/tmp/bulla-lab-XXXXXX");
        assert_non_null(mkdtemp(lab->folder));
    }
    snprintf(lab->path, sizeof(lab->path), "%s/bulla.db", lab->folder);
}

/* A database as it is made, from its file: what a test that opens thousands of them copies. */
struct template
{
    uint8_t *bytes; /* NULL: not made yet; they stay until the end */
    size_t len;
};

static struct template template;

static void read_template(const char *path)
{
    FILE *file = fopen(path, "rb");
    long len;

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    len = ftell(file);
    assert_true(len > 0);
    rewind(file);
    template.len = (size_t)len;
    template.bytes = malloc(template.len);
    assert_non_null(template.bytes);
    assert_int_equal(fread(template.bytes, 1, template.len, file), template.len);
    fclose(file);
}

static void write_template(const char *path)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(template.bytes, 1, template.len, file), template.len);
    assert_int_equal(fclose(file), 0);
}

/* Closed before it is copied, so that its log is folded into it. */
static struct store *open_new(struct lab *lab)
{
    if (template.bytes == NULL) {
        struct store *store = open_store(lab, STORE_CREATE);
        store->ops->close(store);
        read_template(lab->path);
    } else {
        write_template(lab->path);
    }
    return open_store(lab, STORE_EXISTING);
}

void lab_open(struct lab *lab, uint64_t seed)
{
    memset(lab, 0, sizeof(*lab));
    recorder_reset();
    lab->now = LAB_START * SECOND;
    lab->seed = seed;
    lab->queue = 512;
    lab->devices = 1024;
    lab->log.level = LOG_LEVEL_INFO;
    make_folder(lab);
    test_fill(&lab->seed, lab->vault.key, sizeof(lab->vault.key));
    test_fill(&lab->seed, lab->challenge_key, sizeof(lab->challenge_key));
    lab->office = open_new(lab);
    assert_int_equal(sqlite3_open(lab->path, &lab->view), SQLITE_OK);
    lab_start(lab, 0);
}

void lab_leave(struct lab *lab)
{
    for (unsigned i = 0; i < LAB_GATEWAYS; i++) {
        if (lab->gateways[i].up)
            lab_kill(lab, i);
    }
    sqlite3_close(lab->view);
    lab->office->ops->close(lab->office);
}

void lab_return(struct lab *lab)
{
    lab->office = open_store(lab, STORE_EXISTING);
    assert_int_equal(sqlite3_open(lab->path, &lab->view), SQLITE_OK);
    lab_start(lab, 0);
}

static void remove_folder(const struct lab *lab)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", "-lock"};
    char path[128];

    for (size_t i = 0; i < COUNT(suffixes); i++) {
        snprintf(path, sizeof(path), "%s%s", lab->path, suffixes[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(lab->folder), 0);
}

void lab_close(struct lab *lab)
{
    lab_leave(lab);
    assert_int_equal(lab->unanswered, 0);
    free_letters(lab);
    remove_folder(lab);
}

int lab_setup(void **state)
{
    struct lab *lab = calloc(1, sizeof(*lab));

    assert_non_null(lab);
    lab_open(lab, 1);
    *state = lab;
    return 0;
}

int lab_teardown(void **state)
{
    lab_close(*state);
    free(*state);
    return 0;
}

/* ---- the database ---- */

static sqlite3_stmt *prepare(struct lab *lab, const char *sql, va_list arguments)
{
    sqlite3_stmt *statement = NULL;
    char *text;

    assert_true(vasprintf(&text, sql, arguments) > 0);
    if (sqlite3_prepare_v2(lab->view, text, -1, &statement, NULL) != SQLITE_OK)
        lab_fail("%s: %s", text, sqlite3_errmsg(lab->view));
    free(text);
    return statement;
}

int64_t lab_number(struct lab *lab, const char *sql, ...)
{
    sqlite3_stmt *statement;
    int64_t number = -1;
    va_list arguments;

    va_start(arguments, sql);
    statement = prepare(lab, sql, arguments);
    va_end(arguments);
    if (sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

void lab_sql(struct lab *lab, const char *sql, ...)
{
    sqlite3_stmt *statement;
    va_list arguments;

    va_start(arguments, sql);
    statement = prepare(lab, sql, arguments);
    va_end(arguments);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
}

int64_t lab_stored(struct lab *lab, int64_t value)
{
    return lab_number(lab, "SELECT count(*) FROM readings WHERE value = %lld", (long long)value);
}

int64_t lab_events(struct lab *lab, const char *kind)
{
    lab_idle(lab);
    return lab_number(lab, "SELECT count(*) FROM events WHERE kind = '%s'", kind);
}

int64_t lab_floor(struct lab *lab)
{
    return lab_number(lab, "SELECT value FROM meta WHERE name = 'floor'");
}
