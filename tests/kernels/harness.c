/* Runs kernels on the operands of vectors.bin and writes results.bin: on a simulated board, or as a
   program of the host under sanitizers. Every operand lies in a buffer of exactly the size that the
   contract grants. vectors.bin, little endian, per case: int32 operation (act_bits, weight_bits,
   acc_bits; or 0, TANH, SIGMOID or PRODUCT, 0), rows, depth, parameter (shift, fraction bits); then
   x with its padding and, for a dense layer, weight words, bias, multipliers.
   results.bin, per case: 5 canaries, y, 5 canaries, all int16. */
#include "semihost.h"
#include "tqs_fixed.h"
#include "tqs_kernels.h"
#include "tqs_lut.h"

#ifdef TQS_HOSTED
#include <stdlib.h>
#endif

int main(void);

enum { TANH = 1, SIGMOID = 2, PRODUCT = 3, CANARIES = 5, POOL_BYTES = 65536, BAD_VECTORS = 3 };

typedef struct {
    int32_t act_bits, weight_bits, acc_bits, rows, depth, parameter;
} header;

#define DENSE_SIGNATURE(act, acc)                                                                  \
    (const act *, const uint32_t *, const acc *, const int32_t *, int32_t, int16_t *, int32_t,     \
     int32_t)
typedef void(*dense_a8) DENSE_SIGNATURE(int8_t, int32_t);
typedef void(*dense_a16) DENSE_SIGNATURE(int16_t, int32_t);
typedef void(*dense_a8_acc64) DENSE_SIGNATURE(int8_t, int64_t);
typedef void(*dense_a16_acc64) DENSE_SIGNATURE(int16_t, int64_t);

/* By log2(weight_bits) - 1. */
static const dense_a8 a8[] = {tqs_dense_a8w2, tqs_dense_a8w4, tqs_dense_a8w8};
static const dense_a16 a16[] = {tqs_dense_a16w2, tqs_dense_a16w4, tqs_dense_a16w8};
static const dense_a8_acc64 a8_acc64[] = {tqs_dense_a8w2_acc64, tqs_dense_a8w4_acc64,
                                          tqs_dense_a8w8_acc64, tqs_dense_a8w16_acc64};
static const dense_a16_acc64 a16_acc64[] = {tqs_dense_a16w2_acc64, tqs_dense_a16w4_acc64,
                                            tqs_dense_a16w8_acc64, tqs_dense_a16w16_acc64};

static int32_t vectors, results;

#ifdef TQS_HOSTED
/* An allocation per operand, so that AddressSanitizer sees a read past any of them. */
static void *take(int32_t bytes) {
    return malloc((size_t)bytes);
}
static void drop(void *p) {
    free(p);
}
#else
static TQS_ALIGN(8) uint8_t pool[POOL_BYTES];
static int32_t taken;

static void *take(int32_t bytes) {
    void *const p = pool + taken;
    taken += (bytes + 7) / 8 * 8;
    if (taken > POOL_BYTES)
        sh_exit(BAD_VECTORS);
    return p;
}
static void drop(void *p) {
    taken = (int32_t)((uint8_t *)p - pool);
}
#endif

static void *read_operand(int32_t bytes) {
    void *const p = take(bytes);
    if (sh_read(vectors, p, bytes) != 0)
        sh_exit(BAD_VECTORS);
    return p;
}

static int32_t width_index(int32_t bits) {
    return bits == 2 ? 0 : bits == 4 ? 1 : bits == 8 ? 2 : 3;
}

static void run_dense(const header *h, const void *x, int16_t *y) {
    const int32_t group = 32 / h->weight_bits, words = (h->depth + group - 1) / group;
    uint32_t *const w = read_operand(4 * h->rows * words);
    for (int32_t i = 0; h->weight_bits == 8 && i < h->rows * words; i++)
        w[i] = TQS_W8(w[i]);
    void *const bias = read_operand(h->rows * h->acc_bits / 8);
    int32_t *const m = read_operand(4 * h->rows);
    const int32_t width = width_index(h->weight_bits), s = h->parameter;
    if (h->act_bits == 8 && h->acc_bits == 32)
        a8[width](x, w, bias, m, s, y, h->rows, h->depth);
    if (h->act_bits == 16 && h->acc_bits == 32)
        a16[width](x, w, bias, m, s, y, h->rows, h->depth);
    if (h->act_bits == 8 && h->acc_bits == 64)
        a8_acc64[width](x, w, bias, m, s, y, h->rows, h->depth);
    if (h->act_bits == 16 && h->acc_bits == 64)
        a16_acc64[width](x, w, bias, m, s, y, h->rows, h->depth);
    drop(m);
    drop(bias);
    drop(w);
}

static void run_table(const header *h, const int16_t *x, int16_t *y) {
    for (int32_t i = 0; i < h->rows; i++) {
        y[i] = h->weight_bits == TANH ? tqs_tanh_s16(x[i], h->parameter)
                                      : tqs_sigmoid_s16(x[i], h->parameter);
    }
}

/* Half words of 64-bit products of neighbours in x, seen as numbers of 32 bits. */
static void run_product(const header *h, const int16_t *x, int16_t *y) {
    for (int32_t i = 0; i < h->rows; i++) {
        const int32_t at = i / 4;
        const int32_t a = (int32_t)((uint32_t)x[at + 1] << 16 | (uint16_t)x[at]);
        const int32_t b = (int32_t)((uint32_t)x[at + 3] << 16 | (uint16_t)x[at + 2]);
        y[i] = (int16_t)(tqs_product(a, b) >> (i % 4 * 16));
    }
}

static void run_case(const header *h) {
    const int32_t x_bytes = TQS_PADDED(h->depth) * (h->act_bits == 8 ? 1 : 2);
    const int32_t y_bytes = 2 * (h->rows + 2 * CANARIES);
    void *const x = read_operand(x_bytes);
    int16_t *const y = take(y_bytes);
    for (int32_t i = 0; i < h->rows + 2 * CANARIES; i++)
        y[i] = 0x5A5A;
    if (h->act_bits == 0 && h->weight_bits == PRODUCT) {
        run_product(h, x, y + CANARIES);
    } else if (h->act_bits == 0) {
        run_table(h, x, y + CANARIES);
    } else {
        run_dense(h, x, y + CANARIES);
    }
    if (sh_write(results, y, y_bytes) != 0)
        sh_exit(BAD_VECTORS);
    drop(y);
    drop(x);
}

int main(void) {
    header h;
    vectors = sh_open("vectors.bin", SH_READ_BINARY);
    results = sh_open("results.bin", SH_WRITE_BINARY);
    if (vectors < 0 || results < 0)
        return BAD_VECTORS;
    while (sh_read(vectors, &h, (int32_t)sizeof h) == 0)
        run_case(&h);
    return sh_close(vectors) | sh_close(results);
}
