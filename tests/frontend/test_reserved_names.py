"""Layers, states and parameters may be called what C, TVM or the package call something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.codegen.c_package import CPackage
from tests.passes.small_models import Case, make_case
from tqs_edge.codegen.c_names import identifier, local_name
from tqs_edge.codegen.emit import emit
from tqs_edge.frontend.load import load_model
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.reserved_names import free_name, is_reserved
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.passes.host_executor import run_llvm
from tqs_edge.passes.lower import lower
from tqs_edge.passes.quantize_sites import integer_module
from tqs_edge.verify.reference import run_reference

LAYERS = ["root", "int16_t", "arena", "copy_s16", "INT16_MAX", "step_y", "y", "i"]
PARAMETERS = ["x", "add", "mul", "tanh"]  # like the input and like nodes
HORIZON = 5


class Reserved(nn.Module):
    """A layer or a state by every name that means something in C or in the package."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        for name in LAYERS:
            setattr(self, name, nn.Linear(2, 2))
        for name in PARAMETERS:
            setattr(self, name, nn.Parameter(torch.rand(2)))

    def forward(self, x, state, root, int32_t):
        y = x
        for layer in LAYERS:
            y = torch.tanh(getattr(self, layer)(y)) * 0.5 + x * 0.25
        for parameter in PARAMETERS:
            y = torch.tanh(y * getattr(self, parameter) + 0.1 * x)
        y = y + 0.25 * state - 0.1 * root + 0.1 * int32_t
        return y, 0.5 * y + 0.5 * state, 0.5 * root - 0.5 * x, state * int32_t


def check_c_and_llvm(case: Case, folder: Path) -> None:
    want = run_reference(case.program, case.model, case.contexts, HORIZON).frames
    module = integer_module(case.program)
    got = run_llvm(module, case.program, case.model, case.contexts, horizon=HORIZON)
    np.testing.assert_array_equal(got, want)
    bundle = emit(lower(case.module, case.program), case.program, case.model, "0123abcd")
    package = CPackage(bundle, case.model, folder)
    for context, frames in zip(case.contexts, want, strict=True):
        np.testing.assert_array_equal(package.rollout(context, HORIZON), frames)


@pytest.mark.slow
def test_model_with_reserved_names_everywhere_compiles(tmp_path: Path) -> None:
    model = load_model(Reserved(), example_inputs=(torch.zeros(1, 2),) * 4).model
    names = {*model.graph.shapes}
    assert not names & set(model.graph.constants)
    assert not any(map(is_reserved, names))
    check_c_and_llvm(make_case(model), tmp_path)


@pytest.mark.parametrize("position", [0, 1])
def test_tensor_called_root_is_fused_like_any_other(position: int, tmp_path: Path) -> None:
    names = ["bent", "y"]
    names[position] = "root"
    nodes = (
        Node(names[0], Op.TANH, ("x",), (1, 3)),
        Node(names[1], Op.AFFINE, (names[0],), (1, 3), {"scale": 0.9, "offset": 0.1}),
    )
    shapes = {"x": (1, 3), **{node.name: node.shape for node in nodes}}
    graph = Graph("x", None, (), names[1], nodes, {}, shapes)
    model = RolloutModel("roots", "test", graph, RolloutForm.MAP, 1, 3, 1, 0, 1)
    check_c_and_llvm(make_case(model), tmp_path)


@pytest.mark.parametrize("name", ["while", "int8_t", "tqs_model_step", "TQS_PADDED", "INT32_C"])
def test_reserved_names_are_replaced(name: str) -> None:
    assert is_reserved(name)
    assert not is_reserved(free_name(name))
    assert identifier(name) != name


def test_names_in_c_are_all_different() -> None:
    names = ["x", "x_", "state", "state_", "int", "int_", "step_y", "step_y_", "h"]
    assert len({local_name(name) for name in names}) == len(names)
    assert local_name("h") == "h"
