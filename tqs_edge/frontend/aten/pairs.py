"""Complex tensors as pairs of real ones, and operations that act on each part alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.values import Constant, Operand, Pair, Value, shape_of

Part = Operand | None  # None is zero
Parts = tuple[Part, Part]


def is_complex(value: Any) -> bool:
    """Whether an argument is complex, a list of which any part is, or None."""
    if isinstance(value, list | tuple):
        return any(is_complex(part) for part in value)
    if isinstance(value, Constant):
        return value.value.is_complex()
    return isinstance(value, Pair | complex)


def is_left_complex(value: Any) -> bool:
    """Whether an argument is, or holds, a complex tensor of an operation that was left as it is."""
    if isinstance(value, list | tuple):
        return any(is_left_complex(part) for part in value)
    example = value.meta.get("val") if isinstance(value, torch.fx.Node) else None
    return isinstance(example, torch.Tensor) and example.is_complex()


def parts_of(value: Any) -> Parts:
    """(real part, imaginary part) of an argument; parts that are zero throughout are None."""
    if isinstance(value, Pair):
        return value.real, value.imag
    if isinstance(value, complex):
        return value.real or None, value.imag or None
    if isinstance(value, Constant) and value.value.is_complex():
        halves = torch.view_as_real(value.value.resolve_conj()).unbind(-1)
        real, imag = (Constant(half.contiguous(), value.path) for half in halves)
        return real, imag if bool(imag.value.any()) else None
    return value, None


def tensors_of(value: Any) -> tuple[Value, Value | None]:
    """parts_of() of a tensor, whose real part is one even where it is zero."""
    real, imag = parts_of(value)
    if real is None:
        real = Constant(torch.zeros(shape_of(value)), "complex.zeros")
    assert not isinstance(real, int | float) and not isinstance(imag, int | float)
    return real, imag


def pair(node: torch.fx.Node, real: Part, imag: Part) -> Pair:
    """The value of a complex `node`; a part that is None becomes a tensor of zeros if need be."""
    zeros = Constant(torch.zeros(tuple(node.meta["val"].shape)), "complex.zeros")
    assert not isinstance(imag, int | float) and not isinstance(real, int | float)
    return Pair(zeros if real is None else real, imag, node)


def each_part(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler of a linear operation with real coefficients, on both parts of its tensors."""

    def handle(e: Emitter, node: torch.fx.Node, *args: Any, **kwargs: Any) -> Any:
        real = handler(e, node, *parts_in(args, 0), **kwargs)
        imag = None if is_real(args) else handler(e, node, *parts_in(args, 1), **kwargs)
        if isinstance(real, tuple | list):
            imags = imag or [None] * len(real)
            return tuple(Pair(r, i, node) for r, i in zip(real, imags, strict=True))
        return None if real is None else Pair(real, imag, node)

    return handle


def parts_in(arg: Any, which: int) -> Any:
    """An argument with every tensor replaced by one part of it."""
    if isinstance(arg, list | tuple):
        return [parts_in(part, which) for part in arg]
    if not isinstance(arg, Pair | Constant | torch.fx.Node):
        return arg
    index = isinstance(arg, Constant) and not (
        arg.value.is_floating_point() or arg.value.is_complex()
    )
    part = arg if index else parts_of(arg)[which]
    return Constant(torch.zeros(shape_of(arg)), "complex.zeros") if part is None else part


def is_real(arg: Any) -> bool:
    """Whether no tensor in an argument has an imaginary part."""
    if isinstance(arg, list | tuple):
        return all(is_real(part) for part in arg)
    return parts_of(arg)[1] is None
