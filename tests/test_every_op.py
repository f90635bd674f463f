"""Every operation of the graph has what every part of the compiler needs of it.

An operation that is added to `Op` fails here until it has an example, and the example fails until
it can be evaluated, written as Relax, read back, lowered to integers, executed and paid for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import tvm

from tests.passes.small_models import mixed_plan
from tqs_edge.backends.step_calls import prepare_calls
from tqs_edge.codegen.step_profile import call_profile, dense_instructions
from tqs_edge.frontend.extract import extract_graph
from tqs_edge.frontend.graph_module import graph_module
from tqs_edge.graph.evaluate import step
from tqs_edge.graph.functions import FUNCTIONS
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.kernel_table import DENSE_KERNELS, STEP_COSTS
from tqs_edge.passes.host_executor import compile_step
from tqs_edge.passes.lower import lower, lower_program
from tqs_edge.passes.quantize_sites import check_agreement, integer_module
from tqs_edge.passes.step_calls import step_calls
from tqs_edge.quant.scheme import quantize
from tqs_edge.verify.reference import run_step

ROWS, WIDTH = 4, 6
SHAPE = (1, ROWS, WIDTH)
SQUARE = (1, ROWS, ROWS)
LAST, BEFORE = {"axis": -1}, {"axis": -2}
SPAN = {"begin": 1, "end": 3}
UNFOLDED = {"kernel": 2, "dilation": 1, "stride": 1}
MOVING = {"kernel": 3, "before": 1, "after": 0, "gain": 0.5}
KERNELS = {isa: {k.symbol: k.costs[isa] for k in DENSE_KERNELS} for isa in STEP_COSTS}

# Shape and attributes of y = op(x, ...), x (1, 4, 6); "z" has x's shape and is positive, "t" is x
# turned. Operations of one operand leave the operands out.
EXAMPLES: dict[Op, tuple[tuple[str, ...], tuple[int, ...], dict[str, Any]]] = {
    Op.DENSE: (("x",), (1, ROWS, 3), {}),
    Op.ADD: (("x", "z"), SHAPE, {}),
    Op.SUB: (("x", "z"), SHAPE, {}),
    Op.MUL: (("x", "z"), SHAPE, {}),
    Op.DIV: (("x", "z"), SHAPE, {}),
    Op.MAXIMUM: (("x", "z"), SHAPE, {}),
    Op.MINIMUM: (("x", "z"), SHAPE, {}),
    Op.MATMUL: (("x", "t"), SQUARE, {}),
    Op.AFFINE: (("x",), SHAPE, {"scale": 0.5, "offset": 0.25}),
    Op.CLAMP: (("x",), SHAPE, {"low": -0.5, "high": 0.75}),
    Op.SELECT: (("x", "x", "z"), SHAPE, {"threshold": 0.1, "strict": 1}),
    Op.TANH: (("x",), SHAPE, {}),
    Op.SIGMOID: (("x",), SHAPE, {}),
    Op.RELU: (("x",), SHAPE, {}),
    Op.FUNCTION: (("z",), SHAPE, {"function": "sqrt"}),
    Op.MEAN: (("x",), (1, 1, WIDTH), BEFORE),
    Op.SUM: (("x",), (1, ROWS, 1), LAST),
    Op.MOVING_SUM: (("x",), (1, ROWS - 1, WIDTH), {**BEFORE, **MOVING}),
    Op.MAX: (("x",), (1, 1, WIDTH), BEFORE),
    Op.SOFTMAX: (("x",), SHAPE, {}),
    Op.NORMALIZE: (("x",), SHAPE, {"eps": 1e-3}),
    Op.DEVIATION: (("x",), (1, ROWS, 1), {"eps": 1e-3}),
    Op.SLICE: (("x",), (1, 2, WIDTH), {**BEFORE, **SPAN}),
    Op.CONCAT: (("x", "z"), (1, 2 * ROWS, WIDTH), BEFORE),
    Op.RESHAPE: (("x",), (1, 1, ROWS * WIDTH), {}),
    Op.TRANSPOSE: (("x",), (1, WIDTH, ROWS), {"axes": (-3, -1, -2)}),
    Op.UNFOLD: (("x",), (1, ROWS - 1, 2 * WIDTH), UNFOLDED),
    Op.PUSH: (("x", "row"), SHAPE, BEFORE),
}


def graph_of(op: Op, **changed: Any) -> Graph:
    """The example of `op` after z = sigmoid(x) and what else it reads; y is its output."""
    inputs, shape, attrs = EXAMPLES[op]
    made = {
        "z": Node("z", Op.SIGMOID, ("x",), SHAPE),
        "t": Node("t", Op.TRANSPOSE, ("x",), (1, WIDTH, ROWS), {"axes": (-3, -1, -2)}),
        "row": Node("row", Op.SLICE, ("x",), (1, 1, WIDTH), {**BEFORE, "begin": 0, "end": 1}),
    }
    weight, bias = ("w", "b") if op is Op.DENSE else (None, None)
    nodes = [made[name] for name in inputs if name in made]
    nodes.append(Node("made", op, inputs, shape, attrs | changed, weight, bias))
    nodes.append(Node("y", Op.AFFINE, ("made",), shape, {"scale": 0.5, "offset": 0.0}))
    constants: dict[str, np.ndarray] = {}
    if weight:
        rng = np.random.default_rng(0)
        constants = {
            "w": rng.normal(0, 0.4, (shape[-1], WIDTH)),
            "b": rng.normal(0, 0.1, shape[-1]),
        }
        constants = {path: array.astype(np.float32) for path, array in constants.items()}
    shapes = {"x": SHAPE, **{node.name: node.shape for node in nodes}}
    return Graph("x", None, (), "y", tuple(nodes), constants, shapes)


def floats_of(graph: Graph) -> dict[str, torch.Tensor]:
    x = torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    constants = {path: torch.from_numpy(array).double() for path, array in graph.constants.items()}
    return step(graph, {"x": x}, weight=constants.__getitem__)


def program_of(graph: Graph) -> IntegerProgram:
    ranges = {name: float(value.abs().max()) for name, value in floats_of(graph).items()}
    return build_program(graph, mixed_plan(graph, 16, 16, (16,)), ranges)


def test_every_operation_has_an_example() -> None:
    assert set(EXAMPLES) == set(Op)


@pytest.mark.parametrize("op", Op)
def test_operation_has_evaluators(op: Op) -> None:
    graph = graph_of(op)
    tensors = floats_of(graph)
    assert tensors["made"].shape == (8, *EXAMPLES[op][1])
    constants = {path: torch.from_numpy(array).double() for path, array in graph.constants.items()}
    calls = dict(prepare_calls(graph, constants))
    torch.testing.assert_close(calls["made"]({**constants, **tensors}), tensors["made"])


@pytest.mark.parametrize("op", [op for op in Op if op is not Op.PUSH])  # which stream.py makes
def test_operation_has_a_relax_spelling_that_reads_back(op: Op) -> None:
    graph = graph_of(op)
    again, obstacles = extract_graph(graph_module(graph), graph.constants)
    assert not obstacles
    assert again is not None
    for node, read in zip(graph.nodes, again.nodes, strict=True):
        assert (read.name, read.op, read.inputs) == (node.name, node.op, node.inputs)
        assert read.shape == node.shape
        assert read.attrs.keys() == node.attrs.keys()
        for key, value in node.attrs.items():
            assert read.attrs[key] == (pytest.approx(value) if key == "eps" else value)


@pytest.mark.parametrize("op", Op)
def test_operation_has_an_integer_form_near_the_float_one_in_every_executor(op: Op) -> None:
    graph = graph_of(op)
    program, floats = program_of(graph), floats_of(graph)
    module = graph_module(graph)
    check_agreement(module, program)
    lower(module, program)
    x = quantize(floats["x"].numpy(), program.tensors["x"].scale, 16).astype(np.int16)
    counts = dict.fromkeys(program.tensors, 0)
    y = run_step(program, {"x": x}, counts)[program.output]
    scale = program.tensors[program.output].scale
    np.testing.assert_allclose(y * scale, floats["y"].numpy(), atol=1e-3)
    execute = compile_step(integer_module(program))
    for given, want in zip(x, y, strict=True):
        np.testing.assert_array_equal(execute(tvm.runtime.tensor(given))[0].numpy(), want)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_has_an_integer_form_and_a_spelling(function: str) -> None:
    graph = graph_of(Op.FUNCTION, function=function)
    check_agreement(graph_module(graph), program_of(graph))


@pytest.mark.parametrize("isa", STEP_COSTS)
@pytest.mark.parametrize("op", Op)
def test_operation_that_works_has_a_measured_cost(op: Op, isa: str) -> None:
    program = program_of(graph_of(op))
    calls = step_calls(lower_program(program), program).calls
    work = 0.0
    for call in calls:
        profile = call_profile(call, isa)
        assert profile.executed.keys() <= STEP_COSTS[isa].features.keys()
        if call.output.startswith("made") or call.output == "y":  # one loop, where they are fused
            work += STEP_COSTS[isa].of(profile.executed, profile.written)[0]
            work += dense_instructions(profile.dense, KERNELS[isa])
    assert work > 0
