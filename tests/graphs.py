"""Small hand-built models that tests of several packages share."""

from __future__ import annotations

import numpy as np

from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel


def _node(name: str, op: Op, inputs: tuple[str, ...], width: int, **rest) -> Node:
    return Node(name, op, inputs, (1, width), **rest)


def _gru_cell_nodes(hidden: int) -> list[Node]:
    """torch.nn.GRUCell: gate order r, z, n."""
    nodes = [
        _node(
            f"cell_{side}",
            Op.DENSE,
            (source,),
            3 * hidden,
            weight=f"cell.weight_{side}",
            bias=f"cell.bias_{side}",
        )
        for side, source in (("ih", "x"), ("hh", "h"))
    ]
    for side, dense in (("gi", "cell_ih"), ("gh", "cell_hh")):
        for i, gate in enumerate("rzn"):
            span = {"axis": -1, "begin": i * hidden, "end": (i + 1) * hidden}
            nodes.append(_node(f"{side}_{gate}", Op.SLICE, (dense,), hidden, attrs=span))
    elementwise = (
        ("r_sum", Op.ADD, ("gi_r", "gh_r")),
        ("r", Op.SIGMOID, ("r_sum",)),
        ("z_sum", Op.ADD, ("gi_z", "gh_z")),
        ("z", Op.SIGMOID, ("z_sum",)),
        ("reset", Op.MUL, ("gh_n", "r")),
        ("n_sum", Op.ADD, ("gi_n", "reset")),
        ("n", Op.TANH, ("n_sum",)),
        ("change", Op.SUB, ("h", "n")),
        ("kept", Op.MUL, ("change", "z")),
        ("h_next", Op.ADD, ("kept", "n")),
    )
    return nodes + [_node(name, op, inputs, hidden) for name, op, inputs in elementwise]


def gru_graph(seed: int, features: int = 4, hidden: int = 32) -> RolloutModel:
    """A GRU cell with a leaky residual head, y = 0.9 x + head(h'), random and moderately stable."""
    rng = np.random.default_rng(seed)

    def uniform(*shape: int, bound: float) -> np.ndarray:
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    bound = 1.5 / np.sqrt(hidden)
    constants = {
        "cell.weight_ih": uniform(3 * hidden, features, bound=1.0),
        "cell.weight_hh": uniform(3 * hidden, hidden, bound=bound),
        "cell.bias_ih": uniform(3 * hidden, bound=bound),
        "cell.bias_hh": uniform(3 * hidden, bound=bound),
        "head.weight": uniform(features, hidden, bound=0.5 * bound),
        "head.bias": uniform(features, bound=0.05),
    }
    nodes = _gru_cell_nodes(hidden)
    nodes.append(
        _node("head", Op.DENSE, ("h_next",), features, weight="head.weight", bias="head.bias")
    )
    leak = {"scale": 0.9, "offset": 0.0}
    nodes.append(_node("leak", Op.AFFINE, ("x",), features, attrs=leak))
    nodes.append(_node("y", Op.ADD, ("leak", "head"), features))
    shapes = {"x": (1, features), "h": (1, hidden), **{n.name: n.shape for n in nodes}}
    states = (StateVariable("h", "h_next", (1, hidden)),)
    graph = Graph("x", None, states, "y", tuple(nodes), constants, shapes)
    return RolloutModel("gru", "test", graph, RolloutForm.RECURRENT, 1, features, 1, 0, 1)


def linear_map(matrix: np.ndarray) -> RolloutModel:
    """x' = A x as a map."""
    features = len(matrix)
    node = _node("y", Op.DENSE, ("x",), features, weight="a", bias=None)
    shapes = {"x": (1, features), "y": (1, features)}
    constants = {"a": np.asarray(matrix, np.float32)}
    graph = Graph("x", None, (), "y", (node,), constants, shapes)
    return RolloutModel("linear", "test", graph, RolloutForm.MAP, 1, features, 1, 0, 1)


def gru_contexts(model: RolloutModel, count: int, rows: int = 12, seed: int = 0) -> np.ndarray:
    """Smooth random windows (count, rows, F) of about unit size."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, (count, 1, model.features))
    speed = rng.uniform(0.1, 0.5, (count, 1, model.features))
    time = np.arange(rows)[None, :, None]
    return np.sin(phase + speed * time).astype(np.float32)


def every_operation() -> RolloutModel:
    """A windowed model (5, 3) -> (1, 3) with exog and every operation, broadcasting included."""
    rng = np.random.default_rng(0)

    def uniform(*shape: int) -> np.ndarray:
        return rng.uniform(-0.5, 0.5, shape).astype(np.float32)

    nodes = (
        Node("rows", Op.DENSE, ("x",), (5, 4), weight="w", bias="b"),
        Node("bent", Op.TANH, ("rows",), (5, 4)),
        Node("scaled", Op.AFFINE, ("bent",), (5, 4), {"scale": -0.7, "offset": 0.1}),
        Node("moved", Op.ADD, ("scaled", "shift"), (5, 4)),
        Node("less", Op.SUB, ("shift", "moved"), (5, 4)),
        Node("gated", Op.SIGMOID, ("less",), (5, 4)),
        Node("product", Op.MUL, ("gated", "rows"), (5, 4)),
        Node("kept", Op.RELU, ("product",), (5, 4)),
        Node("late", Op.SLICE, ("kept",), (2, 4), {"axis": -2, "begin": 3, "end": 5}),
        Node("flat", Op.RESHAPE, ("late",), (1, 8)),
        Node("all", Op.CONCAT, ("flat", "e"), (1, 10), {"axis": -1}),
        Node("y", Op.DENSE, ("all",), (1, 3), weight="v"),
    )
    constants = {"w": uniform(4, 3), "b": uniform(4), "shift": uniform(1, 4), "v": uniform(3, 10)}
    shapes = {"x": (5, 3), "e": (1, 2), **{n.name: n.shape for n in nodes}}
    graph = Graph("x", "e", (), "y", nodes, constants, shapes)
    return RolloutModel("all", "test", graph, RolloutForm.WINDOWED, 5, 3, 1, 2, 5)
