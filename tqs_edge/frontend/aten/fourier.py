"""Fourier transforms of fixed length, each as the matrix that it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tqs_edge.frontend.aten.complex_pairs import matrix_product
from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.pairs import pair, tensors_of
from tqs_edge.frontend.aten.values import Constant, Handlers, Pair, Value, shape_of

aten = torch.ops.aten


def real_to_complex(
    e: Emitter, node: torch.fx.Node, x: Value, dims: Sequence[int], norm: int, onesided: bool
) -> Pair:
    """rfft over the last of `dims`, fft over the others; norm: 0 none, 1 by root n, 2 by n."""
    *others, dim = dims
    length = shape_of(x)[dim]
    matrix = aten._fft_r2c.default(torch.eye(length), [1], norm, onesided)
    moved, back = e.to_last(x, dim)
    halves = torch.view_as_real(matrix).unbind(-1)
    rows = [_dense(e, moved, half, "fft") for half in halves]
    made = pair(node, *(e.permute(row, back) for row in rows))
    return complex_to_complex(e, node, made, others, norm, True)


def complex_to_complex(
    e: Emitter, node: torch.fx.Node, z: Any, dims: Sequence[int], norm: int, forward: bool
) -> Pair:
    """fft over `dims`, its inverse unless `forward`."""
    for dim in dims:
        length = shape_of(z)[dim]
        eye = torch.eye(length, dtype=torch.complex64)
        matrix = aten._fft_c2c.default(eye, [1], norm, forward)
        real, imag = tensors_of(z)
        orders = [None if p is None else e.to_last(p, dim) for p in (real, imag)]
        back = next(order[1] for order in orders if order)
        moved = pair(node, *(order and order[0] for order in orders))
        made = matrix_product(e, node, moved, Constant(matrix, "fft.matrix"))
        assert made is not None
        z = pair(node, *(p if p is None else e.permute(p, back) for p in tensors_of(made)))
    return z  # type: ignore[no-any-return]


def complex_to_real(
    e: Emitter, node: torch.fx.Node, z: Any, dims: Sequence[int], norm: int, length: int
) -> Value:
    """irfft to `length` entries over the last of `dims`, inverse fft over the others."""
    *others, dim = dims
    z = complex_to_complex(e, node, z, others, norm, False)
    moved = [None if part is None else e.to_last(part, dim) for part in tensors_of(z)]
    back = next(order[1] for order in moved if order)
    eye = torch.eye(shape_of(z)[dim])
    images = [
        aten._fft_c2r.default(torch.complex(*parts), [1], norm, length)
        for parts in ((eye, eye * 0), (eye * 0, eye))
    ]
    known = [(order[0], image) for order, image in zip(moved, images, strict=True) if order]
    whole = e.cat([part for part, _ in known], -1)
    total = _dense(e, whole, torch.cat([image for _, image in known]), "ifft")
    return e.permute(total, back)


def _dense(e: Emitter, x: Value, matrix: torch.Tensor, name: str) -> Value:
    """x @ matrix over the last axis."""
    return e.dense(x, Constant(matrix.t().contiguous(), f"{name}.weight"))


HANDLERS: Handlers = {aten._fft_r2c.default: real_to_complex}
COMPLEX: Handlers = {
    aten._fft_c2c.default: complex_to_complex,
    aten._fft_c2r.default: complex_to_real,
}
