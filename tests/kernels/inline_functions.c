/* The inline primitives of kernels/ over arrays, so that a shared library exports them. */
#include "tqs_fixed.h"
#include "tqs_lut.h"

void sat8(const int32_t *v, int8_t *y, int32_t count);
void sat16(const int32_t *v, int16_t *y, int32_t count);
int32_t sat32(int64_t v);
int32_t requantize(int32_t acc, int32_t multiplier, int32_t shift);
int32_t requantize_acc64(int64_t acc, int32_t multiplier, int32_t shift);
void tanh_s16(const int16_t *x, int32_t fraction_bits, int16_t *y, int32_t count);
void sigmoid_s16(const int16_t *x, int32_t fraction_bits, int16_t *y, int32_t count);

void sat8(const int32_t *v, int8_t *y, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        y[i] = tqs_sat8(v[i]);
}

void sat16(const int32_t *v, int16_t *y, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        y[i] = tqs_sat16(v[i]);
}

int32_t sat32(int64_t v) {
    return tqs_sat32(v);
}

int32_t requantize(int32_t acc, int32_t multiplier, int32_t shift) {
    return tqs_requantize(acc, multiplier, shift);
}

int32_t requantize_acc64(int64_t acc, int32_t multiplier, int32_t shift) {
    return tqs_requantize_acc64(acc, multiplier, shift);
}

void tanh_s16(const int16_t *x, int32_t fraction_bits, int16_t *y, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        y[i] = tqs_tanh_s16(x[i], fraction_bits);
}

void sigmoid_s16(const int16_t *x, int32_t fraction_bits, int16_t *y, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        y[i] = tqs_sigmoid_s16(x[i], fraction_bits);
}
