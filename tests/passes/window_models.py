"""Small windowed models of convolutions and of operations along the time axis."""

from __future__ import annotations

import numpy as np

from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel

LENGTH = 9


def convolution(features: int = 2, channels: int = 4) -> RolloutModel:
    """Causal convolutions, the second dilated, a mean over time and a residual head."""
    nodes = [
        Node("padded", Op.CONCAT, ("padding", "x"), (1, LENGTH + 2, features), {"axis": -2}),
        _unfold("patches", "padded", (1, LENGTH, 3 * features), kernel=3),
        _dense("conv", "patches", (1, LENGTH, channels)),
        Node("conv_relu", Op.RELU, ("conv",), (1, LENGTH, channels)),
        _unfold("wide", "conv_relu", (1, LENGTH - 4, 3 * channels), kernel=3, dilation=2),
        _dense("deep", "wide", (1, LENGTH - 4, channels)),
        Node("deep_bent", Op.TANH, ("deep",), (1, LENGTH - 4, channels)),
        _unfold("pooled", "deep_bent", (1, 2, 2 * channels), kernel=2, stride=3),
        Node("level", Op.MEAN, ("pooled",), (1, 1, 2 * channels), {"axis": -2}),
        _dense("head", "level", (1, 1, features)),
        _slice("last", "x", (1, 1, features), LENGTH - 1),
        Node("y", Op.ADD, ("last", "head"), (1, 1, features)),
    ]
    depths = {"conv": 3 * features, "deep": 3 * channels, "head": 2 * channels}
    constants = {"padding": np.zeros((1, 2, features), np.float32), **_weights(nodes, depths)}
    return _model("convolution", nodes, constants, features)


def decomposition(features: int = 2) -> RolloutModel:
    """A layer each, bent, for the moving average of the window and for what it leaves."""
    shape, ends, hidden = (1, LENGTH, features), {"before": 2, "after": 2}, 6
    average = {"axis": -2, "kernel": 5, **ends, "gain": 0.2}
    nodes = [
        Node("trend", Op.MOVING_SUM, ("x",), shape, average),
        Node("season", Op.SUB, ("x", "trend"), shape),
        Node("trend_flat", Op.RESHAPE, ("trend",), (1, LENGTH * features)),
        Node("season_flat", Op.RESHAPE, ("season",), (1, LENGTH * features)),
        _dense("slow", "trend_flat", (1, hidden)),
        _dense("fast", "season_flat", (1, hidden)),
        Node("slow_bent", Op.TANH, ("slow",), (1, hidden)),
        Node("fast_bent", Op.TANH, ("fast",), (1, hidden)),
        Node("both", Op.CONCAT, ("slow_bent", "fast_bent"), (1, 2 * hidden), {"axis": -1}),
        _dense("head", "both", (1, features)),
        Node("rows", Op.RESHAPE, ("head",), (1, 1, features)),
        _slice("last", "x", (1, 1, features), LENGTH - 1),
        Node("y", Op.ADD, ("last", "rows"), (1, 1, features)),
    ]
    depths = {"slow": LENGTH * features, "fast": LENGTH * features, "head": 2 * hidden}
    return _model("decomposition", nodes, _weights(nodes, depths), features)


def mixer(features: int = 3) -> RolloutModel:
    """A layer across time between transposes, and every comparison, reduction and bound."""
    shape, turned = (1, LENGTH, features), (1, features, LENGTH)
    nodes = [
        Node("turned", Op.TRANSPOSE, ("x",), turned, {"axes": (-3, -1, -2)}),
        _dense("mixed", "turned", (1, features, LENGTH)),
        Node("back", Op.TRANSPOSE, ("mixed",), shape, {"axes": (-3, -1, -2)}),
        Node("bounded", Op.CLAMP, ("back",), shape, {"low": -0.5, "high": 0.75}),
        Node("small", Op.AFFINE, ("back",), shape, {"scale": 0.1, "offset": 0.0}),
        Node("leaky", Op.MAXIMUM, ("bounded", "small"), shape),
        Node("capped", Op.MINIMUM, ("leaky", "caps"), shape),
        Node("peak", Op.MAX, ("capped",), (1, 1, features), {"axis": -2}),
        Node("level", Op.MEAN, ("x",), (1, 1, features), {"axis": -2}),
        Node("total", Op.SUM, ("capped",), (1, LENGTH, 1), {"axis": -1}),
        _slice("newest", "total", (1, 1, 1), LENGTH - 1),
        Node("gate", Op.SIGMOID, ("newest",), (1, 1, 1)),
        Node("bump", Op.MUL, ("peak", "gate"), (1, 1, features)),
        Node("y", Op.SUB, ("level", "bump"), (1, 1, features)),
    ]
    caps = np.array([0.6, 0.4, 0.5], np.float32)
    constants = {"caps": caps, **_weights(nodes, {"mixed": LENGTH})}
    return _model("mixer", nodes, constants, features)


def _dense(name: str, source: str, shape: tuple[int, ...]) -> Node:
    return Node(name, Op.DENSE, (source,), shape, {}, f"{name}.weight", f"{name}.bias")


def _unfold(name: str, source: str, shape: tuple[int, ...], **attrs: int) -> Node:
    return Node(name, Op.UNFOLD, (source,), shape, {"dilation": 1, "stride": 1, **attrs})


def _slice(name: str, source: str, shape: tuple[int, ...], begin: int) -> Node:
    return Node(name, Op.SLICE, (source,), shape, {"axis": -2, "begin": begin, "end": begin + 1})


def _weights(nodes: list[Node], depths: dict[str, int]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(6)
    constants: dict[str, np.ndarray] = {}
    for node in nodes:
        if node.op is Op.DENSE:
            rows, depth = node.shape[-1], depths[node.name]
            constants[f"{node.name}.weight"] = rng.normal(0, 1 / np.sqrt(depth), (rows, depth))
            constants[f"{node.name}.bias"] = rng.uniform(-0.1, 0.1, rows)
    return {path: array.astype(np.float32) for path, array in constants.items()}


def _model(
    name: str, nodes: list[Node], constants: dict[str, np.ndarray], features: int
) -> RolloutModel:
    shapes = {"x": (1, LENGTH, features), **{n.name: n.shape for n in nodes}}
    graph = Graph("x", None, (), "y", tuple(nodes), constants, shapes)
    return RolloutModel(name, "test", graph, RolloutForm.WINDOWED, LENGTH, features, 1, 0, LENGTH)
