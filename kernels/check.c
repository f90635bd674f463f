/* Self-test of the kernels without Python (make check). Dense ones: packs weights by the rule of
   README.md, calls every kernel and compares with the equation. All others: check_values.c. Exit
   status 0: all equal. */
#include "tqs_fixed.h"
#include "tqs_kernels.h"

int main(void);
int32_t check_values(int16_t canary);

enum { MAX_ROWS = 9, MAX_DEPTH = 40, MAX_WORDS = MAX_DEPTH / 2, CANARY = 0x5A5A };

typedef struct {
    TQS_ALIGN(4) int8_t x8[TQS_PADDED(MAX_DEPTH)];
    TQS_ALIGN(4) int16_t x16[TQS_PADDED(MAX_DEPTH)];
    int32_t weights[MAX_ROWS][MAX_DEPTH];
    uint32_t words[MAX_ROWS * MAX_WORDS];
    int32_t bias[MAX_ROWS];
    int64_t bias_acc64[MAX_ROWS];
    int32_t multiplier[MAX_ROWS];
    int32_t act_bits, weight_bits, rows, depth, shift;
} operands;

static uint32_t state = 1;

/* `bits` random bits as a two's complement integer. */
static int32_t random_integer(int32_t bits) {
    state = state * 1664525u + 1013904223u;
    return (int32_t)state >> (32 - bits);
}

/* Field of a word, counted from the lowest bit, that holds weight `index` of its group. */
static int32_t field_of(int32_t index, int32_t act_bits, int32_t weight_bits) {
    const int32_t half = 16 / weight_bits; /* fields of a half word */
    if (weight_bits == 16)
        return index;
    if (act_bits == 16)
        return index / 2 + (index % 2) * half;
    return index / 4 * 2 + index % 2 + index % 4 / 2 * half;
}

/* Where a word of a row lies: interleaved in quads of rows, the last rows one by one. */
static int32_t place_of(int32_t row, int32_t word, int32_t rows, int32_t words) {
    const int32_t quad = row & ~3;
    return quad + 4 <= rows ? quad * words + 4 * word + row % 4 : row * words + word;
}

static void pack(operands *o) {
    const int32_t group = 32 / o->weight_bits, words = (o->depth + group - 1) / group;
    const int32_t offset = o->weight_bits < 8 ? 1 << (o->weight_bits - 1) : 0;
    const uint32_t mask = (UINT32_C(1) << o->weight_bits) - 1;
    for (int32_t row = 0; row < o->rows; ++row) {
        for (int32_t word = 0; word < words; ++word) {
            uint32_t packed = 0;
            for (int32_t i = 0; i < group; ++i) {
                const int32_t column = word * group + i;
                const int32_t weight = column < o->depth ? o->weights[row][column] : 0;
                const int32_t field = field_of(i, o->act_bits, o->weight_bits);
                packed |= ((uint32_t)(weight + offset) & mask) << (field * o->weight_bits);
            }
            o->words[place_of(row, word, o->rows, words)] =
                o->weight_bits == 8 ? TQS_W8(packed) : packed;
        }
    }
}

static void fill(operands *o) {
    for (int32_t i = 0; i < TQS_PADDED(MAX_DEPTH); ++i) {
        o->x8[i] = (int8_t)random_integer(8);
        o->x16[i] = (int16_t)random_integer(16);
    }
    for (int32_t row = 0; row < o->rows; ++row) {
        for (int32_t i = 0; i < o->depth; ++i)
            o->weights[row][i] = random_integer(o->weight_bits);
        o->bias[row] = random_integer(24);
        o->bias_acc64[row] = random_integer(24);
        o->multiplier[row] = random_integer(22) & 0x1FFFFF;
    }
    pack(o);
}

static int16_t want(const operands *o, int32_t row, int64_t bias) {
    int64_t acc = bias;
    for (int32_t i = 0; i < o->depth; ++i) {
        acc += (int64_t)o->weights[row][i] * (o->act_bits == 8 ? o->x8[i] : o->x16[i]);
    }
    const int64_t half = INT64_C(1) << (o->shift - 1);
    const int64_t rounded = (acc * o->multiplier[row] + half) >> o->shift;
    return (int16_t)(rounded > 32767 ? 32767 : rounded < -32768 ? -32768 : rounded);
}

/* Runs one kernel on every small shape; x and bias name the members that it reads. */
#define CHECK(kernel, act, weight, x, bias_member)                                                 \
    for (o.rows = 1; o.rows <= MAX_ROWS; ++o.rows) {                                               \
        for (o.depth = 1; o.depth <= MAX_DEPTH; ++o.depth) {                                       \
            int16_t y[MAX_ROWS + 1];                                                               \
            o.act_bits = (act);                                                                    \
            o.weight_bits = (weight);                                                              \
            o.shift = 32 + o.depth % 4;                                                            \
            fill(&o);                                                                              \
            y[o.rows] = CANARY;                                                                    \
            kernel(o.x, o.words, o.bias_member, o.multiplier, o.shift, y, o.rows, o.depth);        \
            for (int32_t r = 0; r < o.rows; ++r)                                                   \
                failures += y[r] != want(&o, r, o.bias_member[r]);                                 \
            failures += y[o.rows] != CANARY;                                                       \
        }                                                                                          \
    }

int main(void) {
    static operands o;
    int32_t failures = 0;
    CHECK(tqs_dense_a8w2, 8, 2, x8, bias)
    CHECK(tqs_dense_a8w4, 8, 4, x8, bias)
    CHECK(tqs_dense_a8w8, 8, 8, x8, bias)
    CHECK(tqs_dense_a16w2, 16, 2, x16, bias)
    CHECK(tqs_dense_a16w4, 16, 4, x16, bias)
    CHECK(tqs_dense_a16w8, 16, 8, x16, bias)
    CHECK(tqs_dense_a8w2_acc64, 8, 2, x8, bias_acc64)
    CHECK(tqs_dense_a8w4_acc64, 8, 4, x8, bias_acc64)
    CHECK(tqs_dense_a8w8_acc64, 8, 8, x8, bias_acc64)
    CHECK(tqs_dense_a8w16_acc64, 8, 16, x8, bias_acc64)
    CHECK(tqs_dense_a16w2_acc64, 16, 2, x16, bias_acc64)
    CHECK(tqs_dense_a16w4_acc64, 16, 4, x16, bias_acc64)
    CHECK(tqs_dense_a16w8_acc64, 16, 8, x16, bias_acc64)
    CHECK(tqs_dense_a16w16_acc64, 16, 16, x16, bias_acc64)
    failures += check_values(CANARY);
    return failures != 0;
}
