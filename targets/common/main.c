/* Rollout driver: reads contexts from rollout.in, runs the model in its loop, streams every frame
   to rollout.out. Nothing but one step's data is held, so that small parts can run long horizons.

   rollout.in, little endian: int32 magic, contexts, context_rows, horizon; then for each context
     int16 context[context_rows][F], int16 exog[calls][E].
   rollout.out: int16 frames[horizon][F] for each context, then int32 bytes of stack used.

   Recurrent models take L context rows per call, zeros first where they do not fill the first call:
   ceil(context_rows / L) calls. Windowed models take the last L context rows in one call. Its last
   call on the context yields the first K frames; from then on the K rows of an output are shifted
   into the input: ceil(horizon / K) - 1 more calls. */
#include <stddef.h>
#include <stdint.h>

#include "model.h"
#include "platform.h"
#include "semihost.h"

#if TQS_MODEL_RECURRENT && TQS_MODEL_LENGTH != TQS_MODEL_BLOCK
#error "a recurrent model takes as many rows per call as it yields"
#endif

enum {
    MAGIC = 0x31535154, /* "TQS1" */
    HEADER_WORDS = 4,
    VALUE_BYTES = (int32_t)sizeof(int16_t),
    ROW_BYTES = TQS_MODEL_FEATURES * VALUE_BYTES,
    EXOG_BYTES = TQS_MODEL_EXOG * VALUE_BYTES,
    BAD_INPUT = 3,
    WRITE_FAILED = 4,
    BAD_WEIGHTS = 5
};

typedef struct {
    int32_t context; /* rollout.in, at the next context row */
    int32_t exog;    /* rollout.in again, at the next exogenous row */
    int32_t frames;  /* rollout.out */
} rollout_files;

int main(void);

static tqs_model_t model;
static tqs_model_arena arena;
static int16_t input[TQS_MODEL_INPUTS];
static int16_t output[TQS_MODEL_OUTPUTS];
static int16_t exog[TQS_MODEL_EXOG > 0 ? TQS_MODEL_EXOG : 1];

static int32_t open_or_exit(const char *name, int32_t mode) {
    const int32_t file = sh_open(name, mode);
    if (file < 0)
        sh_exit(BAD_INPUT);
    return file;
}

static void read_or_exit(int32_t file, void *buffer, int32_t bytes) {
    if (sh_read(file, buffer, bytes) != 0)
        sh_exit(BAD_INPUT);
}

static void write_or_exit(int32_t file, const void *buffer, int32_t bytes) {
    if (sh_write(file, buffer, bytes) != 0)
        sh_exit(WRITE_FAILED);
}

static void seek_or_exit(int32_t file, int32_t offset) {
    if (sh_seek(file, offset) != 0)
        sh_exit(BAD_INPUT);
}

/* The simulators count instructions from the entry of tqs_model_step to the instruction behind its
   call, so this call must not become a jump: the assembly statement keeps it from being the last
   thing the function does. */
static void call_step(const rollout_files *files) {
    if (TQS_MODEL_EXOG > 0)
        read_or_exit(files->exog, exog, EXOG_BYTES);
    if (tqs_model_step(&model, input, TQS_MODEL_EXOG > 0 ? exog : NULL, output) != TQS_MODEL_OK)
        sh_exit(BAD_WEIGHTS);
    __asm volatile("" ::: "memory");
}

static int32_t context_calls_of(int32_t context_rows) {
    if (!TQS_MODEL_RECURRENT)
        return 1;
    return (context_rows + TQS_MODEL_LENGTH - 1) / TQS_MODEL_LENGTH;
}

static int32_t calls_of(int32_t context_rows, int32_t horizon) {
    const int32_t blocks = (horizon + TQS_MODEL_BLOCK - 1) / TQS_MODEL_BLOCK;
    return context_calls_of(context_rows) - 1 + blocks;
}

/* Drops the oldest rows of the input and appends the newest of the K output rows. */
static void push_output(void) {
    const int32_t kept =
        TQS_MODEL_BLOCK < TQS_MODEL_LENGTH ? TQS_MODEL_LENGTH - TQS_MODEL_BLOCK : 0;
    const int32_t kept_values = kept * TQS_MODEL_FEATURES;
    const int32_t pushed = TQS_MODEL_INPUTS - kept_values;
    for (int32_t i = 0; i < kept_values; i++)
        input[i] = input[i + pushed];
    for (int32_t i = 0; i < pushed; i++) {
        input[kept_values + i] = output[TQS_MODEL_OUTPUTS - pushed + i];
    }
}

/* The next L context rows; row: the first, below 0 where zeros come before the context. */
static void read_rows(const rollout_files *files, int32_t row) {
    for (int32_t i = 0; i < TQS_MODEL_LENGTH; i++) {
        int16_t *to = &input[i * TQS_MODEL_FEATURES];
        if (row + i >= 0)
            read_or_exit(files->context, to, ROW_BYTES);
        else
            for (int32_t j = 0; j < TQS_MODEL_FEATURES; j++)
                to[j] = 0;
    }
}

/* files->context stands at the first row that the model takes. */
static void roll_out(const rollout_files *files, int32_t context_rows, int32_t horizon) {
    const int32_t fed = context_calls_of(context_rows);
    const int32_t calls = calls_of(context_rows, horizon);
    int32_t left = horizon;
    for (int32_t t = 0; t < calls; t++) {
        if (t < fed)
            read_rows(files, context_rows - (fed - t) * TQS_MODEL_LENGTH);
        else
            push_output();
        call_step(files);
        if (t < fed - 1)
            continue;
        write_or_exit(files->frames, output,
                      (left < TQS_MODEL_BLOCK ? left : TQS_MODEL_BLOCK) * ROW_BYTES);
        left -= TQS_MODEL_BLOCK;
    }
}

int main(void) {
    rollout_files files;
    files.context = open_or_exit("rollout.in", SH_READ_BINARY);
    files.exog = open_or_exit("rollout.in", SH_READ_BINARY);
    files.frames = open_or_exit("rollout.out", SH_WRITE_BINARY);
    int32_t header[HEADER_WORDS];
    read_or_exit(files.context, header, (int32_t)sizeof header);
    const int32_t contexts = header[1], context_rows = header[2], horizon = header[3];
    const int32_t unread = context_rows - context_calls_of(context_rows) * TQS_MODEL_LENGTH;
    if (header[0] != MAGIC || context_rows < 1 || horizon < 1 ||
        (!TQS_MODEL_RECURRENT && unread < 0))
        return BAD_INPUT;

    if (tqs_model_init(&model, &arena, &tqs_model_weights) != TQS_MODEL_OK)
        return BAD_WEIGHTS;

    const int32_t context_bytes = context_rows * ROW_BYTES;
    const int32_t exog_bytes = calls_of(context_rows, horizon) * EXOG_BYTES;
    int32_t offset = (int32_t)sizeof header;
    for (int32_t i = 0; i < contexts; i++) {
        seek_or_exit(files.context, offset + (unread > 0 ? unread * ROW_BYTES : 0));
        seek_or_exit(files.exog, offset + context_bytes);
        offset += context_bytes + exog_bytes;
        tqs_model_reset(&model);
        roll_out(&files, context_rows, horizon);
    }
    const int32_t stack_bytes = platform_stack_bytes();
    write_or_exit(files.frames, &stack_bytes, (int32_t)sizeof stack_bytes);
    return sh_close(files.frames) == 0 ? 0 : WRITE_FAILED;
}
