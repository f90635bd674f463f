"""The graph's own operations (`aten.step_ops`) on their way into Relax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tvm import relax

from tqs_edge.frontend.composite import (
    deviation_function,
    normalize_function,
    scalar_function,
    select_function,
    unfold_function,
)


def _dense(node: Any, importer: Any) -> relax.Var:
    x, weight, *bias = (importer.env[arg] for arg in node.args)
    builder = importer.block_builder
    transposed = builder.emit(relax.op.permute_dims(weight, [1, 0]))
    product = builder.emit(relax.op.matmul(x, transposed))
    return builder.emit(relax.op.add(product, bias[0])) if bias else product


def _amax(node: Any, importer: Any) -> relax.Var:
    x, axes, keep = node.args
    return importer.block_builder.emit(relax.op.max(importer.env[x], axes, keepdims=keep))


def _composite(make: Callable[..., relax.Function]) -> Callable[..., relax.Var]:
    def convert(node: Any, importer: Any) -> relax.Var:
        x, *attrs = node.args
        source, builder = importer.env[x], importer.block_builder
        function = make(source.ty, *attrs)
        name = str(function.attrs["Composite"]).removeprefix("tqs.").replace(".", "_")
        return builder.emit(relax.Call(builder.add_func(function, name), [source]))

    return convert


def _select(node: Any, importer: Any) -> relax.Var:
    *operands, threshold, strict = node.args
    x, a, b = (importer.env[operand] for operand in operands)
    builder = importer.block_builder
    function = select_function([x.ty, a.ty, b.ty], threshold, strict)
    return builder.emit(relax.Call(builder.add_func(function, "select"), [x, a, b]))


# By the name that torch gives the overload.
CONVERTERS: Mapping[str, Callable[..., relax.Var]] = {
    "dense.default": _dense,
    "amax.default": _amax,
    "unfold.default": _composite(unfold_function),
    "function.default": _composite(scalar_function),
    "normalize.default": _composite(normalize_function),
    "deviation.default": _composite(deviation_function),
    "choose.default": _select,
}
