"""Reciprocals, roots and logarithms as stages of TE (kernels/README.md; C twins in tqs_power.h).

Every step is a tensor of its own, so that no expression is written out twice. All are int64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tvm import te, tirx

from tqs_edge.quant.power import INVERSE_ROOT_START, RECIPROCAL_START


def stage(name: str, function: Callable[..., tirx.Expr], *tensors: te.Tensor) -> te.Tensor:
    """function of tensors of equal shape, element by element."""

    def element(*indices: tirx.Expr) -> tirx.Expr:
        return function(*(tensor(*indices) for tensor in tensors))

    return te.compute(tensors[0].shape, element, name=name)


def int64(value: int) -> tirx.Expr:
    """A constant of the stages' type."""
    return tirx.const(value, "int64")


def round_shift(value: tirx.Expr, shift: tirx.Expr) -> tirx.Expr:
    """(value + 2^(shift-1)) >> shift."""
    return (value + (int64(1) << (shift - 1))) >> shift


def high_product(a: tirx.Expr, b: tirx.Expr) -> tirx.Expr:
    """(a * b) >> 32."""
    return (a * b) >> int64(32)


def leading_zeros(v: te.Tensor) -> te.Tensor:
    """Zero bits above the leading one of v in [1, 2^32)."""
    return stage(f"{v.op.name}_zeros", lambda e: tirx.clz(e).astype("int64") - int64(32), v)


def shifted(v: te.Tensor, zeros: te.Tensor) -> te.Tensor:
    """v << zeros."""
    return stage(f"{v.op.name}_mantissa", lambda e, z: e << z, v, zeros)


def reciprocal(d: te.Tensor) -> te.Tensor:
    """2^62 / d for d in [2^31, 2^32)."""
    r = _parabola(f"{d.op.name}_start", RECIPROCAL_START, d)
    for number, up in enumerate((1, 2)):
        rest = stage(
            f"{d.op.name}_rest_{number}", lambda e, g: int64(1 << 29) - high_product(e, g), d, r
        )
        r = stage(
            f"{d.op.name}_step_{number}",
            lambda g, t, up=up: high_product(g << int64(up), t << int64(3)) << int64(up - 1),
            r,
            rest,
        )
    return r


def inverse_root(v: te.Tensor) -> te.Tensor:
    """2^46 / sqrt(v) for v in [2^30, 2^32)."""
    g = _parabola(f"{v.op.name}_start", INVERSE_ROOT_START, v)
    for number in range(2):
        four = stage(f"{v.op.name}_four_{number}", lambda e: e << int64(2), g)
        square = stage(f"{v.op.name}_square_{number}", lambda e: high_product(e, e), four)
        rest = stage(
            f"{v.op.name}_rest_{number}",
            lambda e, s: (int64(3 << 28) - high_product(e, s)) << int64(2),
            v,
            square,
        )
        g = stage(f"{v.op.name}_step_{number}", high_product, four, rest)
        g = stage(
            f"{v.op.name}_scaled_{number}",
            (lambda e: e << int64(1)) if number else (lambda e: e >> int64(1)),
            g,
        )
    return g


def _parabola(name: str, coefficients: Sequence[int], m: te.Tensor) -> te.Tensor:
    c0, c1, c2 = (int64(c) for c in coefficients)
    return stage(name, lambda e: c0 - high_product(e, c1 - high_product(e, c2)), m)
