/* QEMU TCG plugin (API version 1, QEMU 4.2 to 8): which blocks of instructions run inside
   tqs_model_step, and how often. The functions of qemu-plugin.h that are used are declared here,
   because distributions do not package that header.

   -plugin libstep_count.so,out=FILE,entry=HEX,calls=N,return=HEX[,return=HEX...]
   Counting starts at `entry`, stops at a `return` address, and ends for good after N calls. FILE
   then holds a line "call INSTRUCTIONS" for each call and a line "block ADDRESS INSTRUCTIONS
   EXECUTIONS" for each block.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { MAX_RETURNS = 8, MAX_CALLS = 4096, BUCKETS = 4096, NO_REGISTERS = 0 };

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_info;
typedef void (*translate_callback)(plugin_id, struct qemu_plugin_tb *);
typedef void (*execute_callback)(unsigned int, void *);
typedef void (*exit_callback)(plugin_id, void *);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, translate_callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, execute_callback, int, void *);
void qemu_plugin_register_atexit_cb(plugin_id, exit_callback, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
int qemu_plugin_install(plugin_id, const struct qemu_info *, int, char **);
EXPORT extern int qemu_plugin_version;

EXPORT int qemu_plugin_version = 1;

typedef struct block {
    uint64_t address, instructions, executions;
    struct block *next;
} block;

static block *table[BUCKETS];
static uint64_t entry, returns[MAX_RETURNS], by_call[MAX_CALLS], calls, calls_wanted;
static int n_returns;
static bool inside;
static char out[4096];

/* A block may be translated more than once: its record is found again. */
static block *record_of(uint64_t address, uint64_t instructions) {
    block **bucket = &table[(address >> 1) % BUCKETS];
    for (block *b = *bucket; b != NULL; b = b->next) {
        if (b->address == address && b->instructions == instructions)
            return b;
    }
    block *b = calloc(1, sizeof *b);
    if (b == NULL)
        abort();
    b->address = address;
    b->instructions = instructions;
    b->next = *bucket;
    *bucket = b;
    return b;
}

static void on_execute(unsigned int cpu, void *data) {
    block *b = data;
    (void)cpu;
    if (b->address == entry) {
        inside = calls < calls_wanted;
        if (inside)
            calls++;
    }
    for (int i = 0; i < n_returns; i++) {
        if (b->address == returns[i])
            inside = false;
    }
    if (inside) {
        b->executions++;
        by_call[calls - 1] += b->instructions;
    }
}

/* Instructions are counted by QEMU: the bytes that it reports for the last one of a block may
   include what it read ahead at the end of a page. */
static void on_translate(plugin_id id, struct qemu_plugin_tb *tb) {
    (void)id;
    block *b = record_of(qemu_plugin_tb_vaddr(tb), qemu_plugin_tb_n_insns(tb));
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_execute, NO_REGISTERS, b);
}

static void on_exit_(plugin_id id, void *data) {
    (void)id;
    (void)data;
    FILE *file = fopen(out, "w");
    if (file == NULL)
        return;
    for (uint64_t i = 0; i < calls; i++)
        fprintf(file, "call %" PRIu64 "\n", by_call[i]);
    for (int i = 0; i < BUCKETS; i++) {
        for (const block *b = table[i]; b != NULL; b = b->next) {
            if (b->executions == 0)
                continue;
            fprintf(file, "block %" PRIx64 " %" PRIu64 " %" PRIu64 "\n", b->address,
                    b->instructions, b->executions);
        }
    }
    fclose(file);
}

EXPORT int qemu_plugin_install(plugin_id id, const struct qemu_info *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        if (value++ == NULL)
            return -1;
        if (strncmp(argv[i], "out=", 4) == 0) {
            if (strlen(value) >= sizeof out)
                return -1;
            strcpy(out, value);
        } else if (strncmp(argv[i], "entry=", 6) == 0) {
            entry = strtoull(value, NULL, 16);
        } else if (strncmp(argv[i], "calls=", 6) == 0) {
            calls_wanted = strtoull(value, NULL, 10);
            if (calls_wanted > MAX_CALLS)
                return -1;
        } else if (strncmp(argv[i], "return=", 7) == 0 && n_returns < MAX_RETURNS) {
            returns[n_returns++] = strtoull(value, NULL, 16);
        } else {
            return -1;
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_exit_, NULL);
    return 0;
}
