"""The integer program follows the float graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.graphs import gru_graph
from tqs_edge.errors import InputError
from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import DenseOp, IntegerProgram, LutOp
from tqs_edge.plan.bit_plan import BitPlan, RowBlock
from tqs_edge.verify.metrics import rollout_error
from tqs_edge.verify.reference import quantize_frames, run_reference, run_step


def whole_plan(graph: Graph, weight_bits: int, act_bits: int, state_bits: int) -> BitPlan:
    weights = {
        node.weight: (RowBlock(0, len(graph.constants[node.weight]), weight_bits),)
        for node in graph.dense_nodes()
        if node.weight
    }
    activations = {node.inputs[0]: act_bits for node in graph.dense_nodes()}
    states = {s.name: state_bits for s in graph.states}
    return BitPlan(weights, activations, states, "test")


def error_of(model: RolloutModel, weight_bits: int, act_bits: int, state_bits: int) -> float:
    contexts = np.random.default_rng(1).normal(size=(4, 10, model.features)).astype(np.float32)
    ranges = observe_ranges(model, contexts, 60)
    with torch.no_grad():
        want = rollout(model, torch.from_numpy(contexts), 60).numpy()
    program = build_program(
        model.graph, whole_plan(model.graph, weight_bits, act_bits, state_bits), ranges
    )
    x = program.tensors[program.input]
    run = run_reference(program, model, quantize_frames(contexts, x), 60)
    return rollout_error(want, run.frames * x.scale).nrmse


@pytest.mark.parametrize(
    ("weight_bits", "act_bits", "state_bits", "bound"),
    [(16, 16, 16, 2e-3), (8, 16, 16, 0.03), (8, 8, 16, 0.05), (8, 8, 8, 0.15), (2, 8, 16, 3.0)],
)
def test_gru_rollout_follows_the_float_model(
    weight_bits: int, act_bits: int, state_bits: int, bound: float
) -> None:
    assert error_of(gru_graph(0), weight_bits, act_bits, state_bits) < bound


def test_more_weight_bits_follow_closer() -> None:
    errors = [error_of(gru_graph(0), bits, 16, 16) for bits in (2, 4, 8, 16)]
    assert errors == sorted(errors, reverse=True)


def gru_program(**widths: int) -> IntegerProgram:
    model = gru_graph(0)
    contexts = np.random.default_rng(1).normal(size=(4, 10, 4)).astype(np.float32)
    plan = whole_plan(model.graph, **{"weight_bits": 8, "act_bits": 16, "state_bits": 16} | widths)
    return build_program(model.graph, plan, observe_ranges(model, contexts, 60))


def test_output_can_be_fed_back_as_it_is() -> None:
    program = gru_program()
    x, y = program.tensors[program.input], program.tensors[program.output]
    assert (x.scale, x.bits) == (y.scale, y.bits)
    for state in program.states:
        before, after = program.tensors[state.name], program.tensors[state.update]
        assert (before.scale, before.bits) == (after.scale, after.bits)


def test_tables_read_powers_of_two() -> None:
    program = gru_program(act_bits=8)
    tables = [op for op in program.ops if isinstance(op, LutOp)]
    assert len(tables) == 3
    assert all(program.tensors[op.input].scale == 2.0**-op.fraction_bits for op in tables)


def test_narrow_activations_are_narrowed_once_and_states_keep_their_width() -> None:
    program = gru_program(act_bits=8)
    dense = [op for op in program.ops if isinstance(op, DenseOp)]
    assert {program.tensors[op.input].bits for op in dense} == {8}
    assert program.tensors["h"].bits == 16 and program.tensors["h_a8"].bits == 8


def test_sixteen_bit_weights_accumulate_in_64_bits() -> None:
    dense = [op for op in gru_program(weight_bits=16).ops if isinstance(op, DenseOp)]
    assert {block.acc_bits for op in dense for block in op.blocks} == {64}


def test_32_bit_accumulators_cannot_overflow() -> None:
    for op in gru_program().ops:
        if isinstance(op, DenseOp):
            for block in op.blocks:
                worst = np.abs(block.bias) + (1 << 15) * np.abs(block.weights.astype(int)).sum(1)
                assert block.acc_bits == 64 or worst.max() < 1 << 31


def test_zero_rows_give_the_bias() -> None:
    model = gru_graph(0)
    head = model.graph.constants["head.weight"] * 0.0
    graph = replace(model.graph, constants={**model.graph.constants, "head.weight": head})
    contexts = np.ones((1, 2, 4), np.float32)
    ranges = observe_ranges(replace(model, graph=graph), contexts, 20)
    program = build_program(graph, whole_plan(graph, 8, 16, 16), ranges)
    x = program.tensors["x"]
    values = run_step(
        program,
        {"x": np.zeros((1, 1, 4)), "h": np.zeros((1, 1, 32))},
        dict.fromkeys(program.tensors, 0),
    )
    want = graph.constants["head.bias"]
    assert np.abs(values["head"][0, 0] * program.tensors["head"].scale - want).max() < x.scale * 4


@pytest.mark.parametrize(
    "change", [{"weights": {}}, {"activations": {}}, {"states": {}}], ids=lambda c: next(iter(c))
)
def test_plan_for_another_model_is_refused(change: Mapping[str, Mapping]) -> None:
    model = gru_graph(0)
    plan = replace(whole_plan(model.graph, 8, 16, 16), **change)
    with pytest.raises(InputError, match="plan"):
        build_program(model.graph, plan, {})


def tiny(*nodes: Node, constants: Mapping[str, np.ndarray] | None = None) -> RolloutModel:
    shapes = {"x": (1, 2), "h": (1, 2), **{n.name: n.shape for n in nodes}}
    states = (StateVariable("h", "h_next", (1, 2)),)
    graph = Graph("x", None, states, "y", nodes, constants or {}, shapes)
    return RolloutModel("tiny", "test", graph, RolloutForm.RECURRENT, 1, 2, 1, 0, 1)


def pair(name: str, op: Op, *inputs: str, **attrs: float) -> Node:
    return Node(name, op, inputs, (1, 2), attrs)


TINY = {
    "plain recurrence (state is a table's output)": (
        pair("sum", Op.ADD, "x", "h"),
        pair("h_next", Op.TANH, "sum"),
        pair("y", Op.AFFINE, "h_next", scale=0.5, offset=0.25),
    ),
    "output is a view": (
        pair("h_next", Op.AFFINE, "h", scale=0.5, offset=1.0),
        pair("both", Op.MUL, "x", "h_next"),
        pair("gate", Op.SIGMOID, "both"),
        pair("y", Op.RESHAPE, "gate"),
    ),
    "delay line and table of the input": (
        pair("h_next", Op.AFFINE, "x", scale=1.0, offset=0.0),
        pair("t", Op.TANH, "x"),
        pair("r", Op.RELU, "h"),
        pair("y", Op.SUB, "t", "r"),
    ),
    "constant operand": (
        pair("h_next", Op.MUL, "h", "gain"),
        pair("m", Op.MUL, "x", "gain"),
        pair("y", Op.ADD, "m", "h_next"),
    ),
}


@pytest.mark.parametrize("nodes", TINY.values(), ids=TINY)
def test_every_operation_follows_float(nodes: tuple[Node, ...]) -> None:
    model = tiny(*nodes, constants={"gain": np.array([[0.5, -0.75]], np.float32)})
    contexts = np.random.default_rng(3).normal(size=(8, 4, 2)).astype(np.float32)
    ranges = observe_ranges(model, contexts, 30)
    with torch.no_grad():
        want = rollout(model, torch.from_numpy(contexts), 30).numpy()
    program = build_program(model.graph, whole_plan(model.graph, 8, 16, 16), ranges)
    x = program.tensors["x"]
    run = run_reference(program, model, quantize_frames(contexts, x), 30)
    assert np.abs(run.frames * x.scale - want).max() < 40 * x.scale
