"""Causal masks of any depth cost the scores no precision, and masked rows weigh nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.codegen.c_package import CPackage
from tests.graphs import gru_contexts
from tests.passes.small_models import make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.frontend.load import load_model
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.integer.build import build_program
from tqs_edge.integer.masked_scores import bounded_masks, raised_mask
from tqs_edge.passes.host_executor import run_llvm
from tqs_edge.passes.lower import lower
from tqs_edge.passes.quantize_sites import integer_module
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.quant.scheme import quantize
from tqs_edge.verify.reference import dequantize_frames, run_reference, run_step

LENGTH, WIDTH, HORIZON = 6, 2, 5


class MaskedAttention(nn.Module):
    """Causal attention with scores of up to about +-30 under a mask of `hidden`."""

    def __init__(self, hidden: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.qkv, self.head = nn.Linear(WIDTH, 12), nn.Linear(4, WIDTH)
        mask = torch.zeros(LENGTH, LENGTH).masked_fill(
            torch.ones(LENGTH, LENGTH).triu(1) > 0, hidden
        )
        self.register_buffer("mask", mask)

    def forward(self, w):
        q, k, v = self.qkv(w).chunk(3, -1)
        weights = (8 * (q @ k.transpose(-2, -1)) + self.mask).softmax(-1)
        return torch.tanh(self.head(weights @ v))[:, -1:] + 0.3 * w[:, :1]


def attention(hidden: float) -> RolloutModel:
    model = MaskedAttention(hidden)
    return load_model(model, example_inputs=(torch.zeros(1, LENGTH, WIDTH),)).model


@pytest.mark.parametrize("hidden", [-30.0, -1e4, -1e9, -float("inf")])
def test_masked_attention_follows_the_float_model_bit_for_bit_in_c(
    hidden: float, tmp_path: Path
) -> None:
    model = attention(hidden)
    case = make_case(model, widths=(16,))
    want = run_reference(case.program, case.model, case.contexts, HORIZON).frames
    module = integer_module(case.program)
    got = run_llvm(module, case.program, model, case.contexts, horizon=HORIZON)
    np.testing.assert_array_equal(got, want)
    bundle = emit(lower(case.module, case.program), case.program, model, "0123abcd")
    package = CPackage(bundle, model, tmp_path)
    for context, frames in zip(case.contexts, want, strict=True):
        np.testing.assert_array_equal(package.rollout(context, HORIZON), frames)
    contexts = torch.from_numpy(gru_contexts(model, 3))
    with torch.no_grad():
        floats = rollout(model, contexts, HORIZON).numpy()
    assert np.abs(dequantize_frames(want, case.program) - floats).max() < 0.02


def scores_graph(mask: np.ndarray) -> Graph:
    nodes = (
        Node("masked", Op.ADD, ("x", "mask"), mask.shape),
        Node("weights", Op.SOFTMAX, ("masked",), mask.shape),
        Node("y", Op.AFFINE, ("weights",), mask.shape, {"scale": 1.0, "offset": 0.0}),
    )
    shapes = {"x": mask.shape, **{node.name: node.shape for node in nodes}}
    return Graph("x", None, (), "y", nodes, {"mask": mask}, shapes)


@pytest.mark.parametrize("reach", [0.5, 5.0, 30.0])
def test_softmax_under_a_mask_equals_the_float_one(reach: float) -> None:
    mask = np.where(np.tri(LENGTH) > 0, 0.0, -1e9).astype(np.float32)[None]
    graph = scores_graph(mask)
    ranges = {"x": reach, "masked": 1e9, "weights": 1.0, "y": 1.0}
    program = build_program(graph, BitPlan({}, {}, {}, "test"), ranges)
    x = np.random.default_rng(0).uniform(-reach, reach, (50, LENGTH, LENGTH))
    integers = quantize(x, program.tensors["x"].scale, 16).astype(np.int64)
    counts = dict.fromkeys(program.tensors, 0)
    weights = run_step(program, {"x": integers[:, None]}, counts)["weights"][:, 0] / 2**15
    want = torch.from_numpy(x + mask).softmax(-1).numpy()
    assert np.abs(weights - want).max() < 1e-4 + program.tensors["masked"].scale
    assert not weights[:, mask[0] < 0].any()
    assert program.tensors["masked"].scale < 2 * (4 * reach + 16) / 2**15


def test_masks_are_raised_only_as_far_as_scores_cannot_make_up_for() -> None:
    mask = np.array([[0.0, -1e4, -20.0], [-1e4, -1e4, -1e4]], np.float32)
    np.testing.assert_array_equal(raised_mask(mask, 5.0), [[0.0, -26.0, -20.0], [-1e4, -1e4, -1e4]])


def test_sums_that_others_read_keep_their_constants() -> None:
    mask = np.array([[0.0, -1e4]], np.float32)
    graph = scores_graph(mask)
    other = Node("y", Op.ADD, ("weights", "masked"), mask.shape)
    graph = Graph("x", None, (), "y", (*graph.nodes[:2], other), {"mask": mask}, graph.shapes)
    ranges = {"x": 1.0, "masked": 1e4, "weights": 1.0, "y": 1e4}
    bounded, same = bounded_masks(graph, ranges)
    assert bounded.nodes == graph.nodes
    assert same == ranges


def test_ranges_of_a_masked_model_are_those_of_its_mask() -> None:
    model = attention(-float("inf"))
    ranges = observe_ranges(model, gru_contexts(model, 2), 3)
    _, bounded = bounded_masks(model.graph, ranges)
    (softmax,) = (node for node in model.graph.nodes if node.op is Op.SOFTMAX)
    assert ranges[softmax.inputs[0]] > 9_000
    assert bounded[softmax.inputs[0]] < 300
