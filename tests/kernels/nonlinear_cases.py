"""What nonlinear_functions.c and the row kernels export, and inputs that reach their edges."""

from __future__ import annotations

import numpy as np

NONLINEAR_DECLARATIONS = """
void leading_zeros(const uint32_t *x, int32_t *y, int32_t count);
void reciprocal(const uint32_t *x, uint32_t *y, int32_t count);
void inverse_root(const uint32_t *x, uint32_t *y, int32_t count);
void sqrt_s16(const int16_t *x, int32_t multiplier, int32_t shift, int16_t *y, int32_t count);
void rsqrt_s16(const int16_t *x, int32_t multiplier, int32_t shift, int16_t *y, int32_t count);
void reciprocal_s16(const int16_t *x, int32_t multiplier, int32_t shift, int16_t *y,
                    int32_t count);
void divide_s16(const int16_t *a, const int16_t *b, int32_t multiplier, int32_t shift, int16_t *y,
                int32_t count);
void log_s16(const int16_t *x, const int16_t *table, int32_t multiplier, int64_t offset,
             int32_t shift, int16_t *y, int32_t count);
void table_s16(const int16_t *x, const int16_t *table, int32_t cells, int32_t first,
               int32_t step_bits, int16_t *y, int32_t count);
void wave_s16(const int16_t *x, const int16_t *table, int32_t turn, int16_t *y, int32_t count);
void tqs_softmax_s16(const int16_t *x, const int16_t *table, int32_t multiplier, int32_t shift,
                     int32_t sum_bits, int16_t *y, int32_t rows, int32_t length);
void tqs_normalize_s16(const int16_t *x, int64_t epsilon, int32_t multiplier, int32_t shift,
                       int16_t *y, int32_t rows, int32_t length);
void tqs_deviation_s16(const int16_t *x, int64_t epsilon, int32_t multiplier, int32_t shift,
                       int16_t *y, int32_t rows, int32_t length);
void tqs_matmul_s16(const int16_t *a, const int16_t *b, int32_t multiplier, int32_t shift,
                    int16_t *y, int32_t products, int32_t a_stride, int32_t b_stride, int32_t rows,
                    int32_t depth, int32_t columns);
"""

EVERY_INPUT = np.arange(-32768, 32768).astype(np.int16)
POSITIVE = np.arange(1, 32768)


def mantissas(low: int) -> np.ndarray:
    """uint32 values from `low` to 2^32 - 1: a ramp with the ends, and random ones."""
    ramp = np.linspace(low, 2**32 - 1, 100_001).astype(np.int64)
    noise = np.random.default_rng(0).integers(low, 2**32, 100_000)
    return np.concatenate([ramp, noise]).astype(np.uint32)


def saturated(values: np.ndarray) -> np.ndarray:
    """int16 values, clamped."""
    return np.clip(values, -32768, 32767).astype(np.int16)


def rows_of_every_size(length: int, seed: int = 0) -> np.ndarray:
    """int16 (40, length): rows of every magnitude, constant ones and the two extreme ones."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-32768, 32768, (40, length)) >> rng.integers(0, 16, (40, 1))
    rows[0] = 32767
    rows[1] = -32768
    rows[2, ::2], rows[2, 1::2] = -32768, 32767
    rows[3, :-1], rows[3, -1] = -32768, 32767
    rows[4] = 0
    return rows.astype(np.int16)
