"""Relax of the operations that move, compare or add up numbers, as the frontend spells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tvm import relax

from tqs_edge.graph.graph import Node, Op

Spelling = Callable[[relax.BlockBuilder, Node, list[relax.Expr]], relax.Expr]


def _unfold(builder: relax.BlockBuilder, node: Node, args: list[relax.Expr]) -> relax.Expr:
    """A call of the composite "tqs.unfold"."""
    kernel, dilation, stride = (node.attrs[key] for key in ("kernel", "dilation", "stride"))
    x = relax.Var("x", args[0].ty)
    last = (node.shape[-2] - 1) * stride + 1
    inner = relax.BlockBuilder()
    with inner.function("main", [x]):
        with inner.dataflow():
            parts = [
                inner.emit(
                    relax.op.strided_slice(
                        x, [len(node.shape) - 2], [j * dilation], [j * dilation + last], [stride]
                    )
                )
                for j in range(kernel)
            ]
            output = inner.emit_output(relax.op.concat(parts, -1))
        inner.emit_func_output(output)
    function = inner.finalize()["main"].without_attr("global_symbol")
    return relax.Call(
        builder.add_func(function.with_attr("Composite", "tqs.unfold"), f"unfold_{node.name}"), args
    )


def _along_axis(operation: Callable[..., relax.Expr]) -> Spelling:
    return lambda _builder, node, args: operation(args[0], node.attrs["axis"], keepdims=True)


MOVES: Mapping[Op, Spelling] = {
    Op.TRANSPOSE: lambda _builder, node, args: relax.op.permute_dims(
        args[0], [axis + len(node.shape) for axis in node.attrs["axes"]]
    ),
    Op.UNFOLD: _unfold,
    Op.MEAN: _along_axis(relax.op.mean),
    Op.SUM: _along_axis(relax.op.sum),
    Op.MAX: _along_axis(relax.op.max),
    Op.MAXIMUM: lambda _builder, _node, args: relax.op.maximum(*args),
    Op.MINIMUM: lambda _builder, _node, args: relax.op.minimum(*args),
    Op.CLAMP: lambda _builder, node, args: relax.op.clip(
        args[0], node.attrs["low"], node.attrs["high"]
    ),
}
