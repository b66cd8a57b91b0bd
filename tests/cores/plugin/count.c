/*
 * A plugin for QEMU 7.2: counts the instructions that the guest executes between two marks, and writes each
 * count as a line. usage: -plugin count.so,begin=ADDRESS,end=ADDRESS,log=FILE
 * Debian packages no qemu-plugin.h: the prototypes stand here, version 1 of the interface.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_CB_R_REGS, QEMU_PLUGIN_CB_RW_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
                                            void (*executed)(unsigned, void *),
                                            enum qemu_plugin_cb_flags flags, void *context);

#define EXPORTED __attribute__((visibility("default")))

EXPORTED extern int qemu_plugin_version;
EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv);

int qemu_plugin_version = 1;

static uint64_t mark_begin;
static uint64_t mark_end;
static uint64_t count;
static int counting;
static FILE *counts;

static void on_begin(unsigned cpu, void *context)
{
    (void)cpu;
    (void)context;
    counting = 1;
    count = 0;
}

static void on_end(unsigned cpu, void *context)
{
    (void)cpu;
    (void)context;
    if (!counting)
        return;
    counting = 0;
    fprintf(counts, "%" PRIu64 "\n", count);
    fflush(counts);
}

static void on_other(unsigned cpu, void *context)
{
    (void)cpu;
    (void)context;
    count += (uint64_t)counting;
}

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint64_t address = qemu_plugin_insn_vaddr(instruction);

        qemu_plugin_register_vcpu_insn_exec_cb(instruction,
                                               address == mark_begin ? on_begin
                                               : address == mark_end ? on_end
                                                                     : on_other,
                                               QEMU_PLUGIN_CB_NO_REGS, NULL);
    }
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "begin=", 6) == 0)
            mark_begin = strtoull(argv[i] + 6, NULL, 0);
        else if (strncmp(argv[i], "end=", 4) == 0)
            mark_end = strtoull(argv[i] + 4, NULL, 0);
        else if (strncmp(argv[i], "log=", 4) == 0)
            counts = fopen(argv[i] + 4, "w");
    }
    if (counts == NULL)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    return 0;
}
