/* What is the same in every package around reset and step: weights that are checked before they
   are used, rollouts, and states that are saved and restored. Contracts: model.h. */
#include <stddef.h>

#include "model_weights.h"

enum { CRC_OFFSET = offsetof(tqs_model_image_header, crc32), PROGRAM_WORDS = 4, WORD_BYTES = 4 };

static const uint32_t program[PROGRAM_WORDS] = TQS_MODEL_IMAGE_PROGRAM;

/* The CRC-32 of zlib and Ethernet, four bits at a time: a table of 64 bytes. */
static uint32_t crc32_of(uint32_t crc, const void *data, uint32_t bytes) {
    static const uint32_t nibbles[16] = {
        0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
        0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
        0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
    };
    const uint8_t *byte = (const uint8_t *)data;
    crc = ~crc;
    for (uint32_t i = 0; i < bytes; ++i) {
        crc ^= byte[i];
        crc = (crc >> 4) ^ nibbles[crc & 15u];
        crc = (crc >> 4) ^ nibbles[crc & 15u];
    }
    return ~crc;
}

static int is_this_program(const uint32_t *words) {
    uint32_t difference = 0;
    for (int32_t i = 0; i < PROGRAM_WORDS; ++i)
        difference |= words[i] ^ program[i];
    return difference == 0;
}

static tqs_model_status check(const struct tqs_model_image *image) {
    const tqs_model_image_header *header = &image->header;
    if (header->magic != TQS_MODEL_IMAGE_MAGIC || header->format != TQS_MODEL_IMAGE_FORMAT)
        return TQS_MODEL_NO_WEIGHTS;
    if (header->bytes != TQS_MODEL_WEIGHTS_BYTES || !is_this_program(header->program))
        return TQS_MODEL_OTHER_MODEL;
    const uint32_t crc = crc32_of(0, header, CRC_OFFSET);
    if (crc32_of(crc, &image->data, sizeof image->data) != header->crc32)
        return TQS_MODEL_CORRUPT;
    return TQS_MODEL_OK;
}

tqs_model_status tqs_model_init_verified(tqs_model_t *model, tqs_model_arena *arena,
                                         const void *weights, tqs_model_verifier verify,
                                         void *user) {
    if (model == NULL)
        return TQS_MODEL_BAD_ARGUMENT;
    model->ready = 0;
    if (arena == NULL || weights == NULL || ((uintptr_t)weights & 7u) != 0)
        return TQS_MODEL_BAD_ARGUMENT;
    const struct tqs_model_image *image = (const struct tqs_model_image *)weights;
    const tqs_model_status status = check(image);
    if (status != TQS_MODEL_OK)
        return status;
    if (verify != NULL && verify(weights, TQS_MODEL_WEIGHTS_BYTES, user) != 1)
        return TQS_MODEL_UNSIGNED;
    model->arena = arena;
    model->weights = &image->data;
    tqs_model_reset(model);
    model->ready = TQS_MODEL_READY;
    return TQS_MODEL_OK;
}

tqs_model_status tqs_model_init(tqs_model_t *model, tqs_model_arena *arena, const void *weights) {
    return tqs_model_init_verified(model, arena, weights, NULL, NULL);
}

/* Every row is read where it lies. The outputs of the context's earlier rows, which nobody wants,
   go where frame 0 will be. The context ends with a whole call: older rows that fill none are left
   out. */
tqs_model_status tqs_model_rollout(tqs_model_t *model, int16_t *rows, int32_t context_rows,
                                   int32_t horizon, const int16_t *exog) {
    if (rows == NULL || context_rows < TQS_MODEL_LENGTH || horizon < 1 ||
        horizon / TQS_MODEL_BLOCK * TQS_MODEL_BLOCK != horizon ||
        (TQS_MODEL_EXOG > 0 && exog == NULL))
        return TQS_MODEL_BAD_ARGUMENT;
    const int32_t end = context_rows + horizon;
    const int32_t calls = TQS_MODEL_RECURRENT ? context_rows / TQS_MODEL_LENGTH : 1;
    int32_t read = context_rows - calls * TQS_MODEL_LENGTH;
    for (; read + TQS_MODEL_LENGTH < end; read += TQS_MODEL_BLOCK) {
        const int32_t next = read + TQS_MODEL_LENGTH;
        int16_t *y = rows + (next < context_rows ? context_rows : next) * TQS_MODEL_FEATURES;
        const tqs_model_status status =
            tqs_model_step(model, rows + read * TQS_MODEL_FEATURES, exog, y);
        if (status != TQS_MODEL_OK)
            return status;
        if (TQS_MODEL_EXOG > 0)
            exog += TQS_MODEL_EXOG;
    }
    return TQS_MODEL_OK;
}

/* A snapshot is program[4], the CRC-32 of program and state, the state; it may lie unaligned. */
enum { STATE_OFFSET = (PROGRAM_WORDS + 1) * WORD_BYTES };

typedef char tqs_model_snapshot_holds_the_state
    [STATE_OFFSET + sizeof(tqs_model_state) == TQS_MODEL_SNAPSHOT_BYTES ? 1 : -1];

static void copy_bytes(const void *from, void *to, uint32_t bytes) {
    const uint8_t *source = (const uint8_t *)from;
    uint8_t *target = (uint8_t *)to;
    for (uint32_t i = 0; i < bytes; ++i)
        target[i] = source[i];
}

tqs_model_status tqs_model_save(const tqs_model_t *model, void *snapshot) {
    if (model->ready != TQS_MODEL_READY)
        return TQS_MODEL_NOT_READY;
    uint8_t *bytes = (uint8_t *)snapshot;
    uint32_t crc = crc32_of(0, program, sizeof program);
    crc = crc32_of(crc, &model->state, sizeof model->state);
    copy_bytes(program, bytes, sizeof program);
    copy_bytes(&crc, bytes + sizeof program, sizeof crc);
    copy_bytes(&model->state, bytes + STATE_OFFSET, sizeof model->state);
    return TQS_MODEL_OK;
}

tqs_model_status tqs_model_restore(tqs_model_t *model, const void *snapshot) {
    if (model->ready != TQS_MODEL_READY)
        return TQS_MODEL_NOT_READY;
    const uint8_t *bytes = (const uint8_t *)snapshot;
    uint32_t saved_program[PROGRAM_WORDS], saved_crc;
    copy_bytes(bytes, saved_program, sizeof saved_program);
    copy_bytes(bytes + sizeof program, &saved_crc, sizeof saved_crc);
    if (!is_this_program(saved_program))
        return TQS_MODEL_OTHER_MODEL;
    uint32_t crc = crc32_of(0, saved_program, sizeof saved_program);
    crc = crc32_of(crc, bytes + STATE_OFFSET, sizeof model->state);
    if (crc != saved_crc)
        return TQS_MODEL_CORRUPT;
    copy_bytes(bytes + STATE_OFFSET, &model->state, sizeof model->state);
    return TQS_MODEL_OK;
}
