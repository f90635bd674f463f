"""The canonical float Relax module of a Graph, as the frontend makes it."""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax

from tests.passes.nonlinear_values import NONLINEAR, nonlinear_value
from tqs_edge.frontend.composite import affine_function, dense_function
from tqs_edge.graph.graph import Graph, Node, Op

BINARY = {Op.ADD: relax.op.add, Op.SUB: relax.op.subtract, Op.MUL: relax.op.multiply}
UNARY = {Op.TANH: relax.op.tanh, Op.SIGMOID: relax.op.sigmoid, Op.RELU: relax.op.nn.relu}


def float_module(graph: Graph) -> tvm.IRModule:
    """`main(x, [exog], states..., constants...)` with one binding per node."""
    builder = relax.BlockBuilder()
    names = [graph.input, *([graph.exog] if graph.exog else []), *(s.name for s in graph.states)]
    values = {name: _var(name, graph.shapes[name]) for name in names}
    values |= {
        path: _var(path.replace(".", "_"), np.shape(array))
        for path, array in graph.constants.items()
    }
    with builder.function("main", list(values.values())):
        with builder.dataflow():
            for node in graph.nodes:
                values[node.name] = builder.emit(_value(builder, node, values), node.name)
            results = [graph.output, *(state.update for state in graph.states)]
            out = builder.emit_output(relax.Tuple([values[name] for name in results]))
        builder.emit_func_output(out)
    return builder.get()


def _value(builder: relax.BlockBuilder, node: Node, values: dict[str, relax.Var]) -> relax.Expr:
    args = [values[name] for name in node.inputs]
    match node.op:
        case Op.DENSE:
            args += [values[path] for path in (node.weight, node.bias) if path]
            func = builder.add_func(dense_function([a.ty for a in args]), f"dense_{node.name}")
            return relax.Call(func, args)
        case Op.AFFINE:
            composite = affine_function(args[0].ty, node.attrs["scale"], node.attrs["offset"])
            return relax.Call(builder.add_func(composite, "affine"), args)
        case Op.ADD | Op.SUB | Op.MUL:
            return BINARY[node.op](*args)
        case Op.SLICE:
            axis = len(node.shape) + node.attrs["axis"]
            return relax.op.strided_slice(
                args[0], [axis], [node.attrs["begin"]], [node.attrs["end"]]
            )
        case Op.CONCAT:
            return relax.op.concat(args, node.attrs["axis"])
        case Op.RESHAPE:
            return relax.op.reshape(args[0], node.shape)
    if node.op in NONLINEAR:
        return nonlinear_value(builder, node, args)
    return UNARY[node.op](args[0])


def _var(name: str, shape: tuple[int, ...]) -> relax.Var:
    return relax.Var(name, relax.TensorType(shape, "float32"))
