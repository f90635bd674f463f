"""Models whose state is multiplied element by element: poles near the unit circle."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel

POLES = (0.9, 0.99, 0.999, 0.9999)


def decays(poles: tuple[float, ...] = POLES) -> RolloutModel:
    """h' = a * h + (1 - a) * e, y = h'; e is exogenous, one for each pole; x is not read.

    float32 constants, as a trained model has them.
    """
    n = len(poles)
    nodes = (
        Node("kept", Op.MUL, ("h", "pole"), (1, n)),
        Node("given", Op.MUL, ("e", "gain"), (1, n)),
        Node("h_next", Op.ADD, ("kept", "given"), (1, n)),
        Node("y", Op.AFFINE, ("h_next",), (1, n), {"scale": 1.0, "offset": 0.0}),
    )
    pole = np.array([poles], np.float32)
    constants = {"pole": pole, "gain": (1.0 - pole.astype(np.float64)).astype(np.float32)}
    return _model("decays", nodes, constants, {"x": (1, n), "e": (1, n), "h": (1, n)}, ("h",), n, n)


def state_is_output() -> RolloutModel:
    """h' = a * h + B e, y = h': the output shares the input's 16 bits, the state keeps its own; B
    is a dense layer whose rows are as small as 1 - a."""
    n = len(POLES)
    pole = np.array([POLES], np.float32)
    mix = np.random.default_rng(0).uniform(-1.0, 1.0, (n, n)) * (1.0 - np.array(POLES))[:, None]
    nodes = (
        Node("given", Op.DENSE, ("e",), (1, n), {}, "into.weight"),
        Node("kept", Op.MUL, ("h", "pole"), (1, n)),
        Node("h_next", Op.ADD, ("kept", "given"), (1, n)),
    )
    constants = {"pole": pole, "into.weight": mix.astype(np.float32)}
    shapes = {"x": (1, n), "e": (1, n), "h": (1, n)}
    model = _model("state", nodes, constants, shapes, ("h",), n, n)
    return replace(model, graph=replace(model.graph, output="h_next"))


def rotations(count: int = 8, features: int = 2, seed: int = 0) -> RolloutModel:
    """A linear recurrent unit in real form, driven by x and one exogenous input.

    Pairs (re, im) turn by an angle and shrink by 0.99 to 0.9999 at each step; dense layers lead in
    and out, y = 0.3 x + out(pairs).
    """
    rng = np.random.default_rng(seed)
    radius = 1.0 - np.geomspace(1e-2, 1e-4, count)
    angle = rng.uniform(0.02, 0.6, count)
    into = rng.normal(size=(2 * count, features + 1)) * 0.5
    into[:, :features] *= 0.01  # resonances have gains of up to 140: the loop must stay stable
    constants = {
        "cos": (radius * np.cos(angle))[None].astype(np.float32),
        "sin": (radius * np.sin(angle))[None].astype(np.float32),
        "gain": np.sqrt(1.0 - radius**2)[None].astype(np.float32),
        "into.weight": into.astype(np.float32),
        "out.weight": rng.normal(size=(features, 2 * count)).astype(np.float32) * 0.2,
    }

    half, pair = partial(_half, count), partial(_pair, count)
    nodes = (
        Node("joined", Op.CONCAT, ("x", "e"), (1, features + 1), {"axis": -1}),
        Node("into", Op.DENSE, ("joined",), (1, 2 * count), {}, "into.weight"),
        half("into_re", "into", 0),
        half("into_im", "into", count),
        pair("given_re", Op.MUL, "into_re", "gain"),
        pair("given_im", Op.MUL, "into_im", "gain"),
        pair("re_cos", Op.MUL, "re", "cos"),
        pair("im_sin", Op.MUL, "im", "sin"),
        pair("re_sin", Op.MUL, "re", "sin"),
        pair("im_cos", Op.MUL, "im", "cos"),
        pair("turned_re", Op.SUB, "re_cos", "im_sin"),
        pair("turned_im", Op.ADD, "re_sin", "im_cos"),
        pair("re_next", Op.ADD, "turned_re", "given_re"),
        pair("im_next", Op.ADD, "turned_im", "given_im"),
        Node("state", Op.CONCAT, ("re_next", "im_next"), (1, 2 * count), {"axis": -1}),
        Node("out", Op.DENSE, ("state",), (1, features), {}, "out.weight"),
        Node("leak", Op.AFFINE, ("x",), (1, features), {"scale": 0.3, "offset": 0.0}),
        Node("y", Op.ADD, ("leak", "out"), (1, features)),
    )
    shapes = {"x": (1, features), "e": (1, 1), "re": (1, count), "im": (1, count)}
    return _model("rotations", nodes, constants, shapes, ("re", "im"), features, 1)


def packed_rotations(count: int = 6) -> RolloutModel:
    """The same rotation with re and im side by side in one state, sliced and joined again; y reads
    the state through a table and a product of two halves."""
    rng = np.random.default_rng(1)
    radius, angle = 1.0 - np.geomspace(1e-2, 1e-3, count), rng.uniform(0.02, 0.6, count)
    constants = {
        "cos": (radius * np.cos(angle)).astype(np.float32),
        "sin": (radius * np.sin(angle)).astype(np.float32),
        "drive": (np.sqrt(1.0 - radius**2) * rng.uniform(0.5, 1.0, count))[None].astype(np.float32),
        "rest": rng.uniform(-0.001, 0.001, (1, 2 * count)).astype(np.float32),
    }

    half, pair = partial(_half, count), partial(_pair, count)
    nodes = (
        half("re", "h", 0),
        half("im", "h", count),
        pair("re_cos", Op.MUL, "cos", "re"),
        pair("im_sin", Op.MUL, "im", "sin"),
        pair("re_sin", Op.MUL, "re", "sin"),
        pair("im_cos", Op.MUL, "im", "cos"),
        pair("turned", Op.SUB, "re_cos", "im_sin"),
        pair("given", Op.MUL, "e", "drive"),
        pair("re_next", Op.ADD, "turned", "given"),
        pair("im_next", Op.ADD, "re_sin", "im_cos"),
        Node("both", Op.CONCAT, ("re_next", "im_next"), (1, 2 * count), {"axis": -1}),
        Node("h_next", Op.ADD, ("both", "rest"), (1, 2 * count)),
        Node("bent", Op.TANH, ("re",), (1, count)),
        pair("energy", Op.MUL, "re", "im"),
        pair("y", Op.ADD, "bent", "energy"),
    )
    shapes = {"x": (1, count), "e": (1, 1), "h": (1, 2 * count)}
    return _model("packed", nodes, constants, shapes, ("h",), count, 1)


def _half(count: int, name: str, source: str, begin: int) -> Node:
    span = {"axis": -1, "begin": begin, "end": begin + count}
    return Node(name, Op.SLICE, (source,), (1, count), span)


def _pair(count: int, name: str, op: Op, a: str, b: str) -> Node:
    return Node(name, op, (a, b), (1, count))


def _model(
    name: str,
    nodes: tuple[Node, ...],
    constants: dict[str, np.ndarray],
    shapes: dict[str, tuple[int, ...]],
    states: tuple[str, ...],
    features: int,
    exog: int,
) -> RolloutModel:
    known = {**shapes, **{node.name: node.shape for node in nodes}}
    carried = tuple(StateVariable(s, f"{s}_next", shapes[s]) for s in states)
    graph = Graph("x", "e", carried, "y", nodes, constants, known)
    return RolloutModel(name, "test", graph, RolloutForm.RECURRENT, 1, features, 1, exog, 1)
