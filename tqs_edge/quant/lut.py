"""tanh and sigmoid by one table of integers; twins of kernels/tqs_lut.h.

256 chords of width 1/32 cover tanh on [0, 8). A chord of a concave function lies below it, by at
most max|tanh''| / (8 * 32^2) = 3.1 LSB of Q15. Raising each knot by half of its chord's sag makes
the interpolation err to both sides and halves that.
"""

from __future__ import annotations

import math

import numpy as np

from tqs_edge.errors import InputError

STEPS_PER_UNIT = 32
STEPS = 256
TANH_MAX_ERROR = 2.5 / 32768  # |table - tanh|, every input, fraction_bits 8..15
SIGMOID_MAX_ERROR = 1.75 / 32768  # |table - sigmoid|, every input, fraction_bits 8..15


def tanh_table() -> np.ndarray:
    """int16 (257,): Q15 knots of tanh at 0, 1/32, ..., 8, raised by half a chord's sag."""
    knots = []
    for index in range(STEPS + 1):
        exact = math.tanh(index / STEPS_PER_UNIT)
        curvature = 2 * exact * (1 - exact * exact)  # -tanh''
        raised = exact + curvature / (16 * STEPS_PER_UNIT**2)
        knots.append(min(32767, math.floor(raised * 32768 + 0.5)))
    return np.array(knots, np.int16)


def table_source() -> str:
    """Text of kernels/tqs_tanh_table.c."""
    knots = [str(knot) for knot in tanh_table()]
    lines = [f"    {', '.join(knots[i : i + 12])}," for i in range(0, len(knots), 12)]
    return "\n".join(
        [
            "/* Generated: python -m tqs_edge.quant.lut > kernels/tqs_tanh_table.c */",
            '#include "tqs_lut.h"',
            "",
            "const int16_t tqs_tanh_table[257] = {",
            *lines,
            "};",
            "",
        ]
    )


def tanh_s16(x: np.ndarray, fraction_bits: int) -> np.ndarray:
    """int16 Q15 tanh(x / 2^fraction_bits) of int16 x; fraction_bits in [8, 15]; odd."""
    _check_fraction_bits(fraction_bits)
    t = _tanh_magnitude(np.abs(x.astype(np.int32)), fraction_bits - 5)
    y: np.ndarray = np.where(x < 0, -t, t).astype(np.int16)
    return y


def sigmoid_s16(x: np.ndarray, fraction_bits: int) -> np.ndarray:
    """int16 Q15 sigmoid(x / 2^fraction_bits) of int16 x, at most 32767; fraction_bits in [8, 15].

    sigmoid(v) = (1 + tanh(v / 2)) / 2.
    """
    _check_fraction_bits(fraction_bits)
    t = _tanh_magnitude(np.abs(x.astype(np.int32)), fraction_bits - 4)
    signed = np.where(x < 0, -t, t)
    y: np.ndarray = np.minimum((32768 + signed + 1) >> 1, 32767).astype(np.int16)
    return y


def _check_fraction_bits(fraction_bits: int) -> None:
    if not 8 <= fraction_bits <= 15:
        raise InputError(
            f"table input with {fraction_bits} fraction bits; requantize it to 8..15 bits"
        )


def _tanh_magnitude(magnitude: np.ndarray, step_bits: int) -> np.ndarray:
    """int32 Q15 tanh of magnitude / 2^(step_bits + 5): linear between the knots around it."""
    index = magnitude >> step_bits
    fraction = magnitude & ((1 << step_bits) - 1)
    low = _TABLE[np.minimum(index, STEPS)]
    rise = _TABLE[np.minimum(index + 1, STEPS)] - low
    t: np.ndarray = low + ((rise * fraction + (1 << (step_bits - 1))) >> step_bits)
    return t


_TABLE = tanh_table().astype(np.int32)


if __name__ == "__main__":
    print(table_source(), end="")
