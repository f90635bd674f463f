"""Sine and cosine of any number of turns; twin of tqs_wave_s16 in kernels/tqs_table.h.

The input times `turn` is the angle in 2^-32 turns, and its overflow is the whole turns.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CELL_BITS = 8
CELLS = 1 << CELL_BITS
WAVES = {"sin": math.sin, "cos": math.cos}
MAX_ERROR = 7.5e-5  # in real units, besides one output LSB, every 16-bit input


def turn_of(x_scale: float) -> int:
    """2^-32 turns per input LSB, modulo one turn."""
    return math.floor(x_scale / math.tau * 2**32 + 0.5) % 2**32


def wave_table(function: str, y_scale: float) -> NDArray[np.int16]:
    """int16 (257,): one turn of the function in output LSBs, saturated.

    The knots are raised by half the greatest sag of the chords, so that interpolation errs to both
    sides.
    """
    raised = 1 + (math.tau / CELLS) ** 2 / 16
    angles = (math.tau * k / CELLS for k in range(CELLS + 1))
    knots = [math.floor(raised * WAVES[function](a) / y_scale + 0.5) for a in angles]
    return np.clip(knots, -32768, 32767).astype(np.int16)


def wave(x: NDArray[np.int64], table: NDArray[np.int16], turn: int) -> NDArray[np.int64]:
    """The table at the angle x * turn, linear between knots; 16-bit x, int64 result."""
    angle = (x * turn) & 0xFFFFFFFF
    index, rest = angle >> 24, (angle >> 9) & 0x7FFF
    wide = table.astype(np.int64)
    low = wide[index]
    y: NDArray[np.int64] = low + (((wide[index + 1] - low) * rest + (1 << 14)) >> 15)
    return y
