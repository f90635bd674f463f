"""The canonical float Relax module of a Graph: the reverse of extract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tvm
from tvm import relax

from tqs_edge.frontend.composite import (
    affine_function,
    dense_function,
    deviation_function,
    moving_sum_function,
    normalize_function,
    push_function,
    scalar_function,
    select_function,
    unfold_function,
)
from tqs_edge.graph.graph import Graph, Node, Op

Arguments = Sequence[relax.Expr]


def _affine(node: Node, args: Arguments) -> relax.Function:
    return affine_function(args[0].ty, node.attrs["scale"], node.attrs["offset"])


def _unfold(node: Node, args: Arguments) -> relax.Function:
    sizes = (int(node.attrs[key]) for key in ("kernel", "dilation", "stride"))
    return unfold_function(args[0].ty, *sizes)


def _moving_sum(node: Node, args: Arguments) -> relax.Function:
    return moving_sum_function(args[0].ty, **node.attrs)


def _push(node: Node, args: Arguments) -> relax.Function:
    axis = len(node.shape) + node.attrs["axis"]
    return push_function(args[0].ty, args[1].ty, axis)


def _select(node: Node, args: Arguments) -> relax.Function:
    threshold, strict = float(node.attrs["threshold"]), bool(node.attrs["strict"])
    return select_function([arg.ty for arg in args], threshold, strict)


COMPOSITES: Mapping[Op, Callable[[Node, Arguments], relax.Function]] = {
    Op.DENSE: lambda _node, args: dense_function([arg.ty for arg in args]),
    Op.AFFINE: _affine,
    Op.UNFOLD: _unfold,
    Op.MOVING_SUM: _moving_sum,
    Op.PUSH: _push,
    Op.SELECT: _select,
    Op.NORMALIZE: lambda node, args: normalize_function(args[0].ty, node.attrs["eps"]),
    Op.DEVIATION: lambda node, args: deviation_function(args[0].ty, node.attrs["eps"]),
    Op.FUNCTION: lambda node, args: scalar_function(args[0].ty, node.attrs["function"]),
}
PLAIN: Mapping[Op, Callable[..., relax.Expr]] = {
    Op.ADD: relax.op.add,
    Op.SUB: relax.op.subtract,
    Op.MUL: relax.op.multiply,
    Op.DIV: relax.op.divide,
    Op.MAXIMUM: relax.op.maximum,
    Op.MINIMUM: relax.op.minimum,
    Op.MATMUL: relax.op.matmul,
    Op.TANH: relax.op.tanh,
    Op.SIGMOID: relax.op.sigmoid,
    Op.RELU: relax.op.nn.relu,
    Op.SOFTMAX: relax.op.nn.softmax,
}
REDUCTIONS = {Op.MEAN: relax.op.mean, Op.SUM: relax.op.sum, Op.MAX: relax.op.max}


def graph_module(graph: Graph) -> tvm.IRModule:
    """main(x, [exog], *states, *constants) -> (y, *states), one binding per node under its name.

    Attributes of main as frontend.importer gives them.
    """
    builder = relax.BlockBuilder()
    names = [graph.input, *([graph.exog] if graph.exog else []), *(s.name for s in graph.states)]
    values = {name: _variable(name, graph.shapes[name]) for name in names}
    values |= {
        path: _variable(path.replace(".", "_"), np.shape(array))
        for path, array in graph.constants.items()
    }
    attrs = {
        "num_input": len(names),
        "num_exog": int(graph.exog is not None),
        "constants": list(graph.constants),
    }
    with builder.function("main", list(values.values()), attrs=attrs):
        with builder.dataflow():
            for node in graph.nodes:
                values[node.name] = builder.emit(_value(builder, node, values), node.name)
            results = [graph.output, *(state.update for state in graph.states)]
            tensors = relax.Tuple([values[name] for name in results])
            out = builder.emit_output(tensors, "results")
        builder.emit_func_output(out)
    return builder.get()


def _value(builder: relax.BlockBuilder, node: Node, values: Mapping[str, relax.Expr]) -> relax.Expr:
    args = [values[name] for name in node.inputs]
    args += [values[path] for path in (node.weight, node.bias) if path]
    if node.op in COMPOSITES:
        function = COMPOSITES[node.op](node, args)
        return relax.Call(builder.add_func(function, f"{node.op}_{node.name}"), args)
    if node.op in PLAIN:
        return PLAIN[node.op](*args)
    attrs = node.attrs
    if node.op in REDUCTIONS:
        return REDUCTIONS[node.op](args[0], attrs["axis"], keepdims=True)
    match node.op:
        case Op.CLAMP:
            return relax.op.clip(args[0], attrs["low"], attrs["high"])
        case Op.SLICE:
            axis = len(node.shape) + attrs["axis"]
            return relax.op.strided_slice(args[0], [axis], [attrs["begin"]], [attrs["end"]])
        case Op.CONCAT:
            return relax.op.concat(args, attrs["axis"])
        case Op.RESHAPE:
            return relax.op.reshape(args[0], node.shape)
        case Op.TRANSPOSE:
            return relax.op.permute_dims(args[0], [a + len(node.shape) for a in attrs["axes"]])
    raise AssertionError(node.op)


def _variable(name: str, shape: Sequence[int]) -> relax.Var:
    return relax.Var(name, relax.TensorType(tuple(shape), "float32"))
