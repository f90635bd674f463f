"""States of 32 bits: which tensors have them, and what they are worth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.diagonal_models import packed_rotations, rotations, state_is_output
from tests.graphs import gru_graph
from tests.passes.small_models import mixed_plan
from tqs_edge.errors import OverflowUnproven
from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import QTensor
from tqs_edge.integer.wide_ops import wide_affine_op, wide_product_op
from tqs_edge.integer.wide_tensors import narrow_readers
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.verify.metrics import rollout_error
from tqs_edge.verify.reference import dequantize_frames, quantize_inputs, run_reference, run_step


@pytest.mark.parametrize("make", [rotations, packed_rotations])
def test_whole_rollout_of_a_diagonal_model_follows_float(make) -> None:
    model, horizon = make(), 1000
    rng = np.random.default_rng(0)
    contexts = 0.3 * rng.normal(size=(3, 4, model.features)).astype(np.float32)
    t = np.arange(horizon + 3)[None, :, None]
    exog = np.sin(t * rng.uniform(0.02, 0.5, (3, 1, 1))).astype(np.float32)
    ranges = observe_ranges(model, contexts, horizon, exog)
    with torch.no_grad():
        inputs = torch.from_numpy(contexts), horizon
        want = rollout(model, *inputs, exog=torch.from_numpy(exog)).numpy()
    errors = {}
    for bits in (16, 32):
        plan = mixed_plan(model.graph, 16, bits, (16,))
        program = build_program(model.graph, plan, ranges)
        x, e = quantize_inputs(program, contexts, exog)
        frames = run_reference(program, model, x, horizon, exog=e).frames
        errors[bits] = rollout_error(want, dequantize_frames(frames, program)).nrmse
    assert errors[32] < 2e-3
    assert errors[32] < errors[16] / 5


def test_what_drives_slow_poles_keeps_its_precision_by_row() -> None:
    model = state_is_output()
    exog = np.random.default_rng(0).uniform(-1.0, 1.0, (1, 500, model.exog)).astype(np.float32)
    contexts = np.zeros((1, 1, model.features), np.float32)
    ranges = observe_ranges(model, contexts, 400, exog)
    programs = {
        bits: build_program(model.graph, mixed_plan(model.graph, 16, bits, (16,)), ranges)
        for bits in (16, 32)
    }
    errors = {}
    for bits, program in programs.items():
        _, e = quantize_inputs(program, contexts, exog)
        x = np.zeros((400, *program.tensors["x"].shape), np.int64)
        h = np.zeros((400, *program.tensors["h"].shape), np.int64)
        inputs = {"x": x, "e": e[0, :400, None].astype(np.int64), "h": h}
        values = run_step(program, inputs, dict.fromkeys(program.tensors, 0))
        weight = model.graph.constants["into.weight"].astype(np.float64)
        want = e[0, :400] * program.tensors["e"].scale @ weight.T
        got = values["given"][:, 0] * program.tensors["given"].scale
        errors[bits] = np.abs(got - want).max(axis=0) / np.abs(want).max(axis=0)
    assert errors[16][-1] > 1e-2 and errors[32].max() < 1e-4


def bits_of(model: RolloutModel, state_bits: int) -> dict[str, int]:
    exog = np.zeros((1, 30, model.exog), np.float32) if model.exog else None
    contexts = np.ones((1, 2, model.features), np.float32)
    ranges = {n: max(v, 0.1) for n, v in observe_ranges(model, contexts, 5, exog).items()}
    plan = mixed_plan(model.graph, 16, state_bits, (8,))
    return {n: t.bits for n, t in build_program(model.graph, plan, ranges).tensors.items()}


def test_sums_and_products_on_the_way_to_an_update_have_32_bits() -> None:
    bits = bits_of(rotations(), 32)
    wide = {"re", "im", "re_cos", "im_sin", "re_sin", "im_cos", "turned_re", "turned_im"}
    wide |= {"re_next", "im_next", "given_re", "given_im", "into", "into_re", "into_im"}
    assert {name for name, b in bits.items() if b == 32} == wide


def test_gates_stay_narrow_beside_a_wide_state() -> None:
    bits = bits_of(gru_graph(0), 32)
    wide = {name for name, b in bits.items() if b == 32}
    assert wide == {"h", "change", "kept", "h_next"}


def test_16_bit_states_make_nothing_wide() -> None:
    assert 32 not in bits_of(rotations(), 16).values()


def test_operations_that_read_no_32_bits_get_one_copy_of_16() -> None:
    nodes = (
        Node("m", Op.MAXIMUM, ("h", "x"), (1, 2)),
        Node("n", Op.MINIMUM, ("h", "m"), (1, 2)),
        Node("h_next", Op.ADD, ("h", "x"), (1, 2)),
        Node("y", Op.SUB, ("n", "x"), (1, 2)),
    )
    shapes = {"x": (1, 2), "h": (1, 2), **{n.name: n.shape for n in nodes}}
    states = (StateVariable("h", "h_next", (1, 2)),)
    graph = Graph("x", None, states, "y", nodes, {}, shapes)
    narrow, ranges = narrow_readers(graph, BitPlan({}, {}, {"h": 32}, "t"), {"h": 3.0})
    assert [n.name for n in narrow.nodes] == ["h_s16", "m", "n", "h_next", "y"]
    assert narrow.node("m").inputs == ("h_s16", "x") and narrow.node("n").inputs == ("h_s16", "m")
    assert narrow.node("h_next").inputs == ("h", "x") and ranges["h_s16"] == 3.0
    unchanged, _ = narrow_readers(graph, BitPlan({}, {}, {"h": 16}, "t"), {})
    assert unchanged == graph


def test_wide_sums_and_products_that_cannot_fit_are_refused() -> None:
    def tensor(name: str, bits: int, scale: float) -> QTensor:
        return QTensor(name, (1, 1), bits, scale)

    y = tensor("y", 32, 1e-30)
    with pytest.raises(OverflowUnproven, match="'y': a gain"):
        wide_affine_op((tensor("h", 32, 1.0),), [1e30], 0.0, y, rectify=False)
    with pytest.raises(OverflowUnproven, match="'y': a gain"):
        wide_product_op(tensor("h", 32, 1.0), tensor("z", 16, 1.0), y)
