"""Small models that together hold every operation, state pattern and rollout form."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import tvm

from tests.graph.windowed_graphs import averages, driven_tcn, strided_stack
from tests.graphs import gru_contexts, gru_graph, linear_map
from tests.passes.window_models import convolution, decomposition, mixer
from tqs_edge.frontend.graph_module import graph_module
from tqs_edge.graph.dense_views import unmoved
from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.graph.stream import stream
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.plan.bit_plan import BitPlan, RowBlock
from tqs_edge.plan.feedback import everywhere
from tqs_edge.quant.scheme import quantize


@dataclass(frozen=True, eq=False)
class Case:
    """A model with its float module, integer program and integer rollout inputs."""

    model: RolloutModel
    module: tvm.IRModule
    program: IntegerProgram
    contexts: np.ndarray
    exog: np.ndarray | None


def make_case(
    model: RolloutModel,
    *,
    act_bits: int = 16,
    state_bits: int = 16,
    widths=(8, 4, 2),
    feedback: bool = False,
    lopsided: float | None = None,
) -> Case:
    """The case under a plan whose row blocks cycle through `widths`, activations of 8 bits with
    error feedback where that is asked for, and with zero points as if `lopsided` times the largest
    magnitude were the other end of every range."""
    contexts = gru_contexts(model, 3)
    exog = None
    if model.exog:
        exog = np.random.default_rng(1).uniform(-1, 1, (3, 40, model.exog)).astype(np.float32)
    ranges = observe_ranges(model, contexts, 20, exog)
    plan = mixed_plan(model.graph, act_bits, state_bits, widths)
    plan = everywhere(model.graph, plan) if feedback else plan
    if lopsided is not None:
        reach = {name: ranges[unmoved(model.graph, name)] for name in plan.activations}
        spans = {name: (lopsided * largest, largest) for name, largest in reach.items()}
        plan = replace(plan, spans=spans)
    program = build_program(model.graph, plan, ranges)
    x = program.tensors[program.input]
    q_exog = None
    if exog is not None:
        q_exog = quantize(exog, program.tensors[program.exog].scale, 16).astype(np.int16)
    q_contexts = quantize(contexts, x.scale, 16).astype(np.int16)
    return Case(model, graph_module(model.graph), program, q_contexts, q_exog)


def mixed_plan(graph: Graph, act_bits: int, state_bits: int, widths: tuple[int, ...]) -> BitPlan:
    """Every dense weight in len(widths) blocks of rows of different widths."""
    weights = {}
    for node in graph.dense_nodes():
        rows = graph.constants[node.weight].shape[0]
        count = min(len(widths), rows)
        edges = [round(k * rows / count) for k in range(count + 1)]
        weights[node.weight] = tuple(
            RowBlock(edges[k], edges[k + 1], widths[k]) for k in range(count)
        )
    states = {state.name: state_bits for state in graph.states if state.rows_of is None}
    acts = {n.inputs[0]: min(act_bits, states.get(n.inputs[0], 16)) for n in graph.dense_nodes()}
    return BitPlan(weights, acts, states, "test")


def gru() -> RolloutModel:
    """A GRU cell: slices, gates and one state that can be updated in place."""
    return gru_graph(0)


def rotation() -> RolloutModel:
    """A linear map near the unit circle."""
    c, s = 0.995 * np.cos(0.2), 0.995 * np.sin(0.2)
    return linear_map(np.array([[c, -s], [s, c]]))


def lstm(hidden: int = 6) -> RolloutModel:
    """Two states, gates sliced from a sum, exogenous inputs joined to x."""
    rng = np.random.default_rng(2)
    nodes = [
        _node("xe", Op.CONCAT, ("x", "u"), 5, axis=-1),
        _dense("gx", "xe", 4 * hidden),
        _dense("gh", "h", 4 * hidden),
        _node("gates", Op.ADD, ("gx", "gh"), 4 * hidden),
    ]
    for k, gate in enumerate("ifgo"):
        span = {"axis": -1, "begin": k * hidden, "end": (k + 1) * hidden}
        nodes.append(_node(f"{gate}_in", Op.SLICE, ("gates",), hidden, **span))
        op = Op.TANH if gate == "g" else Op.SIGMOID
        nodes.append(_node(f"{gate}_gate", op, (f"{gate}_in",), hidden))
    nodes += [
        _node("kept", Op.MUL, ("f_gate", "c"), hidden),
        _node("added", Op.MUL, ("i_gate", "g_gate"), hidden),
        _node("c_next", Op.ADD, ("kept", "added"), hidden),
        _node("c_tanh", Op.TANH, ("c_next",), hidden),
        _node("h_next", Op.MUL, ("o_gate", "c_tanh"), hidden),
        _dense("head", "h_next", 3),
        _node("y", Op.ADD, ("x", "head"), 3),
    ]
    shapes = {"x": (1, 3), "u": (1, 2), "h": (1, hidden), "c": (1, hidden)}
    depth = {"gx": 5, "gh": hidden, "head": hidden}
    states = (StateVariable("h", "h_next", (1, hidden)), StateVariable("c", "c_next", (1, hidden)))
    graph = _graph(nodes, shapes, depth, rng, states, exog="u")
    return RolloutModel("lstm", "test", graph, RolloutForm.RECURRENT, 1, 3, 1, 2, 1)


def window_network() -> RolloutModel:
    """A windowed network: a dense layer per row (an odd depth), relu, reshapes, two output rows."""
    rng = np.random.default_rng(3)
    nodes = [
        Node("rows", Op.DENSE, ("x",), (1, 4, 6), {}, "rows.weight", "rows.bias"),
        Node("rows_relu", Op.RELU, ("rows",), (1, 4, 6)),
        Node("flat", Op.RESHAPE, ("rows_relu",), (1, 24)),
        _dense("mixed", "flat", 10),
        _node("bounded", Op.TANH, ("mixed",), 10),
        _dense("out", "bounded", 6),
        Node("y", Op.RESHAPE, ("out",), (1, 2, 3)),
    ]
    depth = {"rows": 3, "mixed": 24, "out": 10}
    graph = _graph(nodes, {"x": (1, 4, 3)}, depth, rng, ())
    return RolloutModel("window", "test", graph, RolloutForm.WINDOWED, 4, 3, 2, 0, 4)


def delay_line() -> RolloutModel:
    """States that take over x and one another; a broadcast sum; a per-channel constant factor."""
    rng = np.random.default_rng(4)
    nodes = [
        _node("sum", Op.ADD, ("x", "older"), 3),
        _node("level", Op.SLICE, ("old",), 1, axis=-1, begin=0, end=1),
        _node("shifted", Op.SUB, ("sum", "level"), 3),
        _node("scaled", Op.MUL, ("shifted", "gain"), 3),
        _node("y", Op.TANH, ("scaled",), 3),
    ]
    shapes = {"x": (1, 3), "old": (1, 3), "older": (1, 3)}
    states = (StateVariable("old", "x", (1, 3)), StateVariable("older", "old", (1, 3)))
    graph = _graph(nodes, shapes, {}, rng, states)
    graph.constants["gain"] = np.array([0.5, -0.7, 0.6], np.float32)
    return RolloutModel("delay", "test", graph, RolloutForm.RECURRENT, 1, 3, 1, 0, 1)


def midpoint() -> RolloutModel:
    """A map that uses one layer twice: x + f(x + f(x) / 2) / 4."""
    nodes = [
        Node("early", Op.DENSE, ("x",), (1, 3), {}, "slope.weight", "slope.bias"),
        _node("half", Op.AFFINE, ("early",), 3, scale=0.5, offset=0.0),
        _node("middle", Op.ADD, ("x", "half"), 3),
        Node("late", Op.DENSE, ("middle",), (1, 3), {}, "slope.weight", "slope.bias"),
        _node("change", Op.AFFINE, ("late",), 3, scale=0.25, offset=0.0),
        _node("y", Op.ADD, ("x", "change"), 3),
    ]
    depth = {"early": 3, "late": 3}
    graph = _graph(nodes, {"x": (1, 3)}, depth, np.random.default_rng(5), ())
    return RolloutModel("midpoint", "test", graph, RolloutForm.MAP, 1, 3, 1, 0, 1)


def kept_rows() -> RolloutModel:
    """The last four rows of a layer, of which a second layer reads all and a sum the oldest."""
    rows = {"axis": -2}
    nodes = [
        Node("h", Op.DENSE, ("x",), (1, 1, 3), {}, "h.weight", "h.bias"),
        Node("h_rows_next", Op.PUSH, ("h_rows", "h"), (1, 4, 3), rows),
        Node("flat", Op.RESHAPE, ("h_rows_next",), (1, 1, 12)),
        Node("mixed", Op.DENSE, ("flat",), (1, 1, 3), {}, "mixed.weight", "mixed.bias"),
        Node("oldest", Op.SLICE, ("h_rows_next",), (1, 1, 3), {**rows, "begin": 0, "end": 1}),
        Node("both", Op.ADD, ("mixed", "oldest"), (1, 1, 3)),
        Node("y", Op.TANH, ("both",), (1, 1, 3)),
    ]
    depth = {"h": 3, "mixed": 12}
    states = (StateVariable("h_rows", "h_rows_next", (1, 4, 3), rows_of="h"),)
    graph = _graph(
        nodes, {"x": (1, 1, 3), "h_rows": (1, 4, 3)}, depth, np.random.default_rng(6), states
    )
    return RolloutModel("kept_rows", "test", graph, RolloutForm.RECURRENT, 1, 3, 1, 0, 5)


def kept_patches() -> RolloutModel:
    """Five new rows per call, one patch of them; older patches are kept."""
    return stream(strided_stack(20, [(5, 5, 1), (2, 1, 1)], 5))


def kept_averages() -> RolloutModel:
    """One new row per call of moving averages, the longer one by a sum that is carried on."""
    return stream(averages(16, (12, 3), 2))


def kept_phases() -> RolloutModel:
    """A patch of each moment is kept, of which every fourth is read."""
    return stream(strided_stack(12, [(5, 4, 1), (2, 1, 1)], 1))


def kept_exog() -> RolloutModel:
    """Rows of a layer and exogenous rows are kept, these as they are known a moment ahead."""
    return stream(driven_tcn(8, 1, 9))


def kept_exog_blocks() -> RolloutModel:
    """Three rows per call with three exogenous rows, and as many of these that wait."""
    return stream(driven_tcn(11, 3, 14, (1,)))


RECURRENT = (
    *(gru, rotation, lstm, delay_line, midpoint, kept_rows, kept_patches, kept_averages),
    kept_exog,
)
OTHERS = (window_network, convolution, mixer, decomposition, kept_exog_blocks, kept_phases)
MODELS = {f.__name__: f for f in (*RECURRENT, *OTHERS)}


def _node(name: str, op: Op, inputs: tuple[str, ...], width: int, **attrs) -> Node:
    return Node(name, op, inputs, (1, width), attrs)


def _dense(name: str, source: str, rows: int) -> Node:
    return Node(name, Op.DENSE, (source,), (1, rows), {}, f"{name}.weight", f"{name}.bias")


def _graph(nodes, shapes, depth, rng, states, exog=None) -> Graph:
    constants = {}
    for node in nodes:
        if node.op is Op.DENSE:
            rows, bound = node.shape[-1], 0.8 / np.sqrt(depth[node.name])
            constants[node.weight] = rng.uniform(-bound, bound, (rows, depth[node.name]))
            constants[node.bias] = rng.uniform(-0.1, 0.1, rows)
    constants = {path: array.astype(np.float32) for path, array in constants.items()}
    all_shapes = {**shapes, **{n.name: n.shape for n in nodes}}
    return Graph("x", exog, states, nodes[-1].name, tuple(nodes), constants, all_shapes)
