"""Products with constants: one 32-bit multiplier per element, one rounding.

A pole near 1 that is rounded to 16 bits loses its time constant, -1 / ln(a): 0.9999 in Q15 is
32765 / 32768, whose time constant is 9 % too long. Here a factor near 1 is written as
1 + m / 2^shift, so that the 31 bits of m are spent on what distinguishes it from 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tqs_edge.errors import OverflowUnproven
from tqs_edge.integer.program import QTensor, ScaleOp
from tqs_edge.quant.fixed_point import MAX_MULTIPLIER, MAX_SHIFT


@dataclass(frozen=True, eq=False)
class Factors:
    """Real factor c is whole + multipliers[c] / 2^shift."""

    whole: int
    multipliers: NDArray[np.int32]
    shift: int


def to_factors(factors: NDArray[np.float64]) -> Factors:
    """The best integers for signed real factors: |multiplier| < 2^31, shift in [1, 62].

    `whole` is 1 where all factors lie nearer to 1 than the largest lies to 0. The error of a factor
    is at most 2^-(shift+1), that is 2^-31 of the largest distance from `whole`. Raises
    OverflowUnproven for a factor of 2^30 or more.
    """
    exact = np.asarray(factors, np.float64)
    reach = [float(np.abs(exact - whole).max(initial=0.0)) for whole in (0, 1)]
    whole = int(reach[1] < reach[0])
    # frexp: reach < 2^exponent, so reach * 2^(31 - exponent) < 2^31.
    shift = min(MAX_SHIFT, 31 - int(np.frexp(reach[whole])[1]))
    if shift < 1:
        raise OverflowUnproven(
            f"a factor of {reach[whole]:.3g} output LSBs per input LSB does not fit 31 bits; its "
            "observed range is too small against its input: roll out from contexts that excite it"
        )
    rounded = np.floor((exact - whole) * 2.0**shift + 0.5)
    limited = np.clip(rounded, -MAX_MULTIPLIER, MAX_MULTIPLIER)
    return Factors(whole, limited.astype(np.int32), shift)


def scale_op(x: QTensor, values: NDArray[np.floating], y: QTensor) -> ScaleOp:
    """y = x * values in integers.

    No input can overflow: |x| <= 2^31 and |m| < 2^31 make |x * m| < 2^62, the rounding half is at
    most 2^61 and whole * x at most 2^31. Raises OverflowUnproven where a factor is too large.
    """
    factors = to_factors(np.asarray(values, np.float64) * (x.scale / y.scale))
    return ScaleOp(y.name, x.name, factors.whole, factors.multipliers, factors.shift)
