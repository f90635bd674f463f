"""Whole ONNX models load as the torch models that they were exported from."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.backends.onnx_models import expected, layouts, model, node, random, save
from tests.frontend.onnx.exports import export, steps
from tqs_edge.errors import UnsupportedOp
from tqs_edge.frontend import LoadedModel, check, load_model
from tqs_edge.graph.graph import Graph, Op
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout import rollout
from tqs_edge.integer.build import build_program
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.verify.reference import quantize_inputs, run_reference

pytestmark = pytest.mark.onnx

HORIZON = 12
DYNAMO = ("GRU cell", "GRU", "row MLP", "state space", "TCN", "norm and GELU")
LEGACY = ("two GRUs", "LSTM cell", "LSTM", "RNN", "tanh map", "window MLP", "window GRU", "TCN")
# Without integers: of torch's zero state comes a constant of more axes than its operand, and
# normalisation is in the float graph only.


@functools.cache
def from_torch(name: str) -> LoadedModel:
    """The model as torch has it; skips what the torch frontend cannot load."""
    module, inputs, _ = steps()[name]
    try:
        return load_model(module, example_inputs=inputs)
    except UnsupportedOp as error:
        pytest.skip(f"the torch frontend does not load it: {error}")


def integer_frames(loaded: LoadedModel, contexts: np.ndarray, exog: np.ndarray | None):
    """Frames of the integer rollout at a16w8."""
    ranges = observe_ranges(loaded.model, contexts, HORIZON, exog)
    plan = uniform_plan(loaded.model.graph, "a16w8")
    program = build_program(loaded.model.graph, plan, ranges)
    inputs, known = quantize_inputs(program, contexts, exog)
    return run_reference(program, loaded.model, inputs, HORIZON, exog=known).frames


def kinds(graph: Graph) -> dict[Op, int]:
    ops = [n.op for n in graph.nodes if n.op not in (Op.RESHAPE, Op.CONCAT)]
    return {op: ops.count(op) for op in ops}


@pytest.mark.parametrize(
    ("name", "exporter"),
    [(name, "dynamo") for name in DYNAMO] + [(name, "legacy") for name in LEGACY],
)
def test_an_export_gives_the_same_graph_and_integers(
    name: str, exporter: str, tmp_path: Path
) -> None:
    want = from_torch(name)
    got = load_model(export(name, exporter, tmp_path))
    assert (got.model.form, got.model.length, got.model.block, got.model.exog) == (
        want.model.form,
        want.model.length,
        want.model.block,
        want.model.exog,
    )
    constants, parameters = got.model.graph.constants, dict(steps()[name][0].named_parameters())
    assert len(constants) == len(want.model.graph.constants)
    for path, value in want.model.graph.constants.items():
        if path.removesuffix(".T") in parameters:  # others are called after the node they come from
            np.testing.assert_array_equal(constants[path], value)
    assert kinds(got.model.graph) == kinds(want.model.graph)
    contexts = random(3, want.model.length + 2, want.model.features, scale=1.0)
    rows = contexts.shape[1] + HORIZON
    exog = random(3, rows, want.model.exog, scale=1.0) if want.model.exog else None
    frames = [integer_frames(loaded, contexts, exog) for loaded in (got, want)]
    np.testing.assert_array_equal(*frames)


def test_a_model_made_by_hand(tmp_path: Path) -> None:
    loaded = load_model(str(save(layouts("batch"), tmp_path / "m.onnx")))
    graph = loaded.model.graph
    assert (loaded.model.name, loaded.model.source) == ("m", "m.onnx")
    assert [(s.name, s.update) for s in graph.states] == [("h", "h_next")]
    dense = {n.weight: graph.constants[n.weight].shape for n in graph.dense_nodes()}
    assert dense == {"W.T": (3, 2), "V": (3, 3), "T+G.T": (2, 3)}
    context = random(1, 5, 2, scale=1.0)
    frames = rollout(loaded.model, torch.from_numpy(context), 6)[0].numpy()
    named = {path[0]: graph.constants[path] for path in dense}
    named["G"] = np.zeros_like(named["T"])  # a part of T by now
    np.testing.assert_allclose(frames, expected(named, context[0], 6), rtol=1e-4, atol=1e-5)


def test_the_step_of_a_loaded_model_is_onnx_runtime(tmp_path: Path) -> None:
    import onnxruntime

    path = save(layouts(), tmp_path / "m.onnx")
    x, h = torch.randn(1, 2), torch.randn(1, 3)
    y, after = load_model(path).step(x, h)
    feeds = {"x": x.numpy(), "h": h.numpy()}
    want = onnxruntime.InferenceSession(str(path)).run(["y", "h_next"], feeds)
    np.testing.assert_allclose(y, want[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(after, want[1], rtol=1e-6, atol=1e-6)


def test_without_onnx_runtime_the_evaluator_of_onnx_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert check(save(layouts(), tmp_path / "m.onnx")) == []


def test_initializers_listed_as_inputs_identities_and_constants(tmp_path: Path) -> None:
    """What older exporters write; the weight is a Constant behind two Identity nodes."""
    from onnx import TensorProto, helper, numpy_helper

    weight, bias = random(3, 3), random(3, seed=1)
    nodes = [
        node("Constant", "", "w0", value=numpy_helper.from_array(weight, "w0")),
        node("Identity", "w0", "w1"),
        node("Identity", "w1", "w2"),
        node("Gemm", "x w2 b", "g", transB=1),
        node("Identity", "g", "g1"),
        node("Tanh", "g1", "t"),
        node("Identity", "t", "y"),
    ]
    nodes[0].input.clear()
    made = model(nodes, {"x": [1, 3]}, {"y": [1, 3]}, {"b": bias})
    made.graph.input.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, [3]))
    graph = load_model(save(made, tmp_path / "m.onnx")).model.graph
    assert [n.op for n in graph.nodes] == [Op.DENSE, Op.TANH]
    np.testing.assert_array_equal(graph.constants["w0"], weight)


def test_outputs_are_matched_by_name_where_their_order_differs(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", "x W", "xw"),
        node("Add", "xw c_in", "c_out"),
        node("Sub", "c_out h_in", "h_out"),
        node("Tanh", "h_out", "y"),
    ]
    outputs = {"c_out": [1, 2], "y": [1, 2], "h_out": [1, 2]}
    inputs = {"h_in": [1, 2], "c_in": [1, 2], "x": [1, 2]}
    made = model(nodes, inputs, outputs, {"W": random(2, 2)})
    loaded = load_model(save(made, tmp_path / "m.onnx"))
    x, h, c = (torch.randn(1, 2) for _ in range(3))
    y, h_next, c_next = loaded.step(x, h, c)
    torch.testing.assert_close(c_next, x @ torch.from_numpy(random(2, 2)) + c)
    torch.testing.assert_close(h_next, c_next - h)
    torch.testing.assert_close(y, torch.tanh(h_next))
    assert [s.name for s in loaded.model.graph.states] == ["h_in", "c_in"]


def test_functions_of_the_model_are_inlined(tmp_path: Path) -> None:
    from onnx import helper

    body = [node("Tanh", "a", "t"), node("Neg", "t", "b")]
    opset = helper.make_opsetid("", 17)
    made = model(
        [helper.make_node("Curve", ["x"], ["c"], domain="own"), node("MatMul", "c W", "y")],
        {"x": [1, 2]},
        {"y": [1, 2]},
        {"W": random(2, 2)},
    )
    made.functions.append(helper.make_function("own", "Curve", ["a"], ["b"], body, [opset]))
    made.opset_import.append(helper.make_opsetid("own", 1))
    assert check(save(made, tmp_path / "m.onnx")) == []
