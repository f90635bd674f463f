/* Internal: what one packed word adds to an accumulator, in portable C, one function per layout.
   Sums of 32 bits are kept modulo 2^32 (unsigned): offset-binary partial sums may leave the range
   of int32, the final accumulator cannot. */
#ifndef TQS_DENSE_WORDS_H
#define TQS_DENSE_WORDS_H

#include "tqs_kernels.h"

static inline uint32_t tqs_mul32(int32_t a, int32_t b) {
    return (uint32_t)(a * b);
}

/* The low field of each half word, as stored (offset binary), times a and b. */
static inline uint32_t tqs_pair_w4(uint32_t acc, int32_t a, int32_t b, uint32_t word) {
    acc += tqs_mul32(a, (int32_t)(word & 15u));
    return acc + tqs_mul32(b, (int32_t)(word >> 16 & 15u));
}

static inline uint32_t tqs_pair_w2(uint32_t acc, int32_t a, int32_t b, uint32_t word) {
    acc += tqs_mul32(a, (int32_t)(word & 3u));
    return acc + tqs_mul32(b, (int32_t)(word >> 16 & 3u));
}

/* The low byte of each half word, signed. */
static inline uint32_t tqs_pair_w8(uint32_t acc, int32_t a, int32_t b, uint32_t word) {
    acc += tqs_mul32(a, (int8_t)word);
    return acc + tqs_mul32(b, (int8_t)(word >> 16));
}

static inline uint32_t tqs_add32_a16w8(uint32_t acc, const int16_t *x, uint32_t stored) {
    const uint32_t word = TQS_W8(stored);
    acc = tqs_pair_w8(acc, x[0], x[1], word);
    return tqs_pair_w8(acc, x[2], x[3], word >> 8);
}

static inline uint32_t tqs_add32_a16w4(uint32_t acc, const int16_t *x, uint32_t word) {
    acc = tqs_pair_w4(acc, x[0], x[1], word);
    acc = tqs_pair_w4(acc, x[2], x[3], word >> 4);
    acc = tqs_pair_w4(acc, x[4], x[5], word >> 8);
    return tqs_pair_w4(acc, x[6], x[7], word >> 12);
}

static inline uint32_t tqs_add32_a16w2(uint32_t acc, const int16_t *x, uint32_t word) {
    acc = tqs_pair_w2(acc, x[0], x[1], word);
    acc = tqs_pair_w2(acc, x[2], x[3], word >> 2);
    acc = tqs_pair_w2(acc, x[4], x[5], word >> 4);
    acc = tqs_pair_w2(acc, x[6], x[7], word >> 6);
    acc = tqs_pair_w2(acc, x[8], x[9], word >> 8);
    acc = tqs_pair_w2(acc, x[10], x[11], word >> 10);
    acc = tqs_pair_w2(acc, x[12], x[13], word >> 12);
    return tqs_pair_w2(acc, x[14], x[15], word >> 14);
}

static inline uint32_t tqs_add32_a8w8(uint32_t acc, const int8_t *x, uint32_t stored) {
    const uint32_t word = TQS_W8(stored);
    acc = tqs_pair_w8(acc, x[0], x[2], word);
    return tqs_pair_w8(acc, x[1], x[3], word >> 8);
}

static inline uint32_t tqs_add32_a8w4(uint32_t acc, const int8_t *x, uint32_t word) {
    acc = tqs_pair_w4(acc, x[0], x[2], word);
    acc = tqs_pair_w4(acc, x[1], x[3], word >> 4);
    acc = tqs_pair_w4(acc, x[4], x[6], word >> 8);
    return tqs_pair_w4(acc, x[5], x[7], word >> 12);
}

static inline uint32_t tqs_add32_a8w2(uint32_t acc, const int8_t *x, uint32_t word) {
    acc = tqs_pair_w2(acc, x[0], x[2], word);
    acc = tqs_pair_w2(acc, x[1], x[3], word >> 2);
    acc = tqs_pair_w2(acc, x[4], x[6], word >> 4);
    acc = tqs_pair_w2(acc, x[5], x[7], word >> 6);
    acc = tqs_pair_w2(acc, x[8], x[10], word >> 8);
    acc = tqs_pair_w2(acc, x[9], x[11], word >> 10);
    acc = tqs_pair_w2(acc, x[12], x[14], word >> 12);
    return tqs_pair_w2(acc, x[13], x[15], word >> 14);
}

/* 64-bit sums: one word's products of up to 8-bit weights fit 32 bits, so only their sum is
   widened; products of 16-bit weights are widened one by one. */
static inline int64_t tqs_add64_a16w8(int64_t acc, const int16_t *x, uint32_t word) {
    return acc + (int32_t)tqs_add32_a16w8(0, x, word);
}

static inline int64_t tqs_add64_a16w4(int64_t acc, const int16_t *x, uint32_t word) {
    return acc + (int32_t)tqs_add32_a16w4(0, x, word);
}

static inline int64_t tqs_add64_a16w2(int64_t acc, const int16_t *x, uint32_t word) {
    return acc + (int32_t)tqs_add32_a16w2(0, x, word);
}

static inline int64_t tqs_add64_a8w8(int64_t acc, const int8_t *x, uint32_t word) {
    return acc + (int32_t)tqs_add32_a8w8(0, x, word);
}

static inline int64_t tqs_add64_a8w4(int64_t acc, const int8_t *x, uint32_t word) {
    return acc + (int32_t)tqs_add32_a8w4(0, x, word);
}

static inline int64_t tqs_add64_a8w2(int64_t acc, const int8_t *x, uint32_t word) {
    return acc + (int32_t)tqs_add32_a8w2(0, x, word);
}

static inline int64_t tqs_add64_a16w16(int64_t acc, const int16_t *x, uint32_t word) {
    acc += (int32_t)x[0] * (int16_t)word;
    return acc + (int32_t)x[1] * (int16_t)(word >> 16);
}

static inline int64_t tqs_add64_a8w16(int64_t acc, const int8_t *x, uint32_t word) {
    acc += (int32_t)x[0] * (int16_t)word;
    return acc + (int32_t)x[1] * (int16_t)(word >> 16);
}

#endif
