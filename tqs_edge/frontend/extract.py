"""Canonical Relax main -> Graph, with every operation that has no integer lowering collected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tvm
from tvm import relax

from tqs_edge.errors import UnsupportedOp
from tqs_edge.frontend.composite import (
    AFFINE,
    DENSE,
    DEVIATION,
    FUNCTION,
    MOVING_SUM,
    NORMALIZE,
    SELECT,
    UNFOLD,
    affine_constants,
)
from tqs_edge.frontend.obstacles import NEAREST
from tqs_edge.frontend.relax_expr import array_of, composite_name, ints, op_name, shape_of
from tqs_edge.graph.graph import Graph, Node, Op, StateVariable

ELEMENTWISE = {
    "add": Op.ADD,
    "subtract": Op.SUB,
    "multiply": Op.MUL,
    "tanh": Op.TANH,
    "sigmoid": Op.SIGMOID,
    "nn.relu": Op.RELU,
    "divide": Op.DIV,
    "maximum": Op.MAXIMUM,
    "minimum": Op.MINIMUM,
    "matmul": Op.MATMUL,
}
COMMUTATIVE = ("add", "multiply", "maximum", "minimum")
REDUCTIONS = {"mean": Op.MEAN, "sum": Op.SUM, "max": Op.MAX}
COMPOSITES = {
    UNFOLD: (Op.UNFOLD, ("kernel", "dilation", "stride")),
    MOVING_SUM: (Op.MOVING_SUM, ("axis", "kernel", "before", "after", "gain")),
    NORMALIZE: (Op.NORMALIZE, ("eps",)),
    DEVIATION: (Op.DEVIATION, ("eps",)),
    SELECT: (Op.SELECT, ("threshold", "strict")),
}


def extract_graph(
    mod: tvm.IRModule, constants: Mapping[str, np.ndarray]
) -> tuple[Graph | None, list[UnsupportedOp]]:
    """(graph, []) of a canonical module, or (None, obstacles): all operations it cannot hold."""
    reader = _Reader(mod, constants)
    for binding in reader.bindings[:-1]:
        reader.read(binding)
    if reader.obstacles:
        return None, reader.obstacles
    return reader.graph(), []


class _Reader:
    """Walks the bindings of main once and collects nodes, used constants and obstacles."""

    def __init__(self, mod: tvm.IRModule, constants: Mapping[str, np.ndarray]) -> None:
        self.mod, self.main, self.values = mod, mod["main"], constants
        self.bindings = self.main.body.blocks[0].bindings
        self.inputs = int(self.main.attrs["num_input"])
        paths = [str(path) for path in self.main.attrs["constants"]]
        self.paths = dict(
            zip((p.name for p in self.main.params[self.inputs :]), paths, strict=True)
        )
        self.used: dict[str, np.ndarray] = {}
        self.nodes: list[Node] = []
        self.obstacles: list[UnsupportedOp] = []

    def read(self, binding: relax.VarBinding) -> None:
        name, value = binding.var.name, binding.value
        try:
            op, args, extra = self.describe(name, value)
        except UnsupportedOp as obstacle:
            self.obstacles.append(obstacle)
            return
        inputs = tuple(self.operand(name, position, arg) for position, arg in enumerate(args))
        self.nodes.append(
            Node(name=name, op=op, inputs=inputs, shape=shape_of(binding.var), **extra)
        )

    def describe(self, name: str, value: relax.Expr) -> tuple[Op, list[relax.Expr], dict[str, Any]]:
        """(op, operands, further Node fields) of one bound value; UnsupportedOp when none fits."""
        composite, operator = composite_name(self.mod, value), op_name(value)
        if composite == DENSE:
            x, weight, *bias = value.args
            fields = {"weight": self.constant(weight)}
            return Op.DENSE, [x], fields | ({"bias": self.constant(bias[0])} if bias else {})
        if composite == AFFINE:
            scale, offset = affine_constants(self.mod[value.op])
            return Op.AFFINE, [value.args[0]], {"attrs": {"scale": scale, "offset": offset}}
        if composite in COMPOSITES:
            op, keys = COMPOSITES[composite]
            attrs = self.mod[value.op].attrs
            return op, list(value.args), {"attrs": {key: _plain(attrs[key]) for key in keys}}
        if composite.startswith(FUNCTION):
            named = {"attrs": {"function": composite.removeprefix(FUNCTION)}}
            return Op.FUNCTION, [value.args[0]], named
        if operator in ELEMENTWISE:
            operands = list(value.args)
            if operator in COMMUTATIVE:  # commute, so that a constant comes second
                operands.sort(key=self.is_constant)
            return ELEMENTWISE[operator], operands, {}
        if operator == "reshape":
            return Op.RESHAPE, [value.args[0]], {}
        if operator == "concat":
            parts = list(value.args[0].fields)
            rank = len(shape_of(value))
            axis = int(value.attrs.axis) % rank - rank
            return Op.CONCAT, parts, {"attrs": {"axis": axis}}
        if operator == "strided_slice":
            return self.describe_slice(name, value)
        if not operator:
            raise UnsupportedOp(name, type(value).__name__, NEAREST)
        return self.describe_axes(name, operator, value)

    def describe_axes(
        self, name: str, operator: str, value: relax.Call
    ) -> tuple[Op, list[relax.Expr], dict[str, Any]]:
        """describe() of an operation that names axes; UnsupportedOp for any other."""
        x = value.args[0]
        rank = len(shape_of(x))
        if operator == "permute_dims":
            axes = value.attrs.axes
            order = range(rank - 1, -1, -1) if axes is None else ints(axes)
            return Op.TRANSPOSE, [x], {"attrs": {"axes": tuple(a % rank - rank for a in order)}}
        if operator in REDUCTIONS:
            axes = ints(value.attrs.axis or range(rank))
            if len(axes) == 1 and value.attrs.keepdims:
                return REDUCTIONS[operator], [x], {"attrs": {"axis": axes[0] % rank - rank}}
            operator = f"{operator} over several axes or without keepdims"
        if operator == "clip":
            low, high = (float(prim.value) for prim in value.args[1:3])
            return Op.CLAMP, [x], {"attrs": {"low": low, "high": high}}
        if operator == "nn.softmax" and int(value.attrs.axis) % rank == rank - 1:
            return Op.SOFTMAX, [x], {}
        raise UnsupportedOp(name, operator or type(value).__name__, NEAREST)

    def describe_slice(
        self, name: str, value: relax.Call
    ) -> tuple[Op, list[relax.Expr], dict[str, Any]]:
        axes, begins, ends = (ints(argument) for argument in value.args[1:4])
        strides = ints(value.args[4]) if len(value.args) > 4 else (1,)
        if len(axes) != 1 or strides != (1,):
            raise UnsupportedOp(name, "slice with a stride", "slice one axis with stride 1")
        shape = shape_of(value.args[0])
        axis = axes[0] % len(shape)
        attrs = {"axis": axis - len(shape), "begin": begins[0], "end": ends[0]}
        return Op.SLICE, [value.args[0]], {"attrs": attrs}

    def is_constant(self, expr: relax.Expr) -> bool:
        return array_of(expr) is not None or expr.name in self.paths

    def operand(self, node: str, position: int, expr: relax.Expr) -> str:
        """The name of a tensor, or the path of a constant, that a node reads."""
        array = array_of(expr)
        if array is None:
            return self.constant(expr) if expr.name in self.paths else str(expr.name)
        path = f"{node}.constant{position}"
        self.used[path] = np.asarray(array, dtype=np.float32)
        return path

    def constant(self, var: relax.Var) -> str:
        path: str = self.paths[var.name]
        self.used[path] = self.values[path]
        return path

    def result(self, var: relax.Var, state: str | None) -> str:
        """The tensor that is an output or, if it is a constant, what `state` is reset to."""
        if not self.is_constant(var):
            return str(var.name)
        if state is None:
            raise UnsupportedOp("output", "a constant", "let the output depend on the inputs")
        shape, update = shape_of(var), f"{state}_next"
        zero = Node(f"{state}_cleared", Op.AFFINE, (state,), shape, {"scale": 0.0, "offset": 0.0})
        inputs = zero.name, self.operand(update, 1, var)
        self.nodes += [zero, Node(update, Op.ADD, inputs, shape)]
        return update

    def graph(self) -> Graph:
        """The graph of what was read."""
        exog = int(self.main.attrs["num_exog"])
        names = [param.name for param in self.main.params[: self.inputs]]
        states = names[1 + exog :]
        results = self.bindings[-1].value.fields
        outputs = [
            self.result(result, state)
            for result, state in zip(results, [None, *states], strict=True)
        ]
        shapes = {p.name: shape_of(p) for p in self.main.params[: self.inputs]}
        return Graph(
            input=names[0],
            exog=names[1] if exog else None,
            states=tuple(
                StateVariable(name=state, update=update, shape=shapes[state])
                for state, update in zip(states, outputs[1:], strict=True)
            ),
            output=outputs[0],
            nodes=tuple(self.nodes),
            constants=self.used,
            shapes=shapes | {node.name: node.shape for node in self.nodes},
        )


def _plain(value: Any) -> int | float:
    """A number in the attributes of a function."""
    number = getattr(value, "value", value)
    return int(number) if isinstance(number, int) else float(number)
