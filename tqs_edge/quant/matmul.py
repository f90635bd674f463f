"""Products of two integer tensors; twin of kernels/tqs_matmul_s16.c."""

from __future__ import annotations

from tqs_edge.quant.power import Ints, round_shift


def matmul(a: Ints, b: Ints, multiplier: int, shift: int) -> Ints:
    """(sum_k a[..., m, k] * b[..., k, n] * multiplier + 2^(shift-1)) >> shift, not saturated."""
    return round_shift((a @ b) * multiplier, shift)
