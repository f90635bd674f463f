"""Small models that roll out through functions, quotients, rows and matrix products."""

from __future__ import annotations

import numpy as np

from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel


def attention() -> RolloutModel:
    """One attention block over a window of six rows, layer norm and a gelu layer."""
    width = 8
    nodes = [
        _dense("rows", "x", (1, 6, width)),
        Node("normed", Op.NORMALIZE, ("rows",), (1, 6, width), {"eps": 1e-5}),
        _dense("scores", "normed", (1, 6, 6)),
        Node("shares", Op.SOFTMAX, ("scores",), (1, 6, 6)),
        _dense("values", "normed", (1, 6, width)),
        Node("mixed", Op.MATMUL, ("shares", "values"), (1, 6, width)),
        Node("joined", Op.ADD, ("rows", "mixed"), (1, 6, width)),
        _dense("wide", "joined", (1, 6, 12)),
        Node("bent", Op.FUNCTION, ("wide",), (1, 6, 12), {"function": "gelu"}),
        _dense("narrow", "bent", (1, 6, 3)),
        Node("last", Op.SLICE, ("narrow",), (1, 1, 3), {"axis": -2, "begin": 5, "end": 6}),
        Node("recent", Op.SLICE, ("x",), (1, 1, 3), {"axis": -2, "begin": 5, "end": 6}),
        Node("kept", Op.AFFINE, ("recent",), (1, 1, 3), {"scale": 0.95, "offset": 0.0}),
        Node("y", Op.ADD, ("kept", "last"), (1, 1, 3)),
    ]
    depths = {"rows": 3, "scores": width, "values": width, "wide": width, "narrow": 12}
    graph = _graph(nodes, {"x": (1, 6, 3)}, depths)
    return RolloutModel("attention", "test", graph, RolloutForm.WINDOWED, 6, 3, 1, 0, 6)


def oscillator() -> RolloutModel:
    """A driven pendulum whose state is itself the result of nonlinear operations."""
    nodes = [
        Node("angle", Op.AFFINE, ("x",), (1, 3), {"scale": 2.0, "offset": 0.3}),
        Node("force", Op.FUNCTION, ("angle",), (1, 3), {"function": "sin"}),
        Node("even", Op.FUNCTION, ("angle",), (1, 3), {"function": "cos"}),
        Node("energy", Op.MUL, ("even", "even"), (1, 3)),
        Node("total", Op.AFFINE, ("energy",), (1, 3), {"scale": 0.5, "offset": 0.5}),
        Node("bend", Op.FUNCTION, ("total",), (1, 3), {"function": "sqrt"}),
        Node("share", Op.DIV, ("force", "bend"), (1, 3)),
        Node("level", Op.DEVIATION, ("x",), (1, 1), {"eps": 1e-3}),
        Node("h_next", Op.DIV, ("share", "level"), (1, 3)),
        Node("damped", Op.AFFINE, ("h",), (1, 3), {"scale": -0.1, "offset": 0.0}),
        Node("change", Op.ADD, ("damped", "share"), (1, 3)),
        Node("slow", Op.AFFINE, ("change",), (1, 3), {"scale": -0.3, "offset": 0.0}),
        Node("y", Op.ADD, ("x", "slow"), (1, 3)),
    ]
    states = (StateVariable("h", "h_next", (1, 3)),)
    graph = _graph(nodes, {"x": (1, 3), "h": (1, 3)}, {}, states)
    return RolloutModel("oscillator", "test", graph, RolloutForm.RECURRENT, 1, 3, 1, 0, 1)


def functions() -> RolloutModel:
    """Every table function, one after another, each damped."""
    nodes, last = [], "x"
    for name in (
        "exp",
        "silu",
        "softplus",
        "erf",
        "elu",
        "mish",
        "gelu_tanh",
        "abs",
        "atan",
        "sinh",
        "cosh",
        "asinh",
    ):
        nodes.append(Node(name, Op.FUNCTION, (last,), (1, 3), {"function": name}))
        last = f"{name}_moved"
        nodes.append(Node(last, Op.SUB, (name, "shift"), (1, 3)))
    nodes += [
        Node("square", Op.MUL, (last, last), (1, 3)),
        Node("above", Op.AFFINE, ("square",), (1, 3), {"scale": 1.0, "offset": 0.5}),
        Node("logged", Op.FUNCTION, ("above",), (1, 3), {"function": "log"}),
        Node("inverse", Op.FUNCTION, ("above",), (1, 3), {"function": "reciprocal"}),
        Node("bend", Op.FUNCTION, ("above",), (1, 3), {"function": "rsqrt"}),
        Node("same", Op.MAXIMUM, ("logged", "logged"), (1, 3)),
        Node("some", Op.ADD, ("same", "inverse"), (1, 3)),
        Node("rest", Op.SUB, ("some", "bend"), (1, 3)),
        Node("leak", Op.AFFINE, ("x",), (1, 3), {"scale": 0.9, "offset": 0.0}),
        Node("y", Op.ADD, ("leak", "rest"), (1, 3)),
    ]
    graph = _graph(nodes, {"x": (1, 3)}, {})
    graph.constants["shift"] = np.array([0.3, 0.5, 0.7], np.float32)
    return RolloutModel("functions", "test", graph, RolloutForm.MAP, 1, 3, 1, 0, 1)


NONLINEAR_MODELS = {f.__name__: f for f in (attention, oscillator, functions)}


def _dense(name: str, source: str, shape: tuple[int, ...]) -> Node:
    return Node(name, Op.DENSE, (source,), shape, {}, f"{name}.weight", f"{name}.bias")


def _graph(nodes, shapes, depths, states=()) -> Graph:
    rng = np.random.default_rng(6)
    constants = {}
    for node in nodes:
        if node.op is Op.DENSE:
            bound = 0.9 / np.sqrt(depths[node.name])
            shape = (node.shape[-1], depths[node.name])
            constants[node.weight] = rng.uniform(-bound, bound, shape).astype(np.float32)
            constants[node.bias] = rng.uniform(-0.1, 0.1, node.shape[-1]).astype(np.float32)
    all_shapes = {**shapes, **{n.name: n.shape for n in nodes}}
    return Graph("x", None, states, nodes[-1].name, tuple(nodes), constants, all_shapes)
