#include "cli/simulate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/output.h"
#include "cli/table.h"

#define EVERY_TERMINAL 0.5 /* seconds between two lines */
#define EVERY_LOG      5.0

/* ---- progress ---- */

void progress_begin(struct progress *progress)
{
    *progress = (struct progress){.terminal = isatty(STDERR_FILENO) == 1};
}

/* Whether it is time for another line; and begins it. */
static bool due(struct progress *progress, double seconds)
{
    if (seconds - progress->last < (progress->terminal ? EVERY_TERMINAL : EVERY_LOG))
        return false;
    progress->last = seconds;
    progress->written = true;
    if (progress->terminal)
        fputs("\r\033[K", stderr);
    return true;
}

static void end_line(const struct progress *progress)
{
    if (!progress->terminal)
        fputc('\n', stderr);
    fflush(stderr);
}

void progress_step(struct progress *progress, const struct world *world, double seconds)
{
    const struct ledger *ledger = &world->ledger;
    double since = seconds - progress->last;
    double left = (double)(world->duration - world->now) / (double)WORLD_SECOND;
    double rate = since > 0 ? (double)(ledger->told - progress->told) / since : 0;

    if (!due(progress, seconds))
        return;
    progress->told = ledger->told;
    fprintf(stderr,
            "bulla: %.0f s: %" PRIu64 " readings, %" PRIu64 " told stored (%.0f/s), %" PRIu64 " attacks; ",
            seconds, ledger->readings, ledger->told, rate, world->counts.attacks);
    if (left > 0)
        fprintf(stderr, "%.0f s left", left);
    else
        fprintf(stderr, "%" PRIu64 " on their way home", ledger->readings - ledger->told - ledger->given_up);
    end_line(progress);
}

void progress_count(struct progress *progress, const char *what, size_t done, size_t of, double seconds)
{
    if (!due(progress, seconds))
        return;
    fprintf(stderr, "bulla: %s: %zu of %zu devices", what, done, of);
    end_line(progress);
}

void progress_end(struct progress *progress)
{
    if (progress->terminal && progress->written)
        fputs("\r\033[K", stderr);
    progress->written = false;
}

/* ---- does it add up? ---- */

__attribute__((format(printf, 3, 4))) static void object(struct report *report, uint64_t count,
                                                         const char *format, ...)
{
    va_list arguments;

    if (count == 0 || report->problem_count == REPORT_PROBLEMS)
        return;
    va_start(arguments, format);
    vsnprintf(report->problems[report->problem_count++], sizeof(report->problems[0]), format, arguments);
    va_end(arguments);
}

static void judge_found(struct report *report)
{
    const struct ledger *ledger = &report->world->ledger;

    object(report, report->balance.lost, "%" PRIu64 " readings were told stored, and are not in the database",
           report->balance.lost);
    object(report, ledger->twice, "%" PRIu64 " messages are in the database more than once", ledger->twice);
    object(report, ledger->strange, "%" PRIu64 " readings in the database were never sealed so",
           ledger->strange);
}

/* It answered, and never but as to a stranger. */
static bool knows_nobody(const struct sim_counts *counts)
{
    const uint64_t *answers = counts->answers[FROM_DEVICE];

    return answers[ANSWER_REFUSED] > 0 && answers[ANSWER_STORED] == 0 && answers[ANSWER_CHALLENGED] == 0 &&
           answers[ANSWER_STALE] == 0;
}

/* The broker took their messages, and nothing that they believe came back. */
static bool nobody_listens(const struct sim_counts *counts)
{
    return counts->answers[FROM_DEVICE][ANSWER_TAKEN] > 0 && counts->accepted == 0;
}

void report_judge(struct report *report)
{
    const struct world *world = report->world;
    const struct sim_counts *counts = &world->counts;
    uint64_t waiting;

    report->balance = ledger_balance(&world->ledger);
    waiting = report->interrupted ? 0 : report->balance.waiting;
    object(report, world->broken[0] != 0, "%s", world->broken);
    if (report->searched)
        judge_found(report);
    object(report, waiting > 0 && knows_nobody(counts),
           "the gateway knows none of these devices; give the database that it serves (--db)");
    object(report, waiting > 0 && nobody_listens(counts),
           "the broker takes messages, and no gateway answers these devices: is 'bulla serve --mqtt' at this "
           "broker, with the database that --db says?");
    object(report, waiting, "%" PRIu64 " readings got no proof that they are stored", waiting);
    object(report,
           waiting == 0 && !report->interrupted &&
               counts->sent + counts->duplicated != counts->lost + counts->arrived,
           "%" PRIu64 " copies of messages set out, and %" PRIu64 " are accounted for",
           counts->sent + counts->duplicated, counts->lost + counts->arrived);
}

/* ---- for people ---- */

/* `detail` is a word of a list; what stands as sessions_replayed in JSON has a blank here. */
static void row(struct table *table, const char *what, const char *detail, uint64_t count)
{
    char number[24];
    char text[96];

    snprintf(text, sizeof(text), "%s%s", what, detail);
    for (char *at = strchr(text, '_'); at; at = strchr(at, '_'))
        *at = ' ';
    snprintf(number, sizeof(number), "%" PRIu64, count);
    table_text(table, text);
    table_text(table, number);
}

