"""Nonlinear nodes as canonical Relax: operators, and composites whose body plays no part here."""

from __future__ import annotations

from collections.abc import Sequence

from tvm import relax

from tqs_edge.graph.graph import Node, Op

NONLINEAR = (Op.FUNCTION, Op.DIV, Op.SOFTMAX, Op.NORMALIZE, Op.DEVIATION, Op.MATMUL)


def nonlinear_value(
    builder: relax.BlockBuilder, node: Node, args: Sequence[relax.Expr]
) -> relax.Expr:
    """The expression that a node of NONLINEAR becomes."""
    match node.op:
        case Op.DIV:
            return relax.op.divide(*args)
        case Op.MATMUL:
            return relax.op.matmul(*args)
        case Op.SOFTMAX:
            return relax.op.nn.softmax(args[0])
        case Op.FUNCTION:
            name = f"tqs.function.{node.attrs['function']}"
        case _:
            name = f"tqs.{node.op}"
    x = relax.Var("x", args[0].ty)
    inner = relax.BlockBuilder()
    with inner.function("main", [x]):
        with inner.dataflow():
            body = relax.op.zeros(node.shape, "float32")
            out = inner.emit_output(body)
        inner.emit_func_output(out)
    function = inner.finalize()["main"].without_attr("global_symbol")
    composite = function.with_attr("Composite", name)
    return relax.Call(builder.add_func(composite, f"composite_{node.name}"), args)
