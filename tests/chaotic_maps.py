"""Maps of known Lyapunov exponents as step graphs, and where to start them."""

from __future__ import annotations

import numpy as np
import torch

from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel

SIGMA, RHO, BETA = 10.0, 28.0, 8.0 / 3.0


def map_model(
    name: str, nodes: list[Node], constants: dict[str, np.ndarray], width: int
) -> RolloutModel:
    """x' = f(x) for x (1, width); the last node is the output."""
    shapes = {"x": (1, width), **{node.name: node.shape for node in nodes}}
    typed = {path: np.asarray(value, np.float32) for path, value in constants.items()}
    graph = Graph("x", None, (), nodes[-1].name, tuple(nodes), typed, shapes)
    return RolloutModel(name, "test", graph, RolloutForm.MAP, 1, width, 1, 0, 1)


def _dense(name: str, source: str, rows: int, weight: str, bias: str | None = None) -> Node:
    return Node(name, Op.DENSE, (source,), (1, rows), weight=weight, bias=bias)


def logistic_map(r: float) -> RolloutModel:
    """x' = r x (1 - x)."""
    nodes = [
        Node("flipped", Op.AFFINE, ("x",), (1, 1), {"scale": -1.0, "offset": 1.0}),
        Node("hump", Op.MUL, ("x", "flipped"), (1, 1)),
        _dense("y", "hump", 1, "r"),
    ]
    return map_model("logistic", nodes, {"r": [[r]]}, 1)


def henon_map(a: float, b: float) -> RolloutModel:
    """(x, y)' = (1 - a x^2 + y, b x)."""
    nodes = [
        Node("first", Op.SLICE, ("x",), (1, 1), {"axis": -1, "begin": 0, "end": 1}),
        Node("square", Op.MUL, ("first", "first"), (1, 1)),
        _dense("bent", "square", 2, "bend"),
        _dense("turned", "x", 2, "turn", "shift"),
        Node("y", Op.ADD, ("bent", "turned"), (1, 2)),
    ]
    constants = {"bend": [[-a], [0.0]], "turn": [[0.0, 1.0], [b, 0.0]], "shift": [1.0, 0.0]}
    return map_model("henon", nodes, constants, 2)


def lorenz_step(dt: float) -> RolloutModel:
    """One classical Runge-Kutta step of the Lorenz system, dx/dt = A x + (P x) * (Q x)."""
    nodes: list[Node] = []

    def put(name: str, op: Op, *inputs: str, **attrs: float) -> str:
        nodes.append(Node(name, op, inputs, (1, 3), attrs))
        return name

    def slope(stage: int, at: str) -> str:
        for part in "apq":
            nodes.append(_dense(f"{part}{stage}", at, 3, part))
        product = put(f"pq{stage}", Op.MUL, f"p{stage}", f"q{stage}")
        return put(f"k{stage}", Op.ADD, f"a{stage}", product)

    def ahead(name: str, slope_name: str, factor: float) -> str:
        move = put(f"move_{name}", Op.AFFINE, slope_name, scale=factor, offset=0.0)
        return put(name, Op.ADD, "x", move)

    k1 = slope(1, "x")
    k2 = slope(2, ahead("x2", k1, dt / 2))
    k3 = slope(3, ahead("x3", k2, dt / 2))
    k4 = slope(4, ahead("x4", k3, dt))
    ends = put("ends", Op.ADD, k1, k4)
    middle = put("middle", Op.ADD, k2, k3)
    doubled = put("doubled", Op.AFFINE, middle, scale=2.0, offset=0.0)
    ahead("y", put("total", Op.ADD, ends, doubled), dt / 6)
    constants = {
        "a": [[-SIGMA, SIGMA, 0], [RHO, -1, 0], [0, 0, -BETA]],
        "p": [[0, 0, 0], [-1, 0, 0], [1, 0, 0]],
        "q": [[0, 0, 0], [0, 0, 1], [0, 1, 0]],
    }
    return map_model("lorenz", nodes, constants, 3)


def driven_map(a: float) -> RolloutModel:
    """x' = a x + e."""
    nodes = (
        Node("kept", Op.DENSE, ("x",), (1, 1), weight="a"),
        Node("y", Op.ADD, ("kept", "e"), (1, 1)),
    )
    shapes = {name: (1, 1) for name in ("x", "e", "kept", "y")}
    graph = Graph("x", "e", (), "y", nodes, {"a": np.array([[a]], np.float32)}, shapes)
    return RolloutModel("driven", "test", graph, RolloutForm.RECURRENT, 1, 1, 1, 1, 1)


def starts(count: int, width: int, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    values = np.random.default_rng(0).uniform(low, high, (count, 1, width))
    return values.astype(np.float32)


def on_attractor(model: RolloutModel, contexts: np.ndarray, calls: int) -> np.ndarray:
    """Where rollouts are after `calls` steps, (N, 1, F)."""
    frames = rollout(model, torch.from_numpy(contexts), calls)
    return frames[:, -1:].numpy()