static void rows_of_readings(struct table *table, const struct report *report)
{
    const struct ledger *ledger = &report->world->ledger;

    row(table, "readings", "", ledger->readings);
    row(table, "  told stored", "", ledger->told);
    row(table, "  given up, in reboots and with sessions that ended", "", ledger->given_up);
    row(table, "  without a proof", "", report->balance.waiting);
    row(table, "sealed again, challenged or overtaken", "", ledger->again);
    if (!report->searched)
        return;
    row(table, "found stored", "", ledger->found);
    row(table, "  whose device was not told", "", report->balance.unheard);
    row(table, "  readings under two numbers, sealed again", "", report->balance.repeated);
    row(table, "  told, and not found", "", report->balance.lost);
    row(table, "  found twice", "", ledger->twice);
    row(table, "  found, and never sealed", "", ledger->strange);
}

/* Those that the way to the gateway can give. */
static void rows_of_answers(struct table *table, const struct report *report, enum parcel_from from,
                            const char *what)
{
    for (unsigned i = 0; i < ANSWER_COUNT; i++) {
        if (report->tells >> i & 1)
            row(table, what, sim_answer_words[i], report->world->counts.answers[from][i]);
    }
}

static void rows_of_counts(struct table *table, const struct report *report)
{
    const struct sim_counts *counts = &report->world->counts;

#define ROW(member, text) row(table, text, "", counts->member);
    SIM_COUNTS(ROW)
#undef ROW
    for (unsigned i = 0; i < ATTACK_COUNT; i++)
        row(table, "  ", sim_attack_words[i], counts->attacks_by_kind[i]);
    rows_of_answers(table, report, FROM_DEVICE, "answers to devices: ");
    rows_of_answers(table, report, FROM_ATTACKER, "answers to the attacker: ");
}

static int print_table(const struct report *report, struct failure *failure)
{
    static const struct table_column columns[] = {{"WHAT", 72, 0}, {"COUNT", 20, 1}};
    struct table table;

    if (table_begin(&table, columns, 2, failure) < 0)
        return -1;
    rows_of_readings(&table, report);
    rows_of_counts(&table, report);
    if (table_end(&table, stdout, failure) < 0)
        return -1;
    printf("\nseed %" PRIu64 ", %zu devices, %.1f s\n", report->seed, report->devices, report->seconds);
    if (report->problem_count == 0)
        puts(report->searched
                 ? "It adds up: what was told stored is stored, once, and nothing else is."
                 : "It adds up: every reading was told stored. What is stored could not be looked at.");
    for (size_t i = 0; i < report->problem_count; i++)
        printf("It does not add up: %s.\n", report->problems[i]);
    return 0;
}

/* ---- for programs ---- */

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *counts_json(const struct sim_counts *counts)
{
    json_t *object = json_object();

#define SET(member, text) json_object_set_new(object, #member, number(counts->member));
    SIM_COUNTS(SET)
#undef SET
    return object;
}

/* `which`: a bit for each value. */
static json_t *words_json(const char *const *words, const uint64_t *values, size_t count, unsigned which)
{
    json_t *object = json_object();

    for (size_t i = 0; i < count; i++) {
        if (which >> i & 1)
            json_object_set_new(object, words[i], number(values[i]));
    }
    return object;
}

static json_t *readings_json(const struct report *report)
{
    const struct ledger *ledger = &report->world->ledger;

    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "sealed", number(ledger->readings), "told",
                     number(ledger->told), "given_up", number(ledger->given_up), "waiting",
                     number(report->balance.waiting), "again", number(ledger->again));
}

static json_t *found_json(const struct report *report)
{
    const struct ledger *ledger = &report->world->ledger;

    if (!report->searched)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "stored", number(ledger->found), "unheard",
                     number(report->balance.unheard), "repeated", number(report->balance.repeated), "lost",
                     number(report->balance.lost), "twice", number(ledger->twice), "strange",
                     number(ledger->strange));
}

static json_t *problems_json(const struct report *report)
{
    json_t *problems = json_array();

    for (size_t i = 0; i < report->problem_count; i++)
        json_array_append_new(problems, json_string(report->problems[i]));
    return problems;
}

static int print_json(const struct report *report, struct failure *failure)
{
    const struct sim_counts *counts = &report->world->counts;
    json_t *all = json_pack(
        "{s:o, s:o, s:f, s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:b, s:o}", "seed", number(report->seed),
        "devices", number(report->devices), "seconds", report->seconds, "readings", readings_json(report),
        "found", found_json(report), "counts", counts_json(counts), "answers", "devices",
        words_json(sim_answer_words, counts->answers[FROM_DEVICE], ANSWER_COUNT, report->tells), "attacker",
        words_json(sim_answer_words, counts->answers[FROM_ATTACKER], ANSWER_COUNT, report->tells), "attacks",
        words_json(sim_attack_words, counts->attacks_by_kind, ATTACK_COUNT, ~0u), "adds_up",
        report->problem_count == 0, "problems", problems_json(report));

    if (!all)
        return fail(failure, "memory is out");
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
    return 0;
}

int report_print(const struct report *report, struct failure *failure)
{
    int result =
        report->options->format == SIMULATE_JSON ? print_json(report, failure) : print_table(report, failure);

    return result < 0 ? -1 : output_finish(failure);
}
